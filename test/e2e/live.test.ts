/**
 * Live progress in a real browser against the real app: many tabs, refreshes, a server that restarts, proxies that
 * buffer or cut streams, a laptop that sleeps, a sign-in that expires.
 *
 * What each tab shows is recorded ten times a second and at every change, and checked after each test: no
 * number may go down.
 */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { FrontProxy } from '../support/front-proxy.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';
import { type Sample, stepsBack, waitForTracker, watchTracker } from './tracker-samples.ts';

let product: Product;
let front: FrontProxy;
let browser: TestBrowser;
/** What each tab of this test has shown. */
let watched: Sample[][] = [];

beforeAll(async () => {
  // Calls of two mails, five a second: an activation of a hundred leads takes ten seconds.
  product = await startProduct({ leadCount: 1_200, env: { MAIL_BATCH_MAX: '2', MAIL_RATE: '5' } });
  front = await new FrontProxy(() => new URL(product.stack.url)).listen();
});
afterAll(async () => {
  await front.close();
  await product.close();
});
beforeEach(async () => {
  browser = await launchBrowser();
  watched = [];
});
afterEach(async () => {
  front.fault = { kind: 'none' };
  front.startAnswerDelayMs = 0;
  await browser.close();
  expect(watched.flatMap(stepsBack)).toEqual([]);
});

async function openTab(path?: string): Promise<Page> {
  const page = await browser.newPage();
  watched.push(await watchTracker(page));
  if (path !== undefined) await page.goto(front.url + path);
  return page;
}

/** Starts a run of so many new leads as a person does, and tells its id. */
async function startSession(
  page: Page,
  leadCount: 25 | 50 | 100,
  sort: '-id' | 'id' = '-id',
): Promise<string> {
  await page.goto(`${front.url}/leads?status=new&limit=${leadCount}&sort=${sort}`);
  await page
    .getByTestId('lead-row')
    .nth(leadCount - 1)
    .waitFor();
  await page.getByTestId('select-page').check();
  await page.getByTestId('activate').click();
  await page.getByTestId('preview-subject').waitFor();
  const request = page.waitForRequest((it) => it.method() === 'POST' && it.url().endsWith('/crm/activation'));
  await page.getByTestId('activate-start').click();
  const { sessionId } = (await request).postDataJSON() as { sessionId: string };
  await page.locator(`[data-testid="tracked-session"][data-session-id="${sessionId}"]`).waitFor();
  return sessionId;
}

const isOver = ({ state, processed, total }: Sample): boolean => state === 'completed' && processed === total;
const note = (page: Page): Promise<string> => page.getByTestId('run-note').first().innerText();

describe('eight tabs', () => {
  test('all show live progress over at most one stream, and continue within two seconds when the leader is closed', async () => {
    const leader = await openTab('/leads');
    const others: Page[] = [];
    for (let index = 0; index < 7; index++)
      others.push(await openTab(index % 2 === 0 ? '/leads' : '/activations'));
    const since = Date.now();
    const sessionId = await startSession(leader, 100);
    await Promise.all(
      others.map((tab) => waitForTracker(tab, '10 %', ({ processed }) => processed >= 10, sessionId)),
    );
    expect(front.maxOpenCount(since)).toBe(1);
    expect(watched[0]?.at(-1)?.link).toBe('streaming');
    // A tab that heard nothing of the leader for a moment has polled once since.
    for (const samples of watched) expect(samples.map(({ link }) => link)).toContain('streaming');
    // Tabs are read one after the other: those at the same rev must show the same numbers.
    const byRev = new Map<number, string>();
    for (const { rev, processed, activated, sent } of watched.flat()) {
      const numbers = `${processed} ${activated} ${sent}`;
      expect(byRev.get(rev) ?? numbers).toBe(numbers);
      byRev.set(rev, numbers);
    }

    await leader.close();
    const closedAt = Date.now();
    const seen = watched.slice(1).map((samples) => samples.at(-1)?.rev ?? 0);
    await Promise.all(
      others.map((tab, index) =>
        waitForTracker(tab, 'news after the leader', ({ rev }) => rev > (seen[index] ?? 0), sessionId),
      ),
    );
    // Calls leave every 200 ms; any longer gap is the time of the takeover.
    for (const [index, samples] of watched.slice(1).entries()) {
      const next = samples.find(({ at, rev }) => at > closedAt && rev > (seen[index] ?? 0));
      expect((next?.at ?? Infinity) - closedAt).toBeLessThan(2_000);
    }
    await Promise.all(others.map((tab) => waitForTracker(tab, 'the end', isOver, sessionId)));
    expect(front.maxOpenCount(since)).toBe(1);
    const ended = front.streams.filter(({ openedAt, hasEnd }) => openedAt >= since && hasEnd);
    expect(ended.every(({ isWhole }) => isWhole)).toBe(true);
  });

  test('show the leads of the page as active while the activation runs, without a reload', async () => {
    const tab = await openTab('/leads');
    // The oldest leads, which no other test activates: the page below shows those of this activation.
    const sessionId = await startSession(tab, 100, 'id');
    const letGo = product.proxy.hold();
    await tab.goto(`${front.url}/leads?limit=100&sort=id`);
    await tab.getByTestId('lead-row').nth(99).waitFor();
    const active = tab.locator('[data-testid="lead-row"][data-status="active"]');
    const countAtLoad = await active.count();
    letGo();
    await expect.poll(() => active.count(), { timeout: 10_000 }).toBeGreaterThan(countAtLoad);
    expect((await waitForTracker(tab, 'numbers', () => true, sessionId)).state).toBe('running');
    await waitForTracker(tab, 'the end', isOver, sessionId);
    await expect.poll(() => active.count(), { timeout: 10_000 }).toBe(100);
  });
});

describe('a refresh', () => {
  test('at 0, 1, 30, 99 and 100 % shows the current progress', async () => {
    const tab = await openTab('/leads');
    // At 0 %: the start is not answered yet, and the page knows only the id.
    front.startAnswerDelayMs = 1_500;
    await tab.goto(`${front.url}/leads?status=new&limit=100`);
    await tab.getByTestId('lead-row').nth(99).waitFor();
    await tab.getByTestId('select-page').check();
    await tab.getByTestId('activate').click();
    await tab.getByTestId('preview-subject').waitFor();
    await tab.getByTestId('activate-start').click();
    await tab.getByTestId('tracked-session').waitFor();
    await tab.reload();
    const run = tab.getByTestId('tracked-session').first();
    await run.waitFor();
    const sessionId = (await run.getAttribute('data-session-id')) ?? '';
    for (const share of [1, 30, 98]) {
      const before = await waitForTracker(
        tab,
        `${share} %`,
        ({ processed }) => processed >= share,
        sessionId,
      );
      const sampleCount = watched[0]?.length ?? 0;
      await tab.reload();
      const after = await waitForTracker(tab, 'the activation', () => true, sessionId);
      expect(after.processed).toBeGreaterThanOrEqual(before.processed);
      // Once it had numbers, it never showed zeros or nothing.
      expect(watched[0]?.slice(sampleCount).every(({ processed }) => processed >= before.processed)).toBe(
        true,
      );
    }
    await waitForTracker(tab, 'the end', isOver, sessionId);
    await tab.reload();
    await waitForTracker(tab, 'the end', isOver, sessionId);
  });
});

describe('a server that restarts under open pages', () => {
  test('is waited for, and the activation completes without a falling number and without a second mail', async () => {
    const tab = await openTab('/leads');
    const sessionId = await startSession(tab, 100);
    await waitForTracker(tab, '20 %', ({ processed }) => processed >= 10, sessionId);
    // Some calls are on their way at the restart, and arrive after it.
    const letGo = product.proxy.hold();
    await expect
      .poll(() => product.proxy.calls.filter(({ apiStatus }) => apiStatus === null).length)
      .toBeGreaterThan(0);
    const second = await openTab('/activations');
    await waitForTracker(second, 'the run', () => true, sessionId);
    await product.stack.killHard();
    await expect.poll(() => note(tab), { timeout: 20_000 }).toContain('does not answer');
    await product.restart();
    letGo();
    await waitForTracker(tab, 'the end', isOver, sessionId);
    await waitForTracker(second, 'the end in the other tab', isOver, sessionId);
    await second.goto(`${front.url}/activations/${sessionId}`);
    await second.locator('[data-testid="event-log"] [data-kind="recovered"]').waitFor();
    await second.getByTestId('throughput-plot').locator('canvas').waitFor();
    expect((await readMailbox(product.standIn.url)).duplicates).toEqual([]);
  });
});

describe('a proxy', () => {
  test('that buffers streams until they end is noticed, and the page polls', async () => {
    front.fault = { kind: 'holdStreams' };
    const tab = await openTab('/leads');
    const since = Date.now();
    const sessionId = await startSession(tab, 50);
    await waitForTracker(tab, 'numbers', ({ processed }) => processed > 0, sessionId);
    // They do not wait until the page gives up the silent stream.
    const streams = front.streams.filter(({ openedAt }) => openedAt >= since);
    expect(streams.map(({ closedAt }) => closedAt)).toEqual([null]);
    await waitForTracker(tab, 'the end', isOver, sessionId);
  });

  test('that cuts every stream after a moment loses no number, and the page polls in the end', async () => {
    front.fault = { kind: 'cutStreams', afterMs: 800 };
    const since = front.streams.length;
    const tab = await openTab('/leads');
    const sessionId = await startSession(tab, 100);
    await waitForTracker(tab, 'the end', isOver, sessionId);
    // Three streams in a row, and then none until a minute has passed.
    expect(front.streams.length - since).toBe(3);
  });

  test('that answers 502 to streams or to all requests is reported, and the page recovers', async () => {
    front.fault = { kind: 'refuseStreams' };
    const tab = await openTab('/leads');
    const sessionId = await startSession(tab, 100);
    await waitForTracker(tab, 'polled numbers', ({ processed }) => processed > 2, sessionId);
    front.fault = { kind: 'badGateway' };
    await expect.poll(() => note(tab), { timeout: 20_000 }).toContain('does not answer');
    front.fault = { kind: 'none' };
    await waitForTracker(tab, 'the end', isOver, sessionId);
  });
});

describe('a person', () => {
  test('who is offline is told so, keeps the numbers, and sees the newest ones immediately when back online', async () => {
    const tab = await openTab('/leads');
    const sessionId = await startSession(tab, 100);
    const before = await waitForTracker(tab, '10 %', ({ processed }) => processed >= 5, sessionId);
    const letGo = product.proxy.hold();
    await browser.context.setOffline(true);
    await expect.poll(() => note(tab), { timeout: 20_000 }).toContain('You are offline');
    expect((await waitForTracker(tab, 'numbers', () => true, sessionId)).processed).toBeGreaterThanOrEqual(
      before.processed,
    );
    const shownOffline = await waitForTracker(tab, 'numbers', () => true, sessionId);
    letGo();
    await browser.context.setOffline(false);
    const backAt = Date.now();
    await waitForTracker(tab, 'news', ({ rev }) => rev > shownOffline.rev, sessionId);
    expect(Date.now() - backAt).toBeLessThan(4_000);
    await waitForTracker(tab, 'the end', isOver, sessionId);
  });

  test('whose sign-in has expired is told so, with a link to sign in, and not that the server is unreachable', async () => {
    const tab = await openTab('/leads');
    // The activation lasts until a person has noticed, even on a slow machine.
    const letGo = product.proxy.hold();
    const sessionId = await startSession(tab, 25);
    await tab.reload();
    front.fault = { kind: 'signedOut' };
    await expect.poll(() => note(tab), { timeout: 10_000 }).toContain('You are signed out');
    front.fault = { kind: 'none' };
    letGo();
    await tab.getByRole('button', { name: 'Sign in again' }).first().click();
    await waitForTracker(tab, 'the end', isOver, sessionId);
  });

  test('whose laptop sleeps sees the end when it wakes, and the other tabs continue meanwhile', async () => {
    const sleeper = await openTab('/leads');
    await sleeper.clock.install();
    const sessionId = await startSession(sleeper, 100);
    const other = await openTab('/activations');
    await waitForTracker(other, '10 %', ({ processed }) => processed >= 10, sessionId);
    const devTools = await browser.context.newCDPSession(sleeper);
    await devTools.send('Page.setWebLifecycleState', { state: 'frozen' });
    const frozenAt = Date.now();
    const { rev } = await waitForTracker(other, 'numbers', () => true, sessionId);
    await waitForTracker(other, 'news without the leader', (sample) => sample.rev > rev + 1, sessionId);
    // A leader that sleeps says nothing until it wakes.
    expect(Date.now() - frozenAt).toBeLessThan(10_000);
    await waitForTracker(other, 'the end', isOver, sessionId);
    await devTools.send('Page.setWebLifecycleState', { state: 'active' });
    // Five minutes pass on its clock: every timer is late and fires once.
    await sleeper.clock.fastForward(300_000);
    await waitForTracker(sleeper, 'the end', isOver, sessionId);
  });
});
