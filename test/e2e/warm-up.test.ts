/**
 * Warm-up in the browser: the dialog says how many days it takes, the activation until when it waits, and in Settings an
 * admin holds it, lets it go on and declares the domain warm. With PICTURES=<folder> it takes pictures.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { look } from './look.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  product = await startProduct({
    leadCount: 40,
    env: { ACTIVATE_UNDO_SECONDS: '0', MAIL_WARM_UP: '10+20%' },
  });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

const field = (name: string) => page.getByTestId(name);
const mailCount = async (): Promise<number> => (await readMailbox(product.standIn.url)).countByAddress.size;

test('the dialog says how many days the warm-up makes of it', async () => {
  await page.goto(`${product.stack.url}/leads?limit=25`);
  await page.getByTestId('lead-row').first().waitFor();
  await field('select-page').check();
  await field('select-all-matching').click();
  await field('activate').click();
  await field('preview-subject').waitFor();
  // 10, 12, 14 and the last 4.
  await page.getByText('about 4 days (10 emails left today, more each day)').waitFor();
  await field('activate-warm-up').scrollIntoViewIfNeeded();
  await look(page, 'dialog');
});

test('the activation says for which domain it waits, how much leaves today, and when it goes on', async () => {
  await field('activate-name').fill('Slowly');
  await field('activate-start').click();
  await field('activate-start').waitFor({ state: 'detached' });
  const { sessionId } = await product.listed('Slowly');
  await page.goto(`${product.stack.url}/activations/${sessionId}`);
  await page
    .getByText('Warming up example.com: 10 emails today, goes on tomorrow at 00:00 UTC')
    .first()
    .waitFor();
  await expect.poll(mailCount).toBe(10);
  await look(page, 'activation');
});

test('Settings show the ramp; an admin holds it, lets it go on, and declares the domain warm', async () => {
  await page.goto(`${product.stack.url}/settings#warm-up`);
  const ramp = field('warm-up');
  await ramp.waitFor();
  await ramp.getByText('10 of 10 emails sent today').waitFor();
  await ramp.getByText('Growing').waitFor();
  expect(await ramp.getByRole('row').count()).toBe(2);
  await ramp.scrollIntoViewIfNeeded();
  await look(page, 'settings');

  await ramp.getByRole('button', { name: 'Hold' }).click();
  await ramp.getByText('Held').waitFor();
  await ramp.getByRole('button', { name: 'Go on' }).click();
  await ramp.getByText('Growing').waitFor();

  await ramp.getByRole('button', { name: 'Declare warm' }).click();
  const dialog = page.getByRole('alertdialog');
  await dialog.getByText('Declare example.com warm?').waitFor();
  await look(page, 'declare');
  await dialog.getByRole('button', { name: 'Declare warm' }).click();
  // What waited may have left already.
  await ramp.getByText(/emails sent today, no limit/).waitFor();
});

test('what waited leaves at once', async () => {
  await expect.poll(mailCount, { timeout: 20_000 }).toBe(40);
  await page.goto(`${product.stack.url}/audit`);
  await page.getByText('changed the warm-up of a domain').first().waitFor();
  expect(complaints).toEqual([]);
});
