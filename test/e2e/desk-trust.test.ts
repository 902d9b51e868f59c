/**
 * What a careful person notices at the desk, in a real browser: unsaved work that is never overwritten, one state in
 * one wording, a focus that stays where it was, a plot that reads what is under the cursor, mail in doubt that is
 * settled, and a duplicate that reaches no more people.
 *
 * One product for all; the order of the tests matters only for the first two, which need one without an activation.
 */
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTerminal, type Progress } from '../../src/shared/progress.ts';
import type { Audience } from '../../src/shared/schemas/activation.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;
let page: Page;
const complaints: string[] = [];

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);
const addressOf = (number: number): string => `lead-${String(number)}@example.com`;
const progressOf = (sessionId: string): Promise<Progress> =>
  product.ask<Progress>(`/crm/activation/progress/${sessionId}`);
const open = (path: string): Promise<unknown> => page.goto(product.stack.url + path);
const focused = (): Promise<string | undefined> =>
  page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset['testid']);
const state = (wanted: string): Locator => page.locator(`[data-testid="run"][data-state="${wanted}"]`);

async function start(name: string, audience: Audience, templateId = 'welcome'): Promise<string> {
  const sessionId = newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
  await product.ask('/crm/activation', { sessionId, name, audience, templateId });
  return sessionId;
}

beforeAll(async () => {
  // Calls of one mail, five a second.
  product = await startProduct({ leadCount: 460, env: { MAIL_BATCH_MAX: '1', MAIL_RATE: '5' } });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

describe('the first steps', () => {
  const card = (): Locator => page.getByTestId('first-run');

  test('are offered again after a page load that got no answer', async () => {
    await page.route('**/crm/activation?limit=1', (route) => route.abort());
    await open('/leads');
    // The layout has loaded the card by then, and the card has asked.
    await page.waitForEvent('requestfailed', (request) => request.url().endsWith('/crm/activation?limit=1'));
    await page.unroute('**/crm/activation?limit=1');
    await page.reload();
    await card().waitFor();
  });

  test('are hidden everywhere at once', async () => {
    await open('/start');
    await card().waitFor();
    await page.getByTestId('dismiss-first-run').click();
    await page.waitForURL('**/leads');
    expect(await card().count()).toBe(0);
  });
});

describe('unsaved work on a template', () => {
  const html = (): Locator => page.getByTestId('template-html');
  const draft = (): Locator => page.getByTestId('template-draft');
  /** Longer than the editor waits before it keeps what was written. */
  const kept = (): Promise<void> => page.waitForTimeout(800);

  test('is not overwritten by newer work, and says when the template has changed since', async () => {
    const content = { name: 'Autumn', description: '', subject: 'Hi', text: '' };
    const { id } = await product.ask<{ id: string }>('/crm/templates', { ...content, html: '<p>One</p>' });
    await open(`/templates/${id}`);
    await html().fill('<p>Older</p>');
    await kept();
    // Somebody else saves meanwhile.
    const saved = await fetch(`${product.stack.url}/crm/templates/${id}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...content, html: '<p>Two</p>', baseVersion: 1 }),
    });
    expect(saved.status).toBe(200);
    page.on('dialog', (dialog) => void dialog.accept());
    await page.reload();
    await draft().waitFor();
    expect(await draft().innerText()).toContain('begun on version 1; version 2 was saved since');
    // Written while the older work waits for a decision.
    await html().fill('<p>Newer</p>');
    await kept();
    await page.reload();
    await draft().waitFor();
    expect(await draft().innerText()).not.toContain('saved since');
    await page.getByTestId('restore-draft').click();
    expect(await html().inputValue()).toBe('<p>Newer</p>');
    await page.getByTestId('restore-draft').click();
    expect(await html().inputValue()).toBe('<p>Older</p>');
    expect(await page.getByTestId('draft-outdated').innerText()).toContain('replaces what version 2 changed');
    // What was in the editor waits in its place.
    await page.getByTestId('restore-draft').click();
    expect(await html().inputValue()).toBe('<p>Newer</p>');
    expect(await page.getByTestId('draft-outdated').count()).toBe(0);
    await page.getByTestId('discard-draft').click();
    await draft().waitFor({ state: 'detached' });
    expect(await html().inputValue()).toBe('<p>Newer</p>');
    await page.getByTestId('save-template').click();
    await page.waitForURL(/version=3$/);
    await page.reload();
    await page.getByTestId('template-check').waitFor();
    expect(await draft().count()).toBe(0);
  });

  test('of one tab is kept when another tab writes, and when it takes that back', async () => {
    const content = { name: 'Winter', description: '', subject: 'Hi', text: '', html: '<p>One</p>' };
    const { id } = await product.ask<{ id: string }>('/crm/templates', content);
    await open(`/templates/${id}`);
    const other = await page.context().newPage();
    await other.goto(`${product.stack.url}/templates/${id}`);
    const otherHtml = other.getByTestId('template-html');
    await otherHtml.waitFor();
    await html().fill('<p>Of the first tab</p>');
    await kept();
    await otherHtml.fill('<p>Of the second tab</p>');
    await kept();
    await otherHtml.fill('<p>One</p>');
    await kept();
    await other.close();
    await page.reload();
    await draft().waitFor();
    await page.getByTestId('restore-draft').click();
    expect(await html().inputValue()).toBe('<p>Of the first tab</p>');
  });
});

describe('one state', () => {
  test('has the same words in its chip, in the palette and in what is read aloud', async () => {
    await open('/leads');
    product.proxy.rejectedAddresses.add(addressOf(3));
    const letGo = product.proxy.hold();
    const sessionId = await start('Told', { leadIds: range(1, 15) });
    await page.reload();
    // A page asks for what is open when it is loaded.
    await page.locator(`[data-session-id="${sessionId}"]`).waitFor();
    letGo();
    await page.locator(`[data-session-id="${sessionId}"][data-state="completed"]`).waitFor();
    await expect
      .poll(() => page.getByTestId('announcements').innerText())
      .toContain('Completed with 1 failure');
    await page.keyboard.press('Control+k');
    await page.getByTestId('palette-input').fill('Told');
    await expect
      .poll(() => page.getByTestId('palette-option').first().innerText())
      .toContain('Completed with 1 failure');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/activations/${sessionId}`);
    await state('completed').getByText('Completed with 1 failure').waitFor();
    product.proxy.recover();
  });
});

describe('the focus', () => {
  test('stays on Pause when it becomes Resume, on the page and in the tracker', async () => {
    const sessionId = await start('Focus', { leadIds: range(261, 460) });
    await open(`/activations/${sessionId}`);
    await state('running').waitFor();
    await page.getByTestId('control-pause').focus();
    await page.keyboard.press('Enter');
    await state('paused').waitFor();
    expect(await focused()).toBe('control-resume');
    // The state may be known before the command is answered, and until then a key does nothing.
    await page.locator('[data-testid="control-resume"]:not([aria-disabled="true"])').waitFor();
    await page.keyboard.press('Enter');
    await state('running').waitFor();
    expect(await focused()).toBe('control-pause');

    await open('/templates');
    const line = page.locator(`[data-session-id="${sessionId}"]`);
    await line.waitFor();
    await line.getByTestId('tracker-pause').focus();
    await page.keyboard.press('Enter');
    await line.getByTestId('tracker-resume').waitFor();
    expect(await focused()).toBe('tracker-resume');
    const expand = page.getByTestId('tracker-expand');
    await expand.focus();
    for (const expanded of ['true', 'false']) {
      await page.keyboard.press('Enter');
      await expect.poll(() => expand.getAttribute('aria-expanded')).toBe(expanded);
      expect(await focused()).toBe('tracker-expand');
    }
    await product.ask(`/crm/activation/${sessionId}/cancel`, {});
    await product.untilRun(sessionId, (it) => it.state === 'cancelled');
  });

  test('goes back to where it was before the palette, also by way of the list of keys', async () => {
    await open('/leads');
    await page.getByTestId('select-page').focus();
    await page.keyboard.press('Control+k');
    await page.getByTestId('palette-input').fill('keyboard');
    await expect.poll(() => page.getByTestId('palette-option').count()).toBe(1);
    await page.keyboard.press('Enter');
    await page.getByTestId('keys-help').waitFor();
    await page.keyboard.press('Escape');
    await page.getByTestId('keys-help').waitFor({ state: 'detached' });
    await expect.poll(focused).toBe('select-page');
  });
});

describe('the plot', () => {
  const plot = (): Locator => page.getByTestId('throughput-plot');
  const legend = (): Locator => page.getByTestId('plot-bucket');

  /** Moves the mouse over the plot. @param share - 0 at its left end, 1 at its right */
  async function point(share: number): Promise<void> {
    const area = await plot().locator('.u-over').boundingBox();
    if (area === null) throw new Error('the plot is not shown');
    await page.mouse.move(area.x + area.width * share, area.y + area.height / 2);
  }

  test('keeps what the mouse points at when it gets new data', async () => {
    const sessionId = await start('Drawn', { leadIds: range(76, 165) });
    await open(`/activations/${sessionId}`);
    await plot().locator('.u-over').waitFor();
    await point(0.3);
    await legend().waitFor();
    const before = await progressOf(sessionId);
    await plot()
      .locator('.uplot')
      .evaluate((element) => element.setAttribute('data-first', ''));
    // Longer than the page waits before it reads the timeline again.
    const enough = Math.min(before.email.sent + 35, 90);
    await product.untilRun(sessionId, ({ email }) => email.sent >= enough);
    await page.waitForTimeout(1_000);
    expect(await plot().locator('.uplot[data-first]').count()).toBe(1);
    expect(await legend().count()).toBe(1);
    await product.untilRun(sessionId, (it) => it.state === 'completed');
    await state('completed').waitFor();
  });

  test('reads the bucket under the mouse', async () => {
    await expect.poll(() => page.getByTestId('run').getAttribute('data-state')).toBe('completed');
    const sessionId = new URL(page.url()).pathname.split('/').at(-1) ?? '';
    const { startedAt, finishedAt } = await progressOf(sessionId);
    if (startedAt === null || finishedAt === null) throw new Error('it has not ended');
    const span = finishedAt - startedAt;
    const sizeMs = 5_000;
    expect(span).toBeGreaterThan(3 * sizeMs);
    // The page has read the last point by then.
    await page.reload();
    await plot().locator('.u-over').waitFor();
    const time = (at: number): string => new Date(at).toISOString().slice(11, 19);
    for (const bucket of range(0, Math.floor(span / sizeMs) - 1)) {
      for (const inside of [0.2, 0.8]) {
        await point(((bucket + inside) * sizeMs) / span);
        await legend().waitFor();
        const times = (await legend().innerText()).match(/\d\d:\d\d:\d\d/g);
        expect(times, `bucket ${String(bucket)} at ${String(inside)}`).toEqual([
          time(startedAt + bucket * sizeMs),
          time(startedAt + (bucket + 1) * sizeMs),
        ]);
      }
    }
  });
});

describe('mail in doubt', () => {
  /** A cancelled activation with unconfirmed mails: the provider took them, and nobody heard its answer. */
  async function inDoubt(name: string, from: number): Promise<string> {
    const dropped = new Set([from + 1, from + 2].map(addressOf));
    const callCount = product.proxy.calls.length;
    product.proxy.add({
      fault: { kind: 'dropAfter' },
      when: ({ recipients }) => recipients.some((to) => dropped.has(to)),
    });
    const sessionId = await start(name, { leadIds: range(from, from + 14) });
    const droppedCount = (): number =>
      product.proxy.calls.slice(callCount).filter(({ fault }) => fault === 'dropAfter').length;
    await expect.poll(droppedCount, { timeout: 30_000 }).toBeGreaterThan(1);
    await product.ask(`/crm/activation/${sessionId}/cancel`, {});
    // Cancelled at once; over when what was on its way is settled.
    await product.untilRun(sessionId, isTerminal);
    expect((await progressOf(sessionId)).email.unknown).toBeGreaterThan(0);
    product.proxy.recover();
    return sessionId;
  }

  /** Presses a button of the page and confirms. */
  async function confirm(control: string): Promise<void> {
    await page.getByTestId(control).click();
    await page.getByTestId('confirm').click();
    await page.getByTestId('confirm').waitFor({ state: 'detached' });
  }

  test('is settled by asking the provider, and nobody gets a second one', async () => {
    const sessionId = await inDoubt('To check', 170);
    const { email } = await progressOf(sessionId);
    await open(`/activations/${sessionId}`);
    await state('cancelled')
      .getByText(`Cancelled, ${String(email.unknown)} unconfirmed`)
      .waitFor();
    await confirm('control-check');
    await page.getByTestId('control-check').waitFor({ state: 'detached' });
    await expect
      .poll(async () => (await progressOf(sessionId)).email, { timeout: 30_000 })
      .toMatchObject({ unknown: 0, sent: email.sent + email.unknown });
    await expect.poll(() => page.getByTestId('run').innerText()).not.toContain('unconfirmed');
    expect((await readMailbox(product.standIn.url)).duplicates).toEqual([]);
  });

  test('is marked as sent, and no call is made for it', async () => {
    const sessionId = await inDoubt('To mark', 190);
    const { email } = await progressOf(sessionId);
    const callCount = product.proxy.calls.length;
    await open(`/activations/${sessionId}`);
    await state('cancelled').waitFor();
    await confirm('control-assumeSent');
    await page.getByTestId('control-assumeSent').waitFor({ state: 'detached' });
    await expect
      .poll(async () => (await progressOf(sessionId)).email)
      .toMatchObject({ unknown: 0, sent: email.sent + email.unknown });
    expect(product.proxy.calls.length).toBe(callCount);
    await expect.poll(() => page.getByTestId('run').innerText()).not.toContain('unconfirmed');
  });
});

describe('a duplicate', () => {
  const name = (): Locator => page.getByTestId('activate-name');

  async function duplicate(sessionId: string): Promise<void> {
    await open(`/activations/${sessionId}`);
    await page.getByTestId('run-menu').click();
    await page.getByTestId('duplicate-run').click();
  }

  test('has the filter, the template and the name of its original', async () => {
    const audience = { filter: { source: 'nowhere' }, excludedIds: [210] };
    await product.ask('/crm/leads/bulk/edit', {
      audience: { leadIds: range(209, 214) },
      field: 'source',
      value: 'nowhere',
    });
    const sessionId = await start('Spring fair', audience, 'pick-up');
    await product.untilRun(sessionId, (it) => it.state === 'completed');
    await duplicate(sessionId);
    await expect
      .poll(() => page.getByTestId('activate-audience').innerText(), { timeout: 10_000 })
      .toMatch(/^6 leads .*minus 1$/);
    expect(await page.getByTestId('activate-audience').innerText()).toContain('nowhere');
    expect(await name().inputValue()).toBe('Spring fair (copy)');
    expect(await page.getByTestId('template-pick-up').isChecked()).toBe(true);
    expect(await page.getByTestId('preview-already-active').getAttribute('data-value')).toBe('5');
    await page.keyboard.press('Escape');
    await name().waitFor({ state: 'detached' });
  });

  test('of leads that a search selected is refused in words', async () => {
    const sessionId = await start('By search', { filter: { search: addressOf(220) } });
    await product.untilRun(sessionId, (it) => it.state === 'completed');
    await duplicate(sessionId);
    await page.getByText('Select the leads again').waitFor();
    expect(await name().count()).toBe(0);
  });
});

describe('pages', () => {
  test.each([
    ['/leads/999999', 'Lead not found'],
    ['/imports/import_1795543854496_abcdef12', 'Import not found'],
  ])('%s has a heading of level 1 when there is nothing', async (path) => {
    await open(path);
    await expect.poll(() => page.getByRole('heading', { level: 1 }).count()).toBe(1);
    expect(await page.getByRole('heading', { level: 1 }).isVisible()).toBe(true);
  });

  test('Settings stay where they are when they are checked again', async () => {
    await open('/settings#privacy');
    await page.getByTestId('sender-verdict').waitFor();
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(0);
    await page.evaluate(() => scrollTo(0, 0));
    const answered = page.waitForResponse('**/crm/sender-check');
    await page.getByRole('button', { name: 'Check again' }).click();
    await answered;
    await page.waitForTimeout(300);
    expect(await page.evaluate(() => scrollY)).toBe(0);
  });

  test('an import that has ended says so on another page, for a while', async () => {
    await open('/imports');
    const file = { name: 'three.csv', mimeType: 'text/csv' };
    await page.getByTestId('import-file').setInputFiles({
      ...file,
      buffer: Buffer.from('Email,First name\na@three.example,Ann\nb@three.example,Ben\n'),
    });
    await page.getByTestId('import-consent').fill('Fair');
    await page.getByTestId('import-check').click();
    await page.getByTestId('import-start').click();
    await page.locator('[data-testid="current-import"][data-phase="done"]').waitFor();
    await page.getByRole('link', { name: 'Templates' }).first().click();
    await page.getByTestId('import-line').getByText('three.csv').waitFor();
    await page.getByTestId('import-line').waitFor({ state: 'detached', timeout: 15_000 });
    // Its own page still has what can be done with it.
    await page.getByRole('link', { name: 'Imports' }).first().click();
    await page.locator('[data-testid="current-import"][data-phase="done"]').waitFor();
    expect(complaints).toEqual([]);
  });
});
