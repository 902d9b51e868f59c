import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Problem } from '../../src/shared/problem.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { SenderCheck } from '../../src/shared/schemas/mail.ts';
import { addLeads } from '../support/crm-database.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  freshSessionId,
  readProgress,
  request,
  send,
  startSession,
  stubOf,
  waitFor,
  waitForEnd,
} from '../support/session-driver.ts';
import { blankLeads, setUpSession, tearDownSession } from '../support/session-setup.ts';
import { tell } from '../support/webhook-sender.ts';

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  ({ db, mail } = await setUpSession({ isRealTime: true }));
});

afterEach(tearDownSession);

const leads = (count: number) => blankLeads(count);

describe('the reputation guard', () => {
  it('pauses a session whose mail bounces, says why, and continues after a resume', async () => {
    await addLeads(db, leads(40));
    hooks.env = { MAIL_GUARD_MIN_RESULTS: '10', MAIL_BATCH_MAX: '20' };
    // The second batch waits until the first one’s result is known.
    let isHeld = true;
    mail.fault = ({ callCount }) =>
      callCount > 1 && isHeld
        ? { kind: 'answer', status: 429, headers: { 'retry-after': '1' } }
        : { kind: 'none' };
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitFor(sessionId, (view) => view.email.sent === 20);
    const first = mail.mails.map(({ to }) => Number(/\d+/.exec(to)?.[0]));
    await Promise.all(
      first.map((leadId, index) =>
        tell({
          type: index === 0 ? 'email.bounced' : 'email.delivered',
          sessionId,
          leadId,
          bounceType: 'Permanent',
        }),
      ),
    );
    const paused = await waitFor(sessionId, (view) => view.state === 'paused');
    expect(paused.reason).toBe('bounce_rate');
    expect(paused.lastError).toMatch(/^1 of 20 mails did not arrive \(5\.00 %\)/);
    isHeld = false;

    await evictDurableObject(stubOf(sessionId));
    expect(await readProgress(sessionId)).toMatchObject({ state: 'paused', reason: 'bounce_rate' });
    expect(mail.mails).toHaveLength(20);

    expect((await send('POST', `/crm/activation/${sessionId}/resume`)).status).toBe(200);
    const end = await waitForEnd(sessionId);
    expect(end).toMatchObject({ state: 'completed', reason: null });
    expect(end.email).toMatchObject({ sent: 40, delivered: 19, bounced: 1 });
  });

  it('does not pause a session whose mail arrives', async () => {
    await addLeads(db, leads(30));
    hooks.env = { MAIL_GUARD_MIN_RESULTS: '10' };
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await Promise.all(
      leads(30).map((_, index) => tell({ type: 'email.delivered', sessionId, leadId: index + 1 })),
    );
    expect(await waitForEnd(sessionId)).toMatchObject({ state: 'completed', email: { delivered: 30 } });
  });
});

describe('the daily cap', () => {
  const midnightAfter = (nowMs: number): number => (Math.floor(nowMs / 86_400_000) + 1) * 86_400_000;

  it('is not used up by leads that get no mail', async () => {
    hooks.env = { MAIL_DAILY_CAP: '20', MAIL_FROM: 'hello@refund.test' };
    await addLeads(db, [...leads(20).map(() => ({ status: 'active' as const })), ...leads(20)]);
    const sessionId = freshSessionId();
    await startSession(sessionId);
    expect(await waitForEnd(sessionId)).toMatchObject({ email: { sent: 20 }, activation: { skipped: 20 } });
  });

  it('that cannot be read lets no mail leave: a start is refused, a running activation pauses, both say why', async () => {
    const fault = 'MAIL_DAILY_CAP must be a whole number from 1 up, or empty for no cap.';
    await addLeads(db, leads(3));
    const sessionId = freshSessionId();
    const midnight = midnightAfter(Date.now());
    hooks.env = { ACTIVATE_UNDO_SECONDS: '600', MAIL_FROM: 'hello@unread.test' };
    await startSession(sessionId);
    hooks.env = { MAIL_DAILY_CAP: '2k', MAIL_FROM: 'hello@unread.test' };
    hooks.now = () => midnight + 1_000;
    await runDurableObjectAlarm(stubOf(sessionId));
    const paused = await waitFor(sessionId, ({ state }) => state === 'paused');
    expect(paused).toMatchObject({ reason: 'mail_auth', lastError: fault, email: { sent: 0 } });
    expect(mail.mails).toHaveLength(0);

    const refused = await send('POST', '/crm/activation', {
      sessionId: freshSessionId(),
      audience: { filter: {} },
      templateId: 'welcome',
    });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({
      code: 'mail_not_configured',
      detail: fault,
      errors: [{ path: '/settings/MAIL_DAILY_CAP' }],
    });
    const check = await (await request('/crm/sender-check')).json<SenderCheck>();
    expect(check.isReady).toBe(false);
    expect(check.checks.find(({ id }) => id === 'MAIL_DAILY_CAP')).toMatchObject({ detail: fault });
  });

  it('is no reason for a call that fails after it was reached to wait for tomorrow with its repeat', async () => {
    hooks.env = {
      MAIL_DAILY_CAP: '4',
      MAIL_BATCH_MAX: '2',
      MAIL_FROM: 'hello@late-fault.test',
      MAIL_RATE: '10',
    };
    await addLeads(db, leads(10));
    const { promise: capped, resolve: isCapped } = Promise.withResolvers<undefined>();
    mail.hold = ({ callCount }) => (callCount === 2 ? capped : null);
    mail.fault = ({ callCount }) => (callCount === 2 ? { kind: 'loseBefore' } : { kind: 'none' });
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitFor(sessionId, ({ waitingFor }) => waitingFor?.kind === 'daily_cap');
    isCapped(undefined);
    const held = await waitFor(sessionId, ({ email }) => email.sent === 4);
    expect(held).toMatchObject({ state: 'running', email: { unknown: 0 } });
    expect((await send('POST', `/crm/activation/${sessionId}/cancel`)).status).toBe(200);
    await waitForEnd(sessionId);
  });

  it('counts mails that were refused on one day and leave on another on that day', async () => {
    let aheadMs = 0;
    const midnight = midnightAfter(Date.now());
    const now = (): number => Math.min(Date.now(), midnight - 60_000) + aheadMs;
    hooks.now = now;
    hooks.env = {
      MAIL_DAILY_CAP: '4',
      MAIL_BATCH_MAX: '2',
      MAIL_FROM: 'hello@next-day.test',
      MAIL_RATE: '10',
    };
    await addLeads(db, leads(10));
    mail.fault = () => ({ kind: 'answer', status: 401, body: { name: 'invalid_api_key', message: 'No.' } });
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitFor(sessionId, ({ state }) => state === 'paused');
    mail.fault = () => ({ kind: 'none' });
    aheadMs = midnight + 1_000 - now();
    expect((await send('POST', `/crm/activation/${sessionId}/resume`)).status).toBe(200);
    // Alarms are a day ahead of the clock of this machine.
    const turnUntil = async (isThere: (progress: Progress) => boolean): Promise<void> => {
      for (let turn = 0; turn < 20 && !isThere(await readProgress(sessionId)); turn++)
        await runDurableObjectAlarm(stubOf(sessionId));
    };
    await turnUntil(({ waitingFor }) => waitingFor?.kind === 'daily_cap');
    expect(mail.mails).toHaveLength(4);
    expect((await send('POST', `/crm/activation/${sessionId}/cancel`)).status).toBe(200);
    await turnUntil(({ finishedAt }) => finishedAt !== null);
  });

  // The last of these tests: the shared gate has seen the next day afterwards.
  it('holds all sessions of a domain until the next day, and says until when', async () => {
    let aheadMs = 0;
    const midnight = midnightAfter(Date.now());
    // The day does not end during the test, unless the test moves the clock.
    const now = (): number => Math.min(Date.now(), midnight - 60_000) + aheadMs;
    hooks.now = now;
    hooks.env = { MAIL_DAILY_CAP: '50', MAIL_BATCH_MAX: '20', MAIL_FROM: 'Acme <hello@cap.test>' };
    await addLeads(db, leads(90));
    const [one, two] = [freshSessionId(), freshSessionId()];
    await startSession(one, { leadIds: leads(60).map((_, index) => index + 1) });
    const held = await waitFor(one, (view) => (view.waitingUntil ?? 0) > now() + 1_000);
    expect(held).toMatchObject({
      state: 'running',
      waitingUntil: midnight,
      stalledSince: null,
    });
    // 50 are three batches of 16.
    expect(held.email.sent).toBe(48);
    await startSession(two, { leadIds: leads(30).map((_, index) => index + 61) });
    await waitFor(two, (view) => (view.waitingUntil ?? 0) > now() + 1_000);
    expect(mail.mails).toHaveLength(48);

    aheadMs = midnight + 1_000 - now();
    await runDurableObjectAlarm(stubOf(one));
    expect(await waitForEnd(one)).toMatchObject({ state: 'completed', email: { sent: 60 } });
    await runDurableObjectAlarm(stubOf(two));
    expect(await waitForEnd(two)).toMatchObject({ state: 'completed', email: { sent: 30 } });
    expect(mail.mails).toHaveLength(90);
  });
});

describe('a start with a real provider', () => {
  const real = {
    MAIL_API_URL: 'https://api.resend.com',
    MAIL_FROM: 'Acme <hello@acme.test>',
    MAIL_POSTAL_ADDRESS: '1 Example Way, 10115 Berlin',
    PUBLIC_URL: 'https://leads.acme.test',
  };
  const start = async () => {
    const response = await send('POST', '/crm/activation', {
      sessionId: freshSessionId(),
      audience: { filter: {} },
      templateId: 'welcome',
    });
    return { status: response.status, problem: await response.json<Problem>() };
  };

  it('is refused with a list of all missing settings, and nothing is started', async () => {
    await addLeads(db, leads(1));
    hooks.env = {
      ...real,
      MAIL_POSTAL_ADDRESS: ' ',
      PUBLIC_URL: 'http://leads.acme.test',
      MAIL_PROVIDER: 'pigeon',
    };
    const { status, problem } = await start();
    expect(status).toBe(409);
    expect(problem.code).toBe('mail_not_configured');
    expect(problem.errors?.map(({ path }) => path)).toEqual([
      '/settings/MAIL_PROVIDER',
      '/settings/MAIL_POSTAL_ADDRESS',
      '/settings/PUBLIC_URL',
    ]);
    expect(mail.callCount).toBe(0);
    expect(await db.prepare('SELECT count(*) AS n FROM activations').first('n')).toBe(0);
  });

  it.each([
    ['the example sender', { MAIL_FROM: 'Lead Activation <hello@example.com>' }, '/settings/MAIL_FROM'],
    ['no sender', { MAIL_FROM: '' }, '/settings/MAIL_FROM'],
    ['no public address', { PUBLIC_URL: '' }, '/settings/PUBLIC_URL'],
    ['an unknown provider', { MAIL_PROVIDER: 'pigeon' }, '/settings/MAIL_PROVIDER'],
  ])('is refused for %s', async (_, change, path) => {
    await addLeads(db, leads(1));
    hooks.env = { ...real, ...change };
    const { status, problem } = await start();
    expect(status).toBe(409);
    expect(problem.errors?.map((fault) => fault.path)).toContain(path);
  });

  it('succeeds when all settings are present', async () => {
    await addLeads(db, leads(1));
    hooks.env = real;
    expect((await start()).status).toBe(201);
  });

  it('needs none of these when mail goes to a stand-in on this machine', async () => {
    await addLeads(db, leads(1));
    for (const url of ['http://127.0.0.1:4010', 'http://localhost:4010', 'http://[::1]:4010']) {
      hooks.env = { MAIL_API_URL: url };
      expect((await start()).status).toBe(201);
    }
    for (const url of ['http://127.0.0.1.evil.test', 'https://localhost.evil.test', 'http://10.0.0.1']) {
      hooks.env = { MAIL_API_URL: url };
      expect((await start()).status).toBe(409);
    }
  });
});
