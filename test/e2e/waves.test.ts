/**
 * Small first: Mia sends in waves, Bob approves the plan, bounces hold the second wave, Mia reads the figure and goes
 * on, and the receipt proves that nobody was emailed twice. Then she ends a watch herself.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AccessStandIn, signIn } from '../support/access-stand-in.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

const leadCount = 60;
const wait = { timeout: 15_000 };
const webhookSecret = 'whsec_ZTJlLXdlYmhvb2stc2VjcmV0';

let product: Product;
let access: AccessStandIn;
let browsers: TestBrowser[] = [];
let mia: Page;
let bob: Page;
let folder: string;
let sessionId = '';
/** Of the manifest that Mia saw when she asked for the approval. */
let shownHash = '';
const complaints: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waves-'));
  access = await AccessStandIn.start({
    app: () => new URL(product.stack.url),
    people: { 'mia@example.com': { groups: [] }, 'bob@example.com': { groups: [] } },
  });
  product = await startProduct({
    leadCount,
    env: {
      ...access.settings,
      ROLE_OPERATOR: 'mia@example.com',
      ROLE_ADMIN: 'bob@example.com',
      APPROVAL_ABOVE: '10',
      RESEND_WEBHOOK_SECRET: webhookSecret,
    },
  });
  browsers = [await launchBrowser(), await launchBrowser()];
  const pages = await Promise.all(browsers.map((browser) => browser.newPage()));
  [mia, bob] = pages as [Page, Page];
  for (const page of pages) page.on('pageerror', (error) => complaints.push(String(error)));
  await signIn(mia, `${access.url}/leads`, 'mia@example.com');
  await signIn(bob, `${access.url}/leads`, 'bob@example.com');
});
afterAll(async () => {
  for (const browser of browsers) await browser.close();
  await access.close();
  await product.close();
  await rm(folder, { recursive: true, force: true });
});

const field = (name: string) => mia.getByTestId(name);
const waveText = (): Promise<string> => field('wave-text').innerText();
const fact = (page: Page, name: string) =>
  page.locator(`[data-testid="manifest-facts"] [data-fact="${name}"]`).first();
const state = (page: Page, wanted: string) =>
  page.locator(`[data-testid="run"][data-state="${wanted}"]`).waitFor();
const wave = (number: number, wanted: string) =>
  mia.locator(`[data-testid="wave"][data-number="${String(number)}"][data-state="${wanted}"]`);
const mailCounts = async (): Promise<number[]> => [
  ...(await readMailbox(product.standIn.url)).countByAddress.values(),
];

/** Opens the Activate dialog for the leads of a page, or for all that match. */
async function openDialog(search: string, name: string, all = false): Promise<void> {
  await mia.goto(`${access.url}/leads?search=${encodeURIComponent(search)}&limit=25`);
  await mia.getByTestId('lead-row').first().waitFor();
  await field('select-page').check();
  if (all) await field('select-all-matching').click();
  await field('activate').click();
  await field('preview-subject').waitFor();
  await field('activate-name').fill(name);
}

/** The mail provider tells, signed, that the mail to a lead bounced. */
async function tellBounce(leadId: number): Promise<void> {
  const body = JSON.stringify({
    type: 'email.bounced',
    data: {
      to: [`lead-${String(leadId)}@example.com`],
      tags: { session: sessionId, batch: '1', lead: String(leadId) },
      bounce: { type: 'Permanent', subType: 'General', message: 'smtp; 550 no such user' },
    },
  });
  const at = new Date();
  const id = `msg_${String(leadId)}`;
  const response = await fetch(`${product.stack.url}/webhooks/resend`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'svix-id': id,
      'svix-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'svix-signature': new Webhook(webhookSecret).sign(id, at, body),
    },
    body,
  });
  expect(response.status).toBe(200);
}

/** Fetches what an address of the app serves, as a stranger would. */
async function fetchTo(name: string, path: string): Promise<string> {
  const response = await fetch(product.stack.url + path);
  expect(response.status, path).toBe(200);
  await writeFile(join(folder, name), await response.text());
  return join(folder, name);
}

test('one sentence says what each wave will have, and what is wrong with the sizes', async () => {
  await openDialog('example.com', 'Small first', true);
  await field('waves').check();
  expect(await waveText()).toBe(
    '50 leads first, then 6, then 4. After each, 1 h watch; held if over 4% bounce.',
  );
  await field('wave-sizes').fill('55, 10%');
  expect(await waveText()).toBe('The waves before the rest have 61 leads, of 60 in all. Make them smaller.');
  expect(await field('activate-start').isDisabled()).toBe(true);
  await field('wave-sizes').fill('20, ten');
  expect(await waveText()).toBe('Write up to 10 sizes with commas, such as 50, 10%.');
  await field('wave-sizes').fill('20');
  await field('wave-watchMinutes').fill('5');
  expect(await waveText()).toBe('20 leads first, then 40. After each, 5 min watch; held if over 4% bounce.');
  await field('wave-limits').locator('summary').click();
  await field('wave-bouncedPercent').fill('101');
  expect(await waveText()).toBe('Each limit is between 0 and 100 %, of a whole number of emails.');
  await field('wave-bouncedPercent').fill('4');
  expect(await field('activate-start').isEnabled()).toBe(true);
});

test('so many a day says how many days that takes', async () => {
  await field('wave-kind-perDay').check({ force: true });
  expect(await waveText()).toMatch(/^All 60 leads on the first day\./);
  await field('wave-leadsPerDay').fill('25');
  await field('wave-at').fill('10:30');
  expect(await waveText()).toMatch(/^25 leads at the start, then 25 each day at 10:30 UTC: 3 days\./);
  await field('manifest').locator('summary').click();
  await expect.poll(() => fact(mia, 'waves').innerText()).toContain('25 leads a day, at 10:30 UTC');
  await field('wave-kind-sizes').check({ force: true });
  await expect
    .poll(() => fact(mia, 'waves').innerText())
    .toMatch(/^20 leads, then the rest; 5 min watch; held over 4% bounced/);
});

test('who approves sees the waves, and what is approved is what was shown', async () => {
  shownHash = await field('manifest-hash').innerText();
  await field('activate-start').click();
  await mia.getByText('Small first waits for approval').waitFor();
  await mia.getByRole('link', { name: 'Show' }).click();
  await state(mia, 'awaiting_approval');
  sessionId = mia.url().split('/').at(-1) ?? '';
  await bob.goto(`${access.url}/approvals`);
  await bob.getByTestId('approval-row').filter({ hasText: 'Small first' }).getByRole('link').click();
  await bob.getByTestId('approval-review').waitFor();
  expect(await fact(bob, 'waves').innerText()).toMatch(/^20 leads, then the rest/);
  expect(await bob.getByTestId('manifest-hash').first().innerText()).toBe(shownHash);
  expect(await mailCounts()).toEqual([]);
  await bob.getByTestId('control-approve').click();
  await bob.getByText('Small first was approved').waitFor();
});

test('the first wave leaves alone, is watched, and the calendar has the next one', async () => {
  await wave(1, 'watching').waitFor();
  await wave(2, 'planned').waitFor();
  expect(await mailCounts()).toEqual(Array.from({ length: 20 }, () => 1));
  expect(await wave(1, 'watching').getByTestId('wave-state').innerText()).toMatch(/^Watching until /);
  expect(await wave(1, 'watching').innerText()).toContain('20 sent');
  expect(await field('cause').innerText()).toMatch(/^Wave 2 begins /);
  await bob.goto(`${access.url}/activations?view=scheduled`);
  await bob.getByTestId('agenda-entry').filter({ hasText: 'Small first' }).getByText('Next wave').waitFor();
});

test('bounces that the provider reports hold the second wave, with the figure', async () => {
  for (const leadId of [3, 4, 5]) await tellBounce(leadId);
  await state(mia, 'wave_held');
  expect(await field('cause').innerText()).toContain('Held: 3 of 20 emails bounced (15%, limit 4%)');
  expect(await field('cause').innerText()).toContain('Go on to send wave 2 (40 leads), or cancel.');
  expect(await wave(1, 'held').locator('[data-figure="bounced"]').innerText()).toBe('3 bounced (15%)');
  await mia.getByTestId('event-log').locator('[data-kind="wave_held"]').waitFor();
  await expect.poll(() => field('announcements').innerText(), wait).toContain('Small first: Wave 1 held');
  // Nobody has to look for it, and no further mail goes to who bounced.
  await bob.goto(`${access.url}/activations?view=attention`);
  await bob.getByTestId('run-row').filter({ hasText: 'Held: 3 of 20 emails bounced' }).waitFor();
  await bob.goto(`${access.url}/suppressions`);
  await expect.poll(() => bob.getByTestId('suppression-row').count(), wait).toBe(3);
  expect(await mailCounts()).toHaveLength(20);
});

test('going on sends the rest, and nobody gets a second email', async () => {
  expect(await field('control-pause').count()).toBe(0);
  expect(await field('control-cancel').isEnabled()).toBe(true);
  await field('control-nextWave').click();
  await state(mia, 'completed');
  await wave(2, 'passed').waitFor();
  expect(await wave(1, 'passed').getByTestId('wave-state').innerText()).toBe('Passed by mia@example.com');
  expect(await wave(2, 'passed').getByTestId('wave-state').innerText()).toBe('Done');
  expect(await mailCounts()).toEqual(Array.from({ length: leadCount }, () => 1));
  await mia.getByTestId('event-log').locator('[data-kind="wave_passed"]').waitFor();
});

test('its receipt is proved offline', async () => {
  await field('run-menu').click();
  await field('open-receipt').click();
  const saving = mia.waitForEvent('download');
  await field('download-receipt').click();
  const file = join(folder, 'receipt.jsonl');
  await (await saving).saveAs(file);
  const verifier = await fetchTo('lead-activation.mjs', '/lead-activation.mjs');
  const keys = await fetchTo('keys.json', '/.well-known/lead-activation-receipt-keys.json');
  const { status, stdout, stderr } = spawnSync(process.execPath, [verifier, 'verify', file, '--keys', keys], {
    encoding: 'utf8',
    cwd: folder,
  });
  expect(stdout + stderr).toContain('60 sent');
  expect(stdout + stderr).toMatch(/\nProved\.\n$/);
  expect(status).toBe(0);
});

test('a watch is ended early after a question', async () => {
  await addLeads(8);
  await openDialog('later', 'Not waiting');
  await field('waves').check();
  await field('wave-sizes').fill('3');
  await field('activate-start').click();
  await field('tracker').waitFor();
  await mia.goto(`${access.url}/activations`);
  await mia.getByRole('link', { name: 'Not waiting' }).first().click();
  await wave(1, 'watching').waitFor();
  await field('control-nextWave').click();
  const question = mia.getByRole('alertdialog');
  expect(await question.innerText()).toContain('5 leads are sent the email');
  await question.getByTestId('confirm').click();
  await state(mia, 'completed');
  expect(await wave(1, 'passed').getByTestId('wave-state').innerText()).toBe('Passed by mia@example.com');
  expect(await mailCounts()).toEqual(Array.from({ length: leadCount + 8 }, () => 1));
  expect(complaints).toEqual([]);
});

/** New leads, by the API, as Mia. */
async function addLeads(count: number): Promise<void> {
  for (let at = 1; at <= count; at++) {
    const status = await mia.evaluate(
      async (email) =>
        (
          await fetch('/crm/leads', {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ email, firstName: 'New', lastName: 'Lead' }),
          })
        ).status,
      `later-${String(at)}@example.com`,
    );
    expect(status).toBe(201);
  }
}
