import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SessionStore } from '../../src/durable/store/session-store.ts';
import type { LeadResultPage } from '../../src/shared/schemas/activation.ts';
import { addLeads, hashEmail } from '../support/crm-database.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import {
  freshSessionId,
  readProgress,
  readRows,
  request,
  startSession,
  stubOf,
  waitFor,
  waitForEnd,
} from '../support/session-driver.ts';
import { blankLeads, setUpSession, tearDownSession } from '../support/session-setup.ts';
import { postEvent, resendBody, signatureOf, tell, type TestEvent } from '../support/webhook-sender.ts';

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  ({ db, mail } = await setUpSession({ isRealTime: true }));
});

afterEach(tearDownSession);

async function finishedSession(leadCount: number): Promise<string> {
  await addLeads(db, blankLeads(leadCount));
  const sessionId = freshSessionId();
  await startSession(sessionId);
  await waitForEnd(sessionId);
  return sessionId;
}

const deliveriesOf = async (sessionId: string) => {
  const { delivered, bounced, complained } = (await readProgress(sessionId)).email;
  return { delivered, bounced, complained };
};

async function emailStates(sessionId: string): Promise<Record<string, string | null>> {
  const response = await request(`/crm/activation/${sessionId}/leads`);
  const { leads } = await response.json<LeadResultPage>();
  return Object.fromEntries(leads.map((lead) => [lead.leadId, lead.code ?? lead.emailState]));
}

async function suppressions(): Promise<Record<string, string>> {
  const { results } = await db
    .prepare('SELECT email_hash, reason FROM suppressions')
    .all<{ email_hash: string; reason: string }>();
  return Object.fromEntries(results.map((row) => [row.email_hash, row.reason]));
}

describe('a signature', () => {
  const event = (sessionId: string): TestEvent => ({ type: 'email.delivered', sessionId, leadId: 1 });

  it('that is valid is accepted without an identity', async () => {
    const sessionId = await finishedSession(1);
    expect(await tell(event(sessionId))).toBe(200);
    expect(await deliveriesOf(sessionId)).toEqual({ delivered: 1, bounced: 0, complained: 0 });
  });

  it('that is missing, for another body, by another secret or malformed is refused, and nothing changes', async () => {
    const sessionId = await finishedSession(1);
    const body = resendBody(event(sessionId));
    const good = signatureOf(body);
    const attempts: Record<string, string>[] = [
      {},
      { ...good, 'svix-signature': '' },
      { ...good, 'svix-signature': 'v1,bm90IGl0' },
      { ...good, 'svix-id': 'msg_other' },
      signatureOf(body.replace('delivered', 'complained')),
      signatureOf(body, { secret: 'whsec_YW5vdGhlci1zZWNyZXQ=' }),
    ];
    for (const headers of attempts) {
      const response = await postEvent(body, headers);
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ code: 'invalid_signature' });
    }
    expect(await deliveriesOf(sessionId)).toEqual({ delivered: 0, bounced: 0, complained: 0 });
  });

  it('that is more than five minutes in the past or future is refused', async () => {
    const sessionId = await finishedSession(1);
    const minutes = (count: number): Date => new Date(Date.now() + count * 60_000);
    expect(await tell(event(sessionId), { at: minutes(-6) })).toBe(401);
    expect(await tell(event(sessionId), { at: minutes(6) })).toBe(401);
    expect(await tell(event(sessionId), { at: minutes(-4) })).toBe(200);
  });

  it('that is replayed within five minutes is a duplicate: 200, and counted once', async () => {
    const sessionId = await finishedSession(1);
    const signing = { id: 'msg_same', at: new Date() };
    for (let time = 0; time < 3; time++) expect(await tell(event(sessionId), signing)).toBe(200);
    expect(await deliveriesOf(sessionId)).toEqual({ delivered: 1, bounced: 0, complained: 0 });
  });

  it('is refused when no secret is set', async () => {
    hooks.env = { RESEND_WEBHOOK_SECRET: '' };
    expect(await tell(event(freshSessionId()))).toBe(401);
  });

  it('may be by the old or the new secret during a change', async () => {
    hooks.env = { RESEND_WEBHOOK_SECRET: `whsec_bmV3LXNlY3JldA== ${env.RESEND_WEBHOOK_SECRET ?? ''}` };
    const sessionId = await finishedSession(1);
    expect(await tell(event(sessionId))).toBe(200);
    expect(await tell(event(sessionId), { secret: 'whsec_bmV3LXNlY3JldA==' })).toBe(200);
  });

  it('does not help a body that is not JSON or too large', async () => {
    const broken = '{"type":';
    expect((await postEvent(broken, signatureOf(broken))).status).toBe(400);
    const large = JSON.stringify({ padding: 'x'.repeat(1_100_000) });
    expect((await postEvent(large, signatureOf(large))).status).toBe(413);
  });
});

/** Only the provider can say whether it took an unanswered call, because it has no keys. */
const keyless: Partial<Env> = {
  MAIL_BATCH_MAX: '3',
  MAIL_PROVIDER: 'postmark',
  MAIL_API_URL: '',
  MAIL_FROM: 'Shop <hello@shop.test>',
  MAIL_POSTAL_ADDRESS: '1 Main Street, Springfield',
  PUBLIC_URL: 'https://shop.test',
};

describe('events', () => {
  it('show in progress and per lead, most severe first, in whatever order they come', async () => {
    const sessionId = await finishedSession(6);
    const events: TestEvent[] = [
      { type: 'email.complained', sessionId, leadId: 1 },
      { type: 'email.delivered', sessionId, leadId: 1 },
      { type: 'email.delivered', sessionId, leadId: 2 },
      { type: 'email.delivery_delayed', sessionId, leadId: 2 },
      { type: 'email.bounced', sessionId, leadId: 3, bounceType: 'Permanent' },
      { type: 'email.bounced', sessionId, leadId: 4, bounceType: 'Transient' },
      { type: 'email.delivery_delayed', sessionId, leadId: 5 },
    ];
    expect(await Promise.all(events.map((event) => tell(event)))).toEqual(events.map(() => 200));
    expect(await deliveriesOf(sessionId)).toEqual({ delivered: 2, bounced: 2, complained: 1 });
    expect(await emailStates(sessionId)).toEqual({
      1: 'complained',
      2: 'delivered',
      3: 'hard_bounce',
      4: 'soft_bounce',
      5: 'delayed',
      6: 'sent',
    });
  });

  it('write a log line only when they are refused', async () => {
    const sessionId = await finishedSession(1);
    const lines: string[] = [];
    const note = (line: unknown): void => void lines.push(String(line));
    for (const level of ['info', 'warn', 'error'] as const) vi.spyOn(console, level).mockImplementation(note);
    const event: TestEvent = { type: 'email.delivered', sessionId, leadId: 1 };
    expect(await tell(event)).toBe(200);
    expect(lines.filter((line) => line.includes('/webhooks/resend'))).toEqual([]);
    expect(await tell(event, { secret: 'whsec_YW5vdGhlci1zZWNyZXQ=' })).toBe(401);
    expect(lines.filter((line) => line.includes('/webhooks/resend'))).toHaveLength(1);
    vi.restoreAllMocks();
  });

  it('give the same numbers in every order and with repeats, and no number ever falls', async () => {
    const sessionId = await finishedSession(20);
    const random = seededRandom(7);
    const types = ['email.delivered', 'email.bounced', 'email.complained', 'email.failed'] as const;
    const events = Array.from({ length: 120 }, (): TestEvent => {
      const type = types[Math.floor(random() * types.length)] ?? 'email.delivered';
      return { type, sessionId, leadId: 1 + Math.floor(random() * 20) };
    });
    let last = { delivered: 0, bounced: 0, complained: 0 };
    for (let start = 0; start < events.length; start += 30) {
      await Promise.all(events.slice(start, start + 30).map((event) => tell(event)));
      const now = await deliveriesOf(sessionId);
      for (const key of ['delivered', 'bounced', 'complained'] as const) {
        expect(now[key]).toBeGreaterThanOrEqual(last[key]);
      }
      last = now;
    }
    const leadsWith = (wanted: readonly string[]): number =>
      new Set(events.filter(({ type }) => wanted.includes(type)).map(({ leadId }) => leadId)).size;
    expect(last).toEqual({
      delivered: leadsWith(['email.delivered', 'email.complained']),
      bounced: leadsWith(['email.bounced', 'email.failed']),
      complained: leadsWith(['email.complained']),
    });
  });

  it('that come before the message id is stored are counted', async () => {
    await addLeads(db, [{}]);
    const sessionId = freshSessionId();
    mail.fault = () => ({ kind: 'hang' });
    await startSession(sessionId);
    await waitFor(sessionId, () => mail.callCount > 0);
    expect(await tell({ type: 'email.delivered', sessionId, leadId: 1 })).toBe(200);
    expect(await deliveriesOf(sessionId)).toMatchObject({ delivered: 1 });
  });

  it('settle unknown mail as sent, because the provider has taken it', async () => {
    const leadCount = 6;
    await addLeads(db, blankLeads(leadCount));
    const sessionId = freshSessionId();
    hooks.env = keyless;
    mail.fault = () => ({ kind: 'loseAfter' });
    await startSession(sessionId);
    const unknown = await waitFor(sessionId, ({ email }) => email.unknown === leadCount);
    expect(unknown.email).toMatchObject({ sent: 0, unknown: leadCount });

    const of = (leadId: number, type: TestEvent['type']): TestEvent => ({ type, sessionId, leadId });
    await Promise.all([
      tell(of(1, 'email.delivered')),
      tell(of(2, 'email.bounced')),
      tell(of(4, 'email.delivery_delayed')),
    ]);
    expect((await readProgress(sessionId)).email).toMatchObject({
      sent: 3,
      unknown: 3,
      delivered: 1,
      bounced: 1,
    });
    // A repeated event is not counted again.
    await tell(of(1, 'email.delivered'));
    expect((await readProgress(sessionId)).email).toMatchObject({ sent: 3, unknown: 3, delivered: 1 });
    await Promise.all([3, 5, 6].map((leadId) => tell(of(leadId, 'email.delivered'))));
    expect((await readProgress(sessionId)).email).toMatchObject({ sent: 6, unknown: 0, delivered: 4 });
    const recounted = await runInDurableObject(stubOf(sessionId), (_, state) =>
      new SessionStore(state.storage).recount(),
    );
    expect(recounted).toMatchObject({ sent: 6, unknown: 0 });
  });

  it('that come before a call is lost prevent its mail from becoming unknown', async () => {
    await addLeads(db, [{}, {}, {}]);
    const sessionId = freshSessionId();
    hooks.env = keyless;
    hooks.deliveryTimeoutMs = 1_500;
    mail.fault = () => ({ kind: 'hangAfter' });
    await startSession(sessionId);
    await waitFor(sessionId, () => mail.callCount > 0);
    expect(await tell({ type: 'email.delivered', sessionId, leadId: 2 })).toBe(200);
    const { email } = await waitFor(sessionId, (progress) => progress.email.unknown > 0);
    expect(email).toMatchObject({ sent: 1, unknown: 2, delivered: 1 });
  });

  it('of unknown sessions, other mail and other kinds are accepted, and nothing is written', async () => {
    const unknown = freshSessionId();
    expect(await tell({ type: 'email.delivered', sessionId: unknown, leadId: 1 })).toBe(200);
    const tables = await runInDurableObject(stubOf(unknown), (_, state) =>
      state.storage.sql
        .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
        .toArray(),
    );
    expect(tables).toEqual([]);

    const sessionId = await finishedSession(1);
    const { rev } = await readProgress(sessionId);
    const others = [
      '{"type":"email.delivered","data":{"to":["a@example.com"]}}',
      '{"type":"email.delivered","data":{"tags":{"session":"../../x","lead":"1"}}}',
      `{"type":"email.delivered","data":{"tags":{"session":"${sessionId}","lead":"-1"}}}`,
      `{"type":"email.bounced","data":{"tags":[1,null],"to":7}}`,
      '{"type":"contact.created","data":{}}',
      '[]',
      'null',
    ];
    for (const body of others) expect((await postEvent(body, signatureOf(body))).status).toBe(200);
    expect(await tell({ type: 'email.opened', sessionId, leadId: 1 })).toBe(200);
    expect((await readProgress(sessionId)).rev).toBe(rev);
    expect(await suppressions()).toEqual({});
  });

  it('are kept after an eviction', async () => {
    const sessionId = await finishedSession(3);
    await tell({ type: 'email.bounced', sessionId, leadId: 2, bounceType: 'Permanent' });
    await evictDurableObject(stubOf(sessionId));
    expect(await deliveriesOf(sessionId)).toEqual({ delivered: 0, bounced: 1, complained: 0 });
    expect(await emailStates(sessionId)).toMatchObject({ 2: 'hard_bounce' });
    await tell({ type: 'email.bounced', sessionId, leadId: 2, bounceType: 'Permanent' });
    expect(await deliveriesOf(sessionId)).toMatchObject({ bounced: 1 });
  });

  it('about an anonymized session change nothing', async () => {
    const sessionId = await finishedSession(2);
    await tell({ type: 'email.delivered', sessionId, leadId: 1 });
    await runInDurableObject(stubOf(sessionId), (_, state) => {
      const store = new SessionStore(state.storage);
      store.transact(() => store.anonymize(Date.now()));
    });
    await evictDurableObject(stubOf(sessionId));
    expect(await tell({ type: 'email.delivered', sessionId, leadId: 1 })).toBe(200);
    expect(await tell({ type: 'email.complained', sessionId, leadId: 1 })).toBe(200);
    expect(await deliveriesOf(sessionId)).toEqual({ delivered: 1, bounced: 0, complained: 0 });
  });

  it('in great number during a session are counted once each, and cost less than a row each', async () => {
    const leadCount = 800;
    await addLeads(db, blankLeads(leadCount));
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const events = Array.from({ length: leadCount }, (_, index): TestEvent => ({
      type: index % 50 === 0 ? 'email.bounced' : 'email.delivered',
      sessionId,
      leadId: index + 1,
    }));
    // Each event twice, as a provider does that lost our answer.
    const told = [...events, ...events];
    for (let start = 0; start < told.length; start += 500) {
      const statuses = await Promise.all(told.slice(start, start + 500).map((event) => tell(event)));
      expect(statuses.every((status) => status === 200)).toBe(true);
    }
    const end = await waitForEnd(sessionId);
    expect(end.email).toMatchObject({ sent: leadCount, delivered: 784, bounced: 16, complained: 0 });
    const { session } = await readRows(sessionId);
    // Events that arrive together raise the revision once.
    expect(session.rev).toBeLessThan(leadCount / 10);
  });
});

describe('the suppression list', () => {
  it('gets hard bounces, complaints and addresses that the provider suppresses, but no soft bounce', async () => {
    const sessionId = await finishedSession(4);
    await Promise.all([
      tell({ type: 'email.bounced', sessionId, leadId: 1, bounceType: 'Permanent' }),
      tell({ type: 'email.bounced', sessionId, leadId: 2, bounceType: 'Transient' }),
      tell({ type: 'email.complained', sessionId, leadId: 3 }),
      tell({ type: 'email.suppressed', sessionId, leadId: 4, to: 'LEAD4@example.com' }),
    ]);
    expect(await suppressions()).toEqual({
      [hashEmail('lead1@example.com')]: 'hard_bounce',
      [hashEmail('lead3@example.com')]: 'complained',
      [hashEmail('lead4@example.com')]: 'provider',
    });
  });

  it('gets a complaint about a session that was erased', async () => {
    const sessionId = freshSessionId();
    expect(await tell({ type: 'email.complained', sessionId, leadId: 9, to: 'late@example.com' })).toBe(200);
    expect(await suppressions()).toEqual({ [hashEmail('late@example.com')]: 'complained' });
  });
});

describe('Postmark', () => {
  const post = (body: unknown, credentials: string | null) =>
    request('/webhooks/postmark', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(credentials === null ? {} : { authorization: `Basic ${btoa(credentials)}` }),
      },
      body: JSON.stringify(body),
    });
  const good = 'postmark:test-password';

  it('is known by its credentials', async () => {
    const sessionId = await finishedSession(1);
    const body = {
      RecordType: 'Delivery',
      Recipient: 'lead1@example.com',
      Metadata: { session: sessionId, lead: '1' },
    };
    for (const wrong of [null, 'postmark:', 'postmark:test-passwor', ':', 'postmark:test-password2']) {
      expect((await post(body, wrong)).status).toBe(401);
    }
    expect((await post(body, good)).status).toBe(200);
    expect(await deliveriesOf(sessionId)).toEqual({ delivered: 1, bounced: 0, complained: 0 });
  });

  it('distinguishes bounces from automatic replies', async () => {
    const sessionId = await finishedSession(5);
    const bounce = (leadId: number, Type: string) =>
      post(
        {
          RecordType: 'Bounce',
          Type,
          Email: `lead${leadId}@example.com`,
          Metadata: { session: sessionId, batch: '1', lead: String(leadId) },
        },
        good,
      );
    await Promise.all([
      bounce(1, 'HardBounce'),
      bounce(2, 'SoftBounce'),
      bounce(3, 'AutoResponder'),
      bounce(4, 'Transient'),
    ]);
    await post(
      {
        RecordType: 'SpamComplaint',
        Email: 'lead5@example.com',
        Metadata: { session: sessionId, lead: '5' },
      },
      good,
    );
    expect(await emailStates(sessionId)).toEqual({
      1: 'hard_bounce',
      2: 'soft_bounce',
      3: 'sent',
      4: 'delayed',
      5: 'complained',
    });
    expect(Object.values(await suppressions()).sort()).toEqual(['complained', 'hard_bounce']);
  });

  it('counts no bounce for a recipient who unsubscribed: the mail had arrived', async () => {
    const sessionId = await finishedSession(5);
    const event = (leadId: number, body: Record<string, unknown>) =>
      post(
        {
          Recipient: `lead${leadId}@example.com`,
          Metadata: { session: sessionId, lead: String(leadId) },
          ...body,
        },
        good,
      );
    const change = (leadId: number, SuppressionReason: string, Origin: string) =>
      event(leadId, { RecordType: 'SubscriptionChange', SuppressSending: true, SuppressionReason, Origin });
    await event(1, { RecordType: 'Delivery' });
    await change(1, 'ManualSuppression', 'Recipient');
    await event(2, { RecordType: 'SpamComplaint' });
    await change(2, 'SpamComplaint', 'Recipient');
    await change(3, 'ManualSuppression', 'Customer');
    await change(4, 'HardBounce', 'Recipient');
    await event(5, { RecordType: 'SubscriptionChange', SuppressSending: false, Origin: 'Customer' });
    expect(await deliveriesOf(sessionId)).toEqual({ delivered: 2, bounced: 1, complained: 1 });
    expect(await suppressions()).toEqual({
      [hashEmail('lead1@example.com')]: 'unsubscribed',
      [hashEmail('lead2@example.com')]: 'complained',
      [hashEmail('lead3@example.com')]: 'provider',
      [hashEmail('lead4@example.com')]: 'hard_bounce',
    });
  });
});
