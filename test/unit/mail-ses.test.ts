import { AwsV4Signer } from 'aws4fetch';
import { describe, expect, test } from 'vitest';
import { batchCountInBounds } from '../../src/core/batch/batch.ts';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import { json } from '../../src/mail/json.ts';
import { userAgent } from '../../src/runtime/fetch-like.ts';
import { createSesTransport, type SesConfig } from '../../src/mail/providers/ses/transport.ts';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import type { MailTransport } from '../../src/mail/transport.ts';
import { answering, callOf, mailOf, nowMs, realFetch } from '../support/mail-fixtures.ts';

function transportTo(fetch = realFetch, config: Partial<SesConfig> = {}): MailTransport {
  return createSesTransport({
    apiUrl: 'https://email.eu-west-1.amazonaws.com',
    region: 'eu-west-1',
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    configurationSet: null,
    mailsPerSecond: 50,
    fetch,
    now: () => nowMs,
    ...config,
  });
}

/** An error of SES v2: its type is in a header, with a link behind it. */
const type = (name: string) => ({
  'x-amzn-errortype': `${name}:http://internal.amazon.com/coral/com.amazonaws.ses/`,
});
const message = (text: string) => ({ message: text });
const success = (MessageId: string) => ({ Status: 'SUCCESS', MessageId });

type Answer = [
  name: string,
  status: number,
  body: unknown,
  headers: Record<string, string>,
  outcome: Partial<Outcome>,
];

const answers: Answer[] = [
  [
    'taken',
    200,
    { MessageId: '0102018e-1' },
    {},
    { kind: 'accepted', messageIds: ['0102018e-1'], rejections: [] },
  ],
  ['taken, without an id', 200, {}, {}, { kind: 'unknown', code: 'unreadable_answer' }],
  ['taken, but the body breaks off', 200, '{"Messag', {}, { kind: 'unknown', code: 'unreadable_answer' }],
  [
    'a bad request',
    400,
    message('Missing final @domain'),
    type('BadRequestException'),
    { kind: 'rejected', code: 'BadRequestException', index: 0 },
  ],
  [
    'an error named in the body',
    400,
    { __type: 'com.amazonaws.sesv2#BadRequestException', message: 'x' },
    {},
    { kind: 'rejected', code: 'BadRequestException' },
  ],
  [
    'refused content',
    400,
    message('Contains a virus.'),
    type('MessageRejected'),
    { kind: 'rejected', code: 'MessageRejected' },
  ],
  [
    'a sender that is not verified',
    400,
    message(
      'Email address is not verified. The following identities failed the check in region EU-WEST-1: hello@acme.test',
    ),
    type('MessageRejected'),
    { kind: 'auth', code: 'MessageRejected' },
  ],
  [
    'a suspended account',
    400,
    message('x'),
    type('AccountSuspendedException'),
    { kind: 'auth', code: 'AccountSuspendedException' },
  ],
  [
    'paused sending',
    400,
    message('x'),
    type('SendingPausedException'),
    { kind: 'auth', code: 'SendingPausedException' },
  ],
  [
    'a domain that is not verified',
    400,
    message('x'),
    type('MailFromDomainNotVerifiedException'),
    { kind: 'auth' },
  ],
  [
    'a missing configuration set',
    404,
    message('x'),
    type('NotFoundException'),
    { kind: 'auth', code: 'NotFoundException' },
  ],
  [
    'a bad signature',
    403,
    message('The request signature we calculated does not match.'),
    type('SignatureDoesNotMatch'),
    { kind: 'auth' },
  ],
  [
    'an unknown key',
    403,
    { Message: 'The security token is invalid.' },
    type('UnrecognizedClientException'),
    { kind: 'auth' },
  ],
  ['no permission', 403, { Message: 'not authorized' }, type('AccessDeniedException'), { kind: 'auth' }],
  [
    'too fast',
    429,
    message('Maximum sending rate exceeded.'),
    type('TooManyRequestsException'),
    { kind: 'throttled', retryAfterMs: null },
  ],
  [
    'too fast as 400',
    400,
    message('Maximum sending rate exceeded.'),
    type('ThrottlingException'),
    { kind: 'throttled' },
  ],
  ['too many of something', 400, message('x'), type('LimitExceededException'), { kind: 'throttled' }],
  [
    'the day is used up',
    429,
    message('Daily message quota exceeded.'),
    type('TooManyRequestsException'),
    { kind: 'quota', scope: 'daily' },
  ],
  [
    'the day is used up, as 400',
    400,
    message('Daily sending quota exceeded'),
    type('LimitExceededException'),
    { kind: 'quota', scope: 'daily' },
  ],
  ['too large, says a proxy', 413, '', {}, { kind: 'unknown', code: 'http_413' }],
  [
    'closed for a moment',
    503,
    message('x'),
    { ...type('ServiceUnavailable'), 'retry-after': '3' },
    { kind: 'unknown', code: 'ServiceUnavailable' },
  ],
  ['a proxy that gave up waiting', 408, '', {}, { kind: 'unknown' }],
  [
    'an inner error',
    500,
    message('x'),
    type('InternalFailure'),
    { kind: 'unknown', code: 'InternalFailure' },
  ],
  ['a bad gateway', 502, '', {}, { kind: 'unknown', code: 'http_502' }],
  ['a gateway timeout', 504, '', {}, { kind: 'unknown', code: 'http_504' }],
];

test.each(answers)('SES answers: %s', async (_, status, body, headers, outcome) => {
  const { fetch, seen } = answering(status, body, headers);
  const transport = transportTo(fetch);
  expect((await transport.deliver(callOf(transport, 1))).outcome).toMatchObject(outcome);
  // The fetch of the library would have repeated after 429 and 5xx, and would have sent the mail again.
  expect(seen).toHaveLength(1);
});

test('messages of SES are kept without addresses', async () => {
  const body = message('Email address is not verified: hello@acme.test');
  const transport = transportTo(answering(400, body, type('MessageRejected')).fetch);
  expect(JSON.stringify(await transport.deliver(callOf(transport, 1)))).not.toContain('@');
});

test('the request is as SES documents it', async () => {
  const { fetch, seen } = answering(200, { MessageId: 'a' });
  const transport = transportTo(fetch, { configurationSet: 'events' });
  await transport.deliver(callOf(transport, 1, { payload: transport.encode([mailOf()]) }));
  expect(seen[0]?.url).toBe('https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails');
  expect(seen[0]?.headers.get('user-agent')).toBe(userAgent);
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
    FromEmailAddress: 'Acme <hello@acme.test>',
    Destination: { ToAddresses: ['zoe@lead.test'] },
    ReplyToAddresses: ['team@acme.test'],
    Content: {
      Simple: {
        Subject: { Data: 'Hello', Charset: 'UTF-8' },
        Body: { Text: { Data: 'Hi', Charset: 'UTF-8' }, Html: { Data: '<p>Hi</p>', Charset: 'UTF-8' } },
        Headers: [
          { Name: 'List-Unsubscribe', Value: '<https://app.test/unsubscribe/abc>' },
          { Name: 'List-Unsubscribe-Post', Value: 'List-Unsubscribe=One-Click' },
        ],
      },
    },
    EmailTags: [
      { Name: 'batch', Value: '3' },
      { Name: 'lead', Value: '7' },
      { Name: 'session', Value: 'activation_1704123456789_a7bc3d2f1' },
    ],
    ConfigurationSetName: 'events',
  });
});

test('the signature is for the payload and the time of the clock', async () => {
  const { fetch, seen } = answering(200, { MessageId: 'a' });
  const transport = transportTo(fetch);
  await transport.deliver(callOf(transport, 1));
  const [request] = seen;
  expect(request?.headers.get('x-amz-date')).toBe('20261123T140000Z');
  const expected = await new AwsV4Signer({
    method: 'POST',
    url: 'https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails',
    headers: { 'content-type': 'application/json' },
    body: request?.body ?? '',
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    service: 'ses',
    region: 'eu-west-1',
    datetime: '20261123T140000Z',
  }).authHeader();
  expect(request?.headers.get('authorization')).toBe(expected);
  expect(expected).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20261123\/eu-west-1\/ses\/aws4_request, /,
  );
});

test('several mails leave in one call, each with its own template values, headers and tags', async () => {
  const { fetch, seen } = answering(200, { BulkEmailEntryResults: [success('a'), success('b')] });
  const transport = transportTo(fetch, { configurationSet: 'events' });
  const mails = ['ann', 'bob'].map((name) =>
    mailOf({
      to: `${name}@lead.test`,
      html: json(`<p class="a">Hi ${name}</p>\n`),
      tags: { session: 'activation_1704123456789_a7bc3d2f1', lead: '7' },
    }),
  );
  const { outcome } = await transport.deliver(callOf(transport, 2, { payload: transport.encode(mails) }));
  expect(outcome).toEqual({ kind: 'accepted', messageIds: ['a', 'b'], rejections: [] });
  expect(seen[0]?.url).toBe('https://email.eu-west-1.amazonaws.com/v2/email/outbound-bulk-emails');
  const body = JSON.parse(seen[0]?.body ?? '') as { BulkEmailEntries: unknown[] };
  expect(body).toMatchObject({
    FromEmailAddress: 'Acme <hello@acme.test>',
    ReplyToAddresses: ['team@acme.test'],
    DefaultContent: {
      Template: {
        TemplateContent: { Subject: '{{subject}}', Text: '{{text}}', Html: '{{html}}' },
        TemplateData: '{}',
      },
    },
    ConfigurationSetName: 'events',
  });
  expect(body.BulkEmailEntries).toHaveLength(2);
  expect(body.BulkEmailEntries[1]).toEqual({
    Destination: { ToAddresses: ['bob@lead.test'] },
    ReplacementEmailContent: {
      ReplacementTemplate: {
        ReplacementTemplateData: JSON.stringify({
          subject: 'Hello',
          text: 'Hi',
          html: '<p class="a">Hi bob</p>\n',
        }),
      },
    },
    ReplacementHeaders: [
      { Name: 'List-Unsubscribe', Value: '<https://app.test/unsubscribe/abc>' },
      { Name: 'List-Unsubscribe-Post', Value: 'List-Unsubscribe=One-Click' },
    ],
    ReplacementTags: [
      { Name: 'lead', Value: '7' },
      { Name: 'session', Value: 'activation_1704123456789_a7bc3d2f1' },
    ],
  });
});

describe('the statuses of the mails of a call', () => {
  const failed = (Status: string, Error = 'Words.') => ({ Status, Error });
  const outcomeOf = async (results: unknown): Promise<Outcome> => {
    const transport = transportTo(answering(200, { BulkEmailEntryResults: results }).fetch);
    return (await transport.deliver(callOf(transport, 2))).outcome;
  };

  test.each<[string, Partial<Outcome>]>([
    ['ACCOUNT_THROTTLED', { kind: 'throttled', retryAfterMs: null }],
    ['ACCOUNT_DAILY_QUOTA_EXCEEDED', { kind: 'quota', scope: 'daily' }],
    ['TRANSIENT_FAILURE', { kind: 'transient', code: 'TRANSIENT_FAILURE' }],
    ['ACCOUNT_SUSPENDED', { kind: 'auth', code: 'ACCOUNT_SUSPENDED' }],
    ['ACCOUNT_SENDING_PAUSED', { kind: 'auth' }],
    ['MAIL_FROM_DOMAIN_NOT_VERIFIED', { kind: 'auth' }],
    ['CONFIGURATION_SET_DOES_NOT_EXIST', { kind: 'auth' }],
    ['CONFIGURATION_SET_SENDING_PAUSED', { kind: 'auth' }],
    ['INVALID_SENDING_POOL_NAME', { kind: 'auth' }],
    ['TEMPLATE_DOES_NOT_EXIST', { kind: 'auth' }],
  ])('%s leaves the mails for later, and fails none', async (status, because) => {
    expect(await outcomeOf([failed(status), failed(status)])).toMatchObject(because);
    expect(await outcomeOf([success('a'), failed(status)])).toEqual({
      kind: 'accepted',
      messageIds: ['a', null],
      rejections: [],
      deferral: { indexes: [1], because: expect.objectContaining(because) as never },
    });
  });

  test.each(['MESSAGE_REJECTED', 'INVALID_PARAMETER_VALUE', 'FAILED'])(
    '%s fails that mail only',
    async (code) => {
      expect(await outcomeOf([failed(code), success('b')])).toEqual({
        kind: 'accepted',
        messageIds: [null, 'b'],
        rejections: [{ index: 0, code, message: 'Words.' }],
      });
    },
  );

  test('a sender that is not verified is a fault of the account', async () => {
    const result = failed('MESSAGE_REJECTED', 'Email address is not verified. hello@acme.test');
    expect(await outcomeOf([result, result])).toMatchObject({ kind: 'auth', code: 'MESSAGE_REJECTED' });
  });

  test.each<[string, unknown]>([
    ['a result too few', [success('a')]],
    ['no results', undefined],
    ['a success without an id', [success('a'), { Status: 'SUCCESS' }]],
    ['a status that is not documented', [success('a'), failed('SOMETHING_NEW')]],
    ['a result without a status', [success('a'), {}]],
    ['a result that is none', [success('a'), 7]],
  ])('%s makes the call unknown', async (_, results) => {
    expect(await outcomeOf(results)).toMatchObject({ kind: 'unknown', code: 'unreadable_answer' });
  });
});

test.each([
  [0.5, 1],
  [1, 1],
  [14, 14],
  [14.9, 14],
  [50, 50],
  [500, 50],
  [Number.NaN, 1],
])('at %d mails a second a call has at most %d', (mailsPerSecond, maxBatch) => {
  const transport = transportTo(realFetch, { mailsPerSecond });
  expect(transport).toMatchObject({ name: 'ses', maxBatch, rateCounts: 'mails', idempotencyWindowMs: null });
});

test.each(builtinTemplates.map((template) => [template.id, template] as const))(
  'fifty mails of the template %s fit into the megabyte of a call',
  (_, { subject, html, text }) => {
    const transport = transportTo();
    const count = batchCountInBounds(transport, subject.length + html.length + text.length, 0);
    expect(count).toBe(50);
    const mail = mailOf({ html: json(html), text: json(text) });
    const payload = transport.encode(Array.from({ length: count }, () => mail));
    expect(Buffer.byteLength(payload)).toBeLessThan(900_000);
  },
);

test('a payload without a mail cannot be made', () => {
  expect(() => transportTo().encode([])).toThrow(RangeError);
});
