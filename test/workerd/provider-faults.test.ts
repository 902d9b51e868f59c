/**
 * What a session does when its mail provider fails, with every provider: whatever happens on the wire, nobody is mailed
 * twice, nobody is lost, and what may have been taken is unknown. The provider's own record says who was mailed. What only
 * a provider with keys can do is in faults.test.ts.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isTerminal, type Progress } from '../../src/shared/progress.ts';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import type { FakeMailApi, MailFault } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { mailDialects } from '../support/mail-dialects.ts';
import {
  command,
  type DrivenClock,
  drive,
  readRows,
  startSession,
  stubOf,
} from '../support/session-driver.ts';
import {
  blankLeads,
  expectSound,
  last,
  mostMails,
  setUpSession,
  tearDownSession,
} from '../support/session-setup.ts';

const leadCount = 60;
const batchSize = 10;
let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;

beforeEach(async () => {
  ({ mail, clock, sessionId } = await setUpSession({ leadCount }));
  hooks.deliveryTimeoutMs = 30;
});

afterEach(tearDownSession);

/** `fault` for the first `count` calls, then nothing. */
const firstCalls =
  (count: number, fault: MailFault): FakeMailApi['fault'] =>
  ({ callCount }) =>
    callCount <= count ? fault : { kind: 'none' };

async function expectAllSentOnce(end: Progress): Promise<void> {
  expect(end).toMatchObject({ state: 'completed', processed: leadCount });
  expect(end.email).toMatchObject({ sent: leadCount, failed: 0, unknown: 0 });
  expect(mail.mails).toHaveLength(leadCount);
  await expectSound(sessionId, mail);
}

function useProvider(name: string): void {
  const dialect = mailDialects.find((one) => one.name === name);
  hooks.env = {
    ...dialect?.env,
    MAIL_API_KEY: dialect?.apiKey ?? '',
    MAIL_BATCH_MAX: String(batchSize),
    MAIL_PROVIDER: name,
    MAIL_API_URL: '',
    MAIL_FROM: 'Shop <hello@shop.test>',
    MAIL_POSTAL_ADDRESS: '1 Main Street, Springfield',
    PUBLIC_URL: 'https://shop.test',
  };
}

const lossyFaults: [string, MailFault][] = [
  ['500 after acceptance', { kind: 'acceptThenAnswer', status: 500 }],
  ['503 after acceptance', { kind: 'acceptThenAnswer', status: 503 }],
  ['a page of an edge', { kind: 'page', status: 403 }],
  ['a page of an edge that passed the call on', { kind: 'page', status: 502, isPassedOn: true }],
  ['a success page of somebody else', { kind: 'answer', status: 200, body: { hello: 'captive portal' } }],
  ['a lost answer', { kind: 'loseAfter' }],
  ['a broken connection', { kind: 'loseBefore' }],
  ['a hanging call', { kind: 'hang' }],
  ['a hanging call that was taken', { kind: 'hangAfter' }],
];

describe.each(mailDialects.map((dialect) => [dialect.name, dialect] as const))('%s', (name, dialect) => {
  const hasKeys = name === 'resend';

  beforeEach(() => useProvider(name));

  it('mails each lead once, as its own mail with its own link', async () => {
    await startSession(sessionId);
    await expectAllSentOnce(last(await drive(sessionId, clock)));
    expect(mail.callCount).toBe(leadCount / batchSize);
    for (const { to, html, text, headers, tags } of mail.mails) {
      expect(tags).toMatchObject({ session: sessionId, lead: /^lead(\d+)@/.exec(to)?.[1] });
      const link = /<(https:[^>]+)>/.exec(headers['List-Unsubscribe'] ?? '')?.[1] ?? '';
      expect(text).toContain(link);
      expect(html).toContain('</html>');
    }
    expect(new Set(mail.mails.map(({ headers }) => headers['List-Unsubscribe'])).size).toBe(leadCount);
  });

  it('that refuses an address fails that lead only', async () => {
    mail.refused.add('lead33@example.com');
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: leadCount - 1, failed: 1, unknown: 0 });
    await expectSound(sessionId, mail);
  });

  it('that says that we are too fast is called again later, and no attempt is used up', async () => {
    mail.fault = firstCalls(3, {
      kind: 'answer',
      ...dialect.tooFast,
      headers: { ...dialect.tooFast.headers, 'retry-after': '2' },
    });
    await startSession(sessionId);
    await expectAllSentOnce(last(await drive(sessionId, clock)));
    const { batches } = await readRows(sessionId);
    expect(Math.max(...batches.map(({ attempts }) => attempts))).toBe(1);
  });

  it('that refuses our key pauses the session, and a resume loses no lead', async () => {
    mail.fault = ({ callCount }) =>
      callCount > 2 ? { kind: 'answer', ...dialect.unauthorized } : { kind: 'none' };
    await startSession(sessionId);
    const paused = last(await drive(sessionId, clock, (view) => view.state === 'paused'));
    expect(paused).toMatchObject({ reason: 'mail_auth', email: { failed: 0, unknown: 0 } });
    mail.fault = () => ({ kind: 'none' });
    expect((await command(sessionId, 'resume')).status).toBe(200);
    await expectAllSentOnce(last(await drive(sessionId, clock)));
  });

  it.each(lossyFaults)('after %s mails nobody twice and loses nobody', async (_, fault) => {
    mail.fault = ({ callCount }) => (callCount === 2 ? fault : { kind: 'none' });
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    if (hasKeys) {
      await expectAllSentOnce(end);
      return;
    }
    expect(end.state).toBe('completed');
    expect(end.email.failed).toBe(0);
    expect(end.email.unknown).toBeGreaterThan(0);
    expect(end.email.unknown).toBeLessThanOrEqual(batchSize);
    expect(end.email.sent + end.email.unknown).toBe(leadCount);
    expect(mail.callCount).toBe(leadCount / batchSize);
    await expectSound(sessionId, mail);
  });
});

describe.each(['postmark', 'ses'])('%s, which answers for each mail', (name) => {
  beforeEach(() => useProvider(name));

  it('and takes a part of a call: the others wait, and no lead fails', async () => {
    for (const leadId of [3, 4, 17, 42]) mail.later.add(`lead${leadId}@example.com`);
    await startSession(sessionId);
    await expectAllSentOnce(last(await drive(sessionId, clock)));
  });

  it('and takes, refuses and defers mails of one call: each has its own result', async () => {
    mail.later.add('lead2@example.com');
    mail.refused.add('lead5@example.com');
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: leadCount - 1, failed: 1, unknown: 0 });
    expect(await stubOf(sessionId).leadResult(5)).toMatchObject({ leadId: 5, emailState: 'failed' });
    expect(await stubOf(sessionId).leadResult(2)).toMatchObject({ leadId: 2, emailState: 'sent' });
    await expectSound(sessionId, mail);
  });
});

describe.each(mailDialects.filter(({ name }) => name !== 'resend').map(({ name }) => name))(
  '%s, which has no keys',
  (name) => {
    beforeEach(() => useProvider(name));

    it('and is down for hours causes only one mail in doubt per probe', async () => {
      mail.fault = () => ({ kind: 'loseBefore' });
      await startSession(sessionId);
      await drive(sessionId, clock, (view) => view.reason === 'mail_unreachable');
      const inFlight = mail.callCount * batchSize;
      let probeCount = 0;
      mail.fault = ({ to }) => {
        probeCount++;
        expect(to).toHaveLength(1);
        return { kind: 'loseBefore' };
      };
      const views = await drive(sessionId, clock, () => probeCount >= 4);
      expect(last(views).email.unknown).toBeLessThanOrEqual(inFlight + 4);
      mail.fault = () => ({ kind: 'none' });
      const end = last(await drive(sessionId, clock));
      expect(end.email.sent + end.email.unknown).toBe(leadCount);
      expect(mostMails(mail)).toBeLessThanOrEqual(1);
    });

    describe('with a batch unknown at the end', () => {
      beforeEach(async () => {
        mail.fault = ({ callCount }) => (callCount === 2 ? { kind: 'loseBefore' } : { kind: 'none' });
        await startSession(sessionId);
        expect(last(await drive(sessionId, clock, isTerminal)).email.unknown).toBe(batchSize);
        mail.fault = () => ({ kind: 'none' });
      });

      it('sends it on a person’s command', async () => {
        expect((await command(sessionId, 'retry', { outcome: 'unknown' })).status).toBe(200);
        await expectAllSentOnce(last(await drive(sessionId, clock)));
      });

      it('takes it as sent on a person’s command, and sends nothing', async () => {
        const { callCount } = mail;
        const answer = await command(sessionId, 'assume-sent');
        expect(answer.status).toBe(200);
        const after: Progress = await answer.json();
        expect(after.email).toMatchObject({ sent: leadCount, unknown: 0 });
        expect(mail.callCount).toBe(callCount);
        await expectSound(sessionId, mail);
      });
    });
  },
);

describe.each([
  ['postmark', 150],
  ['mailgun', 150],
  ['sendgrid', 150],
  ['ses', 50],
])('%s, with as many mails a call as it takes', (name, mostCount) => {
  it(`takes up to ${mostCount}, and each has its result`, async () => {
    await addLeads(await emptyCrm(), blankLeads(200));
    useProvider(name);
    hooks.env = { ...hooks.env, MAIL_BATCH_MAX: '' };
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end.email).toMatchObject({ sent: 200 });
    const { batches } = await readRows(sessionId);
    const largest = batches.reduce((a, b) => (a.leadIds.length > b.leadIds.length ? a : b));
    expect(largest.leadIds.length).toBeGreaterThan(name === 'ses' ? 40 : 101);
    expect(largest.leadIds.length).toBeLessThanOrEqual(name === 'ses' ? 50 : 228);
    const leadId = largest.leadIds.at(-1) ?? 0;
    expect(await stubOf(sessionId).leadResult(leadId)).toMatchObject({ leadId, emailState: 'sent' });
  });
});

it('Amazon SES gets no more mails in a second than the account may send', async () => {
  useProvider('ses');
  hooks.env = { ...hooks.env, MAIL_BATCH_MAX: '', MAIL_RATE: '20' };
  await startSession(sessionId);
  await expectAllSentOnce(last(await drive(sessionId, clock)));
  // Three calls of twenty mails, a second apart.
  const [first = 0, ...later] = mail.callTimes;
  expect(mail.callTimes).toHaveLength(3);
  for (const [index, at] of later.entries()) expect(at - first).toBeGreaterThanOrEqual((index + 1) * 1_000);
});

it.each([
  ['resend', true],
  ['postmark', false],
])('at the limit a call to %s is watched until its body has left: %s', async (name, isWatched) => {
  useProvider(name);
  // Thirty calls in a second and a half: most of them leave after the first answer, however slow the machine is.
  hooks.env = { ...hooks.env, MAIL_BATCH_MAX: '2', MAIL_RATE: '20' };
  mail.headers = { 'ratelimit-limit': '20', 'ratelimit-remaining': '1', 'ratelimit-reset': '1' };
  const bodies: unknown[] = [];
  const network = globalThis.fetch;
  vi.stubGlobal('fetch', (input: RequestInfo | URL, init?: RequestInit) => {
    bodies.push(init?.body);
    return network(input, init);
  });
  await startSession(sessionId);
  await expectAllSentOnce(last(await drive(sessionId, clock)));
  // Nobody knows the limit before the first answer. A stream cannot be sent twice, so where a repeat is not safe it is none.
  expect(bodies[0]).toBeTypeOf('string');
  expect(bodies.some((body) => body instanceof ReadableStream)).toBe(isWatched);
});

it('a provider that fails during planning is probed, and used again when it is back', async () => {
  useProvider('postmark');
  await addLeads(await emptyCrm(), blankLeads(1_200));
  // The first page of the plan is one batch.
  hooks.env = { ...hooks.env, MAIL_BATCH_MAX: '500' };
  mail.fault = firstCalls(1, { kind: 'loseBefore' });
  await startSession(sessionId);
  const views = await drive(sessionId, clock);
  const { sent, unknown } = last(views).email;
  expect(sent + unknown).toBe(1_200);
  expect(unknown).toBeLessThanOrEqual(500);
  expect(mostMails(mail)).toBe(1);
  // Every alarm did some work.
  expect(views.length).toBeLessThan(20);
});
