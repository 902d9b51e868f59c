/**
 * A person takes an activation back: what the dialog says, what the page of the activation and of a lead show in every
 * tab, and that a lead that was edited meanwhile stays.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { sidewaysPixels } from './look.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;
let page: Page;
let sessionId: string;

beforeAll(async () => {
  product = await startProduct({ leadCount: 60, env: { MAIL_RATE: '100', MAIL_BATCH_MAX: '20' } });
  product.proxy.rejectedAddresses.add('lead-34@example.com');
  browser = await launchBrowser();
  page = await browser.newPage();
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

const api = (method: string, path: string, body?: object): Promise<Response> =>
  fetch(product.stack.url + path, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const statusOf = async (leadId: number): Promise<string> =>
  ((await (await api('GET', `/crm/leads/${leadId}`)).json()) as { status: string }).status;

async function valueOf(on: Page, testId: string): Promise<number> {
  return Number(await on.getByTestId(testId).getAttribute('data-value'));
}

async function openDialog(): Promise<void> {
  await page.getByTestId('run-menu').click();
  await page.getByTestId('open-take-back').click();
  await page.getByTestId('take-back-count-reverted').waitFor();
}

test('the dialog says in numbers what would happen, and that no email is recalled', async () => {
  sessionId = await product.startSession(
    'Take back',
    Array.from({ length: 50 }, (_, at) => at + 1),
  );
  await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
  await page.goto(`${product.stack.url}/activations/${sessionId}`);
  await openDialog();
  expect(await valueOf(page, 'take-back-count-reverted')).toBe(1);
  expect(await page.getByTestId('take-back-dialog').innerText()).toContain('are not recalled');
  await page.getByTestId('take-back-all').check();
  await page.getByTestId('take-back-count-reverted').and(page.locator('[data-value="50"]')).waitFor();
  expect(await page.getByTestId('take-back-confirm').innerText()).toBe('Take back 50 leads');
});

test('an edit meanwhile changes the numbers: nothing happens before the person has seen the new ones', async () => {
  expect((await api('PATCH', '/crm/leads/3', { firstName: 'Bea' })).status).toBe(200);
  await page.getByTestId('take-back-confirm').click();
  await page.getByTestId('take-back-count-kept').and(page.locator('[data-value="1"]')).waitFor();
  expect(await valueOf(page, 'take-back-count-reverted')).toBe(49);
  expect(await page.getByRole('alert').innerText()).toContain('Nothing was changed');
  expect(await statusOf(1)).toBe('active');
});

test('its leads are new again, the edited one stays, and every tab shows the counts', async () => {
  const other = await browser.newPage();
  await page.getByTestId('take-back-confirm').click();
  await page.locator('[data-testid="taken-back"][data-ended="true"]').waitFor();
  await other.goto(`${product.stack.url}/activations/${sessionId}`);
  for (const tab of [page, other]) {
    await tab.locator('[data-testid="taken-back"][data-ended="true"]').waitFor();
    expect(await valueOf(tab, 'taken-back-reverted')).toBe(49);
    expect(await valueOf(tab, 'taken-back-kept')).toBe(1);
    expect(await valueOf(tab, 'taken-back-failed')).toBe(0);
  }
  expect(await Promise.all([1, 3, 34].map(statusOf))).toEqual(['new', 'active', 'new']);
  // Its results stay as they were, and nothing of it is sent again.
  expect(await page.getByTestId('control-retryFailed').count()).toBe(0);
  await page.getByText('Taken back: 49 leads new again').waitFor();
  await other.close();
});

test('the history of a lead says that it was taken back', async () => {
  await page.goto(`${product.stack.url}/leads/1`);
  await page.getByTestId('history-taken-back').waitFor();
  expect(await page.getByTestId('history-taken-back').innerText()).toContain('Take back');
});

test.each([
  ['wide', 1280, 'light'],
  ['wide', 1280, 'dark'],
  ['phone', 390, 'light'],
  ['phone', 390, 'dark'],
] as const)('the screens fit: %s, %i pixels, %s', async (_, width, theme) => {
  const view = await browser.newPage();
  await view.setViewportSize({ width, height: 844 });
  await view.emulateMedia({ colorScheme: theme });
  await view.goto(`${product.stack.url}/activations/${sessionId}`);
  await view.getByTestId('taken-back').waitFor();
  const folder = process.env.PICTURES;
  if (folder !== undefined) await view.screenshot({ path: `${folder}/taken-back-${width}-${theme}.png` });
  expect(await sidewaysPixels(view)).toBeLessThanOrEqual(0);
  await view.getByTestId('run-menu').click();
  await view.getByTestId('open-take-back').click();
  await view.getByTestId('take-back-count-reverted').waitFor();
  if (folder !== undefined) await view.screenshot({ path: `${folder}/dialog-${width}-${theme}.png` });
  expect(await sidewaysPixels(view)).toBeLessThanOrEqual(0);
  const box = await view.getByTestId('take-back-dialog').boundingBox();
  expect(box?.x).toBeGreaterThanOrEqual(0);
  expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(width);
  await view.close();
});
