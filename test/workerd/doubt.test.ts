/**
 * The promises of a session, on the real runtime: mail that may have been taken stays in doubt through every
 * command, answer and setting; a lead is active only if it was mailed, failed, or will be mailed; a stopped session
 * stays stopped.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import { statuses } from '../support/crm-database.ts';
import { FakeMailApi, type MailFault } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  command,
  type DrivenClock,
  drive,
  freshSessionId,
  look,
  readRows,
  request,
  send,
  startSession,
  stubOf,
} from '../support/session-driver.ts';
import { accepted, last, mostMails, setUpSession, tearDownSession } from '../support/session-setup.ts';

const leadCount = 40;
const dayMs = 86_400_000;
let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;

beforeEach(async () => {
  ({ db, mail, clock, sessionId } = await setUpSession({ leadCount, batchSize: 20 }));
  hooks.deliveryTimeoutMs = 30;
});

afterEach(tearDownSession);

const none: MailFault = { kind: 'none' };
/**
 * In the provider's own form, which means certainly not taken. Not a 429, which would make the gate wait in later
 * tests.
 */
const turnedAway: MailFault = {
  kind: 'answer',
  status: 409,
  body: { name: 'resource_locked', message: 'Busy.' },
};

const told = (name: string, body?: unknown): Promise<Progress> => accepted(sessionId, name, body);

/** Fires one alarm, with any result, as the runtime would. */
const alarm = (): Promise<boolean> => runDurableObjectAlarm(stubOf(sessionId)).catch(() => false);

/** Fires alarms until the session can only continue after a command. */
async function settle(): Promise<Progress> {
  return last(
    await drive(
      sessionId,
      clock,
      () => true,
      () => Promise.resolve(),
    ),
  );
}

const activeIds = async (): Promise<number[]> =>
  (await statuses(db)).filter(({ status }) => status === 'active').map(({ id }) => id);

/** The counters fit the rows, nobody was mailed twice, every active lead has a reason, and no mailed lead failed. */
async function expectTruth(): Promise<void> {
  const { session, recount, batches } = await readRows(sessionId);
  expect(recount).toEqual(session.counts);
  expect(mostMails(mail)).toBeLessThanOrEqual(1);
  const mailed = new Set(mail.mails.map(({ to }) => to));
  const owned = new Set<number>();
  for (const { recipients, recipientStates } of batches) {
    recipients?.forEach(({ leadId, email }, index) => {
      if (recipientStates[index] === 'm') return;
      owned.add(leadId);
      if (recipientStates[index] === 'f') expect(mailed.has(email), email).toBe(false);
    });
  }
  if (session.state !== 'running') expect((await activeIds()).sort()).toEqual([...owned].sort());
}

describe('an answer 503 after the provider took the batch', () => {
  const taken: MailFault = { kind: 'page', status: 503, isPassedOn: true };

  it('and then a proxy\u2019s 400 fails nobody and splits nothing: each lead is mailed once', async () => {
    mail.fault = ({ callCount }) =>
      callCount <= 2 ? taken : callCount <= 4 ? { kind: 'page', status: 400 } : none;
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount, failed: 0, unknown: 0 } });
    expect(mail.mails).toHaveLength(leadCount);
    await expectTruth();
  });

  it('and then a pause of a day makes it unknown: after the resume it is not sent again', async () => {
    mail.fault = () => taken;
    await startSession(sessionId);
    await alarm();
    await told('pause');
    mail.fault = () => none;
    const { callCount } = mail;
    clock.advance(dayMs + 3_600_000);
    await alarm();
    // It becomes unknown as soon as the key has expired, not only at the resume.
    expect((await look(sessionId))?.progress.email.unknown).toBe(leadCount);
    if ((await look(sessionId))?.progress.finishedAt === null) await told('resume');
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ failed: 0, unknown: leadCount });
    expect(mail.callCount).toBe(callCount);
    await expectTruth();
  });

  it('and then a cancellation makes it unknown: retry failed finds nothing to mail', async () => {
    mail.fault = () => taken;
    await startSession(sessionId);
    await alarm();
    await told('cancel');
    mail.fault = () => none;
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ failed: 0, unknown: leadCount });
    expect((await command(sessionId, 'retry', { outcome: 'failed' })).status).toBe(409);
    await expectTruth();
  });
});

describe('a lead that a session set active', () => {
  it.each(['prepare', 'intend'])(
    'and did not mail is new again after a pause before %s, and after a crash there',
    async (verb) => {
      hooks.onVerb = (name, edge) => name === verb && edge === 'before';
      await startSession(sessionId);
      await alarm();
      expect((await activeIds()).length).toBeGreaterThan(0);
      hooks.onVerb = null;
      const paused = await told('pause');
      await settle();
      expect(await activeIds()).toHaveLength(paused.activation.activated);
      expect(mail.callCount).toBe(0);
      await expectTruth();
      await told('resume');
      expect(last(await drive(sessionId, clock)).email.sent).toBe(leadCount);
      await expectTruth();
    },
  );

  it('is new again when its paused session is erased, so that the next session mails it', async () => {
    mail.fault = ({ callCount }) => (callCount === 1 ? none : turnedAway);
    await startSession(sessionId);
    await alarm();
    await told('pause');
    expect((await activeIds()).length).toBe(leadCount);
    expect((await send('DELETE', `/crm/activation/${sessionId}`)).status).toBe(204);
    expect(await activeIds()).toHaveLength(20);
    mail.fault = () => none;
    const next = freshSessionId();
    await startSession(next);
    const end = last(await drive(next, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: 20 } });
    expect(mail.mails).toHaveLength(leadCount);
    expect(mostMails(mail)).toBe(1);
  });

  it('is new again even if the object is killed during the erasure, unless it may have been mailed', async () => {
    hooks.env = { MAIL_BATCH_MAX: '5' };
    let crashCount = 0;
    // The crash comes one statement later each time, until an erasure ends before it.
    for (let crashAt = 1; ; crashAt++) {
      await db.prepare("UPDATE leads SET status = 'new', activated_by = NULL, activated_at = NULL").run();
      mail = new FakeMailApi().install();
      mail.now = () => clock.now();
      sessionId = freshSessionId();
      // One batch is mailed, two are in doubt, and the others wait or are flipped without an intent.
      mail.fault = ({ callCount }) =>
        callCount === 1 ? none : callCount <= 3 ? { kind: 'loseBefore' } : turnedAway;
      let intentCount = 0;
      hooks.onVerb = (verb, edge) => verb === 'intend' && edge === 'before' && ++intentCount === 6;
      await startSession(sessionId);
      await alarm();
      hooks.onVerb = null;
      const stopped = await command(sessionId, 'pause');
      expect(stopped.status).toBe(200);
      const { batches } = await readRows(sessionId);
      const mayBeMailed = batches
        .filter(
          ({ state, inDoubtSince }) => state === 'done' || state === 'inflight' || inDoubtSince !== null,
        )
        .flatMap(({ leadIds }) => leadIds);
      expect(mayBeMailed.length).toBeGreaterThanOrEqual(15);
      expect((await activeIds()).length).toBeGreaterThan(mayBeMailed.length);
      let edge = 0;
      hooks.onCrmCall = () => ++edge === crashAt;
      const erase = (): Promise<Response | null> =>
        send('DELETE', `/crm/activation/${sessionId}`).catch(() => null);
      for (let status = 0, attempt = 0; status !== 204 && status !== 404; attempt++) {
        if (attempt === 10) throw new Error(`It is not erased: ${String(status)}`);
        status = (await erase())?.status ?? 0;
        await alarm();
        clock.advance(3_000);
      }
      expect((await activeIds()).sort(), `crash at ${String(crashAt)}`).toEqual([...mayBeMailed].sort());
      if (edge < crashAt) break;
      crashCount++;
    }
    expect(crashCount).toBeGreaterThanOrEqual(6);
  }, 60_000);

  it('stays active when the CRM does not answer: the session is not erased, and the request must be repeated', async () => {
    mail.fault = () => turnedAway;
    await startSession(sessionId);
    await alarm();
    await told('pause');
    await settle();
    await db
      .prepare("CREATE TRIGGER away BEFORE UPDATE ON leads BEGIN SELECT RAISE(ABORT, 'away'); END")
      .run();
    const answer = await send('DELETE', `/crm/activation/${sessionId}`);
    expect(answer.status).toBe(409);
    expect(await answer.json()).toMatchObject({ code: 'illegal_transition' });
    await db.prepare('DROP TRIGGER away').run();
    await drive(sessionId, clock);
    expect(await activeIds()).toEqual([]);
    expect((await send('DELETE', `/crm/activation/${sessionId}`)).status).toBe(204);
  });
});

describe('a cancelled session', () => {
  it('stays cancelled when its mail settings are broken, and mails nobody', async () => {
    mail.fault = () => ({ kind: 'answer', status: 401, body: { name: 'invalid_api_key', message: 'No.' } });
    await startSession(sessionId);
    await drive(sessionId, clock, ({ state }) => state === 'paused');
    const { callCount } = mail;
    mail.fault = () => none;
    hooks.env = { ...hooks.env, MAIL_PROVIDER: 'nobody' };
    await told('cancel');
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'cancelled', activation: { activated: 0, skipped: leadCount } });
    expect(end.finishedAt).not.toBeNull();
    expect(mail.callCount).toBe(callCount);
    hooks.env = { MAIL_BATCH_MAX: '20' };
    expect((await command(sessionId, 'resume')).status).toBe(409);
    await expectTruth();
  });

  it('withdraws thousands of waiting batches in parts, and reports its progress', async () => {
    mail.fault = () => turnedAway;
    await startSession(sessionId);
    await alarm();
    await told('pause');
    const extraCount = 6_000;
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => {
      storage.sql.exec(
        `INSERT INTO batch (state, next_attempt_at, marks, lead_ids, recipients)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         SELECT 'waiting', 1, 'p', json_array(1000000 + i),
                json_array(json_object('leadId', 1000000 + i, 'email', 'x' || i || '@example.com')) FROM n`,
        extraCount,
      );
      storage.sql.exec(
        `UPDATE session SET total = total + ?1,
           counts = json_set(counts, '$.activated', (counts ->> 'activated') + ?1)`,
        extraCount,
      );
    });
    await evictDurableObject(stubOf(sessionId));
    await told('cancel');
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'cancelled', processed: leadCount + extraCount });
    expect(end.activation.skipped).toBe(leadCount + extraCount);
    const { session, recount } = await readRows(sessionId);
    expect(recount).toEqual(session.counts);
  }, 60_000);

  it('checks its unknown mail under its key on a person’s command, and nothing else leaves', async () => {
    // One of two calls was taken; neither has an answer.
    mail.fault = ({ callCount }) => ({ kind: callCount === 1 ? 'loseAfter' : 'loseBefore' });
    await startSession(sessionId);
    await alarm();
    await told('cancel');
    const cancelled = last(await drive(sessionId, clock));
    expect(cancelled.email.unknown).toBe(leadCount);
    expect(cancelled.checkableUntil).toBeGreaterThan(clock.now());
    const { callCount } = mail;
    mail.fault = () => none;
    expect(await told('check')).toMatchObject({ state: 'cancelled', finishedAt: null });
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'cancelled', email: { sent: leadCount, failed: 0, unknown: 0 } });
    expect(mail.callCount).toBe(callCount + 2);
    expect(mail.mails).toHaveLength(leadCount);
    const { events } = await (
      await request(`/crm/activation/${sessionId}/timeline`)
    ).json<{ events: { kind: string; count: number | null }[] }>();
    expect(events).toContainEqual(expect.objectContaining({ kind: 'checked', count: leadCount }));
    await expectTruth();
  });

  it('is asked once by a check: mail still in doubt is unknown again, and an expired key is not used', async () => {
    mail.fault = () => ({ kind: 'loseAfter' });
    await startSession(sessionId);
    await alarm();
    await told('cancel');
    await drive(sessionId, clock);
    const { callCount } = mail;
    await told('check');
    expect(last(await drive(sessionId, clock)).email.unknown).toBe(leadCount);
    expect(mail.callCount).toBe(callCount + 2);
    clock.advance(dayMs);
    expect((await command(sessionId, 'check')).status).toBe(409);
    await expectTruth();
  });
});

describe('a retry of unknown mail', () => {
  it('that is cancelled before it left is unknown again: retry failed cannot mail it', async () => {
    mail.fault = () => ({ kind: 'loseAfter' });
    await startSession(sessionId);
    await alarm();
    clock.advance(dayMs);
    await told('pause');
    await settle();
    expect((await look(sessionId))?.progress.email.unknown).toBe(leadCount);
    mail.fault = () => none;
    await told('retry', { outcome: 'unknown' });
    await told('cancel').catch(() => null);
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: 0, failed: 0, unknown: leadCount });
    expect((await command(sessionId, 'retry', { outcome: 'failed' })).status).toBe(409);
    await expectTruth();
  });

  it('uses the old key while it is valid, so that nobody is mailed twice', async () => {
    mail.fault = () => ({ kind: 'loseAfter' });
    await startSession(sessionId);
    await alarm();
    await told('cancel');
    await drive(sessionId, clock);
    mail.fault = () => none;
    await told('retry', { outcome: 'unknown' });
    expect(last(await drive(sessionId, clock)).email).toMatchObject({ sent: leadCount, unknown: 0 });
    expect(mail.mails).toHaveLength(leadCount);
    await expectTruth();
  });

  it('uses a new key when the provider answered an earlier retry with the same error', async () => {
    // The provider remembers its error under the key, and took nothing.
    const firstKeys = new Set([`${sessionId}/1`, `${sessionId}/2`]);
    mail.fault = ({ key }) => (firstKeys.has(key) ? { kind: 'answer', status: 500 } : none);
    await startSession(sessionId);
    await alarm();
    await told('cancel');
    await drive(sessionId, clock);
    await told('check');
    expect(last(await drive(sessionId, clock)).email.unknown).toBe(leadCount);
    await told('retry', { outcome: 'unknown' });
    expect(last(await drive(sessionId, clock)).email).toMatchObject({ sent: leadCount, unknown: 0 });
    expect(mail.mails.every(({ key }) => !firstKeys.has(key))).toBe(true);
    await expectTruth();
  });
});

describe('a provider that checks the content before the key', () => {
  it('and refuses a taken batch makes it unknown, and the batch is not split under new keys', async () => {
    mail.checksContentFirst = true;
    mail.fault = ({ callCount }) => (callCount <= 2 ? { kind: 'loseAfter' } : none);
    await startSession(sessionId);
    await alarm();
    mail.refused.add('lead3@example.com');
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: 20, failed: 0, unknown: 20 });
    expect(mail.mails).toHaveLength(leadCount);
    await expectTruth();
  });
});

describe('a proxy in front of the provider', () => {
  it.each([400, 403, 407, 413, 421, 425, 426, 431, 503])(
    'that answers %i for twenty seconds fails no lead, and the session continues within seconds',
    async (status) => {
      const beganAt = clock.now();
      let backAt = 0;
      mail.fault = () => {
        if (clock.now() - beganAt < 20_000) return { kind: 'page', status };
        if (backAt === 0) backAt = clock.now();
        return none;
      };
      await startSession(sessionId);
      const views = await drive(sessionId, clock);
      expect(views.every(({ email, reason }) => email.failed === 0 && reason !== 'mail_auth')).toBe(true);
      expect(last(views)).toMatchObject({ state: 'completed', email: { sent: leadCount, unknown: 0 } });
      expect(backAt - beganAt - 20_000).toBeLessThan(7_000);
      await expectTruth();
    },
  );
});

describe('a provider that refuses the first emails', () => {
  it('pauses the session with that reason instead of failing all leads', async () => {
    hooks.env = { MAIL_BATCH_MAX: '10' };
    mail.fault = () => ({
      kind: 'answer',
      status: 422,
      body: { statusCode: 422, name: 'validation_error', message: 'The `html` field is invalid.' },
    });
    await startSession(sessionId);
    const paused = last(await drive(sessionId, clock, ({ state }) => state !== 'running'));
    expect(paused).toMatchObject({ state: 'paused', reason: 'mail_refused', email: { failed: 0 } });
    expect(paused.lastError).toContain('The `html` field is invalid.');
    mail.fault = () => none;
    await told('resume');
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount, failed: 0 } });
    await expectTruth();
  });

  it('because of single bad addresses does not pause it: only these leads fail', async () => {
    for (const id of [3, 17, 25]) mail.refused.add(`lead${id}@example.com`);
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount - 3, failed: 3 } });
    await expectTruth();
  });
});

describe('a paused session that is killed with a call on its way', () => {
  async function paused(): Promise<void> {
    // Eight batches: five calls are out when it is killed, and the others have not left.
    hooks.env = { MAIL_BATCH_MAX: '5' };
    mail.fault = () => ({ kind: 'loseAfter' });
    hooks.onVerb = (verb, edge) => verb === 'settle' && edge === 'before';
    await startSession(sessionId);
    await alarm();
    hooks.onVerb = null;
    mail.fault = () => none;
    await told('pause');
    await alarm();
  }

  it('makes no call by itself, and offers a check while the key is valid', async () => {
    await paused();
    const { callCount } = mail;
    const view = await settle();
    expect(view.email.sent + view.email.unknown + view.email.failed).toBe(0);
    expect(view.checkableUntil).toBeGreaterThan(clock.now());
    expect(mail.callCount).toBe(callCount);
    await told('check');
    // Only mail in doubt is checked.
    await drive(sessionId, clock, ({ email }) => email.sent > 0);
    expect((await look(sessionId))?.progress.state).toBe('paused');
    expect(mail.callCount).toBeGreaterThan(callCount);
    await expectTruth();
  });

  it('makes the mail unknown when its key has expired, and never sends it again automatically', async () => {
    await paused();
    clock.advance(25 * 3_600_000);
    await told('resume');
    const end = last(await drive(sessionId, clock));
    expect(end.email.unknown).toBeGreaterThan(0);
    expect(end.email.sent + end.email.unknown).toBe(leadCount);
    await expectTruth();
  });
});
