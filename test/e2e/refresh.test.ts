/**
 * An activation of fifty leads whose page is refreshed at 30 %: it must show the current numbers, not zeros.
 *
 * Set up as in production: a stand-in of Cloudflare Access in front of the built product with its asset router. It
 * is the only way to sign in.
 *
 * The tests are the eight steps of one story, in one browser. Values are read from the page ten times a second,
 * also across the refresh, as a person would see them.
 */
import type { Page, Request } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AccessStandIn, signIn } from '../support/access-stand-in.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';
import { type Sample, counts, lookNow, stepsBack, waitForTracker, watchTracker } from './tracker-samples.ts';

const leadCount = 50;

async function latest(page: Page): Promise<Sample> {
  const sample = await lookNow(page);
  if (sample === null) throw new Error('the page shows no tracker');
  return sample;
}

describe('a bulk activation of 50 leads that is refreshed at 30 %', () => {
  let product: Product;
  let access: AccessStandIn;
  let browser: TestBrowser;
  let tab: Page;
  let samples: Sample[];
  let secondTab: Page;
  let secondSamples: Sample[];
  let beforeRefresh: Sample;
  let sampleCountBeforeRefresh: number;
  let sessionId: string;
  /** Times of the progress requests of the whole browser since the refresh. */
  const pollTimes: number[] = [];
  const pageErrors: string[] = [];

  beforeAll(async () => {
    access = await AccessStandIn.start({
      app: () => new URL(product.stack.url),
      people: { 'mia@example.com': { groups: [] } },
    });
    product = await startProduct({
      leadCount,
      // Calls of two mails, one per second: slow enough to observe, with twenty-five steps from 0 to 100 %.
      env: { ...access.settings, ROLE_OPERATOR: 'mia@example.com', MAIL_BATCH_MAX: '2', MAIL_RATE: '1' },
    });
    product.proxy.msPerCall = 300;
    browser = await launchBrowser();
    tab = await browser.newPage();
    tab.on('pageerror', (error) => pageErrors.push(String(error)));
    samples = await watchTracker(tab);
    secondTab = await browser.newPage();
    secondSamples = await watchTracker(secondTab);
  });
  afterAll(async () => {
    await browser.close();
    await access.close();
    await product.close();
  });

  test('a person signs in and arrives at the page that they asked for', async () => {
    await signIn(tab, `${access.url}/leads`, 'mia@example.com');
    expect(tab.url()).toBe(`${access.url}/leads`);
    await tab.getByTitle('mia@example.com').first().waitFor({ state: 'attached' });
  });

  test('1. a bulk activation of 50 leads starts', async () => {
    await tab
      .getByTestId('lead-row')
      .nth(leadCount - 1)
      .waitFor();
    await tab.getByTestId('select-page').check();
    expect(await tab.getByTestId('selected-count').getAttribute('data-value')).toBe(String(leadCount));
    await tab.getByTestId('activate').click();
    await tab.getByTestId('activate-name').fill('Fifty');
    await tab.getByTestId('activate-start').click();
    const run = tab.getByTestId('tracked-session');
    await run.waitFor();
    sessionId = (await run.getAttribute('data-session-id')) ?? '';
    expect(sessionId).toMatch(/^activation_\d{13}_[a-z0-9]{9}$/);
    expect((await waitForTracker(tab, 'the total', ({ total }) => total > 0)).total).toBe(leadCount);
  });

  test('2. it reaches 30 %', async () => {
    await waitForTracker(tab, '30 %', ({ processed }) => processed >= 0.3 * leadCount);
    beforeRefresh = await latest(tab);
    expect(beforeRefresh.state).toBe('running');
    expect(beforeRefresh.processed).toBeLessThan(leadCount);
  });

  test('3. F5 is pressed, and 4. the tracker reappears', async () => {
    sampleCountBeforeRefresh = samples.length;
    // By the browser's own clock: its news may reach this process late.
    browser.context.on('requestfinished', (request: Request) => {
      if (request.url().includes(`/crm/activation/progress/${sessionId}`))
        pollTimes.push(request.timing().startTime);
    });
    await tab.reload();
    await tab.getByTestId('tracker').waitFor();
    expect(await tab.getByTestId('tracked-session').getAttribute('data-session-id')).toBe(sessionId);
  });

  test('5. it shows the current progress, not zeros', async () => {
    await expect.poll(() => samples.length).toBeGreaterThan(sampleCountBeforeRefresh);
    const first = samples[sampleCountBeforeRefresh]!;
    for (const name of counts) expect(first[name], name).toBeGreaterThanOrEqual(beforeRefresh[name]);
    expect(first.processed).toBeGreaterThan(0);
    expect(first.total).toBe(leadCount);
  });

  test('a second tab, on another page of the app, shows the same numbers', async () => {
    await secondTab.goto(`${access.url}/activations`);
    await secondTab.getByTestId('tracker').waitFor();
    // Two readings are never simultaneous: those with the same rev must agree in every number.
    const shared = await expect
      .poll(
        () =>
          secondSamples.find(
            (there) => there.rev > beforeRefresh.rev && samples.some((here) => here.rev === there.rev),
          ),
        { timeout: 10_000 },
      )
      .toBeDefined()
      .then(() => secondSamples.filter((there) => samples.some((here) => here.rev === there.rev)));
    for (const there of shared) {
      const here = samples.find(({ rev }) => rev === there.rev)!;
      expect({ ...there, at: 0, link: '' }).toEqual({ ...here, at: 0, link: '' });
    }
  });

  test('the first tab keeps the tracker on another page of the app', async () => {
    const before = await latest(tab);
    await tab.getByRole('link', { name: 'Activations', exact: true }).first().click();
    await tab.waitForURL('**/activations');
    const after = await latest(tab);
    for (const name of counts) expect(after[name], name).toBeGreaterThanOrEqual(before[name]);
  });

  test('6. it keeps updating every 2 seconds', async () => {
    await expect.poll(() => pollTimes.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(5);
    const gaps = pollTimes.slice(1).map((time, at) => time - pollTimes[at]!);
    const median = [...gaps].sort((a, b) => a - b)[Math.floor(gaps.length / 2)]!;
    expect(median).toBeGreaterThan(1_800);
    expect(median).toBeLessThan(2_400);
    // Two tabs make no more requests than one.
    expect(Math.min(...gaps)).toBeGreaterThan(1_500);
    const { processed } = await latest(tab);
    await waitForTracker(
      tab,
      'more',
      (sample) => sample.processed > processed || sample.processed === leadCount,
    );
  });

  test('7. email progress is still tracked', async () => {
    const now = await waitForTracker(tab, 'more mail', ({ sent }) => sent > beforeRefresh.sent);
    expect(now.bar).toBeGreaterThan(beforeRefresh.bar);
  });

  test('8. it completes', async () => {
    const done = { state: 'completed', processed: 50, total: 50, activated: 50, sent: 50 };
    await waitForTracker(tab, 'the end', ({ state }) => state === 'completed');
    await waitForTracker(secondTab, 'the end in the second tab', ({ state }) => state === 'completed');
    expect(await latest(tab)).toMatchObject(done);
    expect(await latest(secondTab)).toMatchObject(done);
  });

  test('no number went down, before, across or after the refresh, in either tab', () => {
    expect(samples.length).toBeGreaterThan(50);
    expect(stepsBack(samples)).toEqual([]);
    expect(stepsBack(secondSamples)).toEqual([]);
  });

  test('the mail API holds exactly 50 mails, one per lead', async () => {
    const { mails, countByAddress, duplicates } = await readMailbox(product.standIn.url);
    const addresses = Array.from({ length: leadCount }, (_, at) => `lead-${at + 1}@example.com`);
    expect(mails).toHaveLength(leadCount);
    expect(duplicates).toEqual([]);
    expect([...countByAddress.keys()].sort()).toEqual(addresses.sort());
  });

  test('all 50 leads are active in the CRM, activated by this session', async () => {
    // The page's own request, with its session.
    const response = await tab.request.get(`${access.url}/crm/leads?status=active&limit=500`);
    const page = (await response.json()) as { total: number; leads: { activatedBy: string }[] };
    expect(page.total).toBe(leadCount);
    expect(new Set(page.leads.map((lead) => lead.activatedBy))).toEqual(new Set([sessionId]));
  });

  test('no request is made after the end, and no page threw an error', async () => {
    const { length } = pollTimes;
    await tab.waitForTimeout(2_500);
    expect(pollTimes).toHaveLength(length);
    expect(pageErrors).toEqual([]);
  });
});
