import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import { createSendgridTransport } from '../../src/mail/providers/sendgrid/transport.ts';
import { webhook } from '../../src/mail/providers/sendgrid/webhook.ts';
import type { MailTransport } from '../../src/mail/transport.ts';
import { answering, callOf, mailOf, nowMs, realFetch } from '../support/mail-fixtures.ts';

const templateId = 'd-0123456789abcdef0123456789abcdef';

function transportTo(fetch = realFetch, id: string | null = templateId): MailTransport {
  return createSendgridTransport({
    apiUrl: 'https://api.sendgrid.com/',
    apiKey: 'SG.key',
    templateId: id,
    fetch,
    now: () => nowMs,
  });
}

const errors = (message: string, field: string | null = null) => ({
  errors: [{ message, field, help: null }],
});
const id = { 'x-message-id': 'abc' };

type Answer = [
  name: string,
  status: number,
  body: unknown,
  headers: Record<string, string>,
  outcome: Partial<Outcome>,
];

const answers: Answer[] = [
  ['taken', 202, '', id, { kind: 'accepted', messageIds: ['abc', 'abc'], rejections: [] }],
  ['taken, without an id', 202, '', {}, { kind: 'unknown', code: 'unreadable_answer' }],
  ['a page of a proxy', 200, '<html>', id, { kind: 'unknown', code: 'unreadable_answer' }],
  [
    'an invalid recipient, by its place',
    400,
    errors('Does not contain a valid address.', 'personalizations.1.to.0.email'),
    {},
    { kind: 'rejected', code: 'personalizations.1.to.0.email', index: 1 },
  ],
  [
    'an invalid recipient at a place that is not ours',
    400,
    errors('Does not contain a valid address.', 'personalizations.2.to'),
    {},
    { kind: 'rejected', index: null },
  ],
  ['a bad request', 400, errors('Bad request'), {}, { kind: 'rejected', code: 'error', index: null }],
  ['an invalid sender', 400, errors('x', 'from.email'), {}, { kind: 'auth', code: 'from.email' }],
  ['a template that is not there', 400, errors('x', 'template_id'), {}, { kind: 'auth' }],
  ['a wrong key', 401, errors('authorization grant is invalid, expired, or revoked'), {}, { kind: 'auth' }],
  [
    'a plan that is used up',
    401,
    errors('Maximum credits exceeded'),
    {},
    { kind: 'quota', scope: 'monthly' },
  ],
  [
    'a sender that is not verified',
    403,
    errors('The from address does not match', 'from'),
    {},
    { kind: 'auth' },
  ],
  ['a wrong address', 404, errors('not found'), {}, { kind: 'auth' }],
  ['a call that is too large', 413, errors('Payload Too Large'), {}, { kind: 'rejected' }],
  [
    'too many calls',
    429,
    errors('too many requests'),
    { 'retry-after': '7' },
    { kind: 'throttled', retryAfterMs: 7_000 },
  ],
  ['429 of a proxy', 429, '', {}, { kind: 'throttled', isForeign: true }],
  ['an inner error', 500, errors('x'), {}, { kind: 'unknown' }],
  ['not available', 503, errors('x'), { 'retry-after': '3' }, { kind: 'unknown' }],
  ['a proxy that forbids', 403, { error: 'forbidden' }, {}, { kind: 'unknown', code: 'http_403' }],
  ['a proxy that gave up waiting', 408, errors('x'), {}, { kind: 'unknown' }],
];

test.each(answers)('SendGrid answers: %s', async (_, status, body, headers, outcome) => {
  const transport = transportTo(answering(status, body, headers).fetch);
  expect((await transport.deliver(callOf(transport, 2))).outcome).toMatchObject(outcome);
});

test('every answer reports the rate limit', async () => {
  const headers = {
    'x-ratelimit-limit': '600',
    'x-ratelimit-remaining': '5',
    'x-ratelimit-reset': '1795442460',
  };
  const transport = transportTo(answering(202, '', { ...id, ...headers }).fetch);
  expect((await transport.deliver(callOf(transport, 2))).rate).toMatchObject({
    limitCount: 600,
    remainingCount: 5,
  });
});

const untracked = {
  tracking_settings: {
    click_tracking: { enable: false, enable_text: false },
    open_tracking: { enable: false },
    subscription_tracking: { enable: false },
  },
};
const personalization = {
  to: [{ email: 'zoe@lead.test' }],
  headers: {
    'List-Unsubscribe': '<https://app.test/unsubscribe/abc>',
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  },
  custom_args: { batch: '3', lead: '7', session: 'activation_1704123456789_a7bc3d2f1' },
};

describe('the request is as SendGrid documents it', () => {
  test('with a dynamic template: the mails are its values', async () => {
    const { fetch, seen } = answering(202, '', id);
    const transport = transportTo(fetch);
    await transport.deliver(callOf(transport, 1, { payload: transport.encode([mailOf()]) }));
    expect(seen[0]?.url).toBe('https://api.sendgrid.com/v3/mail/send');
    expect(seen[0]?.headers.get('authorization')).toBe('Bearer SG.key');
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      personalizations: [
        { ...personalization, dynamic_template_data: { subject: 'Hello', html: '<p>Hi</p>', text: 'Hi' } },
      ],
      from: { email: 'hello@acme.test', name: 'Acme' },
      reply_to: { email: 'team@acme.test' },
      template_id: templateId,
      ...untracked,
    });
    expect(transport).toMatchObject({ name: 'sendgrid', maxBatch: 1_000, idempotencyWindowMs: null });
  });

  test('without one: a call has one mail, and its content', () => {
    const transport = transportTo(realFetch, null);
    expect(transport.maxBatch).toBe(1);
    expect(JSON.parse(transport.encode([mailOf({ replyTo: null })]))).toEqual({
      personalizations: [personalization],
      from: { email: 'hello@acme.test', name: 'Acme' },
      subject: 'Hello',
      content: [
        { type: 'text/plain', value: 'Hi' },
        { type: 'text/html', value: '<p>Hi</p>' },
      ],
      ...untracked,
    });
    expect(() => transport.encode([mailOf(), mailOf()])).toThrow(RangeError);
    expect(() => transport.encode([])).toThrow(RangeError);
  });
});

describe('events', () => {
  const event = (fields: object) => ({
    email: 'zoe@lead.test',
    sg_message_id: 'abc.filter',
    session: 'activation_1704123456789_a7bc3d2f1',
    lead: '7',
    ...fields,
  });

  test.each<[object, string | null, string | null]>([
    [{ event: 'delivered' }, 'delivered', null],
    [{ event: 'deferred', response: '400 try again later' }, 'delayed', null],
    [{ event: 'bounce', type: 'bounce' }, 'hardBounced', 'hard_bounce'],
    [{ event: 'bounce', type: 'blocked' }, 'bounced', null],
    [{ event: 'dropped', reason: 'Bounced Address' }, 'suppressed', 'provider'],
    [{ event: 'dropped', reason: 'Spam Reporting Address' }, 'suppressed', 'provider'],
    [{ event: 'dropped', reason: 'Spam Content' }, 'failed', null],
    [{ event: 'spamreport' }, 'complained', 'complained'],
    [{ event: 'unsubscribe' }, 'delivered', 'unsubscribed'],
    [{ event: 'group_unsubscribe' }, 'delivered', 'unsubscribed'],
  ])('%j', (fields, meaning, suppression) => {
    const [read, ...others] = webhook.read([event(fields)]);
    expect(read).toMatchObject({ leadId: 7, event: meaning, suppression, address: 'zoe@lead.test' });
    expect(others).toEqual([]);
  });

  test('come together, and those of other mail are left out', () => {
    const body = [
      event({ event: 'delivered', lead: '1' }),
      { event: 'delivered', email: 'x@lead.test' },
      event({ event: 'processed' }),
      null,
      event({ event: 'spamreport', lead: '2' }),
    ];
    expect(webhook.read(body).map(({ leadId, event: meaning }) => [leadId, meaning])).toEqual([
      [1, 'delivered'],
      [2, 'complained'],
    ]);
    expect(webhook.read({})).toEqual([]);
  });
});
