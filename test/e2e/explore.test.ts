/**
 * A minute of the explorer on the app as it is, and the same explorer on apps with a planted fault, each of which
 * it finds.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { newSessionId } from '../../src/shared/session-id.ts';
import { explore, reportOf } from '../explore/explorer.ts';
import type { PropertyName } from '../explore/properties.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;

beforeAll(async () => {
  product = await startProduct({ leadCount: 40, env: { MAIL_RATE: '5' } });
});
afterEach(async () => {
  await browser.context.unrouteAll({ behavior: 'ignoreErrors' });
  await browser.close();
});
afterAll(() => product.close());

/** Faults, as a change of the scripts that the browser gets. */
const faults: Record<PropertyName, (script: string, isEntry: boolean) => string> = {
  heading: (script) => script.replaceAll('<h1', '<h6').replaceAll('</h1>', '</h6>'),
  'no raw values': (script, isEntry) =>
    isEntry
      ? `${script};setInterval(() => document.querySelector('h1')?.append(' undefined'), 1000)`
      : script,
  'no console errors': (script, isEntry) =>
    isEntry ? `${script};addEventListener('click', () => console.error('planted'))` : script,
  'no dead end': (script, isEntry) =>
    isEntry
      ? `${script};setInterval(() => document.querySelectorAll('a, button').forEach((e) => e.remove()), 50)`
      : script,
  'numbers never fall': (script, isEntry) =>
    isEntry
      ? `${script};setInterval(() => document.querySelectorAll('[data-session-id] [role=progressbar]').forEach((bar) => bar.setAttribute('aria-valuenow', String(Math.floor(Math.random() * 9)))), 100)`
      : script,
  // As if Enter in any field started something.
  'no accidental send': (script, isEntry) => {
    const body = {
      sessionId: newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count))),
      name: 'By accident',
      audience: { leadIds: [1, 2] },
      templateId: 'welcome',
    };
    return isEntry
      ? `${script};addEventListener('keydown', () => fetch('/crm/activation', { method: 'POST', headers: { 'content-type': 'application/json' }, body: ${JSON.stringify(JSON.stringify(body))} }))`
      : script;
  },
};

/** Starts an activation in this browser, so that its tracker shows numbers; its calls wait until `letGo`. */
async function startByHand(): Promise<{ letGo: () => void }> {
  const letGo = product.proxy.hold();
  const page = await browser.newPage();
  await page.goto(`${product.stack.url}/leads?status=new`);
  await page.getByTestId('select-lead').first().check();
  await page.getByTestId('activate').click();
  await page.getByTestId('preview-subject').waitFor();
  await page.getByTestId('activate-start').click();
  await page.locator('[data-session-id]').first().waitFor();
  await page.close();
  return { letGo };
}

describe('a planted fault', () => {
  test.each(Object.keys(faults) as PropertyName[])('against "%s" is found', async (property) => {
    browser = await launchBrowser();
    await browser.context.route('**/_app/**/*.js', async (route) => {
      const isEntry = /\/entry\/start\./.test(route.request().url());
      try {
        const response = await route.fetch();
        await route.fulfill({ response, body: faults[property](await response.text(), isEntry) });
      } catch {
        // The page was left, or closed, while it loaded.
      }
    });
    const started = property === 'numbers never fall' ? await startByHand() : null;
    const result = await explore({
      product,
      context: browser.context,
      seed: 5,
      ms: 60_000,
      killEveryMs: null,
      quietShare: 1,
    });
    started?.letGo();
    expect(
      result.violations.map((found) => found.property),
      reportOf(result),
    ).toContain(property);
  });
});

test('a minute of anything finds nothing wrong', async () => {
  browser = await launchBrowser();
  const result = await explore({
    product,
    context: browser.context,
    seed: 20_261_128,
    ms: 60_000,
    killEveryMs: 25_000,
  });
  expect(result.violations, reportOf(result)).toEqual([]);
  expect(result.actionCount).toBeGreaterThan(10);
  expect(result.killCount).toBeGreaterThan(0);
});
