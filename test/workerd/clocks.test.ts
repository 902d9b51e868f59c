/**
 * Clocks that are set back, two sessions over one audience, and progress that is up to date.
 *
 * The clock is the session's and the gate's. The platform's alarms cannot be set back here, so a test reads the time
 * that an alarm is set to.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { plannedBatch, type NewBatch } from '../../src/core/batch/batch.ts';
import { listActivations } from '../../src/crm/activations.ts';
import { SessionStore } from '../../src/durable/store/session-store.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { runNightlyCleanup, sweep } from '../../src/worker/operations/scheduled-cleanup.ts';
import { addLeads, emptyCrm, statuses } from '../support/crm-database.ts';
import type { FakeMailApi, MailFault } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  command,
  type DrivenClock,
  drive,
  freshSessionId,
  look,
  readProgress,
  request,
  sessionContent,
  startSession,
  stubOf,
  waitFor,
  type LogLine,
} from '../support/session-driver.ts';
import { expectSound, last, setUpSession, tearDownSession } from '../support/session-setup.ts';

const dayMs = 86_400_000;
const leadCount = 40;
let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;
let log: readonly LogLine[];

beforeEach(async () => {
  ({ db, mail, clock, log } = await setUpSession({ leadCount, batchSize: 10 }));
  // The clock passes any pause of the gate from an earlier test.
  clock.advance(7_200_000);
});

afterEach(tearDownSession);

const throttled: MailFault = {
  kind: 'answer',
  status: 429,
  headers: { 'retry-after': '600' },
  body: { name: 'rate_limit_exceeded', message: 'Slow down.' },
};
/** A session's entry in the list of activations. */
async function listed(sessionId: string): Promise<Progress | undefined> {
  const answer = await listActivations(db, { cursor: null, limit: 100 });
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  return answer.list.activations.find((progress) => progress.sessionId === sessionId);
}

/** A session that has begun without a result, because the CRM failed; its next try is due soon. */
async function stumbling(): Promise<string> {
  const sessionId = freshSessionId();
  hooks.onVerb = (verb, edge) => {
    if (verb === 'flip' && edge === 'before') throw new Error('D1_ERROR: Network connection lost.');
    return false;
  };
  await startSession(sessionId);
  await runDurableObjectAlarm(stubOf(sessionId));
  hooks.onVerb = null;
  return sessionId;
}

describe('a clock that is set back by a day', () => {
  /** A session that has sent ten mails and must then wait for ten minutes, before the clock is set back by a day. */
  async function waiting(): Promise<string> {
    const sessionId = freshSessionId();
    mail.fault = ({ callCount }) => (callCount === 1 ? { kind: 'none' } : throttled);
    clock.advance(2 * dayMs);
    await startSession(sessionId);
    await drive(sessionId, clock, ({ email, waitingUntil }) => email.sent > 0 && waitingUntil !== null);
    mail.fault = () => ({ kind: 'none' });
    clock.advance(-dayMs);
    return sessionId;
  }

  it('lengthens no wait: a read sets the alarm within the ten minutes', async () => {
    const sessionId = await waiting();
    expect(((await look(sessionId))?.alarmAt ?? 0) - clock.now()).toBeGreaterThan(dayMs / 2);
    const seen = await readProgress(sessionId);
    expect((seen.waitingUntil ?? 0) - clock.now()).toBeLessThanOrEqual(600_000);
    expect(((await look(sessionId))?.alarmAt ?? Infinity) - clock.now()).toBeLessThanOrEqual(600_000);
    const setBackAt = clock.now();
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount, unknown: 0 } });
    expect(clock.now() - setBackAt).toBeLessThan(1_200_000);
    await expectSound(sessionId, mail);
  });

  it('is corrected by the scheduled cleanup too, without a reader', async () => {
    const sessionId = await waiting();
    await sweep({ ...env, ...hooks.env }, () => clock.now());
    expect(((await look(sessionId))?.alarmAt ?? Infinity) - clock.now()).toBeLessThanOrEqual(600_000);
  });

  it('does not hide a stall', async () => {
    clock.advance(2 * dayMs);
    const sessionId = await stumbling();
    clock.advance(-dayMs);
    // Without the read that would correct it.
    expect((await look(sessionId))?.progress.stalledSince).not.toBeNull();
    expect((await look(sessionId))?.progress.stalledSince).toBeLessThanOrEqual(clock.now());
  });

  it('does not revive a key that may have expired: mail in doubt is unknown, and nothing is mailed twice', async () => {
    const sessionId = freshSessionId();
    mail.fault = () => ({ kind: 'loseAfter' });
    clock.advance(2 * dayMs);
    await startSession(sessionId);
    await runDurableObjectAlarm(stubOf(sessionId));
    const takenCount = mail.mails.length;
    expect(takenCount).toBeGreaterThan(0);
    // By then the provider has forgotten its keys, whatever our clock says.
    mail.keepsKeys = false;
    mail.fault = () => ({ kind: 'none' });
    clock.advance(-dayMs);
    await readProgress(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: leadCount - takenCount, unknown: takenCount, failed: 0 });
    await expectSound(sessionId, mail);
  });

  it.each([
    ['by a day: it offers no check of mail whose key may be dead', dayMs, 409],
    ['by ten minutes: what is unknown can be checked as long as before', 600_000, 200],
  ])('%s', async (_, backMs, status) => {
    const sessionId = freshSessionId();
    mail.fault = () => ({ kind: 'loseAfter' });
    clock.advance(2 * dayMs);
    await startSession(sessionId);
    await runDurableObjectAlarm(stubOf(sessionId));
    await command(sessionId, 'cancel');
    const cancelled = last(await drive(sessionId, clock));
    expect(cancelled.email.unknown).toBeGreaterThan(0);
    const livesForMs = (cancelled.checkableUntil ?? 0) - clock.now();
    expect(livesForMs).toBeGreaterThan(dayMs / 2);
    mail.fault = () => ({ kind: 'none' });
    clock.advance(-backMs);
    const { checkableUntil } = await readProgress(sessionId);
    if (status === 409) expect(checkableUntil).toBeNull();
    // The correction begins at the session's last write, which is not older than the doubt.
    else expect(Math.abs((checkableUntil ?? 0) - clock.now() - livesForMs)).toBeLessThan(60_000);
    expect((await command(sessionId, 'check')).status).toBe(status);
    const end = last(await drive(sessionId, clock));
    expect(end.email.unknown).toBe(status === 409 ? cancelled.email.unknown : 0);
    await expectSound(sessionId, mail);
  });

  it('ends the running slice instead of making it a day longer', async () => {
    const sessionId = freshSessionId();
    // More batches than calls at once: some have not left when the clock is set back.
    hooks.env = { MAIL_BATCH_MAX: '4' };
    clock.advance(2 * dayMs);
    let isSetBack = false;
    hooks.onVerb = (verb, edge) => {
      if (verb === 'settle' && edge === 'after' && !isSetBack) {
        isSetBack = true;
        clock.advance(-dayMs);
      }
      return false;
    };
    await startSession(sessionId);
    await runDurableObjectAlarm(stubOf(sessionId));
    const seen = await look(sessionId);
    expect(seen?.progress.processed).toBeLessThan(leadCount);
    expect((seen?.alarmAt ?? Infinity) - clock.now()).toBeLessThanOrEqual(2_000);
    expect(last(await drive(sessionId, clock))).toMatchObject({
      state: 'completed',
      email: { sent: leadCount },
    });
    await expectSound(sessionId, mail);
  });
});

describe('a clock that was two hours ahead when the leads were added', () => {
  it('does not change who is mailed', async () => {
    db = await emptyCrm();
    const ahead = clock.now() + 2 * 3_600_000;
    await addLeads(
      db,
      Array.from({ length: 60 }, () => ({ importId: 'file', createdAt: ahead, updatedAt: ahead })),
    );
    for (const [index, filter] of [{ importId: 'file' }, {}].entries()) {
      const sessionId = freshSessionId();
      await startSession(sessionId, { filter });
      const end = last(await drive(sessionId, clock));
      expect(end).toMatchObject({ total: 60, email: { sent: index === 0 ? 60 : 0 } });
      const { issues } = await (
        await request(`/crm/activation/${sessionId}/issues`)
      ).json<{ issues: { code: string }[] }>();
      expect(issues.map(({ code }) => code)).toEqual(index === 0 ? [] : ['already_active']);
    }
  });
});

describe('two sessions over one audience', () => {
  it('of which the first is cancelled lose no lead, and no number goes back', async () => {
    const [one, two] = [freshSessionId(), freshSessionId()];
    // The first session has flipped a batch and is stopped before the mail.
    const held = Promise.withResolvers<null>();
    const reached = Promise.withResolvers<null>();
    hooks.hold = (verb) => {
      if (verb !== 'prepare') return null;
      reached.resolve(null);
      return held.promise;
    };
    await startSession(one);
    const slice = runDurableObjectAlarm(stubOf(one));
    await reached.promise;
    await vi.waitFor(async () => {
      expect((await statuses(db)).filter(({ status }) => status === 'active')).toHaveLength(leadCount);
      expect(await listed(one)).toBeDefined();
    });
    hooks.hold = null;

    await startSession(two);
    await runDurableObjectAlarm(stubOf(two));
    const between = await readProgress(two);
    expect(between).toMatchObject({ state: 'running', processed: 0, activation: { skipped: 0 } });

    expect((await command(one, 'cancel')).status).toBe(200);
    held.resolve(null);
    await slice;
    expect(last(await drive(one, clock))).toMatchObject({ state: 'cancelled', email: { sent: 0 } });
    expect((await statuses(db)).every(({ status }) => status === 'new')).toBe(true);

    const views = await drive(two, clock);
    expect(last(views)).toMatchObject({
      state: 'completed',
      email: { sent: leadCount },
      activation: { skipped: 0 },
    });
    for (const [at, view] of views.entries())
      expect(view.processed).toBeGreaterThanOrEqual(views[at - 1]?.processed ?? 0);
    await expectSound(one, mail);
    await expectSound(two, mail);
  });

  it('of which the first mails its leads are listed in the second as already active', async () => {
    const [one, two] = [freshSessionId(), freshSessionId()];
    // More batches than calls at once: the others wait for a slot.
    hooks.env = { MAIL_BATCH_MAX: '5' };
    mail.fault = ({ callCount }) => (callCount > 4 ? { kind: 'none' } : throttled);
    await startSession(one);
    await drive(one, clock, ({ waitingUntil }) => waitingUntil !== null);
    await startSession(two, { leadIds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] });
    const end = last(await drive(two, clock));
    expect(end).toMatchObject({ state: 'completed', activation: { activated: 0, skipped: 10 } });
    const { leads } = await (
      await request(`/crm/activation/${two}/leads`)
    ).json<{ leads: { skipReason: string }[] }>();
    expect(leads.map(({ skipReason }) => skipReason)).toEqual(
      Array.from({ length: 10 }, () => 'already_active'),
    );
    await expectSound(two, mail);
  });

  it('of which the second is cancelled count the deferred leads', async () => {
    const [one, two] = [freshSessionId(), freshSessionId()];
    mail.fault = () => throttled;
    await startSession(one);
    await drive(one, clock, ({ waitingUntil }) => waitingUntil !== null);
    await startSession(two);
    await runDurableObjectAlarm(stubOf(two));
    await command(two, 'cancel');
    const end = last(await drive(two, clock));
    expect(end).toMatchObject({
      state: 'cancelled',
      processed: leadCount,
      activation: { skipped: leadCount },
    });
    await expectSound(two, mail);
  });

  it('of which the second is cancelled make its active leads new again, even after very many deferred ones', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const held = await runInDurableObject(stubOf(sessionId), (_, { storage }) => {
      const store = new SessionStore(storage);
      store.load();
      return store.transact(() => {
        const deferred = Array.from({ length: 50 }, (__, index): NewBatch => ({
          ...plannedBatch([index + 1]),
          state: 'deferred',
          originSeq: 1,
        }));
        store.batches.append([...deferred, plannedBatch([1_000])]);
        const { leadCount } = store.batches.cancelPending(100);
        return { leadCount, leadIds: store.batches.firstUnsentLeadIds('cancelled', 10) };
      });
    });
    expect(held.leadCount).toBe(51);
    expect(held.leadIds[0]).toBe(1_000);
  });
});

describe('a session without progress', () => {
  it('says in a new revision that it waits for the mail provider, and shows no estimate', async () => {
    const sessionId = freshSessionId();
    mail.fault = ({ callCount }) => (callCount === 1 ? { kind: 'none' } : { kind: 'hang' });
    hooks.deliveryTimeoutMs = 2_500;
    await startSession(sessionId);
    const slice = runDurableObjectAlarm(stubOf(sessionId));
    const { rev } = await waitFor(sessionId, ({ email }) => email.sent === 10 || mail.callCount >= 4);
    const calledAt = clock.now();
    clock.advance(4_000);
    const seen = await waitFor(sessionId, ({ waitingFor }) => waitingFor !== null);
    expect(seen).toMatchObject({
      state: 'running',
      etaSeconds: null,
      waitingFor: { kind: 'provider_answer' },
    });
    expect(seen.waitingFor?.since).toBeLessThanOrEqual(calledAt + 1_000);
    expect(seen.rev).toBeGreaterThan(rev);
    mail.fault = () => ({ kind: 'none' });
    await slice;
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', waitingFor: null, email: { sent: leadCount } });
  });

  it('says that the provider limits its rate while it answers 429', async () => {
    const sessionId = freshSessionId();
    mail.fault = () => throttled;
    await startSession(sessionId);
    const views = await drive(sessionId, clock, ({ waitingUntil }) => waitingUntil !== null);
    expect(last(views)).toMatchObject({
      state: 'running',
      etaSeconds: null,
      waitingFor: { kind: 'rate_limit' },
    });
  });

  it('says that it waits for the CRM, and not for the mail provider', async () => {
    const sessionId = freshSessionId();
    let left = 2;
    hooks.onVerb = (verb, edge) => {
      if (verb === 'flip' && edge === 'before' && left-- > 0)
        throw new Error('D1_ERROR: Network connection lost.');
      return false;
    };
    await startSession(sessionId);
    await runDurableObjectAlarm(stubOf(sessionId));
    expect((await look(sessionId))?.progress).toMatchObject({
      state: 'running',
      waitingFor: { kind: 'crm' },
    });
    expect(last(await drive(sessionId, clock))).toMatchObject({ state: 'completed', waitingFor: null });
  });

  it('reports every wait within half a minute', async () => {
    const sessionId = await stumbling();
    expect((await look(sessionId))?.progress.stalledSince).toBeNull();
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => storage.deleteAlarm());
    clock.advance(28_000);
    expect((await look(sessionId))?.progress.stalledSince).not.toBeNull();
  });
});

describe('the list of activations', () => {
  it('shows a command after the end within five seconds', async () => {
    const sessionId = freshSessionId();
    hooks.env = { MAIL_BATCH_MAX: '10', MAIL_PROVIDER: 'postmark' };
    mail.fault = ({ callCount }) => (callCount === 2 ? { kind: 'loseAfter' } : { kind: 'none' });
    await startSession(sessionId);
    await drive(sessionId, clock, ({ finishedAt, email }) => finishedAt !== null && email.unknown > 0);
    const told = await command(sessionId, 'assume-sent');
    expect(told.status).toBe(200);
    const toldAt = clock.now();
    expect(((await look(sessionId))?.alarmAt ?? Infinity) - toldAt).toBeLessThan(4_000);
    await runDurableObjectAlarm(stubOf(sessionId));
    expect(await listed(sessionId)).toMatchObject({
      email: { sent: leadCount, unknown: 0 },
      finishedAt: expect.any(Number),
    });
  });

  it('shows delivery events after the end within five seconds', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await drive(sessionId, clock);
    const [leadId = 0] = (await statuses(db)).map(({ id }) => id);
    const toldAt = clock.now();
    await stubOf(sessionId).addDeliveryEvents([{ leadId, event: 'delivered' }]);
    await vi.waitFor(async () =>
      expect(((await look(sessionId))?.alarmAt ?? Infinity) - toldAt).toBeLessThan(4_000),
    );
    await runDurableObjectAlarm(stubOf(sessionId));
    expect((await listed(sessionId))?.email.delivered).toBe(1);
  });

  it('never suggests to resume an ended session', async () => {
    const sessionId = freshSessionId();
    mail.fault = () => ({ kind: 'loseAfter' });
    await startSession(sessionId, { leadIds: [1, 2, 3] });
    await runDurableObjectAlarm(stubOf(sessionId));
    hooks.env = { MAIL_PROVIDER: 'postmark' };
    clock.advance(5_000);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { unknown: 3 }, lastError: null });
    expect(await listed(sessionId)).toMatchObject({ state: 'completed', lastError: null });
  });

  it('keeps no row of a session that is erased while its alarm fires', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await command(sessionId, 'pause');
    const deleting = Promise.withResolvers<null>();
    const firing = Promise.withResolvers<null>();
    // An alarm fires before the removal has its answer that the row is deleted.
    atDeletion('after', async () => {
      deleting.resolve(null);
      await firing.promise;
    });
    const erased = request(`/crm/activation/${sessionId}`, { method: 'DELETE' });
    await deleting.promise;
    const fired = runDurableObjectAlarm(stubOf(sessionId));
    await vi.waitFor(async () => expect((await look(sessionId))?.alarmAt).not.toBeNull());
    firing.resolve(null);
    expect((await erased).status).toBe(204);
    await fired;
    vi.restoreAllMocks();
    expect(await listed(sessionId)).toBeUndefined();
  });
});

describe('an erasure that breaks off', () => {
  const lost = (): never => {
    throw new Error('D1_ERROR: Network connection lost.');
  };
  const erase = (sessionId: string): Promise<Response> =>
    request(`/crm/activation/${sessionId}`, { method: 'DELETE' });

  it('before the rows are gone changes nothing: who is erased meanwhile is found by the line', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await drive(sessionId, clock);
    const database = Object.getPrototypeOf(db) as D1Database;
    const { prepare } = database;
    vi.spyOn(database, 'prepare').mockImplementation(function (this: D1Database, sql) {
      return sql.includes('INTO erased_sessions') ? lost() : prepare.call(this, sql);
    });
    expect((await erase(sessionId)).status).toBeGreaterThanOrEqual(500);
    vi.restoreAllMocks();
    expect(await listed(sessionId)).toBeDefined();
    expect(await sessionContent(sessionId)).toContain('lead1@example.com');
    expect((await request('/crm/leads/1', { method: 'DELETE' })).status).toBe(204);
    expect(await sessionContent(sessionId)).not.toContain('lead1@example.com');
    expect((await erase(sessionId)).status).toBe(204);
    expect(await listed(sessionId)).toBeUndefined();
  });

  it.each([
    ['by the alarm', (sessionId: string) => runDurableObjectAlarm(stubOf(sessionId))],
    [
      'by whoever erases it again',
      async (sessionId: string) => expect((await erase(sessionId)).status).toBe(204),
    ],
    ['in the night', () => runNightlyCleanup(env, () => clock.now())],
  ])('after them is ended %s', async (_, goOn) => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await command(sessionId, 'pause');
    atDeletion('before', lost);
    expect((await erase(sessionId)).status).toBe(204);
    vi.restoreAllMocks();
    expect(await look(sessionId)).toBeNull();
    expect(await listed(sessionId)).toBeDefined();
    await goOn(sessionId);
    expect(await listed(sessionId)).toBeUndefined();
    expect((await erase(sessionId)).status).toBe(404);
  });

  it('is refused where somebody has commanded something else while it waited for its turn', async () => {
    const sessionId = freshSessionId();
    mail.refused.add('lead1@example.com');
    await startSession(sessionId, { leadIds: [1, 2, 3] });
    await drive(sessionId, clock);
    mail.refused.clear();
    const writing = Promise.withResolvers<null>();
    const written = Promise.withResolvers<null>();
    atRecord(async () => {
      writing.resolve(null);
      await written.promise;
    });
    await stubOf(sessionId).addDeliveryEvents([{ leadId: 2, event: 'delivered' }]);
    // Its turn lasts until the list has the event.
    const fired = runDurableObjectAlarm(stubOf(sessionId));
    await writing.promise;
    const erased = erase(sessionId);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await command(sessionId, 'retry', { outcome: 'failed' })).status).toBe(200);
    written.resolve(null);
    expect((await erased).status).toBe(409);
    await fired;
    vi.restoreAllMocks();
    expect(last(await drive(sessionId, clock)).email.sent).toBe(3);
  });
});

describe('the scheduled cleanup', () => {
  it('starts a session whose alarm is overdue', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    clock.advance(60_000);
    await sweep(env, () => clock.now());
    // The list has no entry before the first slice.
    expect((await look(sessionId))?.progress.state).toBe('queued');
    hooks.onVerb = (verb) => {
      if (verb === 'plan') throw new Error('D1_ERROR: Network connection lost.');
      return false;
    };
    await runDurableObjectAlarm(stubOf(sessionId));
    hooks.onVerb = null;
    clock.advance(60_000);
    await sweep(env, () => clock.now());
    await vi.waitFor(async () =>
      expect((await look(sessionId))?.progress).toMatchObject({
        state: 'completed',
        email: { sent: leadCount },
      }),
    );
    await expectSound(sessionId, mail);
  });

  it('sets lost alarms, and removes sessions that no longer exist from the list', async () => {
    const [lost, ghost] = [freshSessionId(), freshSessionId()];
    mail.fault = () => throttled;
    for (const sessionId of [lost, ghost]) {
      await startSession(sessionId);
      await drive(sessionId, clock, () => true);
    }
    await runInDurableObject(stubOf(lost), (_, { storage }) => storage.deleteAlarm());
    await runInDurableObject(stubOf(ghost), (_, { storage }) => storage.deleteAll());
    await evictDurableObject(stubOf(ghost));
    clock.advance(60_000);
    await sweep(env, () => clock.now());
    expect((await look(lost))?.alarmAt).not.toBeNull();
    expect(await listed(lost)).toBeDefined();
    expect(log.some(({ event }) => event === 'sweep_failed' || event === 'poke_failed')).toBe(false);
  });
});

/** Does something before the deletion of a session's line, or between it and its answer. */
function atDeletion(edge: 'before' | 'after', act: () => unknown): void {
  const database = Object.getPrototypeOf(db) as D1Database;
  const { batch } = database;
  vi.spyOn(database, 'batch').mockImplementation(async function (this: D1Database, statements) {
    const sql = (statements as unknown as { statement: string }[]).map(({ statement }) => statement);
    const isMeant = sql.some((text) => text.startsWith('DELETE FROM activations'));
    if (isMeant && edge === 'before') await act();
    const answer = await batch.call(this, statements);
    if (isMeant && edge === 'after') await act();
    return answer;
  });
}

/** Does something before a session's progress is written into the list. */
function atRecord(act: () => Promise<unknown>): void {
  const database = Object.getPrototypeOf(db) as D1Database;
  const { prepare } = database;
  vi.spyOn(database, 'prepare').mockImplementation(function (this: D1Database, sql) {
    const statement = prepare.call(this, sql);
    if (!sql.startsWith('INSERT INTO activations')) return statement;
    const bind = statement.bind.bind(statement);
    statement.bind = (...values) => {
      const bound = bind(...values);
      const run = bound.run.bind(bound);
      bound.run = async () => {
        await act();
        return run();
      };
      return bound;
    };
    return statement;
  });
}
