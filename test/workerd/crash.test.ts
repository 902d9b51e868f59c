/**
 * Crashes at every verb of a slice. A crash is `ctx.abort()`: the instance is gone, with what it had in
 * memory and what it had not yet committed.
 *
 * What this does not prove: that the platform keeps its word (alarms fire, committed rows stay) when a
 * whole process dies; `npm run chaos:kill` does that.
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isTerminal, type Progress } from '../../src/shared/progress.ts';
import { addLeads, emptyCrm, statuses } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import { freshSessionId, readProgress, readRows, startSession, stubOf } from '../support/session-driver.ts';

let db: D1Database;
let mail: FakeMailApi;
/** Added to the real time; the objects' alarms then lie in the future and only the test fires them. */
let clockOffsetMs = 0;

beforeEach(async () => {
  resetHooks();
  db = await emptyCrm();
  mail = new FakeMailApi().install();
  clockOffsetMs = 3_600_000;
  hooks.now = () => Date.now() + clockOffsetMs;
  hooks.env = { MAIL_BATCH_MAX: '10' };
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const leads = (count: number) => Array.from({ length: count }, () => ({}));

/** Fires alarms until the session is over; returns every view between them. */
async function drive(sessionId: string): Promise<Progress[]> {
  const views: Progress[] = [];
  for (let alarmCount = 0; alarmCount < 5_000; alarmCount++) {
    await runDurableObjectAlarm(stubOf(sessionId)).catch(() => false);
    const view = await readProgress(sessionId).catch(() => null);
    if (view === null) continue;
    views.push(view);
    if (isTerminal(view)) return views;
    // Waiting batches come due; a probe, a hold-off are over.
    clockOffsetMs += view.waitingUntil !== null || (await hasOnlyWaiting(sessionId)) ? 60_000 : 1;
  }
  throw new Error('The session did not come to its end.');
}

async function hasOnlyWaiting(sessionId: string): Promise<boolean> {
  return runInDurableObject(stubOf(sessionId), (instance) => {
    const store = instance.rows();
    return !store.hasPending() && store.nextAttemptAt() !== null;
  });
}

function expectNeverBack(views: readonly Progress[]): void {
  for (const [index, view] of views.entries()) {
    const before = views[index - 1];
    if (before === undefined) continue;
    expect(view.rev).toBeGreaterThanOrEqual(before.rev);
    expect(view.activation.activated).toBeGreaterThanOrEqual(before.activation.activated);
    expect(view.email.sent).toBeGreaterThanOrEqual(before.email.sent);
    expect(view.processed).toBeGreaterThanOrEqual(before.processed);
  }
}

async function expectOnceAndAll(sessionId: string, views: readonly Progress[], leadCount: number): Promise<void> {
  const end = views.at(-1);
  expectNeverBack(views);
  expect(end).toMatchObject({ state: 'completed', total: leadCount, processed: leadCount });
  expect(end?.email).toMatchObject({ sent: leadCount, failed: 0, unknown: 0 });
  expect(mail.mails).toHaveLength(leadCount);
  expect(Math.max(...mail.countByAddress().values())).toBe(1);
  const { session, recount } = await readRows(sessionId);
  expect(recount).toEqual(session.counts);
  expect((await statuses(db)).every((lead) => lead.activated_by === sessionId)).toBe(true);
}

describe('a crash', () => {
  it('at any one verb of a slice, before or after it, mails nobody twice and loses nobody', async () => {
    await addLeads(db, leads(35));
    let crashCount = 0;
    // One more edge each time, until a run comes to its end before its crash.
    for (let crashAt = 1; ; crashAt++) {
      await db.prepare("UPDATE leads SET status = 'new', activated_by = NULL, activated_at = NULL").run();
      mail = new FakeMailApi().install();
      let edge = 0;
      let crashed = false;
      hooks.onVerb = () => {
        edge++;
        if (crashed || edge !== crashAt) return false;
        crashed = true;
        return true;
      };
      const sessionId = freshSessionId();
      await startSession(sessionId);
      await expectOnceAndAll(sessionId, await drive(sessionId), 35);
      if (!crashed) break;
      crashCount++;
    }
    expect(crashCount).toBeGreaterThan(80);
  }, 120_000);

  it('again and again, beside lost answers and errors after acceptance, still mails each lead once', async () => {
    const wanted = Number(env.CHAOS_CRASHES);
    let crashCount = 0;
    const crashesByVerb = new Map<string, number>();
    for (let seed = 1; crashCount < wanted; seed++) {
      const random = seededRandom(seed);
      await emptyCrm();
      await addLeads(db, leads(200));
      mail = new FakeMailApi().install();
      mail.fault = () => {
        const chance = random();
        if (chance < 0.05) return { kind: 'loseAfter' };
        if (chance < 0.1) return { kind: 'loseBefore' };
        if (chance < 0.13) return { kind: 'acceptThenAnswer', status: 500 };
        if (chance < 0.16) return { kind: 'answer', status: 503 };
        return { kind: 'none' };
      };
      hooks.onVerb = (verb, edge) => {
        if (random() > 0.04) return false;
        crashCount++;
        const place = `${edge} ${verb}`;
        crashesByVerb.set(place, (crashesByVerb.get(place) ?? 0) + 1);
        return true;
      };
      const sessionId = freshSessionId();
      await startSession(sessionId);
      await expectOnceAndAll(sessionId, await drive(sessionId), 200);
    }
    for (const verb of ['take', 'permit', 'flip', 'prepare', 'intend', 'deliver', 'settle', 'plan', 'release']) {
      expect(crashesByVerb.get(`before ${verb}`) ?? 0, verb).toBeGreaterThan(0);
      expect(crashesByVerb.get(`after ${verb}`) ?? 0, verb).toBeGreaterThan(0);
    }
  }, 600_000);

  it('is known to duplicate when each attempt has a key of its own, so that the checks above can fail', async () => {
    const random = seededRandom(7);
    await addLeads(db, leads(200));
    hooks.keyOf = () => `random-${random()}`;
    mail.fault = () => (random() < 0.3 ? { kind: 'loseAfter' } : { kind: 'none' });
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await drive(sessionId);
    expect(Math.max(...mail.countByAddress().values())).toBeGreaterThan(1);
  });
});
