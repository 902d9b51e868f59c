import { AwsV4Signer } from 'aws4fetch';
import { expect, test } from 'vitest';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import { userAgent } from '../../src/mail/providers/http.ts';
import { createSesTransport, type SesConfig } from '../../src/mail/providers/ses/transport.ts';
import type { MailTransport } from '../../src/mail/transport.ts';
import { answering, callOf, mailOf, nowMs, realFetch } from '../support/mail-fixtures.ts';

function transportTo(fetch = realFetch, config: Partial<SesConfig> = {}): MailTransport {
  return createSesTransport({
    apiUrl: 'https://email.eu-west-1.amazonaws.com',
    region: 'eu-west-1',
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    configurationSet: null,
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
  expect(transport).toMatchObject({ name: 'ses', maxBatch: 1, idempotencyWindowMs: null });
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

test('a payload of two mails cannot be made', () => {
  expect(() => transportTo().encode([mailOf(), mailOf()])).toThrow(RangeError);
  expect(() => transportTo().encode([])).toThrow(RangeError);
});
