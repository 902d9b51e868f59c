import { createEmulator, type Emulator } from 'emulate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import { userAgent } from '../../src/runtime/fetch-like.ts';
import { createResendTransport } from '../../src/mail/providers/resend/transport.ts';
import type { MailTransport } from '../../src/mail/transport.ts';
import { answering, callOf, mailOf, nowMs, realFetch, wireServer } from '../support/mail-fixtures.ts';

function transportTo(apiUrl: string, fetch = realFetch): MailTransport {
  return createResendTransport({ apiUrl, apiKey: 're_key', fetch, now: () => nowMs });
}

/** An error body as https://resend.com/docs/api-reference/errors shows it. */
const error = (statusCode: number, name: string, message = 'Words.') => ({ statusCode, name, message });

type Answer = [
  name: string,
  status: number,
  body: unknown,
  headers: Record<string, string>,
  outcome: Partial<Outcome>,
];

const invalidTo =
  'Invalid `to` field. The email address needs to follow the `email@example.com` or `Name <email@example.com>` format.';

const answers: Answer[] = [
  [
    'all taken',
    200,
    { data: [{ id: 'a' }, { id: 'b' }] },
    {},
    { kind: 'accepted', messageIds: ['a', 'b'], rejections: [] },
  ],
  ['taken, as 201', 201, { data: [{ id: 'a' }, { id: 'b' }] }, {}, { kind: 'accepted' }],
  [
    'taken, but the body breaks off',
    200,
    '{"data":[{"id":"a"},{"i',
    {},
    { kind: 'unknown', code: 'unreadable_answer' },
  ],
  [
    'taken, but one id is missing',
    200,
    { data: [{ id: 'a' }] },
    {},
    { kind: 'unknown', code: 'unreadable_answer' },
  ],
  [
    'taken, but an id is no text',
    200,
    { data: [{ id: 'a' }, { id: 7 }] },
    {},
    { kind: 'unknown', code: 'unreadable_answer' },
  ],
  [
    'a captive portal',
    200,
    '<html>Welcome to the hotel</html>',
    {},
    { kind: 'unknown', code: 'unreadable_answer' },
  ],
  ['nothing at all', 204, '', {}, { kind: 'unknown', code: 'unreadable_answer' }],

  ['same key, other payload', 409, error(409, 'invalid_idempotent_request'), {}, { kind: 'keyConflict' }],
  ['same key, under way', 409, error(409, 'concurrent_idempotent_requests'), {}, { kind: 'concurrent' }],
  [
    'a locked resource',
    409,
    error(409, 'resource_locked'),
    {},
    { kind: 'transient', code: 'resource_locked' },
  ],
  ['a conflict without a word', 409, '', {}, { kind: 'unknown', code: 'http_409' }],

  [
    'too fast',
    429,
    error(429, 'rate_limit_exceeded'),
    { 'retry-after': '2' },
    { kind: 'throttled', retryAfterMs: 2_000 },
  ],
  [
    'too fast until a date',
    429,
    error(429, 'rate_limit_exceeded'),
    { 'retry-after': 'Mon, 23 Nov 2026 14:00:03 GMT' },
    { kind: 'throttled', retryAfterMs: 3_000 },
  ],
  [
    'too fast, garbage after',
    429,
    error(429, 'rate_limit_exceeded'),
    { 'retry-after': 'later' },
    { kind: 'throttled', retryAfterMs: null },
  ],
  [
    'too fast, says a proxy',
    429,
    'slow down',
    {},
    { kind: 'throttled', retryAfterMs: null, isForeign: true },
  ],
  ['the day is used up', 429, error(429, 'daily_quota_exceeded'), {}, { kind: 'quota', scope: 'daily' }],
  [
    'the month is used up',
    429,
    error(429, 'monthly_quota_exceeded'),
    {},
    { kind: 'quota', scope: 'monthly' },
  ],

  ['no key', 401, error(401, 'missing_api_key'), {}, { kind: 'auth', code: 'missing_api_key' }],
  [
    'a key that may not send',
    401,
    error(401, 'restricted_api_key'),
    {},
    { kind: 'auth', code: 'restricted_api_key' },
  ],
  ['a wrong key', 403, error(403, 'invalid_api_key'), {}, { kind: 'auth', code: 'invalid_api_key' }],
  ['a suspended key', 403, error(403, 'suspended_api_key'), {}, { kind: 'auth', code: 'suspended_api_key' }],
  [
    'a domain that is not verified',
    403,
    error(403, 'validation_error', 'The acme.test domain is not verified.'),
    {},
    { kind: 'auth' },
  ],
  [
    'the same as 422',
    422,
    error(422, 'validation_error', 'The acme.test domain is not verified.'),
    {},
    { kind: 'auth' },
  ],
  [
    'an invalid sender',
    422,
    error(422, 'invalid_from_address'),
    {},
    { kind: 'auth', code: 'invalid_from_address' },
  ],
  [
    'an invalid sender by its message',
    422,
    error(422, 'validation_error', 'Invalid `from` field.'),
    {},
    { kind: 'auth' },
  ],
  ['no sender', 422, error(422, 'missing_required_field', 'Missing `from` field.'), {}, { kind: 'auth' }],
  [
    'no sender, in other words',
    422,
    error(422, 'validation_error', 'Missing required field: from'),
    {},
    { kind: 'auth' },
  ],
  ['an account under review', 451, error(451, 'security_error'), {}, { kind: 'auth' }],
  ['the edge, which dislikes the client', 403, 'error code: 1010', {}, { kind: 'unknown', code: 'http_403' }],
  ['another address', 404, error(404, 'not_found'), {}, { kind: 'auth', code: 'not_found' }],
  ['another method', 405, error(405, 'method_not_allowed'), {}, { kind: 'auth' }],
  ['a redirect', 307, '', { location: 'https://elsewhere.test' }, { kind: 'unknown', code: 'http_307' }],

  [
    'a bad key text',
    400,
    error(400, 'invalid_idempotency_key'),
    {},
    { kind: 'rejected', code: 'invalid_idempotency_key', index: null },
  ],
  ['a bad mail', 400, error(400, 'validation_error'), {}, { kind: 'rejected', index: null }],
  [
    'a bad address',
    422,
    error(422, 'validation_error', invalidTo),
    {},
    { kind: 'rejected', code: 'validation_error', index: null },
  ],
  [
    'a bad mail that is named',
    422,
    error(422, 'validation_error', 'emails[1]: invalid address'),
    {},
    { kind: 'rejected', index: 1 },
  ],
  [
    'one named by its path',
    422,
    error(422, 'validation_error', 'Invalid value at 1.to'),
    {},
    { kind: 'rejected', index: 1 },
  ],
  [
    'one named by its index',
    422,
    error(422, 'validation_error', 'The email at index 0 is invalid'),
    {},
    { kind: 'rejected', index: 0 },
  ],
  [
    'an index out of range',
    422,
    error(422, 'validation_error', 'emails[2]: invalid'),
    {},
    { kind: 'rejected', index: null },
  ],
  [
    'an address of a mail, not a mail',
    422,
    error(422, 'validation_error', 'Invalid `to[1]` field'),
    {},
    { kind: 'rejected', index: null },
  ],
  [
    'one named by brackets and field',
    422,
    error(422, 'validation_error', 'Invalid value: [1].to'),
    {},
    { kind: 'rejected', index: 1 },
  ],
  [
    'a number in a domain',
    422,
    error(422, 'validation_error', 'Invalid domain 1.lead.test'),
    {},
    { kind: 'rejected', index: null },
  ],
  [
    'a number in brackets',
    422,
    error(422, 'validation_error', 'Invalid value [1]'),
    {},
    { kind: 'rejected', index: null },
  ],
  [
    'a number before a stop',
    422,
    error(422, 'validation_error', 'Found 1. To fix it, write again'),
    {},
    { kind: 'rejected', index: null },
  ],
  ['too large, says a proxy', 413, '<html>Too large</html>', {}, { kind: 'unknown', code: 'http_413' }],

  [
    'closed for a moment',
    503,
    error(503, 'service_unavailable'),
    { 'retry-after': '5' },
    { kind: 'unknown', code: 'service_unavailable' },
  ],
  ['a proxy that gave up waiting', 408, '', {}, { kind: 'unknown', code: 'http_408' }],
  [
    'an inner error',
    500,
    error(500, 'application_error'),
    {},
    { kind: 'unknown', code: 'application_error' },
  ],
  ['a bad gateway', 502, '<html></html>', {}, { kind: 'unknown', code: 'http_502' }],
  ['a gateway timeout', 504, '', {}, { kind: 'unknown', code: 'http_504' }],
  ['an edge code', 524, '', {}, { kind: 'unknown', code: 'http_524' }],
];

test.each(answers)('Resend answers: %s', async (_, status, body, headers, outcome) => {
  const transport = transportTo('https://mail.test', answering(status, body, headers).fetch);
  const delivery = await transport.deliver(callOf(transport, 2));
  expect(delivery.outcome).toMatchObject(outcome);
});

test('a refused call of one mail names that mail', async () => {
  const transport = transportTo(
    'https://mail.test',
    answering(422, error(422, 'validation_error', invalidTo)).fetch,
  );
  expect((await transport.deliver(callOf(transport, 1))).outcome).toMatchObject({
    kind: 'rejected',
    index: 0,
  });
});

test('the message of a provider is kept without addresses, on one line and bounded in length', async () => {
  const message = `Cannot send to ana.müller+x@lead.test,\n"<bob@lead.test>" or (eve@lead.test): ${'no '.repeat(500)}`;
  const transport = transportTo(
    'https://mail.test',
    answering(422, error(422, 'bad name\n!', message)).fetch,
  );
  const { outcome } = await transport.deliver(callOf(transport, 2));
  if (outcome.kind !== 'rejected') throw new Error(outcome.kind);
  expect(outcome.message).not.toContain('@');
  expect(outcome.message).toMatch(/^Cannot send to \(address\), "<\(address\)>" or \(\(address\)\): no/);
  expect(outcome.message.length).toBeLessThanOrEqual(300);
  expect(outcome.code).toBe('bad_name_');
});

test('the request is as Resend documents it, with a User-Agent, and follows no redirect', async () => {
  const { fetch, seen } = answering(200, { data: [{ id: 'a' }] });
  const transport = transportTo('https://mail.test/', fetch);
  const payload = transport.encode([mailOf()]);
  await transport.deliver(callOf(transport, 1, { payload, key: 'act/s/3/r1' }));
  const [request] = seen;
  expect(request?.url).toBe('https://mail.test/emails/batch');
  expect(request?.redirect).toBe('manual');
  expect(Object.fromEntries(request?.headers ?? [])).toEqual({
    authorization: 'Bearer re_key',
    'content-type': 'application/json',
    'idempotency-key': 'act/s/3/r1',
    'user-agent': userAgent,
  });
  expect(JSON.parse(request?.body ?? '')).toEqual([
    {
      from: 'Acme <hello@acme.test>',
      to: ['zoe@lead.test'],
      reply_to: 'team@acme.test',
      subject: 'Hello',
      html: '<p>Hi</p>',
      text: 'Hi',
      headers: {
        'List-Unsubscribe': '<https://app.test/unsubscribe/abc>',
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      },
      tags: [
        { name: 'batch', value: '3' },
        { name: 'lead', value: '7' },
        { name: 'session', value: 'activation_1704123456789_a7bc3d2f1' },
      ],
    },
  ]);
  expect(transport).toMatchObject({ name: 'resend', maxBatch: 100, idempotencyWindowMs: 86_400_000 });
});

test('every answer reports the rate limit', async () => {
  const headers = {
    'ratelimit-limit': '10',
    'ratelimit-remaining': '0',
    'ratelimit-reset': '1',
    'retry-after': '1',
  };
  const transport = transportTo(
    'https://mail.test',
    answering(429, error(429, 'rate_limit_exceeded'), headers).fetch,
  );
  expect((await transport.deliver(callOf(transport, 2))).rate).toEqual({
    limitCount: 10,
    remainingCount: 0,
    resetMs: 1_000,
  });
});

describe('against a stand-in of the whole API', () => {
  let emulator: Emulator;
  let transport: MailTransport;

  beforeAll(async () => {
    const free = await wireServer(() => undefined);
    const { port } = new URL(free.url);
    await free.close();
    emulator = await createEmulator({ service: 'resend', port: Number(port) });
    transport = transportTo(emulator.url);
  });
  afterAll(() => emulator.close());

  interface HeldMail {
    to: string[];
    tags: { name: string; value: string }[];
  }

  async function heldMails(): Promise<HeldMail[]> {
    const response = await fetch(`${emulator.url}/emails`, { headers: { authorization: 'Bearer re_key' } });
    const list = await response.json<{ data: HeldMail[] }>();
    return list.data;
  }

  test('a hundred mails are taken once; a repeat under the same key returns the same ids and sends no mail', async () => {
    emulator.reset();
    const call = callOf(transport, 100, { key: 'act/s/1/r1' });
    const first = await transport.deliver(call);
    const second = await transport.deliver(call);
    if (first.outcome.kind !== 'accepted') throw new Error(first.outcome.kind);
    expect(new Set(first.outcome.messageIds).size).toBe(100);
    expect(second.outcome).toEqual(first.outcome);
    expect(first.rate?.limitCount).toBeGreaterThan(0);
    expect(first.rate?.resetMs).not.toBeNull();
    const mails = await heldMails();
    expect(new Set(mails.map(({ to }) => to[0])).size).toBe(100);
    expect(mails).toHaveLength(100);
    expect(mails[0]?.tags).toContainEqual({ name: 'session', value: 'activation_1704123456789_a7bc3d2f1' });
  });

  test('another payload under the same key is reported as a conflict, and is not taken', async () => {
    emulator.reset();
    await transport.deliver(callOf(transport, 3, { key: 'act/s/2/r1' }));
    const changed = callOf(transport, 2, { key: 'act/s/2/r1' });
    expect((await transport.deliver(changed)).outcome).toEqual({ kind: 'keyConflict' });
    expect(await heldMails()).toHaveLength(3);
  });

  test('five simultaneous calls under one key send the mails once', async () => {
    emulator.reset();
    const call = callOf(transport, 10, { key: 'act/s/3/r1' });
    const deliveries = await Promise.all(Array.from({ length: 5 }, () => transport.deliver(call)));
    for (const { outcome } of deliveries) expect(['accepted', 'concurrent']).toContain(outcome.kind);
    expect(await heldMails()).toHaveLength(10);
  });

  test('a call that breaks a rule is refused completely', async () => {
    emulator.reset();
    const tooMany = callOf(transport, 101, { key: 'act/s/4/r1' });
    expect((await transport.deliver(tooMany)).outcome).toMatchObject({
      kind: 'rejected',
      code: 'validation_error',
    });
    expect(await heldMails()).toHaveLength(0);
  });
});
