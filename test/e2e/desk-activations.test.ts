/**
 * The desk of an activation in a real browser: Pause is at once, Cancel says true numbers, what failed opens its
 * leads, and what a person started elsewhere is found.
 *
 * The mail API drops connections for some leads, refuses some addresses and holds others: so an activation is at
 * work, unconfirmed or failed for as long as it is looked at.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;
let page: Page;
const complaints: string[] = [];

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);
const progressOf = (sessionId: string): Promise<Progress> =>
  product.ask<Progress>(`/crm/activation/progress/${sessionId}`);
const open = (path: string): Promise<unknown> => page.goto(product.stack.url + path);
const tracked = (sessionId: string) => page.locator(`[data-session-id="${sessionId}"]`);

beforeAll(async () => {
  // Calls of one mail, five a second.
  product = await startProduct({ leadCount: 400, env: { MAIL_BATCH_MAX: '1', MAIL_RATE: '5' } });
  for (const number of [2, 4]) product.proxy.rejectedAddresses.add(`lead-${String(number)}@example.com`);
  await product.ask('/crm/suppressions', {
    addresses: [5, 6, 7].map((number) => `lead-${String(number)}@example.com`),
    reason: 'manual',
    note: 'asked us to',
  });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

test('a completed activation with failures says so in its list, its page and its sentence', async () => {
  const sessionId = await product.startSession('Mixed', range(1, 10));
  await product.untilRun(sessionId, ({ state }) => state === 'completed');
  await open('/activations');
  const row = page.getByTestId('run-row').filter({ hasText: 'Mixed' });
  await row.getByText('Completed with 2 failures').waitFor();
  expect(await row.innerText()).toContain('3 skipped');
  await page.getByTestId('view-attention').click();
  await page.waitForURL('**/activations?view=attention');
  await row.waitFor();
  await page.getByTestId('view-cancelled').click();
  await page.getByRole('heading', { name: 'Nothing was cancelled' }).waitFor();

  await open(`/activity/${sessionId}`);
  await page.waitForURL(`**/activations/${sessionId}`);
  await page.getByTestId('issues').waitFor();
  expect(await page.getByTestId('run-sentence').innerText()).toBe(
    '5 of 7 emails sent, 3 skipped, 2 need attention',
  );
  expect(await page.getByTestId('run').innerText()).toContain('Completed with 2 failures');
  // In test mode nobody tells of deliveries: that is no zero.
  expect(await page.locator('[data-step="delivered"]').innerText()).not.toContain('0');
  const [issues, plot] = await Promise.all([
    page.getByTestId('issues').boundingBox(),
    page.locator('#plot-title').boundingBox(),
  ]);
  expect(issues?.y).toBeLessThan(plot?.y ?? 0);
});

test('an issue opens exactly its leads, and each leads to where its address is fixed', async () => {
  await page.getByTestId('issue-leads').filter({ hasText: 'Address rejected by the provider' }).click();
  const rows = page.getByTestId('result-row');
  await expect.poll(() => rows.count()).toBe(2);
  expect(new Set(await rows.evaluateAll((found) => found.map((row) => row.dataset['email'])))).toEqual(
    new Set(['failed']),
  );
  await page.getByTestId('drop-skipped').click();
  await expect.poll(() => rows.count()).toBe(3);
  await page.goBack();
  await expect.poll(() => rows.count()).toBe(2);
  await rows
    .first()
    .getByRole('link', { name: /^Fix address of/ })
    .click();
  await page.waitForURL('**/leads/*');
});

test('the proof adds up and says how it is known', async () => {
  await page.goBack();
  await page.getByTestId('proof-line').waitFor();
  expect(await page.getByTestId('proof-line').innerText()).toBe('0 duplicates · 0 lost · 10 accounted for');
  await page.getByTestId('proof-line').click();
  expect((await page.getByTestId('proof-sum').innerText()).replace(/\s+/g, ' ')).toBe(
    '5 sent + 2 email failed + 3 skipped = 10 selected',
  );
});

test('an activation of the same person on another device is found, and paused at once from the tracker', async () => {
  const other = await launchBrowser({ width: 390 });
  const phone = await other.newPage();
  const sessionId = await product.startSession('Elsewhere', range(121, 240));
  try {
    await phone.goto(`${product.stack.url}/leads`);
    const line = phone.locator(`[data-session-id="${sessionId}"]`);
    await line.waitFor();
    // The heading is as wide as the count of leads below it.
    await phone.getByTestId('lead-row').first().waitFor();
    await phone.evaluate('document.fonts.ready.then(() => undefined)');
    const before = await phone.getByRole('heading', { level: 1 }).boundingBox();
    await phone.getByTestId('tracker-pause').click();
    await phone.locator(`[data-session-id="${sessionId}"][data-state="paused"]`).waitFor();
    expect(await phone.getByRole('alertdialog').count()).toBe(0);
    await phone.getByTestId('tracker-resume').waitFor();
    expect(await phone.getByRole('heading', { level: 1 }).boundingBox()).toEqual(before);
    expect((await line.boundingBox())?.height).toBe(44);
  } finally {
    await other.close();
  }
  // Nothing left after it but what was on its way.
  const { email } = await progressOf(sessionId);
  await open(`/activations/${sessionId}`);
  const left = await page.getByTestId('run-left').innerText();
  expect(left).toMatch(/leads still to activate$/);
  expect((await progressOf(sessionId)).email.sent - email.sent).toBeLessThan(6);
  // It has its own page here, so the tracker does not show it a second time.
  expect(await tracked(sessionId).filter({ visible: true }).count()).toBe(0);
  await page.getByTestId('control-resume').click();
  await page.locator('[data-testid="run"][data-state="running"]').waitFor();
  expect(await page.getByRole('alertdialog').count()).toBe(0);
  await page.getByTestId('control-pause').click();
  await page.locator('[data-testid="run"][data-state="paused"]').waitFor();
});

test('a paused activation is resumed from its row', async () => {
  await open('/activations?view=open');
  const row = page.getByTestId('run-row').filter({ hasText: 'Elsewhere' });
  await row.getByTestId('row-resume').click();
  await row.getByTestId('row-pause').waitFor();
  await product.untilRun((await row.getAttribute('data-session-id')) ?? '', (it) => it.state === 'completed');
});

test('an end is told in the tracker and leaves it by itself, and the page does not move', async () => {
  await open('/leads');
  const letGo = product.proxy.hold();
  const sessionId = await product.startSession('Short', range(61, 71));
  await page.reload();
  // A page asks for what is open when it is loaded.
  await tracked(sessionId).waitFor();
  letGo();
  await tracked(sessionId).and(page.locator('[data-state="completed"]')).waitFor();
  const before = await page.getByRole('heading', { level: 1 }).boundingBox();
  await tracked(sessionId).waitFor({ state: 'detached', timeout: 20_000 });
  expect(await page.getByRole('heading', { level: 1 }).boundingBox()).toEqual(before);
});

test('Cancel says true numbers before and after, and nothing leaves after it', async () => {
  const dropped = new Set([242, 243].map((number) => `lead-${String(number)}@example.com`));
  product.proxy.add({
    fault: { kind: 'dropAfter' },
    when: ({ recipients }) => recipients.some((to) => dropped.has(to)),
  });
  const sessionId = await product.startSession('To cancel', range(241, 400));
  await open(`/activations/${sessionId}`);
  await product.untilRun(sessionId, ({ email }) => email.sent >= 4);
  // The provider has taken these, and nobody heard its answer.
  await expect
    .poll(() => product.proxy.calls.filter(({ fault }) => fault === 'dropAfter').length, { timeout: 20_000 })
    .toBeGreaterThan(1);
  await page.getByTestId('control-cancel').click();
  const dialog = page.getByTestId('cancel-dialog');
  await dialog.waitFor();
  const value = async (id: string): Promise<number> =>
    Number(await dialog.getByTestId(`cancel-${id}`).getAttribute('data-value'));
  // The numbers go on while it is open.
  const first = await value('sent');
  await expect.poll(() => value('sent'), { timeout: 10_000 }).toBeGreaterThan(first);
  await dialog.getByTestId('confirm').click();
  await page.locator('[data-testid="cancel-dialog"][data-phase="after"]').waitFor();
  const { email, activation } = await progressOf(sessionId);
  const mailsAfter = (await readMailbox(product.standIn.url)).mails.length;
  expect([await value('sent'), await value('unconfirmed')]).toEqual([email.sent, email.unknown]);
  expect((await value('untouched')) + email.sent + email.unknown + email.failed).toBe(160);
  expect(activation.activated).toBe(email.sent + email.unknown + email.failed);
  // Longer than a call takes.
  await page.waitForTimeout(3_000);
  expect((await readMailbox(product.standIn.url)).mails.length).toBe(mailsAfter);
  expect((await readMailbox(product.standIn.url)).duplicates).toEqual([]);
  expect(email.unknown).toBeGreaterThan(0);
  await dialog.getByTestId('cancel-assume-sent').click();
  await expect.poll(() => value('unconfirmed')).toBe(0);
  await dialog.getByTestId('cancel-close').click();
  await dialog.waitFor({ state: 'detached' });
  expect(await page.getByTestId('run-sentence').innerText()).toContain('before it was cancelled');
});

test('a key that the provider rejects stands first, with the way to Settings, and nothing says all is well', async () => {
  product.proxy.recover();
  product.proxy.add({ fault: { kind: 'refuseKey', status: 401 } });
  const sessionId = await product.startSession('Blocked', [72, 73]);
  await open(`/activations/${sessionId}`);
  await page.locator('[data-testid="run"][data-state="paused"]').waitFor();
  const cause = page.getByTestId('cause');
  expect(await cause.innerText()).toContain('The provider rejected your API key');
  expect(await cause.getByTestId('cause-link').getAttribute('href')).toBe('/settings');
  expect(await page.getByRole('main').innerText()).not.toMatch(/nothing went wrong/i);
  expect(complaints).toEqual([]);
});
