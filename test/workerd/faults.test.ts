/**
 * What a session does when its mail provider fails: each fault, and the final state of the session.
 *
 * The test controls the clock, so a wait of an hour takes no time. The provider keeps its own record of who was
 * mailed.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appendAudit } from '../../src/crm/audit.ts';
import { recoveryActions } from '../../src/crm/recovery.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { statuses } from '../support/crm-database.ts';
import type { FakeMailApi, MailFault } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import {
  command,
  type DrivenClock,
  drive,
  readProgress,
  readRows,
  startSession,
  stubOf,
} from '../support/session-driver.ts';
import {
  accepted,
  expectSound,
  last,
  mostMails,
  setUpSession,
  tearDownSession,
} from '../support/session-setup.ts';

const leadCount = 60;
let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;

beforeEach(async () => {
  ({ mail, clock, sessionId } = await setUpSession({ leadCount, batchSize: 10 }));
  hooks.deliveryTimeoutMs = 30;
});

afterEach(tearDownSession);

/** `fault` for the first `count` calls, then nothing. */
const firstCalls =
  (count: number, fault: MailFault): FakeMailApi['fault'] =>
  ({ callCount }) =>
    callCount <= count ? fault : { kind: 'none' };

async function expectAllSentOnce(end: Progress): Promise<void> {
  expect(end).toMatchObject({
    state: 'completed',
    processed: leadCount,
    lastError: null,
    waitingUntil: null,
  });
  expect(end.email).toMatchObject({ sent: leadCount, failed: 0, unknown: 0 });
  expect(mail.mails).toHaveLength(leadCount);
  expect(mostMails(mail)).toBe(1);
  await expectSound(sessionId, mail);
}

const inSeconds = (seconds: number) => () => new Date(clock.now() + seconds * 1_000).toUTCString();
const limited = (retryAfter?: string): MailFault => ({
  kind: 'answer',
  status: 429,
  body: { name: 'rate_limit_exceeded', message: 'Too many requests.' },
  ...(retryAfter === undefined ? {} : { headers: { 'retry-after': retryAfter } }),
});

describe('after a temporary fault every lead is mailed once', () => {
  it.each<[string, MailFault]>([
    ['an error 500 after acceptance', { kind: 'acceptThenAnswer', status: 500 }],
    ['an error 502 after acceptance', { kind: 'acceptThenAnswer', status: 502 }],
    ['an answer that is lost after acceptance', { kind: 'loseAfter' }],
    ['an answer that breaks off', { kind: 'truncateAfter' }],
    ['a connection that breaks before acceptance', { kind: 'loseBefore' }],
    ['a call that is never answered', { kind: 'hang' }],
    ['a call that is taken and never answered', { kind: 'hangAfter' }],
    ['503', { kind: 'answer', status: 503 }],
    ['500 before acceptance', { kind: 'answer', status: 500 }],
    ['a success page of somebody else', { kind: 'answer', status: 200, body: { hello: 'captive portal' } }],
    [
      '409: an earlier attempt is under way',
      { kind: 'answer', status: 409, body: { name: 'concurrent_idempotent_requests', message: 'Wait.' } },
    ],
    ['409 without a reason', { kind: 'answer', status: 409 }],
  ])('%s', async (_, fault) => {
    mail.fault = firstCalls(4, fault);
    await startSession(sessionId);
    await expectAllSentOnce(last(await drive(sessionId, clock)));
  });

  it('when all of them happen at random', async () => {
    const random = seededRandom(11);
    const faults: MailFault[] = [
      { kind: 'acceptThenAnswer', status: 500 },
      { kind: 'loseAfter' },
      { kind: 'truncateAfter' },
      { kind: 'loseBefore' },
      { kind: 'hangAfter' },
      { kind: 'answer', status: 503 },
      limited('2'),
      limited(),
    ];
    mail.fault = () =>
      random() < 0.5 ? (faults[Math.floor(random() * faults.length)] ?? { kind: 'none' }) : { kind: 'none' };
    await startSession(sessionId);
    await expectAllSentOnce(last(await drive(sessionId, clock)));
  });
});

describe('409 for another payload under the same key', () => {
  const body = { name: 'invalid_idempotent_request', message: 'Other.' };

  it.each(['acceptThenAnswer', 'answer'] as const)(
    'does not say that it was taken (%s): its mail is unknown, and nothing is sent under a new key',
    async (kind) => {
      mail.fault = firstCalls(1, { kind, status: 409, body });
      await startSession(sessionId);
      const { state, email } = last(await drive(sessionId, clock));
      expect(state).toBe('completed');
      expect(email).toMatchObject({ sent: leadCount - 10, failed: 0, unknown: 10 });
      expect(mail.callCount).toBe(leadCount / 10);
      await expectSound(sessionId, mail);
    },
  );

  it('is settled by an event, a person, or a retry at their risk', async () => {
    mail.fault = firstCalls(1, { kind: 'answer', status: 409, body });
    await startSession(sessionId);
    await drive(sessionId, clock);
    const [batch] = (await readRows(sessionId)).batches.filter(({ state }) => state === 'unknown');
    const leadIds = batch?.recipients?.map(({ leadId }) => leadId) ?? [];
    await stubOf(sessionId).addDeliveryEvents([{ leadId: leadIds[0] ?? 0, event: 'delivered' }]);
    expect((await readProgress(sessionId)).email).toMatchObject({ sent: leadCount - 9, unknown: 9 });
    // The provider still knows the key with other content.
    mail.fault = ({ callCount }) =>
      callCount === leadCount / 10 + 1 ? { kind: 'answer', status: 409, body } : { kind: 'none' };
    await accepted(sessionId, 'check');
    expect(last(await drive(sessionId, clock)).email).toMatchObject({ sent: leadCount - 9, unknown: 9 });
    await accepted(sessionId, 'retry', { outcome: 'unknown' });
    expect(last(await drive(sessionId, clock)).email).toMatchObject({ sent: leadCount, unknown: 0 });
    await expectSound(sessionId, mail);
  });
});

describe('a storm of 429', () => {
  it.each<[string, () => string | undefined]>([
    ['in seconds', () => '3'],
    ['as an HTTP date', inSeconds(3)],
    ['missing', () => undefined],
    ['garbage', () => 'soon'],
    ['negative', () => '-5'],
  ])('with Retry-After %s uses no attempt and loses no lead', async (_, retryAfter) => {
    // Many more refusals than a batch has attempts.
    mail.fault = ({ callCount }) => (callCount <= 100 ? limited(retryAfter()) : { kind: 'none' });
    await startSession(sessionId);
    const views = await drive(sessionId, clock);
    await expectAllSentOnce(last(views));
    expect(views.every((view) => view.email.failed === 0 && view.state !== 'paused')).toBe(true);
    const { batches } = await readRows(sessionId);
    expect(Math.max(...batches.map((batch) => batch.attempts))).toBe(1);
  });

  it('lets no call leave before the time that the provider named', async () => {
    mail.fault = firstCalls(1, limited('90'));
    await startSession(sessionId);
    const views = await drive(sessionId, clock);
    await expectAllSentOnce(last(views));
    const refusedAt = mail.callTimes[0] ?? 0;
    // With five senders, four calls may have left before the refusal came.
    const later = mail.callTimes.filter((at) => at - refusedAt > 1_000);
    expect(Math.min(...later) - refusedAt).toBeGreaterThanOrEqual(90_000);
    expect(views.some((view) => view.waitingUntil !== null && view.state === 'running')).toBe(true);
  });
});

describe('a provider that refuses the account', () => {
  const cases: [string, MailFault, 'mail_quota' | 'mail_auth'][] = [
    [
      'the daily quota is used up',
      { kind: 'answer', status: 429, body: { name: 'daily_quota_exceeded', message: 'Daily.' } },
      'mail_quota',
    ],
    [
      'the monthly quota is used up',
      { kind: 'answer', status: 429, body: { name: 'monthly_quota_exceeded', message: 'Monthly.' } },
      'mail_quota',
    ],
    [
      'the key is wrong (401)',
      { kind: 'answer', status: 401, body: { name: 'missing_api_key', message: 'Key.' } },
      'mail_auth',
    ],
    [
      'the key is refused (403)',
      { kind: 'answer', status: 403, body: { name: 'invalid_api_key', message: 'Key.' } },
      'mail_auth',
    ],
  ];

  it.each(cases)(
    '%s: the session pauses, waits for a person, and loses no lead when it is resumed',
    async (_, fault, reason) => {
      mail.fault = ({ callCount }) => (callCount > 2 ? fault : { kind: 'none' });
      await startSession(sessionId);
      const paused = last(await drive(sessionId, clock, (view) => view.state === 'paused'));
      expect(paused).toMatchObject({ state: 'paused', reason, finishedAt: null, etaSeconds: null });
      expect(paused.email.failed).toBe(0);
      expect(paused.lastError).not.toBeNull();
      // Nothing continues by itself.
      const callCount = mail.callCount;
      await expect(drive(sessionId, clock)).rejects.toThrow('Nothing will happen any more');
      expect(mail.callCount).toBe(callCount);

      mail.fault = () => ({ kind: 'none' });
      expect((await command(sessionId, 'resume')).status).toBe(200);
      await expectAllSentOnce(last(await drive(sessionId, clock)));
    },
  );
});

describe('one address that the provider refuses', () => {
  it('fails alone, with a reason, and every other lead of its batch is mailed', async () => {
    mail.refused.add('lead33@example.com');
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: leadCount - 1, failed: 1, unknown: 0 });
    expect(mail.mails).toHaveLength(leadCount - 1);
    expect(mostMails(mail)).toBe(1);
    await expectSound(sessionId, mail);
  });
});

describe('a provider that is down', () => {
  it('pauses the session, is probed with one call at a time, and the session resumes by itself', async () => {
    mail.fault = () => ({ kind: 'loseBefore' });
    await startSession(sessionId);
    const open = await drive(sessionId, clock, (view) => view.reason === 'mail_unreachable');
    expect(last(open)).toMatchObject({ state: 'paused', reason: 'mail_unreachable' });
    expect(last(open).waitingUntil).toBeGreaterThan(last(open).updatedAt);

    const callCount = mail.callCount;
    const downUntil = clock.now() + 3_600_000;
    const down = await drive(sessionId, clock, () => clock.now() > downUntil);
    // Probes are at most a minute apart, never simultaneous, and fail no lead.
    expect(mail.callCount - callCount).toBeGreaterThanOrEqual(60);
    expect(mail.callCount - callCount).toBeLessThan(400);
    expect(down.every((view) => view.email.failed === 0 && view.email.unknown === 0)).toBe(true);

    mail.fault = () => ({ kind: 'none' });
    await expectAllSentOnce(last(await drive(sessionId, clock)));
  });

  it('lets the object rest where the only mail to ask it with waits for hours', async () => {
    mail.fault = () => ({ kind: 'loseBefore' });
    const leadIds = Array.from({ length: 20 }, (_, index) => index + 1);
    await startSession(sessionId, { leadIds });
    await drive(sessionId, clock, (view) => view.reason === 'mail_unreachable');
    const dueAt = clock.now() + 6 * 3_600_000;
    await runInDurableObject(stubOf(sessionId), (instance, { storage }) => {
      const store = instance.rows();
      // A probe is due, and a flip that failed may have set leads active.
      const isDue = { mayBeFlipped: true, probeAt: clock.now() - 1, waitingUntil: null };
      store.transact(() => store.save({ ...store.session(), ...isDue }));
      storage.sql.exec('UPDATE batch SET next_attempt_at = ?, in_doubt_since = NULL', dueAt);
    });
    await evictDurableObject(stubOf(sessionId));
    let wakeCount = 0;
    await drive(sessionId, clock, () => (++wakeCount, clock.now() >= dueAt));
    // No wait is longer than an hour.
    expect(wakeCount).toBeLessThan(10);
    expect((await readRows(sessionId)).session.mayBeFlipped).toBe(false);

    mail.fault = () => ({ kind: 'none' });
    expect(last(await drive(sessionId, clock)).email).toMatchObject({ sent: 20, failed: 0, unknown: 0 });
    await expectSound(sessionId, mail);
  });

  it('for longer than the lifetime of a key leaves only calls in flight in doubt, and never repeats them automatically', async () => {
    mail.fault = () => ({ kind: 'loseAfter' });
    await startSession(sessionId);
    await drive(sessionId, clock, (view) => view.reason === 'mail_unreachable');
    clock.advance(25 * 3_600_000);
    mail.fault = () => ({ kind: 'none' });
    const end = last(await drive(sessionId, clock));
    expect(end.state).toBe('completed');
    expect(end.email.unknown).toBeGreaterThan(0);
    expect(end.email.sent + end.email.unknown).toBe(leadCount);
    expect(mostMails(mail)).toBe(1);
    await expectSound(sessionId, mail);
  });
});

describe('Postmark, by its own codes', () => {
  beforeEach(() => {
    hooks.env = {
      MAIL_BATCH_MAX: '10',
      MAIL_PROVIDER: 'postmark',
      MAIL_API_URL: '',
      MAIL_FROM: 'Shop <hello@shop.test>',
      MAIL_POSTAL_ADDRESS: '1 Main Street, Springfield',
      PUBLIC_URL: 'https://shop.test',
    };
  });

  it.each([
    ['has closed for maintenance', 100, false],
    ['has no credits left', 405, true],
  ])(
    'that takes half of a call and then %s: the other half waits, and no lead fails',
    async (_, code, needsPerson) => {
      const taken: string[] = [];
      let isFirst = true;
      mail.fault = ({ to }) => {
        if (!isFirst) return { kind: 'none' };
        isFirst = false;
        taken.push(...to.slice(0, 5));
        const body = to.map((__, index) =>
          index < 5
            ? { ErrorCode: 0, Message: 'OK', MessageID: `half-${index}` }
            : { ErrorCode: code, Message: 'No.' },
        );
        return { kind: 'answer', status: 200, body };
      };
      await startSession(sessionId);
      if (needsPerson) {
        const paused = last(await drive(sessionId, clock, (view) => view.state === 'paused'));
        expect(paused).toMatchObject({ reason: 'mail_auth', email: { failed: 0, unknown: 0 } });
        expect((await command(sessionId, 'resume')).status).toBe(200);
      }
      const end = last(await drive(sessionId, clock));
      expect(end.email).toMatchObject({ sent: leadCount, failed: 0, unknown: 0 });
      expect(mail.mails).toHaveLength(leadCount - 5);
      expect(mostMails(mail)).toBe(1);
      expect(mail.mails.filter(({ to }) => taken.includes(to))).toEqual([]);
      await expectSound(sessionId, mail);
    },
  );

  it.each<[string, MailFault]>([
    ['maintenance', { kind: 'answer', status: 503, body: { ErrorCode: 100, Message: 'Maintenance.' } }],
    [
      '429',
      {
        kind: 'answer',
        status: 429,
        body: { ErrorCode: 429, Message: 'Slow.' },
        headers: { 'retry-after': '2' },
      },
    ],
  ])('that certainly took nothing, by its own answer (%s), is called again', async (_, fault) => {
    mail.fault = firstCalls(3, fault);
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: leadCount, failed: 0, unknown: 0 });
    expect(mostMails(mail)).toBe(1);
  });
});

describe('a database that was restored during a running session', () => {
  const note = (action: string) =>
    appendAudit(env.DB, {
      ...{ at: clock.now(), actor: 'command line', role: null, action, target: null },
      ...{ country: null, requestId: '', detail: null },
    });

  it('stops the session until the sessions are reconciled', async () => {
    await startSession(sessionId);
    await note(recoveryActions.opened);
    await drive(sessionId, clock, (view) => view.lastError?.includes('was restored') === true);
    expect(mail.callCount).toBe(0);
    await note(recoveryActions.finished);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: leadCount } });
    expect(mostMails(mail)).toBe(1);
  });
});

describe('a provider that is changed during a running session', () => {
  const resend = { MAIL_BATCH_MAX: '10' };
  const postmark = {
    MAIL_BATCH_MAX: '10',
    MAIL_PROVIDER: 'postmark',
    MAIL_API_URL: '',
    MAIL_FROM: 'Shop <hello@shop.test>',
    MAIL_POSTAL_ADDRESS: '1 Main Street, Springfield',
    PUBLIC_URL: 'https://shop.test',
  };
  const cloudflare = {
    ...postmark,
    MAIL_PROVIDER: 'cloudflare',
    EMAIL: { send: () => Promise.reject(new Error('Nothing may leave here.')) },
  };

  /** Starts a session and kills it while its first calls are taken and not answered. */
  async function killAfterAcceptance(first: Partial<Env>): Promise<void> {
    hooks.env = first;
    let isKilled = false;
    hooks.onVerb = (verb, edge) => !isKilled && verb === 'deliver' && edge === 'after' && (isKilled = true);
    await startSession(sessionId);
    await drive(sessionId, clock, () => isKilled);
    hooks.onVerb = null;
  }
  const isPaused = (view: Progress) => view.state === 'paused';

  it.each<[string, Partial<Env>, Partial<Env>]>([
    ['Postmark to Resend', postmark, resend],
    ['Resend to Postmark', resend, postmark],
  ])(
    '%s: mail on its way is unknown, nobody is mailed twice, and a person resumes the rest',
    async (_, first, second) => {
      await killAfterAcceptance(first);
      const takenCount = mail.mails.length;
      expect(takenCount).toBeGreaterThan(0);
      hooks.env = second;
      const paused = last(await drive(sessionId, clock, isPaused));
      expect(paused).toMatchObject({ reason: 'mail_auth' });
      expect(paused.lastError).toMatch(/The mail provider was changed from \w+ to \w+/);
      expect(paused.email.unknown).toBeGreaterThanOrEqual(takenCount);
      expect(mail.mails).toHaveLength(takenCount);
      await expectSound(sessionId, mail);

      expect((await command(sessionId, 'resume')).status).toBe(200);
      const end = last(await drive(sessionId, clock));
      expect(end).toMatchObject({ state: 'completed', processed: leadCount });
      expect(end.email.sent + end.email.unknown).toBe(leadCount);
      expect(mostMails(mail)).toBe(1);
      await expectSound(sessionId, mail);
      // The present provider does not know the keys of mail that the other one may have taken.
      expect((await command(sessionId, 'check')).status).toBe(409);
      await command(sessionId, 'retry', { outcome: 'unknown' });
      await command(sessionId, 'pause');
      await command(sessionId, 'cancel');
      const cancelled = last(await drive(sessionId, clock));
      expect(cancelled.email.failed).toBe(0);
      expect(mostMails(mail)).toBe(1);
    },
  );

  it('to one that takes smaller batches waits for the old settings, and continues with them', async () => {
    await killAfterAcceptance(resend);
    hooks.env = cloudflare;
    for (let i = 0; i < 2; i++) {
      const paused = last(await drive(sessionId, clock, isPaused));
      expect(paused).toMatchObject({ reason: 'mail_auth' });
      expect(paused.lastError).toContain('put the settings of resend back');
      if (i === 1) hooks.env = resend;
      expect((await command(sessionId, 'resume')).status).toBe(200);
    }
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', processed: leadCount });
    expect(mostMails(mail)).toBe(1);
    await expectSound(sessionId, mail);
  });

  it('lets a cancelled session end', async () => {
    await killAfterAcceptance(postmark);
    expect((await command(sessionId, 'cancel')).status).toBe(200);
    hooks.env = resend;
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'cancelled', processed: leadCount });
    expect(end.email.unknown).toBeGreaterThan(0);
    expect(mostMails(mail)).toBe(1);
    await expectSound(sessionId, mail);
  });
});

describe('leads that are in the CRM at the end', () => {
  it('are active exactly when they count as activated', async () => {
    mail.fault = firstCalls(3, { kind: 'loseAfter' });
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    const active = (await statuses(env.DB)).filter((lead) => lead.activated_by === sessionId);
    expect(active).toHaveLength(end.activation.activated);
  });
});
