import { expect, test } from 'vitest';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import { userAgent } from '../../src/runtime/fetch-like.ts';
import { createPostmarkTransport } from '../../src/mail/providers/postmark/transport.ts';
import type { MailTransport } from '../../src/mail/transport.ts';
import { answering, callOf, mailOf, nowMs, realFetch } from '../support/mail-fixtures.ts';

function transportTo(apiUrl: string, fetch = realFetch): MailTransport {
  return createPostmarkTransport({
    apiUrl,
    serverToken: 'token',
    messageStream: 'broadcast',
    fetch,
    now: () => nowMs,
  });
}

/** Results as https://postmarkapp.com/developer/api/email-api#send-batch-emails shows them. */
const taken = (MessageID: string) => ({
  ErrorCode: 0,
  Message: 'OK',
  MessageID,
  SubmittedAt: '2010-11-26T12:01:05.1794748-05:00',
  To: 'receiver1@lead.test',
});
const refused = (ErrorCode: number, Message = 'Words.') => ({ ErrorCode, Message });
const inactive = refused(
  406,
  'You tried to send to a recipient that has been marked as inactive. Found inactive addresses: zoe@lead.test. Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression.',
);

type Answer = [
  name: string,
  status: number,
  body: unknown,
  headers: Record<string, string>,
  outcome: Partial<Outcome>,
];

const answers: Answer[] = [
  [
    'both taken',
    200,
    [taken('a'), taken('b')],
    {},
    { kind: 'accepted', messageIds: ['a', 'b'], rejections: [] },
  ],
  [
    'one taken, one inactive',
    200,
    [taken('a'), inactive],
    {},
    {
      kind: 'accepted',
      messageIds: ['a', null],
      rejections: [expect.objectContaining({ index: 1, code: '406' })] as never,
    },
  ],
  [
    'both refused for their own reasons',
    200,
    [refused(300), inactive],
    {},
    {
      kind: 'accepted',
      messageIds: [null, null],
      rejections: [
        expect.objectContaining({ index: 0, code: '300' }),
        expect.objectContaining({ index: 1, code: '406' }),
      ] as never,
    },
  ],
  ['both inactive', 200, [inactive, inactive], {}, { kind: 'accepted', messageIds: [null, null] }],
  [
    'taken without an id',
    200,
    [taken('a'), { ErrorCode: 0, Message: 'OK' }],
    {},
    { kind: 'accepted', messageIds: ['a', null] },
  ],
  ['both: sender not confirmed', 200, [refused(401), refused(401)], {}, { kind: 'auth', code: '401' }],
  ['both: account pending', 200, [refused(412), refused(412)], {}, { kind: 'auth', code: '412' }],
  ['both: no such stream', 200, [refused(1235), refused(1235)], {}, { kind: 'auth', code: '1235' }],
  ['both: maintenance', 200, [refused(100), refused(100)], {}, { kind: 'transient', code: '100' }],
  [
    'both: too fast',
    200,
    [refused(429), refused(429)],
    { 'retry-after': '4' },
    { kind: 'throttled', retryAfterMs: 4_000 },
  ],
  ...(
    [
      ['too fast', 429, { kind: 'throttled', retryAfterMs: 4_000 }],
      ['maintenance', 100, { kind: 'transient', code: '100' }],
      ['no credits left', 405, { kind: 'auth', code: '405' }],
    ] as const
  ).map(([why, code, because]): Answer => [
    `one taken, one left: ${why}`,
    200,
    [taken('a'), refused(code)],
    { 'retry-after': '4' },
    {
      kind: 'accepted',
      messageIds: ['a', null],
      rejections: [],
      deferral: { indexes: [1], because: expect.objectContaining(because) as never },
    },
  ]),
  ['a result too few', 200, [taken('a')], {}, { kind: 'unknown', code: 'unreadable_answer' }],
  ['a result that is none', 200, [taken('a'), 'b'], {}, { kind: 'unknown', code: 'unreadable_answer' }],
  [
    'a body that breaks off',
    200,
    '[{"ErrorCode":0,"Mess',
    {},
    { kind: 'unknown', code: 'unreadable_answer' },
  ],
  ['a page of a proxy', 200, '<html></html>', {}, { kind: 'unknown', code: 'unreadable_answer' }],

  ['a wrong token', 401, refused(10, 'Bad or missing API token.'), {}, { kind: 'auth', code: '10' }],
  ['a wrong token as 422', 422, refused(10), {}, { kind: 'auth', code: '10' }],
  ['a sender that is not there', 422, refused(400), {}, { kind: 'auth', code: '400' }],
  ['a sender that is not confirmed', 422, refused(401), {}, { kind: 'auth', code: '401' }],
  ['an account that may not send', 422, refused(405), {}, { kind: 'auth', code: '405' }],
  ['another address', 404, '', {}, { kind: 'unknown', code: 'http_404' }],
  ['a redirect', 302, '', { location: 'https://elsewhere.test' }, { kind: 'unknown', code: 'http_302' }],
  [
    'an invalid request',
    422,
    refused(300, "Invalid 'To' address: 'zoe@lead'."),
    {},
    { kind: 'rejected', code: '300', index: null },
  ],
  ['invalid JSON', 422, refused(402), {}, { kind: 'rejected', code: '402' }],
  ['too many', 422, refused(410), {}, { kind: 'rejected', code: '410' }],
  ['too large, says a proxy', 413, '', {}, { kind: 'unknown', code: 'http_413' }],
  ['too fast', 429, refused(429), { 'retry-after': '2' }, { kind: 'throttled', retryAfterMs: 2_000 }],
  ['too fast, without a word', 429, '', {}, { kind: 'throttled', retryAfterMs: null }],
  ['closed for a moment', 503, '', { 'retry-after': '9' }, { kind: 'unknown', code: 'http_503' }],
  ['maintenance as 503', 503, refused(100), {}, { kind: 'transient', code: '100' }],
  ['maintenance as 422', 422, refused(100), {}, { kind: 'transient', code: '100' }],
  ['a proxy that gave up waiting', 408, '', {}, { kind: 'unknown', code: 'http_408' }],
  ['an inner error', 500, refused(500), {}, { kind: 'unknown' }],
  ['a bad gateway', 502, '', {}, { kind: 'unknown', code: 'http_502' }],
  ['a gateway timeout', 504, '', {}, { kind: 'unknown', code: 'http_504' }],
];

test.each(answers)('Postmark answers: %s', async (_, status, body, headers, outcome) => {
  const transport = transportTo('https://mail.test', answering(status, body, headers).fetch);
  expect((await transport.deliver(callOf(transport, 2))).outcome).toMatchObject(outcome);
});

test('a refused recipient is named by index, never by address', async () => {
  const transport = transportTo('https://mail.test', answering(200, [taken('a'), inactive]).fetch);
  const { outcome } = await transport.deliver(callOf(transport, 2));
  expect(JSON.stringify(outcome)).not.toContain('@');
});

test('the request is as Postmark documents it, without a key, because Postmark has none', async () => {
  const { fetch, seen } = answering(200, [taken('a')]);
  const transport = transportTo('https://mail.test', fetch);
  await transport.deliver(callOf(transport, 1, { payload: transport.encode([mailOf()]) }));
  const [request] = seen;
  expect(request?.url).toBe('https://mail.test/email/batch');
  expect(Object.fromEntries(request?.headers ?? [])).toEqual({
    accept: 'application/json',
    'content-type': 'application/json',
    'user-agent': userAgent,
    'x-postmark-server-token': 'token',
  });
  expect(JSON.parse(request?.body ?? '')).toEqual([
    {
      From: 'Acme <hello@acme.test>',
      To: 'zoe@lead.test',
      ReplyTo: 'team@acme.test',
      Subject: 'Hello',
      HtmlBody: '<p>Hi</p>',
      TextBody: 'Hi',
      Headers: [
        { Name: 'List-Unsubscribe', Value: '<https://app.test/unsubscribe/abc>' },
        { Name: 'List-Unsubscribe-Post', Value: 'List-Unsubscribe=One-Click' },
      ],
      Metadata: { batch: '3', lead: '7', session: 'activation_1704123456789_a7bc3d2f1' },
      MessageStream: 'broadcast',
      TrackOpens: false,
      TrackLinks: 'None',
    },
  ]);
  expect(transport).toMatchObject({ name: 'postmark', maxBatch: 500, idempotencyWindowMs: null });
});
