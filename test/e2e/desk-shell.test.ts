/**
 * What surrounds every page: keys, the palette, going offline and back, places that are kept, English words in a
 * German browser, and targets that a finger can hit.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;
let page: Page;

beforeAll(async () => {
  product = await startProduct({ leadCount: 60, env: {} });
  await product.ask('/crm/suppressions', {
    addresses: ['lead-3@example.com', 'old@example.com'],
    reason: 'manual',
    note: '',
  });
  browser = await launchBrowser();
  page = await browser.newPage();
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

async function open(path: string, ready = 'h1'): Promise<void> {
  await page.goto(product.stack.url + path);
  await page.locator(ready).first().waitFor();
}

test('keys go to pages, focus the search and list themselves, and do nothing while somebody types', async () => {
  await open('/leads', '[data-testid="lead-row"]');
  await page.keyboard.press('/');
  expect(await page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('lead-search');
  await page.keyboard.type('ga?');
  expect(await page.getByTestId('lead-search').inputValue()).toBe('ga?');
  expect(new URL(page.url()).pathname).toBe('/leads');
  await page.getByTestId('lead-search').fill('');
  await page.getByTestId('lead-search').blur();
  await page.keyboard.press('?');
  await page.getByTestId('keys-help').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('keys-help').waitFor({ state: 'detached' });
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await page.waitForURL('**/suppressions');
});

test('the palette opens a page, a lead and an action', async () => {
  await open('/templates');
  for (const [words, url] of [
    ['audit', '**/audit'],
    ['lead-7@example.com', '**/leads/7'],
    ['data request', '**/settings#privacy'],
  ] as const) {
    await page.keyboard.press('Control+k');
    await page.getByTestId('palette-input').fill(words);
    const option = page.getByTestId('palette-option').first();
    await option.waitFor();
    await expect.poll(() => page.getByTestId('palette-option').count()).toBeLessThan(3);
    await page.keyboard.press('Enter');
    await page.waitForURL(url);
  }
});

/** Opens the leads and waits until the page is at rest: then it has loaded what it needs later, and fetches the rest. */
async function openAtRest(): Promise<void> {
  const fetched = page.waitForResponse((response) => response.url().endsWith('/_app/files.json'), {
    timeout: 60_000,
  });
  await open('/leads', '[data-testid="lead-row"]');
  await fetched;
}

test('offline, every page opens; what could not be read is read when the line is back', async () => {
  await openAtRest();
  await page.waitForLoadState('networkidle');
  await browser.context.setOffline(true);
  const navigation = page.getByRole('navigation', { name: 'Main' });
  for (const name of ['Imports', 'Activations', 'Templates', 'Settings', 'Audit', 'Suppressions']) {
    await navigation.getByRole('link', { name, exact: true }).click();
    await page.getByRole('heading', { level: 1, name }).waitFor();
  }
  await page.getByRole('alert').waitFor();
  await browser.context.setOffline(false);
  await page.getByTestId('suppression-row').first().waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);
});

test('going back shows a page where it was left', async () => {
  await page.setViewportSize({ width: 1280, height: 500 });
  await openAtRest();
  await page.evaluate(() => window.scrollTo(0, 900));
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Settings' }).click();
  await page.getByTestId('sender-verdict').waitFor();
  await page.goBack();
  await page.getByTestId('lead-row').first().waitFor();
  await expect.poll(() => page.evaluate(() => window.scrollY)).toBeGreaterThan(800);
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('the audit is sentences, and the suppression of a lead names it', async () => {
  await open('/audit', '[data-testid="audit-row"]');
  expect((await page.getByTestId('audit-row').first().innerText()).replaceAll(/\s+/g, ' ')).toContain(
    'Ana suppressed 2 addresses',
  );
  await open('/suppressions', '[data-testid="suppression-row"]');
  await page.getByRole('link', { name: 'First3 Last3' }).click();
  await page.waitForURL('**/leads/3');
});

test('on a phone every target of every page is at least 24 pixels wide and high', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const [path, ready] of [
    ['/suppressions', '[data-testid="suppression-row"]'],
    ['/audit', '[data-testid="audit-row"]'],
    ['/settings', '[data-testid="setting"]'],
    ['/start', '[data-testid="first-step"]'],
    ['/inbox', 'h1'],
  ] as const) {
    await open(path, ready);
    // WCAG 2.2, 2.5.8: links within a sentence are excepted, and so is what only assistive technology sees.
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('a[href], button, input, select, textarea, summary')].flatMap(
        (element) => {
          const { width, height } = element.getBoundingClientRect();
          const isHidden = !element.checkVisibility({ visibilityProperty: true }) || width <= 1;
          const inText = element.matches('p a, td a, .sr-only');
          return isHidden || inText || (width >= 24 && height >= 24)
            ? []
            : [`${element.outerHTML.slice(0, 80)} ${String(width)}x${String(height)}`];
        },
      ),
    );
    expect(small, path).toEqual([]);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('a German browser reads English words', async () => {
  const german = await launchBrowser({ locale: 'de-DE' });
  try {
    page = await german.newPage();
    for (const path of ['/audit', '/suppressions', '/settings']) {
      await open(path);
      await page.waitForLoadState('networkidle');
      expect(await page.locator('body').innerText(), path).not.toMatch(
        /\b(?:vor|jetzt|gestern|Sek|Std|und|Uhr)\b/,
      );
    }
  } finally {
    await german.close();
  }
});
