/**
 * A marketer's story: Mia schedules a small first wave for Tuesday, 9:00 in Berlin. Bob approves the plan. It begins at
 * that time, bounces hold the second wave, Mia cleans the list and goes on, and the receipt proves offline that nobody
 * was emailed twice. Then she ends a watch herself, and sends a few leads a day.
 *
 * The days between are the clock's: it is moved, for the Worker and for both browsers.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Colleagues, miaEmail, untilState } from '../support/colleagues.ts';
import { sidewaysPixels } from './look.ts';

const leadCount = 60;
const wait = { timeout: 15_000 };
const webhookSecret = 'whsec_ZTJlLXdlYmhvb2stc2VjcmV0';
const dayMs = 86_400_000;
/** Before a wave begins by itself: the clock goes on, and two browsers have to sign in meanwhile. */
const tenMinutesMs = 600_000;

let people: Colleagues;
let mia: Page;
let bob: Page;
let folder: string;
let sessionId = '';
/** Of the manifest that Mia saw when she asked for the approval. */
let shownHash = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waves-'));
  people = await Colleagues.start({
    leadCount,
    // Who takes addresses off the list is an admin; to approve it, that is somebody else all the same.
    env: { RESEND_WEBHOOK_SECRET: webhookSecret, ROLE_ADMIN: miaEmail },
    hasMovableClock: true,
  });
  ({ mia, bob } = people);
});
afterAll(async () => {
  await people.close();
  await rm(folder, { recursive: true, force: true });
});

const field = (name: string) => mia.getByTestId(name);
const waveText = (): Promise<string> => field('wave-text').innerText();
const fact = (page: Page, name: string) =>
  page.locator(`[data-testid="manifest-facts"] [data-fact="${name}"]`).first();
const wave = (number: number, wanted: string) =>
  mia.locator(`[data-testid="wave"][data-number="${String(number)}"][data-state="${wanted}"]`);
const once = (count: number): number[] => Array.from({ length: count }, () => 1);

/** The instant at which a clock in Berlin shows 9:00 on a day, which has the offset of winter or of summer. */
function nineInBerlin(day: string): number {
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', timeStyle: 'short' });
  const found = [7, 8]
    .map((hour) => Date.parse(`${day}T0${String(hour)}:00:00Z`))
    .find((at) => clock.format(at) === '09:00');
  if (found === undefined) throw new Error(`Berlin has no 9:00 on ${day}.`);
  return found;
}

/** The first Tuesday after tomorrow, as `2026-12-01`. */
function nextTuesday(): string {
  const day = new Date(Date.now() + 2 * dayMs);
  while (day.getUTCDay() !== 2) day.setUTCDate(day.getUTCDate() + 1);
  return day.toISOString().slice(0, 10);
}
const tuesday = nextTuesday();

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
  const at = new Date(people.product.now());
  const id = `msg_${String(leadId)}`;
  const response = await fetch(`${people.product.stack.url}/webhooks/resend`, {
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
  const response = await fetch(people.product.stack.url + path);
  expect(response.status, path).toBe(200);
  await writeFile(join(folder, name), await response.text());
  return join(folder, name);
}

test('one sentence says what each wave will have, and what is wrong with the sizes', async () => {
  await people.openDialog('example.com', 'Small first', true);
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

test('the dialog takes Tuesday, 9:00 in Berlin, and says when that is', async () => {
  await field('start-later').check({ force: true });
  await field('timing-zone').selectOption('Europe/Berlin');
  await field('timing-at').fill(`${tuesday}T09:00`);
  await expect.poll(() => field('timing-start').innerText()).toMatch(/Tue.* 09:00 Berlin time/);
  expect(await field('timing-start').innerText()).toMatch(/That is .*0[78]:00 your time/);
  expect(await field('activate-start').innerText()).toBe('Ask to activate 60 leads');
  await expect.poll(() => fact(mia, 'start').innerText()).toMatch(/09:00 Berlin time/);
  shownHash = await field('manifest-hash').innerText();
});

test('who approves sees time and waves, and what is approved is what was shown', async () => {
  sessionId = await people.ask('Small first');
  await people.review('Small first');
  expect(await fact(bob, 'start').innerText()).toMatch(/Tue.* 09:00 Berlin time/);
  expect(await fact(bob, 'waves').innerText()).toMatch(/^20 leads, then the rest/);
  expect(await bob.getByTestId('manifest-hash').first().innerText()).toBe(shownHash);
  await people.approve('Small first');
  await untilState(mia, 'scheduled');
  expect(await people.mailCounts()).toEqual([]);
  await bob.goto(`${people.url}/activations?view=scheduled`);
  await bob.getByTestId('agenda-entry').filter({ hasText: 'Small first' }).getByText('Starts').waitFor();
});

test('nothing leaves until then', async () => {
  await people.moveClockTo(nineInBerlin(tuesday) - tenMinutesMs);
  await untilState(mia, 'scheduled');
  expect(await people.mailCounts()).toEqual([]);
});

test('on Tuesday at nine the first wave leaves alone, is watched, and the calendar has the next one', async () => {
  await people.moveClockTo(nineInBerlin(tuesday));
  await wave(1, 'watching').waitFor();
  await wave(2, 'planned').waitFor();
  expect(await people.mailCounts()).toEqual(once(20));
  expect(await wave(1, 'watching').getByTestId('wave-state').innerText()).toMatch(/^Watching until /);
  expect(await wave(1, 'watching').innerText()).toContain('20 sent');
  expect(await field('cause').innerText()).toMatch(/^Wave 2 begins /);
  await bob.goto(`${people.url}/activations?view=scheduled`);
  await bob.getByTestId('agenda-entry').filter({ hasText: 'Small first' }).getByText('Next wave').waitFor();
});

test('bounces that the provider reports hold the second wave, with the figure', async () => {
  for (const leadId of [3, 4, 5]) await tellBounce(leadId);
  await untilState(mia, 'wave_held');
  expect(await field('cause').innerText()).toContain('Held: 3 of 20 emails bounced (15%, limit 4%)');
  expect(await field('cause').innerText()).toContain('Go on to send wave 2 (40 leads), or cancel.');
  expect(await wave(1, 'held').locator('[data-figure="bounced"]').innerText()).toBe('3 bounced (15%)');
  await mia.getByTestId('event-log').locator('[data-kind="wave_held"]').waitFor();
  await expect.poll(() => field('announcements').innerText(), wait).toContain('Small first: Wave 1 held');
  // On a phone nothing of it needs scrolling sideways, and each lead has its name.
  await mia.setViewportSize({ width: 390, height: 844 });
  const bounced = mia.locator('[data-testid="result-row"][data-email="bounced"]').first();
  await bounced.waitFor();
  expect((await bounced.getByTestId('result-lead').boundingBox())?.width).toBeGreaterThan(60);
  expect(await sidewaysPixels(mia)).toBeLessThanOrEqual(0);
  await mia.setViewportSize({ width: 1280, height: 800 });
  // Nobody has to look for it.
  await bob.goto(`${people.url}/activations?view=attention`);
  await bob.getByTestId('run-row').filter({ hasText: 'Held: 3 of 20 emails bounced' }).waitFor();
  expect(await people.mailCounts()).toHaveLength(20);
});

test('Mia takes more bad addresses off the list than have bounced', async () => {
  await mia.goto(`${people.url}/suppressions`);
  // Who bounced is there by itself.
  await expect.poll(() => field('suppression-row').count(), wait).toBe(3);
  await field('open-suppression-add').click();
  await field('suppression-addresses').fill(
    [41, 42, 43].map((lead) => `lead-${String(lead)}@example.com`).join('\n'),
  );
  await field('suppression-add').click();
  await expect.poll(() => field('suppression-row').count(), wait).toBe(6);
});

test('going on sends the rest but for those, and nobody gets a second email', async () => {
  await mia.goto(`${people.url}/activations/${sessionId}`);
  await untilState(mia, 'wave_held');
  expect(await field('control-pause').count()).toBe(0);
  expect(await field('control-cancel').isEnabled()).toBe(true);
  await field('control-nextWave').click();
  await untilState(mia, 'completed');
  await wave(2, 'passed').waitFor();
  expect(await wave(1, 'passed').getByTestId('wave-state').innerText()).toBe('Passed by mia@example.com');
  expect(await wave(2, 'passed').getByTestId('wave-state').innerText()).toBe('Done');
  expect(await wave(2, 'passed').innerText()).toContain('37 sent');
  expect(await people.mailCounts()).toEqual(once(leadCount - 3));
  await field('event-log').locator('[data-kind="wave_passed"]').waitFor();
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
  expect(stdout + stderr).toContain('57 sent');
  expect(stdout + stderr).toMatch(/\nProved\.\n$/);
  expect(status).toBe(0);
});

test('a watch is ended early after a question', async () => {
  await people.addLeads('later', 8);
  await people.openDialog('later', 'Not waiting');
  await field('waves').check();
  await field('wave-sizes').fill('3');
  await people.startAndOpen('Not waiting');
  await wave(1, 'watching').waitFor();
  await field('control-nextWave').click();
  const question = mia.getByRole('alertdialog');
  expect(await question.innerText()).toContain('5 leads are sent the email');
  await question.getByTestId('confirm').click();
  await untilState(mia, 'completed');
  expect(await wave(1, 'passed').getByTestId('wave-state').innerText()).toBe('Passed by mia@example.com');
  expect(await people.mailCounts()).toEqual(once(leadCount + 5));
});

test('so many a day: the rest leaves at its hour of the next day and not before, and each gets one email', async () => {
  await people.addLeads('quotient', 8);
  await people.openDialog('quotient', 'Daily');
  await field('waves').check();
  await field('wave-kind-perDay').check({ force: true });
  await field('wave-leadsPerDay').fill('5');
  await field('timing-zone').selectOption('Europe/Berlin');
  await expect
    .poll(waveText)
    .toMatch(/^5 leads at the start, then 5 each day at 09:00 Berlin time: 2 days\./);
  await people.startAndOpen('Daily');
  await wave(1, 'watching').waitFor();
  const before = leadCount + 5;
  expect(await people.mailCounts()).toEqual(once(before + 5));
  const nextDay = nineInBerlin(new Date(Date.parse(tuesday) + dayMs).toISOString().slice(0, 10));
  expect(await field('cause').innerText()).toMatch(/^Wave 2 begins /);
  await people.moveClockTo(nextDay - tenMinutesMs);
  await wave(1, 'watching').waitFor();
  expect(await people.mailCounts()).toEqual(once(before + 5));
  await people.moveClockTo(nextDay);
  await untilState(mia, 'completed');
  await wave(2, 'passed').waitFor();
  expect(await wave(2, 'passed').innerText()).toContain('3 sent');
  expect(await people.mailCounts()).toEqual(once(before + 8));
  expect(people.complaints).toEqual([]);
});
