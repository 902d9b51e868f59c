/**
 * The events of every mail provider: who may send them, and what they change. What concerns one provider only is below,
 * and for Resend and Postmark in webhooks.test.ts.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LeadResultPage } from '../../src/shared/schemas/activation.ts';
import { addLeads, hashEmail } from '../support/crm-database.ts';
import {
  answerAsSns,
  certificateUrl,
  eventSenders,
  signMailgun,
  signSns,
  topicArn,
  type EventKind,
  type EventSender,
  type SignedRequest,
} from '../support/event-senders.ts';
import { hooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import {
  freshSessionId,
  readProgress,
  request,
  startSession,
  waitForEnd,
} from '../support/session-driver.ts';
import { blankLeads, setUpSession, tearDownSession } from '../support/session-setup.ts';

let db: D1Database;
let sns: ReturnType<typeof answerAsSns>;

beforeEach(async () => {
  ({ db } = await setUpSession({ isRealTime: true }));
  sns = answerAsSns();
  hooks.env = Object.fromEntries(eventSenders.map(({ proof }) => [proof.setting, proof.value]));
});

afterEach(tearDownSession);

async function finishedSession(leadCount: number): Promise<string> {
  await addLeads(db, blankLeads(leadCount));
  const sessionId = freshSessionId();
  await startSession(sessionId);
  await waitForEnd(sessionId);
  return sessionId;
}

async function post(name: string, { body, headers }: SignedRequest): Promise<number> {
  const response = await request(`/webhooks/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'test-identity': 'none', ...headers },
    body,
  });
  await response.body?.cancel();
  return response.status;
}

const tell = async (sender: EventSender, kind: EventKind, sessionId: string, leadId: number) =>
  post(sender.name, await sender.sign(sender.content({ kind, sessionId, leadId })));

const deliveriesOf = async (sessionId: string) => {
  const { delivered, bounced, complained } = (await readProgress(sessionId)).email;
  return { delivered, bounced, complained };
};
const none = { delivered: 0, bounced: 0, complained: 0 };

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

describe.each(eventSenders.map((sender) => [sender.name, sender] as const))('%s', (_, sender) => {
  it('is believed without an identity when it proves its origin, and an event counts once', async () => {
    const sessionId = await finishedSession(1);
    const signed = await sender.sign(sender.content({ kind: 'delivered', sessionId, leadId: 1 }));
    for (let time = 0; time < 3; time++) expect(await post(sender.name, signed)).toBe(200);
    expect(await deliveriesOf(sessionId)).toEqual({ ...none, delivered: 1 });
  });

  it('is refused without its proof, by a stranger, for another body and without the setting', async () => {
    const sessionId = await finishedSession(1);
    const content = sender.content({ kind: 'delivered', sessionId, leadId: 1 });
    const good = await sender.sign(content);
    const attempts: SignedRequest[] = [
      { body: JSON.stringify(content), headers: {} },
      { body: '{}', headers: {} },
      { body: 'null', headers: {} },
      { body: '', headers: {} },
      await sender.sign(content, 'stranger'),
      ...(sender.signsBody ? [{ ...good, body: good.body.replace(/deliver/i, 'complain') }] : []),
    ];
    for (const attempt of attempts) expect(await post(sender.name, attempt)).toBe(401);
    hooks.env = { ...hooks.env, [sender.proof.setting]: '' };
    expect(await post(sender.name, good)).toBe(401);
    hooks.env = { ...hooks.env, [sender.proof.setting]: sender.proof.other };
    expect(await post(sender.name, good)).toBe(401);
    hooks.env = { ...hooks.env, [sender.proof.setting]: 'not a key' };
    expect(await post(sender.name, good)).toBe(401);
    expect(await deliveriesOf(sessionId)).toEqual(none);
  });

  it('tells of deliveries, delays, bounces and complaints, and who must not be mailed again', async () => {
    const sessionId = await finishedSession(8);
    const kinds: EventKind[] = [
      ...(['complained', 'delivered', 'hardBounce', 'softBounce', 'delayed'] as const),
      ...(['failed', 'suppressed', 'opened'] as const),
    ];
    const statuses = await Promise.all(kinds.map((kind, index) => tell(sender, kind, sessionId, index + 1)));
    expect(statuses).toEqual(kinds.map(() => 200));
    const states = await emailStates(sessionId);
    expect(states).toMatchObject({
      1: 'complained',
      2: 'delivered',
      3: 'hard_bounce',
      4: 'soft_bounce',
      5: 'delayed',
      8: 'sent',
    });
    // Postmark tells of its own list when an address is added to it, not of a mail.
    const bounced = sender.name === 'postmark' ? 3 : 4;
    expect(await deliveriesOf(sessionId)).toEqual({ delivered: 2, bounced, complained: 1 });
    expect(await suppressions()).toEqual({
      [hashEmail('lead1@example.com')]: 'complained',
      [hashEmail('lead3@example.com')]: 'hard_bounce',
      [hashEmail('lead7@example.com')]: 'provider',
    });
  });

  it('gives the same numbers in every order and with repeats', async () => {
    const sessionId = await finishedSession(10);
    const random = seededRandom(7);
    const kinds = ['delivered', 'softBounce', 'complained'] as const;
    const reports = Array.from({ length: 40 }, () => ({
      kind: kinds[Math.floor(random() * kinds.length)] ?? 'delivered',
      leadId: 1 + Math.floor(random() * 10),
    }));
    await Promise.all(reports.map(({ kind, leadId }) => tell(sender, kind, sessionId, leadId)));
    const leadsWith = (wanted: readonly EventKind[]): number =>
      new Set(reports.filter(({ kind }) => wanted.includes(kind)).map(({ leadId }) => leadId)).size;
    expect(await deliveriesOf(sessionId)).toEqual({
      delivered: leadsWith(['delivered', 'complained']),
      bounced: leadsWith(['softBounce']),
      complained: leadsWith(['complained']),
    });
  });

  it('may speak of mail that is not ours, and nothing is written', async () => {
    const sessionId = await finishedSession(1);
    const { rev } = await readProgress(sessionId);
    for (const content of [
      sender.content({ kind: 'complained', sessionId: '../../x', leadId: 1 }),
      sender.content({ kind: 'complained', sessionId, leadId: -1 }),
      sender.content({ kind: 'opened', sessionId, leadId: 1 }),
      {},
      [null, 7],
    ])
      expect(await post(sender.name, await sender.sign(content))).toBe(200);
    expect((await readProgress(sessionId)).rev).toBe(rev);
    expect(await suppressions()).toEqual({});
  });
});

const senderOf = (name: string): EventSender => {
  const sender = eventSenders.find((one) => one.name === name);
  if (sender === undefined) throw new Error(name);
  return sender;
};

describe('Amazon SNS', () => {
  const event = (sessionId: string) =>
    JSON.stringify(senderOf('ses').content({ kind: 'delivered', sessionId, leadId: 1 }));

  it.each(['1', '2'] as const)('is believed with signatures of version %s', async (version) => {
    const sessionId = await finishedSession(1);
    const fields = { Type: 'Notification', Subject: 'Amazon SES\nEvent', Message: event(sessionId) };
    expect(await post('ses', await signSns(fields, { version }))).toBe(200);
    expect(await deliveriesOf(sessionId)).toMatchObject({ delivered: 1 });
    const stranger = await signSns(fields, { version, by: 'stranger' });
    expect(await post('ses', stranger)).toBe(401);
  });

  it('is asked for its certificate only at its own address in the region of the topic', async () => {
    const fields = { Type: 'Notification', Message: event(freshSessionId()) };
    for (const url of [
      certificateUrl.replace('https', 'http'),
      certificateUrl.replace('eu-west-1', 'us-east-1'),
      certificateUrl.replace('amazonaws.com', 'amazonaws.com.evil.test'),
      certificateUrl.replace('sns.', 'sns.eu-west-1.amazonaws.com@evil.test/'),
      certificateUrl.replace('.com/', '.com:8443/'),
      certificateUrl.replace('.pem', '.txt'),
      'https://s3.eu-west-1.amazonaws.com/bucket/mine.pem',
      'not an address',
    ])
      expect(await post('ses', await signSns({ ...fields, SigningCertURL: url })), url).toBe(401);
  });

  it('is not asked for anything because of another topic', async () => {
    const before = sns.certificateCount;
    const TopicArn = 'arn:aws:sns:eu-west-1:999999999999:mail-events';
    const certificate = certificateUrl.replace('.pem', '-other.pem');
    const fields = { Type: 'Notification', Message: '{}', TopicArn, SigningCertURL: certificate };
    expect(await post('ses', await signSns(fields))).toBe(401);
    expect(sns.certificateCount).toBe(before);
  });

  const subscription = (SubscribeURL: string) => ({
    Type: 'SubscriptionConfirmation',
    Message: 'You have chosen to subscribe.',
    Token: 'token',
    SubscribeURL,
  });
  const subscribeUrl = `https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=${topicArn}&Token=t`;

  it('has a subscription to our topic confirmed, once its signature is checked', async () => {
    expect(await post('ses', await signSns(subscription(subscribeUrl), { by: 'stranger' }))).toBe(401);
    expect(sns.confirmed).toEqual([]);
    expect(await post('ses', await signSns(subscription(subscribeUrl)))).toBe(200);
    expect(sns.confirmed).toHaveLength(1);
  });

  it('has nothing confirmed at an address that is not its own, or for another topic', async () => {
    for (const url of [
      subscribeUrl.replace('sns.eu-west-1.amazonaws.com', 'evil.test'),
      subscribeUrl.replace('mail-events', 'other-topic'),
      subscribeUrl.replace('https', 'http'),
    ])
      expect(await post('ses', await signSns(subscription(url)))).toBe(200);
    expect(sns.confirmed).toEqual([]);
  });

  it('is answered with a fault, so that it asks again, while a confirmation fails', async () => {
    sns.status = 503;
    expect(await post('ses', await signSns(subscription(subscribeUrl)))).toBeGreaterThanOrEqual(500);
    sns.status = 200;
    expect(await post('ses', await signSns(subscription(subscribeUrl)))).toBe(200);
  });
});

it('an event of Mailgun that was signed more than a day ago is refused', async () => {
  const sessionId = await finishedSession(1);
  const content = senderOf('mailgun').content({ kind: 'delivered', sessionId, leadId: 1 });
  const at = (hours: number) => Math.floor(Date.now() / 1_000) + hours * 3_600;
  expect(await post('mailgun', signMailgun(content, at(-25)))).toBe(401);
  expect(await post('mailgun', signMailgun(content, at(25)))).toBe(401);
  expect(await post('mailgun', signMailgun(content, at(-8)))).toBe(200);
});

it('events that SendGrid sends together are counted for each session and lead', async () => {
  const sender = senderOf('sendgrid');
  const first = await finishedSession(600);
  const unknown = freshSessionId();
  const reports = Array.from({ length: 600 }, (_, index) => ({
    kind: index % 100 === 0 ? ('hardBounce' as const) : ('delivered' as const),
    sessionId: first,
    leadId: index + 1,
  }));
  const together = [...reports, { kind: 'complained' as const, sessionId: unknown, leadId: 1 }].flatMap(
    (report) => sender.content(report) as object[],
  );
  expect(await post('sendgrid', await sender.sign(together))).toBe(200);
  expect(await deliveriesOf(first)).toEqual({ delivered: 594, bounced: 6, complained: 0 });
  expect(Object.keys(await suppressions())).toHaveLength(6 + 1 - 1);
});
