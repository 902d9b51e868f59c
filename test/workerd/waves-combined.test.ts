/**
 * Waves together with an approval, with the daily cap, and with a scheduled start that finds its audience then: each as
 * it is, and with the object dying in between. Whatever dies, the waves have the same members, and nothing leaves without
 * approval, before its time, over the cap or over its wave.
 */
import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { exports } from 'cloudflare:workers';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import type { Role } from '../../src/shared/roles.ts';
import {
  formatLocalTime,
  instantOf,
  localTime,
  parseLocalTime,
} from '../../src/shared/schedule/zoned-time.ts';
import { addLeads } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { identityOf, requestAs, roleSettings } from '../support/routes.ts';
import { drive, freshSessionId, look, readRows, stubOf } from '../support/session-driver.ts';
import {
  blankLeads,
  expectSound,
  last,
  setUpSession,
  tearDownSession,
  type SessionSetup,
} from '../support/session-setup.ts';

const leadCount = 6;
const dayMs = 86_400_000;
const zone = 'Europe/Berlin';
/** Four, and after an hour the rest. */
const waves = { sizes: [{ leads: 4 }], watchMinutes: 60 };

let setup: SessionSetup;
/** When each mail left, by the driven clock, with its lead. */
let left: { at: number; leadId: number }[];

beforeEach(async () => {
  setup = await setUpSession({ leadCount });
});
afterEach(tearDownSession);

async function freshLeads(): Promise<void> {
  const { db } = setup;
  await db.prepare('DELETE FROM leads WHERE id > ?').bind(leadCount).run();
  await db.prepare("UPDATE leads SET status = 'new', activated_by = NULL, activated_at = NULL").run();
}

function freshMail(): void {
  const { clock } = setup;
  setup.mail = new FakeMailApi().install();
  setup.mail.now = () => clock.now();
  left = [];
  const deliver = globalThis.fetch;
  vi.stubGlobal('fetch', async (...call: Parameters<typeof fetch>) => {
    const [at, before] = [clock.now(), setup.mail.mails.length];
    try {
      return await deliver(...call);
    } finally {
      for (const { to } of setup.mail.mails.slice(before))
        left.push({ at, leadId: Number(/\d+/.exec(to)?.[0]) });
    }
  });
}

/** Runs a session to its end once without a crash, and then with one at every so many edges of a verb of its slices. */
async function atManyCrashes(step: number, run: (name: string) => Promise<void>): Promise<void> {
  for (let crashAt = 0; ; crashAt += step) {
    await freshLeads();
    freshMail();
    setup.sessionId = freshSessionId();
    let edge = 0;
    hooks.onVerb = () => ++edge === crashAt;
    await run(crashAt === 0 ? 'no crash' : `crash ${String(crashAt)}`);
    hooks.onVerb = null;
    if (crashAt === 0) expect(edge).toBeGreaterThan(30);
    else if (edge < crashAt) return;
  }
}

async function start(body: object, role: Role = 'admin'): Promise<Progress & { manifestHash: string }> {
  const response = await as(role, '/crm/activation', {
    ...{ sessionId: setup.sessionId, audience: { filter: {} }, templateId: 'welcome', waves },
    ...body,
  });
  expect(response.status, await response.clone().text()).toBe(201);
  return response.json();
}

const as = (role: Role, path: string, body: object): Promise<Response> =>
  exports.default.fetch(
    requestAs(identityOf(role), 'POST', path, {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  );

/** Drives it to its end, and notes when the watch of the first wave ended by the last view of it. */
async function toEnd(): Promise<{ ended: Progress; watchedUntil: number }> {
  let watchedUntil = Infinity;
  const views = await drive(setup.sessionId, setup.clock, undefined, async () => {
    watchedUntil = (await look(setup.sessionId))?.progress.waves?.[0]?.watchUntil ?? watchedUntil;
  });
  return { ended: last(views), watchedUntil };
}

/** The waves have these last leads, the second one left behind the watch of the first, and nobody was mailed twice. */
async function expectWaves(lastLeadIds: number[], watchedUntil: number, name: string): Promise<void> {
  const { session } = await readRows(setup.sessionId);
  expect(
    session.waves?.begun.map(({ lastLeadId }) => lastLeadId),
    name,
  ).toEqual(lastLeadIds);
  const [first = 0] = lastLeadIds;
  expect(
    left.filter(({ leadId, at }) => leadId > first && at < watchedUntil),
    name,
  ).toEqual([]);
  await expectSound(setup.sessionId, setup.mail);
}

// First: the clock of the tests after it is more than a year ahead, and nobody may schedule so far.
it('waves of an audience that is found at the start have the sizes of that audience', async () => {
  hooks.env = { ...roleSettings, MAIL_BATCH_MAX: '3' };
  await atManyCrashes(3, async (name) => {
    const { clock, db } = setup;
    const at = formatLocalTime(localTime(zone, clock.now() + dayMs));
    const startAt = instantOf(zone, parseLocalTime(at) ?? 0).at;
    const scheduled = await start({
      schedule: { at, zone, freezeAt: 'start' },
      waves: { ...waves, sizes: [{ percent: 50 }] },
    });
    // By the count of the start request.
    expect(scheduled.waves?.map(({ size }) => size)).toEqual([3, 3]);
    await runDurableObjectAlarm(stubOf(setup.sessionId)).catch(() => false);
    await addLeads(
      db,
      blankLeads(4).map((lead, index) => ({ ...lead, id: leadCount + 1 + index })),
    );
    const { ended, watchedUntil } = await toEnd();
    expect(ended, name).toMatchObject({ state: 'completed', total: 10, email: { sent: 10, unknown: 0 } });
    expect(left.filter((mail) => mail.at < startAt)).toEqual([]);
    await expectWaves([5, 10], watchedUntil, name);
  });
}, 300_000);

it('waves that have to be approved begin with the approval, and not with a crash or the time', async () => {
  hooks.env = { ...roleSettings, APPROVAL_ABOVE: '3', MAIL_BATCH_MAX: '3' };
  await atManyCrashes(3, async (name) => {
    const { clock, mail } = setup;
    const { manifestHash } = await start({}, 'operator');
    await runDurableObjectAlarm(stubOf(setup.sessionId)).catch(() => false);
    clock.advance(dayMs);
    await evictDurableObject(stubOf(setup.sessionId));
    await runDurableObjectAlarm(stubOf(setup.sessionId)).catch(() => false);
    expect(mail.mails, name).toEqual([]);
    const approvedAt = clock.now();
    const answer = await as('approver', `/crm/activation/${setup.sessionId}/approve`, { manifestHash });
    expect(answer.status, name).toBe(200);
    const { ended, watchedUntil } = await toEnd();
    expect(ended, name).toMatchObject({ state: 'completed', email: { sent: leadCount, unknown: 0 } });
    expect(left.filter(({ at }) => at < approvedAt)).toEqual([]);
    await expectWaves([4, 6], watchedUntil, name);
  });
}, 300_000);

it('waves under a daily cap send no more on a day, and watch what has left', async () => {
  hooks.env = { ...roleSettings, MAIL_BATCH_MAX: '2' };
  let domain = 0;
  await atManyCrashes(12, async (name) => {
    // The gate counts for each domain.
    hooks.env = { ...hooks.env, MAIL_DAILY_CAP: '2', MAIL_FROM: `hello@capped-${String(++domain)}.test` };
    await start({});
    const { ended, watchedUntil } = await toEnd();
    expect(ended, name).toMatchObject({ state: 'completed', email: { sent: leadCount, unknown: 0 } });
    const perDay = [...Map.groupBy(left, ({ at }) => Math.floor(at / dayMs)).values()];
    expect(Math.max(...perDay.map((mails) => mails.length)), name).toBeLessThanOrEqual(2);
    expect(perDay.length, name).toBeGreaterThanOrEqual(3);
    await expectWaves([4, 6], watchedUntil, name);
  });
}, 300_000);
