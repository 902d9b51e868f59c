/**
 * Later, and only in certain hours: a person schedules an activation in the dialog, finds it in the calendar, changes
 * its times, starts it now, and sees when a closed window opens.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SessionManifest } from '../../src/shared/schemas/manifest.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  product = await startProduct({ leadCount: 30, env: { ACTIVATE_UNDO_SECONDS: '0' } });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

const dayMs = 86_400_000;
/** What a field for a date and a time holds: the browser's zone is UTC. */
const inDays = (days: number): string => new Date(Date.now() + days * dayMs).toISOString().slice(0, 16);
const mailCount = async (): Promise<number> => (await readMailbox(product.standIn.url)).countByAddress.size;
const field = (name: string) => page.getByTestId(name);
const fact = (name: string) => page.locator(`[data-testid="manifest-facts"] [data-fact="${name}"]`);
/** Of the manifest that the dialog showed when *Tuesday* was scheduled. */
let shownHash = '';

/** Opens the dialog for the lead of a number, or for all that match. */
async function openDialog(search: string, name: string, all = false): Promise<void> {
  await page.goto(`${product.stack.url}/leads?search=${encodeURIComponent(search)}&limit=25`);
  await page.getByTestId('lead-row').first().waitFor();
  await field('select-page').check();
  if (all) await field('select-all-matching').click();
  await field('activate').click();
  await field('preview-subject').waitFor();
  await field('activate-name').fill(name);
}

const state = (wanted: string) => page.locator(`[data-testid="run"][data-state="${wanted}"]`);

test('the dialog says what a start time means, and refuses one that is over', async () => {
  await openDialog('lead-1@', 'Tuesday');
  await field('start-later').check({ force: true });
  expect(await field('timing-start').innerText()).toMatch(/^Starts .* (tomorrow|in \d+ (hours|days))\.$/);
  await field('timing-at').fill(inDays(-1));
  expect(await field('timing-start').innerText()).toBe('This time is over. Choose a later one.');
  expect(await field('activate-start').isDisabled()).toBe(true);
  // Half past two is skipped in Berlin on the last Sunday of March.
  const year = new Date().getUTCFullYear() + 1;
  const march = new Date(Date.UTC(year, 2, 31));
  march.setUTCDate(31 - march.getUTCDay());
  if (march.getTime() - Date.now() < 360 * dayMs) {
    await field('timing-zone').selectOption('Europe/Berlin');
    await field('timing-at').fill(`${march.toISOString().slice(0, 10)}T02:30`);
    await expect.poll(() => field('timing-start').innerText()).toContain('Clocks skip this time');
  }
});

test('a scheduled activation waits outside of the tracker, on its page and in the calendar', async () => {
  await field('timing-zone').selectOption('Asia/Tokyo');
  await field('timing-at').fill(`${inDays(3).slice(0, 10)}T09:00`);
  await expect.poll(() => field('timing-start').innerText()).toContain('Tokyo time');
  expect(await field('timing-start').innerText()).toContain('your time');
  expect(await field('activate-start').innerText()).toBe('Schedule 1 lead');
  // What is shown is what is sent: another time has another hash, and the one that is started is kept.
  await field('manifest').locator('summary').click();
  expect(await fact('start').innerText()).toContain('Tokyo time');
  const atNine = await field('manifest-hash').innerText();
  await field('timing-at').fill('');
  await field('manifest-waits').waitFor();
  await field('timing-at').fill(`${inDays(3).slice(0, 10)}T10:00`);
  await expect.poll(() => fact('start').innerText()).toContain('10:00');
  shownHash = await field('manifest-hash').innerText();
  expect(shownHash).not.toBe(atNine);
  await field('activate-start').click();
  await page.getByText('Tuesday is scheduled').waitFor();
  expect(await field('tracker').count()).toBe(0);
  await page.getByRole('link', { name: 'Show', exact: true }).click();
  await state('scheduled').waitFor();
  expect(await field('schedule-start').innerText()).toContain('Tokyo time');
  expect(await field('run-sentence').innerText()).toBe('1 lead selected, nothing has been sent');
  await page.goto(`${product.stack.url}/activations?view=scheduled`);
  const entry = field('agenda-entry').filter({ hasText: 'Tuesday' });
  await entry.waitFor();
  expect(await field('agenda-day').first().innerText()).toMatch(/tomorrow|in \d days/i);
  expect(await mailCount()).toBe(0);
});

test('its times are changed, and the calendar follows', async () => {
  await field('agenda-entry').filter({ hasText: 'Tuesday' }).getByRole('link').click();
  await state('scheduled').waitFor();
  await field('change-times').click();
  await field('timing-at').fill(`${inDays(10).slice(0, 10)}T12:30`);
  await field('times-save').click();
  await expect.poll(() => field('schedule-start').innerText()).toContain('12:30');
  await page.getByTestId('event-log').locator('[data-kind="scheduled"]').nth(1).waitFor();
  const { sessionId, schedule } = await product.listed('Tuesday');
  expect(schedule).toMatchObject({ zone: 'Asia/Tokyo' });
  const kept = await product.ask<SessionManifest>(`/crm/activation/${sessionId}/manifest`);
  expect(kept.startedHash).toBe(shownHash);
  await field('kept-manifest').locator('summary').click();
  await expect.poll(() => fact('start').innerText()).toContain('12:30');
  expect(await field('manifest-hash').innerText()).toBe(kept.hash);
  expect(await field('started-hash').innerText()).toBe(shownHash);
});

test('it starts now when a person says so', async () => {
  await field('control-startNow').click();
  await state('completed').waitFor();
  expect(await mailCount()).toBe(1);
  await field('change-times').waitFor({ state: 'detached' });
});

test('for all that match, a person says whether those of now or of the start are meant', async () => {
  await openDialog('example.com', 'Everyone', true);
  await field('start-later').check({ force: true });
  await field('freeze-start').check();
  expect(await field('activate-start').innerText()).toBe('Schedule');
  await field('manifest').locator('summary').click();
  expect(await fact('outcomes').innerText()).toContain('At the start it is whoever matches then');
  await field('activate-start').click();
  await page.getByText('Everyone is scheduled').waitFor();
  const { sessionId, schedule } = await product.listed('Everyone');
  expect(schedule).toMatchObject({ freezeAt: 'start' });
  await page.goto(`${product.stack.url}/activations/${sessionId}`);
  expect(await field('schedule-who').innerText()).toContain('Everyone who matches at the start');
  await field('control-cancel').click();
  await field('cancel-dialog').getByRole('button', { name: 'Cancel activation' }).click();
  await state('cancelled').waitFor({ state: 'attached' });
  expect(await mailCount()).toBe(1);
});

test('outside of its hours nothing leaves, and the page says when the next window opens', async () => {
  await openDialog('lead-2@', 'Office hours');
  await field('timing-window').check();
  for (const day of [1, 2, 3, 4, 5]) await field(`timing-day-${day}`).uncheck({ force: true });
  expect(await field('timing-window-text').innerText()).toContain('Choose at least one day.');
  expect(await field('activate-start').isDisabled()).toBe(true);
  // The day after tomorrow.
  const day = ((new Date(Date.now() + 2 * dayMs).getUTCDay() + 6) % 7) + 1;
  await field(`timing-day-${day}`).check({ force: true });
  expect(await field('timing-window-text').innerText()).toContain('Next window opens');
  await field('activate-start').click();
  // The tracker is there before the answer.
  await field('activate-start').waitFor({ state: 'detached' });
  await page.goto(`${product.stack.url}/activations`);
  await field('run-row').filter({ hasText: 'Next window opens' }).waitFor();
  await page.getByRole('link', { name: 'Office hours' }).first().click();
  await field('cause').waitFor();
  expect(await field('cause').innerText()).toContain('Next window opens');
  expect(await field('schedule-window').innerText()).toContain('09:00–17:00');
  expect(await mailCount()).toBe(1);
  await page.goto(`${product.stack.url}/activations?view=scheduled`);
  await field('agenda-entry').filter({ hasText: 'Office hours' }).getByText('Continues').waitFor();
  await expect.poll(async () => (await product.listed('Office hours')).waitingFor?.kind).toBe('window');
});

test('who takes the hours away lets it go on at once', async () => {
  await field('agenda-entry').filter({ hasText: 'Office hours' }).getByRole('link').click();
  await field('change-times').click();
  await field('timing-window').uncheck();
  await field('times-save').click();
  await state('completed').waitFor();
  expect(await mailCount()).toBe(2);
  expect(complaints).toEqual([]);
});
