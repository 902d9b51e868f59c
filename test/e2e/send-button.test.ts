/**
 * No activation starts by accident: the list highlights what a search found, the dialog names the filter, Enter in a
 * field does not start, a large start needs its count typed, and a start can be undone before it begins.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LeadPage } from '../../src/shared/schemas/leads.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

const undoSeconds = 10;
let product: Product;
let browser: TestBrowser;
let page: Page;
/** Starts that the page has asked for. */
let startCount = 0;

beforeAll(async () => {
  product = await startProduct({
    leadCount: 30,
    env: { ACTIVATE_CONFIRM_ABOVE: '20', ACTIVATE_UNDO_SECONDS: String(undoSeconds) },
  });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/crm/activation')) startCount += 1;
  });
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

const newCount = async (): Promise<number> =>
  (await product.ask<LeadPage>('/crm/leads?status=new&limit=1')).total;
const mailCount = async (): Promise<number> => (await readMailbox(product.standIn.url)).countByAddress.size;
const focused = (): Promise<string | null | undefined> =>
  page.evaluate(() => document.activeElement?.getAttribute('data-testid'));

test('matches of a search are highlighted in each row', async () => {
  await page.goto(`${product.stack.url}/leads?search=${encodeURIComponent('first1 example.com')}&limit=25`);
  const row = page.getByTestId('lead-row').filter({ hasText: 'lead-1@example.com' });
  await row.waitFor();
  expect(await row.locator('mark').allTextContents()).toEqual(['First1', 'example.com']);
});

test('the dialog has the focus in its first field, and Enter there starts nothing', async () => {
  await page.goto(`${product.stack.url}/leads?search=${encodeURIComponent('lead-1@')}`);
  await page.getByTestId('lead-row').first().waitFor();
  await page.getByTestId('select-page').check();
  await page.getByTestId('activate').click();
  await page.getByTestId('preview-subject').waitFor();
  expect(await focused()).toBe('activate-name');
  await page.keyboard.press('Enter');
  await page.keyboard.type(' by hand');
  await page.keyboard.press('Enter');
  // The start button is enabled: only the meaning of the key prevents the start.
  expect(await page.getByTestId('activate-start').isEnabled()).toBe(true);
  expect(startCount).toBe(0);
});

test('Ctrl+Enter starts, and Undo changes no lead and sends no mail', async () => {
  await page.keyboard.press('ControlOrMeta+Enter');
  const tracked = page.getByTestId('tracked-session');
  await tracked.and(page.locator('[data-state="queued"]')).waitFor();
  await page.getByTestId('undo-start').click();
  await tracked.and(page.locator('[data-state="cancelled"]')).waitFor();
  // It has ended: nothing happens any more, even when its start time comes.
  const sessionId = (await tracked.getAttribute('data-session-id')) ?? '';
  await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
  expect([await newCount(), await mailCount()]).toEqual([30, 0]);
});

test('the dialog names the filter of an audience, and a large one starts when its count is typed', async () => {
  await page.goto(`${product.stack.url}/leads?search=example.com&limit=25`);
  await page.getByTestId('select-page').check();
  await page.getByTestId('select-all-matching').click();
  for (const at of [0, 1]) await page.getByTestId('select-lead').nth(at).uncheck();
  await page.getByTestId('activate').click();
  await page.getByTestId('preview-subject').waitFor();
  expect((await page.getByTestId('activate-audience').textContent())?.trim()).toBe(
    '30 leads matching "example.com", minus 2',
  );
  const start = page.getByTestId('activate-start');
  expect(await start.isEnabled()).toBe(false);
  await page.keyboard.press('ControlOrMeta+Enter');
  const field = page.getByTestId('activate-confirm');
  await field.fill('27');
  expect(await start.isEnabled()).toBe(false);
  await field.fill('28');
  expect(await start.isEnabled()).toBe(true);
  await field.press('Enter');
  expect([await page.getByRole('dialog').isVisible(), startCount]).toEqual([true, 1]);
  await start.click();
  const tracked = page.getByTestId('tracked-session');
  await tracked.and(page.locator('[data-state="queued"]')).first().waitFor();
  // It begins by itself at its start time.
  await tracked.and(page.locator('[data-state="completed"]')).waitFor();
  expect(await page.getByTestId('undo-start').count()).toBe(0);
  expect([await newCount(), await mailCount()]).toEqual([2, 28]);
});
