/**
 * The commands that people give to a session, and the watchdog that lets it continue by itself.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MailGate } from '../../src/durable/mail-gate.ts';
import type { Issue, Progress } from '../../src/shared/progress.ts';
import { statuses, suppress } from '../support/crm-database.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  command,
  type DrivenClock,
  drive,
  freshSessionId,
  look,
  readProgress,
  readRows,
  request,
  startSession,
  stubOf,
  type LogLine,
} from '../support/session-driver.ts';
import { accepted, expectSound, last, setUpSession, tearDownSession } from '../support/session-setup.ts';

const leadCount = 100;
let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;
let log: readonly LogLine[];

beforeEach(async () => {
  ({ db, mail, clock, sessionId, log } = await setUpSession({ leadCount, batchSize: 10 }));
});

afterEach(tearDownSession);

const activeCount = async (): Promise<number> =>
  (await statuses(db)).filter((lead) => lead.status === 'active').length;

const told = (name: string, body?: unknown): Promise<Progress> => accepted(sessionId, name, body);

async function refused(name: string, body?: unknown): Promise<void> {
  const before = await look(sessionId);
  const answer = await command(sessionId, name, body);
  expect(answer.status, name).toBe(409);
  expect(await answer.json()).toMatchObject({ code: 'illegal_transition' });
  expect((await look(sessionId))?.progress.rev, name).toBe(before?.progress.rev);
}

/** Starts a slice and holds it at the `count`th call of `verb`, until `release` is called. */
async function stopAt(
  verb: string,
  count: number,
): Promise<{ release: () => void; ended: Promise<unknown> }> {
  const gate = Promise.withResolvers<null>();
  const reached = Promise.withResolvers<null>();
  let callCount = 0;
  hooks.hold = (name) => {
    if (name !== verb || ++callCount < count) return null;
    reached.resolve(null);
    return gate.promise;
  };
  await startSession(sessionId);
  const ended = runDurableObjectAlarm(stubOf(sessionId));
  await reached.promise;
  return {
    release: () => {
      hooks.hold = null;
      gate.resolve(null);
    },
    ended,
  };
}

describe('pause', () => {
  it('lets nothing leave after its answer, settles calls that had left, and resume does the rest', async () => {
    const slice = await stopAt('deliver', 3);
    expect(await told('pause')).toMatchObject({ state: 'paused', reason: 'user' });
    // Its watchdog is set while mail is on its way.
    expect((await look(sessionId))?.alarmAt).not.toBeNull();
    const { callCount } = mail;
    slice.release();
    await slice.ended;
    // Not even a batch with its intent on disk leaves.
    expect(mail.callCount).toBe(callCount);
    const paused = await readProgress(sessionId);
    expect(paused).toMatchObject({ state: 'paused', reason: 'user', etaSeconds: null, finishedAt: null });
    // Calls that had left are settled, and nothing else begins.
    expect(paused.email.sent).toBe(mail.mails.length);
    await drive(sessionId, clock, () => true);
    expect((await look(sessionId))?.alarmAt ?? null).toBeNull();
    expect(await activeCount()).toBe(paused.activation.activated);

    expect(await told('resume')).toMatchObject({ state: 'running' });
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount } });
    expect(mail.mails).toHaveLength(leadCount);
    await expectSound(sessionId, mail);
  });

  it('between a flip and its intent holds the mail back, and leaves no lead active', async () => {
    const slice = await stopAt('prepare', 1);
    expect(await activeCount()).toBeGreaterThan(0);
    await told('pause');
    slice.release();
    await slice.ended;
    expect(mail.callCount).toBe(0);
    expect(await activeCount()).toBe(0);
    await told('resume');
    expect(last(await drive(sessionId, clock)).email.sent).toBe(leadCount);
    await expectSound(sessionId, mail);
  });

  it('because of the provider’s quota mails nobody who is suppressed before the resume', async () => {
    mail.fault = () => ({
      kind: 'answer',
      status: 429,
      body: { name: 'daily_quota_exceeded', message: 'Daily.' },
    });
    await startSession(sessionId);
    await drive(sessionId, clock, ({ state }) => state === 'paused');
    const { batches } = await readRows(sessionId);
    const turnedAway = batches.find(({ state }) => state === 'waiting')?.leadIds[0] ?? 0;
    expect(turnedAway).toBeGreaterThan(0);
    await suppress(db, `lead${turnedAway}@example.com`);
    mail.fault = () => ({ kind: 'none' });
    await told('resume');
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: leadCount - 1, failed: 1 });
    expect(mail.countByAddress().get(`lead${turnedAway}@example.com`)).toBeUndefined();
    await expectSound(sessionId, mail);
  });

  it('given again changes nothing, and neither does a resume of a session that runs', async () => {
    await startSession(sessionId);
    const { rev } = await told('pause');
    expect((await told('pause')).rev).toBe(rev);
    const resumed = await told('resume');
    expect((await told('resume')).rev).toBe(resumed.rev);
  });

  it('of an ended session is refused, like every other command that makes no sense then', async () => {
    await startSession(sessionId);
    await drive(sessionId, clock);
    for (const name of ['pause', 'resume', 'cancel', 'assume-sent']) await refused(name);
    for (const outcome of ['failed', 'unknown']) await refused('retry', { outcome });
  });
});

describe('cancel', () => {
  it('stops mail that has not left, settles mail that has, and reports its end', async () => {
    const slice = await stopAt('deliver', 3);
    const cancelling = await told('cancel');
    expect(cancelling).toMatchObject({ state: 'cancelled', finishedAt: null });
    slice.release();
    await slice.ended;
    const end = last(await drive(sessionId, clock));
    expect(end.state).toBe('cancelled');
    expect(end.finishedAt).not.toBeNull();
    expect(end.processed).toBe(leadCount);
    expect(end.email.sent).toBe(mail.mails.length);
    expect(end.activation.skipped).toBe(leadCount - end.email.sent);
    expect(await activeCount()).toBe(end.activation.activated);
    await expectSound(sessionId, mail);
  });

  it('before anything was planned says how many leads are not listed', async () => {
    await startSession(sessionId);
    await told('cancel');
    const end = last(await drive(sessionId, clock));
    const { issues } = await (
      await request(`/crm/activation/${sessionId}/issues`)
    ).json<{ issues: Issue[] }>();
    const { leads } = await (
      await request(`/crm/activation/${sessionId}/leads`)
    ).json<{ leads: readonly unknown[] }>();
    expect(issues).toEqual([
      expect.objectContaining({
        track: 'activation',
        state: 'skipped',
        code: 'unlisted',
        count: end.total - leads.length,
      }),
    ]);
    expect(leads).toHaveLength(0);
  });

  it('between flip and intent leaves no lead active without its mail', async () => {
    const slice = await stopAt('prepare', 1);
    await told('cancel');
    slice.release();
    await slice.ended;
    const end = last(await drive(sessionId, clock));
    expect(end.activation).toEqual({ activated: 0, skipped: leadCount, failed: 0 });
    expect(await activeCount()).toBe(0);
    expect(mail.callCount).toBe(0);
    await expectSound(sessionId, mail);
  });

  it('after a crash between flip and intent leaves no lead active without its mail', async () => {
    hooks.onVerb = (verb, edge) => verb === 'prepare' && edge === 'before';
    await startSession(sessionId);
    await runDurableObjectAlarm(stubOf(sessionId)).catch(() => false);
    expect(await activeCount()).toBeGreaterThan(0);
    hooks.onVerb = null;
    await told('cancel');
    const end = last(await drive(sessionId, clock));
    expect(await activeCount()).toBe(end.activation.activated);
    await expectSound(sessionId, mail);
  });

  it('repeats nothing automatically: mail in doubt is unknown, and leads that were certainly not mailed are new', async () => {
    mail.fault = ({ callCount }) =>
      callCount % 2 === 1
        ? { kind: 'loseAfter' }
        : { kind: 'answer', status: 429, body: { name: 'rate_limit_exceeded', message: 'Slow.' } };
    await startSession(sessionId);
    await runDurableObjectAlarm(stubOf(sessionId));
    mail.fault = () => ({ kind: 'none' });
    const { callCount } = mail;
    expect(mail.mails.length).toBeGreaterThan(0);
    expect(await told('cancel')).toMatchObject({ state: 'cancelled', finishedAt: null });
    const end = last(await drive(sessionId, clock));
    expect(mail.callCount).toBe(callCount);
    expect(end.email).toMatchObject({ failed: 0, unknown: mail.mails.length });
    expect(end.activation).toEqual({
      activated: end.email.unknown,
      skipped: leadCount - end.email.unknown,
      failed: 0,
    });
    expect(await activeCount()).toBe(end.email.unknown);
    await expectSound(sessionId, mail);
  });

  it('ends at once, even if a throttled batch must wait for a day', async () => {
    mail.fault = () => ({
      kind: 'answer',
      status: 429,
      headers: { 'retry-after': '86400' },
      body: { name: 'rate_limit_exceeded', message: 'Slow.' },
    });
    const slice = await stopAt('deliver', 1);
    const cancelledAt = clock.now();
    await told('cancel');
    slice.release();
    await slice.ended;
    const end = last(await drive(sessionId, clock));
    expect(end.state).toBe('cancelled');
    expect((end.finishedAt ?? Infinity) - cancelledAt).toBeLessThan(60_000);
    expect(end.activation).toEqual({ activated: 0, skipped: leadCount, failed: 0 });
    expect(await activeCount()).toBe(0);
    await expectSound(sessionId, mail);
  });

  it('of a queued or paused session ends it without a mail; given again it changes nothing', async () => {
    await startSession(sessionId);
    await told('pause');
    const { rev } = await told('cancel');
    expect((await told('cancel')).rev).toBe(rev);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'cancelled', activation: { activated: 0, skipped: leadCount } });
    expect(mail.callCount).toBe(0);
    for (const name of ['pause', 'resume']) await refused(name);
    await expectSound(sessionId, mail);
  });
});

describe('retry', () => {
  beforeEach(() => {
    for (const id of [7, 33, 34]) mail.refused.add(`lead${id}@example.com`);
  });

  it('of failed mail sends only that mail, under new keys, and flips no lead again', async () => {
    await startSession(sessionId);
    expect(last(await drive(sessionId, clock)).email).toMatchObject({ sent: leadCount - 3, failed: 3 });
    const before = await statuses(db);
    const keysBefore = new Set(mail.mails.map((taken) => taken.key));
    const mailsBefore = mail.mails.length;
    mail.refused.clear();
    const verbs: string[] = [];
    hooks.onVerb = (verb) => {
      verbs.push(verb);
      return false;
    };
    expect(await told('retry', { outcome: 'failed' })).toMatchObject({
      state: 'running',
      email: { failed: 0 },
    });
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount, failed: 0 } });
    const retried = mail.mails.slice(mailsBefore);
    expect(retried.map((taken) => taken.to).sort()).toEqual([
      'lead33@example.com',
      'lead34@example.com',
      'lead7@example.com',
    ]);
    expect(retried.some((taken) => keysBefore.has(taken.key))).toBe(false);
    expect(verbs).not.toContain('flip');
    expect(await statuses(db)).toEqual(before);
    await expectSound(sessionId, mail);
  });

  it('that fails again fails the same leads, and counts them once', async () => {
    await startSession(sessionId);
    await drive(sessionId, clock);
    for (let round = 0; round < 3; round++) {
      await told('retry', { outcome: 'failed' });
      expect(last(await drive(sessionId, clock)).email).toMatchObject({ sent: leadCount - 3, failed: 3 });
    }
    await expectSound(sessionId, mail);
  });

  it('during a running session is done with the rest of the work', async () => {
    await startSession(sessionId);
    await drive(sessionId, clock, (view) => view.email.failed > 0);
    mail.refused.clear();
    const now = await look(sessionId);
    if (now?.progress.finishedAt === null) expect(now.progress.state).toBe('running');
    await told('retry', { outcome: 'failed' });
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: leadCount, failed: 0 });
    await expectSound(sessionId, mail);
  });
});

describe('a retry while a batch with failed recipients is on its way', () => {
  it('moves them once, and the answer to the batch does not add them again', async () => {
    const subject = '{{ firstName }}';
    const created = await request('/crm/templates', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'By name', subject, html: '<p>Hi</p>', text: 'Hi' }),
    });
    expect(created.status).toBe(201);
    const { id } = await created.json<{ id: string }>();
    await db.prepare("UPDATE leads SET first_name = '' WHERE id = 3").run();
    const gate = Promise.withResolvers<null>();
    const reached = Promise.withResolvers<null>();
    hooks.hold = (verb) => {
      if (verb !== 'deliver') return null;
      reached.resolve(null);
      return gate.promise;
    };
    await startSession(sessionId, { filter: {} }, id);
    const slice = runDurableObjectAlarm(stubOf(sessionId));
    await reached.promise;
    expect((await look(sessionId))?.progress.email.failed).toBe(1);
    expect(await told('retry', { outcome: 'failed' })).toMatchObject({ email: { failed: 0 } });
    hooks.hold = null;
    gate.resolve(null);
    await slice;
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount - 1, failed: 1 } });
    await expectSound(sessionId, mail);
    // After another retry the failed lead is listed once.
    await told('retry', { outcome: 'failed' });
    const again = last(await drive(sessionId, clock));
    expect(again.email).toMatchObject({ sent: leadCount - 1, failed: 1 });
    const { batches } = await readRows(sessionId);
    const live = batches.flatMap(({ recipients, recipientStates }) =>
      (recipients ?? []).filter(({ leadId }, index) => leadId === 3 && recipientStates[index] !== 'm'),
    );
    expect(live).toHaveLength(1);
    await expectSound(sessionId, mail);
  });
});

describe('the watchdog', () => {
  it('sets a lost alarm again at a read, and says since when nothing moved', async () => {
    await startSession(sessionId);
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => storage.deleteAlarm());
    clock.advance(60_000);
    const seen = await readProgress(sessionId);
    expect(seen.stalledSince).toBe(seen.createdAt);
    expect((await look(sessionId))?.alarmAt ?? Infinity).toBeLessThanOrEqual(clock.now());
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', stalledSince: null });
  });

  it.each([
    ['its progress', (id: string) => request(`/crm/activation/progress/${id}`)],
    ['its issues', (id: string) => request(`/crm/activation/${id}/issues`)],
    ['its leads', (id: string) => request(`/crm/activation/${id}/leads`)],
    ['its timeline', (id: string) => request(`/crm/activation/${id}/timeline`)],
    ['what it began with', (id: string) => request(`/crm/activation/${id}/original`)],
    ['its start, again,', (id: string) => startSession(id).then(() => new Response())],
  ])('sets a lost alarm again at a request for %s', async (_, ask) => {
    await startSession(sessionId);
    await runInDurableObject(stubOf(sessionId), (_instance, { storage }) => storage.deleteAlarm());
    clock.advance(60_000);
    expect((await ask(sessionId)).status).toBe(200);
    expect((await look(sessionId))?.alarmAt).not.toBeNull();
  });

  it('sets an alarm again that is in the past and did not fire', async () => {
    await startSession(sessionId);
    clock.advance(20_000);
    const askedAt = clock.now();
    await readProgress(sessionId);
    expect((await look(sessionId))?.alarmAt ?? 0).toBeGreaterThanOrEqual(askedAt);
  });

  it('sets no alarm for a session that has ended', async () => {
    await startSession(sessionId);
    await drive(sessionId, clock);
    // The list has its last state by then. Only the alarm for the end of retention may remain.
    const before = (await look(sessionId))?.alarmAt ?? null;
    clock.advance(60_000);
    await readProgress(sessionId);
    expect((await look(sessionId))?.alarmAt ?? null).toBe(before);
  });

  it.each([
    ['a bug of ours', new Error('undefined is not a function'), /our side/],
    ['a CRM database that is away', new Error('D1_ERROR: Network connection lost.'), /CRM/],
    ['a CRM database that is overloaded', new Error('D1 DB is overloaded. Requests queued too long.'), /CRM/],
    ['a platform that stumbles', new Error('internal error; reference = abc'), /platform/],
  ])(
    'survives %s: the alarm does not throw, the session says what it waits for, and continues',
    async (_, fault, words) => {
      let left = 3;
      hooks.onVerb = (verb, edge) => {
        if (verb === 'flip' && edge === 'before' && left-- > 0) throw fault;
        return false;
      };
      await startSession(sessionId);
      await expect(runDurableObjectAlarm(stubOf(sessionId))).resolves.toBe(true);
      const seen = await look(sessionId);
      expect(seen?.progress.state).toBe('running');
      expect(seen?.progress.lastError).not.toContain(fault.message);
      expect(seen?.progress.lastError).toMatch(words);
      expect(seen?.alarmAt).not.toBeNull();
      const end = last(await drive(sessionId, clock));
      expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount }, lastError: null });
      await expectSound(sessionId, mail);
    },
  );

  it('survives a mail gate that does not answer, and says that it waits for it', async () => {
    const lease = vi.spyOn(MailGate.prototype, 'lease').mockImplementation(() => {
      throw new Error('Network connection lost.');
    });
    await startSession(sessionId);
    await expect(runDurableObjectAlarm(stubOf(sessionId))).resolves.toBe(true);
    expect((await look(sessionId))?.progress.lastError).toMatch(/mail gate/);
    lease.mockRestore();
    expect(last(await drive(sessionId, clock))).toMatchObject({ state: 'completed', lastError: null });
    await expectSound(sessionId, mail);
  });

  it('does not repeat forever what the CRM database refuses: these leads fail with a reason', async () => {
    await db
      .prepare(
        "CREATE TRIGGER refuse BEFORE UPDATE ON leads WHEN new.id = 33 BEGIN SELECT RAISE(ABORT, 'no'); END",
      )
      .run();
    try {
      await startSession(sessionId);
      const end = last(await drive(sessionId, clock));
      expect(end.activation).toEqual({ activated: leadCount - 10, skipped: 0, failed: 10 });
      expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount - 10 } });
      const { issues } = await (
        await request(`/crm/activation/${sessionId}/issues`)
      ).json<{ issues: Issue[] }>();
      expect(issues).toContainEqual(
        expect.objectContaining({ track: 'activation', state: 'failed', code: 'crm_refused', count: 10 }),
      );
      await expectSound(sessionId, mail);
    } finally {
      await db.prepare('DROP TRIGGER refuse').run();
    }
  });

  it('leaves the alarm to the next instance when the object is replaced', async () => {
    let isFirst = true;
    hooks.onVerb = (verb) => {
      if (verb !== 'flip' || !isFirst) return false;
      isFirst = false;
      throw new Error('Durable Object reset because its code was updated.');
    };
    await startSession(sessionId);
    await runDurableObjectAlarm(stubOf(sessionId));
    expect((await look(sessionId))?.alarmAt).not.toBeNull();
    expect(last(await drive(sessionId, clock)).email.sent).toBe(leadCount);
    await expectSound(sessionId, mail);
  });
});

describe('a session whose records are damaged', () => {
  /** Stops a session between its batches, damages rows on disk, and lets it continue. */
  async function damaged(statement: string): Promise<Progress> {
    mail.fault = ({ callCount }) =>
      callCount <= 3
        ? { kind: 'none' }
        : { kind: 'answer', status: 429, body: { name: 'daily_quota_exceeded', message: 'Daily.' } };
    await startSession(sessionId);
    await drive(sessionId, clock, ({ state }) => state === 'paused');
    mail.fault = () => ({ kind: 'none' });
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => void storage.sql.exec(statement));
    // Until the rows are counted again.
    hooks.checkAnswers = false;
    // The memory is lost, and the rows are read again.
    await evictDurableObject(stubOf(sessionId));
    await told('resume');
    return last(await drive(sessionId, clock));
  }

  const repaired = (): unknown[] => log.filter(({ event }) => event === 'counters_repaired');

  it('recounts its rows and comes to its end', async () => {
    const end = await damaged("UPDATE session SET counts = json_set(counts, '$.sent', -7)");
    expect(end).toMatchObject({ state: 'completed', processed: leadCount, email: { sent: leadCount } });
    expect(repaired()).toHaveLength(1);
    await expectSound(sessionId, mail);
  });

  it('ends as failed when rows are gone, says how many leads they held, and sets no alarm', async () => {
    const end = await damaged(
      "DELETE FROM batch WHERE seq = (SELECT max(seq) FROM batch WHERE state = 'pending')",
    );
    expect(end).toMatchObject({ state: 'failed', total: leadCount, processed: leadCount - 10 });
    expect(end.lastError).toContain('10 of its leads');
    expect(repaired()).toEqual([expect.objectContaining({ sessionId, total: 100, recounted: 90 })]);
    expect(mail.mails).toHaveLength(leadCount - 10);
    await expectSound(sessionId, mail);
    await drive(sessionId, clock, () => true);
    const { progress, alarmAt } = (await look(sessionId)) ?? {};
    expect(progress?.state).toBe('failed');
    expect((alarmAt ?? Infinity) - clock.now()).toBeGreaterThan(86_400_000);
  });
});

describe('an id that nobody started', () => {
  it('is unknown to every request, a thousand times, and nothing is stored', async () => {
    const ids = Array.from({ length: 1_000 }, () => freshSessionId());
    const ways = [
      (id: string) => request(`/crm/activation/progress/${id}`),
      (id: string) => request(`/crm/activation/stream/${id}`),
      (id: string) => request(`/crm/activation/${id}/issues`),
      (id: string) => request(`/crm/activation/${id}/leads`),
      (id: string) => command(id, 'pause'),
      (id: string) => command(id, 'cancel'),
      (id: string) => command(id, 'retry', { outcome: 'failed' }),
    ];
    for (let at = 0; at < ids.length; at += 50) {
      const statusesSeen = await Promise.all(
        ids.slice(at, at + 50).map(async (id, index) => {
          const answer = await (ways[(at + index) % ways.length] ?? request)(id);
          await answer.body?.cancel();
          return answer.status;
        }),
      );
      expect(new Set(statusesSeen)).toEqual(new Set([404]));
    }
    // Counted in the objects themselves, because the local platform lists an object after any call.
    for (const id of ids.filter((_, index) => index % 25 < ways.length)) {
      const stored = await runInDurableObject(stubOf(id), async (_, { storage }) => ({
        alarmAt: await storage.getAlarm(),
        tables: storage.sql
          .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
          .toArray(),
      }));
      expect(stored).toEqual({ alarmAt: null, tables: [] });
    }
  }, 60_000);
});
