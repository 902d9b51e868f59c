import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import { json } from '../../src/mail/json.ts';
import { createMailgunTransport } from '../../src/mail/providers/mailgun/transport.ts';
import { webhook } from '../../src/mail/providers/mailgun/webhook.ts';
import type { MailTransport } from '../../src/mail/transport.ts';
import { answering, callOf, mailOf, nowMs, realFetch } from '../support/mail-fixtures.ts';

function transportTo(fetch = realFetch): MailTransport {
  return createMailgunTransport({
    apiUrl: 'https://api.eu.mailgun.net/',
    domain: 'mg.acme.test',
    apiKey: 'key',
    fetch,
    now: () => nowMs,
  });
}

const message = (text: string) => ({ message: text });
const notAllowed = (why: string) => message(`Domain mg.acme.test is not allowed to send: ${why}`);
const untilNoon = 'try again after Mon, 23 Nov 2026 14:00:30 UTC';

/** The answers of *Error codes* in Mailgun's reference of its messages, and some that are not Mailgun's. */
const answers: [name: string, status: number, body: unknown, outcome: Partial<Outcome>][] = [
  [
    'taken',
    200,
    { id: '<a@mg.acme.test>', message: 'Queued. Thank you.' },
    { kind: 'accepted', messageIds: ['<a@mg.acme.test>', '<a@mg.acme.test>'], rejections: [] },
  ],
  ['taken, without an id', 200, message('Queued.'), { kind: 'unknown', code: 'unreadable_answer' }],
  ['taken, but the body breaks off', 200, '{"id":"<a', { kind: 'unknown', code: 'unreadable_answer' }],
  [
    'no recipient',
    400,
    message('to parameter is missing'),
    { kind: 'rejected', code: 'http_400', index: null },
  ],
  [
    'an invalid recipient',
    400,
    message('to parameter is not a valid address. please check documentation'),
    { kind: 'rejected', index: null },
  ],
  ['an invalid sender', 400, message('from parameter is not a valid address.'), { kind: 'auth' }],
  ['too many', 400, message('Too many recipients, max is 1000'), { kind: 'rejected' }],
  ['a sandbox', 400, notAllowed('Sandbox subdomains are for test purposes only.'), { kind: 'auth' }],
  ['a domain without DNS records', 400, notAllowed('The domain is unverified'), { kind: 'auth' }],
  ['a wrong key', 401, 'Forbidden', { kind: 'auth', code: 'http_401' }],
  [
    'batches that are not allowed yet',
    403,
    message('Domain mg.acme.test is not allowed to send large batches yet'),
    { kind: 'auth' },
  ],
  ['a domain that is not there', 404, message('Domain not found: mg.acme.test'), { kind: 'auth' }],
  ['a call that is too large', 413, message('request size exceeds 52.4MiB limit'), { kind: 'rejected' }],
  [
    'too many calls',
    429,
    notAllowed(`request limit exceeded, ${untilNoon}`),
    { kind: 'throttled', retryAfterMs: 30_000 },
  ],
  ['too many calls, without a time', 429, notAllowed('x'), { kind: 'throttled', retryAfterMs: null }],
  ['429 of a proxy', 429, '<html>', { kind: 'throttled', isForeign: true }],
  ['an inner error', 500, message('Internal Server Error'), { kind: 'unknown', code: 'http_500' }],
  ['a bad gateway', 502, '', { kind: 'unknown', code: 'http_502' }],
  ['a proxy that knows no such page', 404, '', { kind: 'unknown', code: 'http_404' }],
  ['a proxy with a word of its own', 403, { message: 'No.', code: 7 }, { kind: 'unknown', code: 'http_403' }],
  ['a proxy that gave up waiting', 408, message('x'), { kind: 'unknown' }],
];

test.each(answers)('Mailgun answers: %s', async (_, status, body, outcome) => {
  const transport = transportTo(answering(status, body).fetch);
  expect((await transport.deliver(callOf(transport, 2))).outcome).toMatchObject(outcome);
});

test('the request is as Mailgun documents it: placeholders, and variables for each recipient', async () => {
  const { fetch, seen } = answering(200, { id: 'a', message: 'Queued.' });
  const transport = transportTo(fetch);
  const mails = [mailOf({ html: json('<p>Hi "Zoë"</p>\n') })];
  await transport.deliver(callOf(transport, 1, { payload: transport.encode(mails) }));
  const [request] = seen;
  expect(request?.url).toBe('https://api.eu.mailgun.net/v3/mg.acme.test/messages');
  expect(request?.headers.get('authorization')).toBe(`Basic ${btoa('api:key')}`);
  const form = await new Response(request?.body, {
    headers: { 'content-type': request?.headers.get('content-type') ?? '' },
  }).formData();
  const { 'recipient-variables': variables, ...fields } = Object.fromEntries(form) as Record<string, string>;
  expect(fields).toEqual({
    from: 'Acme <hello@acme.test>',
    to: 'zoe@lead.test',
    subject: '%recipient.subject%',
    html: '%recipient.html%',
    text: '%recipient.text%',
    'h:Reply-To': 'team@acme.test',
    'h:List-Unsubscribe': '%recipient.header_0%',
    'h:List-Unsubscribe-Post': '%recipient.header_1%',
    'v:batch': '%recipient.tag_0%',
    'v:lead': '%recipient.tag_1%',
    'v:session': '%recipient.tag_2%',
    'o:tracking': 'no',
  });
  expect(JSON.parse(variables ?? '')).toEqual({
    'zoe@lead.test': {
      subject: 'Hello',
      html: '<p>Hi "Zoë"</p>\n',
      text: 'Hi',
      header_0: '<https://app.test/unsubscribe/abc>',
      header_1: 'List-Unsubscribe=One-Click',
      tag_0: '3',
      tag_1: '7',
      tag_2: 'activation_1704123456789_a7bc3d2f1',
    },
  });
  expect(transport).toMatchObject({ name: 'mailgun', maxBatch: 1_000, idempotencyWindowMs: null });
});

test('a value with a line end cannot become a field of its own', () => {
  const transport = transportTo();
  expect(() => transport.encode([mailOf({ to: 'a@lead.test\r\n--x' })])).toThrow(RangeError);
  expect(() => transport.encode([])).toThrow(RangeError);
});

describe('an event', () => {
  const event = (fields: object) => ({
    signature: {},
    'event-data': {
      recipient: 'zoe@lead.test',
      'user-variables': { session: 'activation_1704123456789_a7bc3d2f1', lead: '7' },
      ...fields,
    },
  });

  test.each<[object, string | null, string | null]>([
    [{ event: 'delivered' }, 'delivered', null],
    [{ event: 'failed', severity: 'temporary' }, 'delayed', null],
    [
      {
        event: 'failed',
        severity: 'permanent',
        reason: 'generic',
        'delivery-status': { code: 550, 'enhanced-code': '5.1.1' },
      },
      'hardBounced',
      'hard_bounce',
    ],
    [
      { event: 'failed', severity: 'permanent', 'delivery-status': { code: 550, 'bounce-code': '5.1.10' } },
      'hardBounced',
      'hard_bounce',
    ],
    [
      { event: 'failed', severity: 'permanent', 'delivery-status': { code: 550, 'enhanced-code': '5.7.1' } },
      'bounced',
      null,
    ],
    [{ event: 'failed', severity: 'permanent', reason: 'old' }, 'bounced', null],
    [{ event: 'failed', severity: 'permanent', reason: 'suppress-unsubscribe' }, 'suppressed', 'provider'],
    [{ event: 'rejected' }, 'failed', null],
    [{ event: 'complained' }, 'complained', 'complained'],
    [{ event: 'unsubscribed' }, 'delivered', 'unsubscribed'],
  ])('%j', (fields, meaning, suppression) => {
    expect(webhook.read(event(fields))).toEqual([
      {
        sessionId: 'activation_1704123456789_a7bc3d2f1',
        leadId: 7,
        event: meaning,
        suppression,
        address: 'zoe@lead.test',
      },
    ]);
  });

  test.each([{ event: 'opened' }, { event: 'accepted' }, { event: 'delivered', 'user-variables': {} }])(
    '%j changes nothing',
    (fields) => {
      expect(webhook.read(event(fields))).toEqual([]);
    },
  );
});
