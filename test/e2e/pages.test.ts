/**
 * Every page of the app in a real browser: within reach of everyone, quiet on the console, and the API's
 * own page without another host.
 */
import { gzipSync } from 'node:zlib';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;

beforeAll(async () => {
  product = await startProduct({ leadCount: 60 });
});
afterAll(() => product.close());

/** What axe finds wrong, by rule and place. */
async function findings(page: Page): Promise<string[]> {
  // Legacy: this page alone. The mail's preview is a frame that runs no script, axe's neither.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}`));
}

describe.each([
  { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 390 },
] as const)('in $colorScheme, $width wide', ({ colorScheme, width }) => {
  let browser: TestBrowser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await launchBrowser({ colorScheme, width });
    page = await browser.newPage();
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
  });
  afterAll(() => browser.close());

  test('the leads page has no accessibility faults', async () => {
    await page.goto(`${product.stack.url}/leads`);
    await page.getByTestId('lead-row').first().waitFor();
    expect(await findings(page)).toEqual([]);
  });

  test('nor has the dialog that starts a run', async () => {
    // One that the other width has not activated.
    await page
      .locator('[data-testid="lead-row"][data-status="new"]')
      .first()
      .getByTestId('select-lead')
      .check();
    await page.getByTestId('activate').click();
    await page.getByTestId('preview-subject').waitFor();
    expect(await findings(page)).toEqual([]);
  });

  test('nor has a finished run in the tracker, or its own page', async () => {
    await page.getByTestId('activate-start').click();
    await page.locator('[data-testid="tracked-session"][data-state="completed"]').waitFor();
    expect(await findings(page)).toEqual([]);
    await page.goto(`${product.stack.url}/activity`);
    await page.getByTestId('run-row').first().waitFor();
    expect(await findings(page)).toEqual([]);
    await page.getByTestId('run-row').first().getByRole('link').first().click();
    await page.getByTestId('run').waitFor();
    await page.getByTestId('event-log').waitFor();
    await page.getByTestId('throughput-plot').locator('canvas').waitFor();
    expect(await findings(page)).toEqual([]);
  });

  test('nor has a page that cannot be shown, or one that found nothing', async () => {
    for (const path of [
      '/nowhere',
      '/activity/activation_1704123456789_a7bc3d2f1',
      '/leads?search=nobodyhere',
    ]) {
      await page.goto(`${product.stack.url}${path}`);
      await page
        .getByRole('heading', { level: 2 })
        .or(page.getByRole('heading', { level: 1 }))
        .first()
        .waitFor();
      expect(await findings(page), path).toEqual([]);
    }
    // The browser says of its own accord that a call was answered 404.
    complaints.splice(0, complaints.length, ...complaints.filter((text) => !/status of 404/.test(text)));
  });

  test('no page is wider than the screen, and none complained', async () => {
    for (const path of ['/leads', '/activity']) {
      await page.goto(`${product.stack.url}${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(
        width,
      );
    }
    expect(complaints).toEqual([]);
  });
});

test('the leads page needs no more than 90 kB of JavaScript to begin with, and no plot', async () => {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const scripts: Promise<number>[] = [];
    page.on('response', (response) => {
      if (!/\.js($|\?)/.test(response.url())) return;
      scripts.push(response.body().then((body) => gzipSync(body, { level: 9 }).byteLength));
    });
    await page.goto(`${product.stack.url}/leads`);
    await page.getByTestId('lead-row').first().waitFor();
    await page.waitForLoadState('networkidle');
    const sizes = await Promise.all(scripts);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(sizes.length).toBeGreaterThan(3);
    expect(bytes).toBeLessThanOrEqual(90 * 1024);
  } finally {
    await browser.close();
  }
});

test('the API page shows every call, and asks no other host', async () => {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const hosts = new Set<string>();
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.goto(`${product.stack.url}/docs`);
    await page.locator('.opblock').first().waitFor();
    const response = await fetch(`${product.stack.url}/openapi.json`);
    const { paths } = (await response.json()) as { paths: Record<string, Record<string, unknown>> };
    const callCount = Object.values(paths).flatMap((path) => Object.keys(path)).length;
    expect(await page.locator('.opblock').count()).toBe(callCount);
    expect([...hosts]).toEqual([new URL(product.stack.url).host]);
  } finally {
    await browser.close();
  }
});
