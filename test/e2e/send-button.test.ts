/**
 * Nothing sends by accident: what the search found is seen, whom a filter chose is named, no key in a field
 * starts, a large start is confirmed by its count, and a start can be undone before anything has happened.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LeadPage } from '../../src/shared/schemas.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

const undoSeconds = 5;
let product: Product;
let browser: TestBrowser;
let page: Page;

beforeAll(async () => {
  product = await startProduct({
    leadCount: 30,
    env: { ACTIVATE_CONFIRM_ABOVE: '20', ACTIVATE_UNDO_SECONDS: String(undoSeconds) },
  });
  browser = await launchBrowser();
  page = await browser.newPage();
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

const newCount = async (): Promise<number> =>
  (await product.ask<LeadPage>('/crm/leads?status=new&limit=1')).total;
const mailCount = async (): Promise<number> => (await readMailbox(product.standIn.url)).length;
const focused = (): Promise<string | null | undefined> =>
  page.evaluate(() => document.activeElement?.getAttribute('data-testid'));

/** Opens the dialog for all leads that match a search, but the first `excludedCount`. */
async function openFor(search: string, excludedCount: number): Promise<void> {
  await page.goto(`${product.stack.url}/leads?search=${encodeURIComponent(search)}`);
  await page.getByTestId('lead-row').first().waitFor();
  await page.getByTestId('select-page').check();
  const all = page.getByTestId('select-all-matching');
  // A page that has them all offers no more: they are chosen one by one then.
  if (await all.isVisible()) await all.click();
  for (let at = 0; at < excludedCount; at += 1) await page.getByTestId('select-lead').nth(at).uncheck();
  await page.getByTestId('activate').click();
  await page.getByTestId('preview-subject').waitFor();
}

test('what a search found is marked in each row', async () => {
  await page.goto(`${product.stack.url}/leads?search=${encodeURIComponent('first1 example.com')}&limit=25`);
  const row = page.getByTestId('lead-row').filter({ hasText: 'lead-1@example.com' });
  expect(await row.locator('mark').allTextContents()).toEqual(['First1', 'example.com']);
});

test('the dialog has the focus in its first field, where Enter starts nothing', async () => {
  await openFor('lead-1@', 0);
  expect(await focused()).toBe('activate-name');
  await page.keyboard.press('Enter');
  await page.keyboard.type(' by hand');
  await page.keyboard.press('Enter');
  // Longer than a start takes to answer: its own answer would have closed the dialog.
  const started = page.getByTestId('tracked-session').waitFor({ timeout: 1_500 });
  await expect(started).rejects.toThrow();
  expect(await page.getByTestId('activate-start').isEnabled()).toBe(true);
  expect(await newCount()).toBe(30);
});

test('Ctrl+Enter starts, and Undo leaves every lead and every inbox as it was', async () => {
  await page.keyboard.press('ControlOrMeta+Enter');
  const tracked = page.getByTestId('tracked-session');
  await tracked.and(page.locator('[data-state="queued"]')).waitFor();
  await page.getByTestId('undo-start').click();
  await tracked.and(page.locator('[data-state="cancelled"]')).waitFor();
  // Until after the time at which it would have begun.
  await new Promise((resolve) => setTimeout(resolve, undoSeconds * 1_000));
  expect([await newCount(), await mailCount()]).toEqual([30, 0]);
});

test('an audience that a filter chose is named, and a large one starts when its count is typed', async () => {
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
  expect([await page.getByRole('dialog').isVisible(), await newCount()]).toEqual([true, 30]);
  await start.click();
  const tracked = page.getByTestId('tracked-session');
  await tracked.and(page.locator('[data-state="queued"]')).first().waitFor();
  // Its time comes, and it begins by itself.
  await tracked.and(page.locator('[data-state="completed"]')).waitFor();
  expect(await page.getByTestId('undo-start').count()).toBe(0);
  expect([await newCount(), await mailCount()]).toEqual([2, 28]);
});
