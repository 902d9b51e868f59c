import { expect, test } from 'vitest';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import {
  createCloudflareTransport,
  type CloudflareMail,
} from '../../src/mail/providers/cloudflare/transport.ts';
import { callOf, mailOf } from '../support/mail-fixtures.ts';

/** An error as the binding throws it: https://developers.cloudflare.com/email-service/api/send-emails/workers-api/ */
const bindingError = (code: string) => Object.assign(new Error(`Words about zoe@lead.test.`), { code });

const errors: [code: string, outcome: Partial<Outcome>][] = [
  ['E_RATE_LIMIT_EXCEEDED', { kind: 'throttled', retryAfterMs: null }],
  ['E_DAILY_LIMIT_EXCEEDED', { kind: 'quota', scope: 'daily' }],
  ['E_SENDER_NOT_VERIFIED', { kind: 'auth', code: 'E_SENDER_NOT_VERIFIED' }],
  ['E_SENDER_DOMAIN_NOT_AVAILABLE', { kind: 'auth' }],
  ['E_RECIPIENT_NOT_ALLOWED', { kind: 'auth' }],
  ['E_VALIDATION_ERROR', { kind: 'rejected', code: 'E_VALIDATION_ERROR', index: 0 }],
  ['E_FIELD_MISSING', { kind: 'rejected' }],
  ['E_TOO_MANY_RECIPIENTS', { kind: 'rejected' }],
  ['E_RECIPIENT_SUPPRESSED', { kind: 'rejected', code: 'E_RECIPIENT_SUPPRESSED' }],
  ['E_CONTENT_TOO_LARGE', { kind: 'rejected' }],
  ['E_DELIVERY_FAILED', { kind: 'rejected' }],
  ['E_HEADER_NOT_ALLOWED', { kind: 'rejected' }],
  ['E_HEADER_USE_API_FIELD', { kind: 'rejected' }],
  ['E_HEADER_VALUE_INVALID', { kind: 'rejected' }],
  ['E_HEADER_VALUE_TOO_LONG', { kind: 'rejected' }],
  ['E_HEADER_NAME_INVALID', { kind: 'rejected' }],
  ['E_HEADERS_TOO_LARGE', { kind: 'rejected' }],
  ['E_HEADERS_TOO_MANY', { kind: 'rejected' }],
  ['E_INTERNAL_SERVER_ERROR', { kind: 'unknown', code: 'E_INTERNAL_SERVER_ERROR' }],
  ['E_SOMETHING_NEW', { kind: 'unknown', code: 'E_SOMETHING_NEW' }],
];

test.each(errors)('the binding throws %s', async (code, outcome) => {
  const transport = createCloudflareTransport({
    binding: { send: () => Promise.reject(bindingError(code)) },
  });
  const delivery = await transport.deliver(callOf(transport, 1));
  expect(delivery.outcome).toMatchObject(outcome);
  expect(JSON.stringify(delivery)).not.toContain('@');
});

test('an error without a code makes the mail unknown', async () => {
  const transport = createCloudflareTransport({ binding: { send: () => Promise.reject(new Error('no')) } });
  expect((await transport.deliver(callOf(transport, 1))).outcome).toMatchObject({ kind: 'unknown' });
});

test('a taken mail has the id of the binding, and the binding got the documented fields', async () => {
  const sent: CloudflareMail[] = [];
  const transport = createCloudflareTransport({
    binding: {
      send: (mail) => {
        sent.push(mail);
        return Promise.resolve({ messageId: '<m@acme.test>' });
      },
    },
  });
  const { outcome, rate } = await transport.deliver(
    callOf(transport, 1, { payload: transport.encode([mailOf()]) }),
  );
  expect(outcome).toEqual({ kind: 'accepted', messageIds: ['<m@acme.test>'], rejections: [] });
  expect(rate).toBeNull();
  expect(sent).toEqual([
    {
      from: { name: 'Acme', email: 'hello@acme.test' },
      to: 'zoe@lead.test',
      replyTo: 'team@acme.test',
      subject: 'Hello',
      html: '<p>Hi</p>',
      text: 'Hi',
      headers: {
        'List-Unsubscribe': '<https://app.test/unsubscribe/abc>',
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      },
    },
  ]);
  expect(transport).toMatchObject({ name: 'cloudflare', maxBatch: 1, idempotencyWindowMs: null });
});

test.each([
  ['hello@acme.test', 'hello@acme.test'],
  ['<hello@acme.test>', 'hello@acme.test'],
  ['"Acme, Inc." <hello@acme.test>', { name: 'Acme, Inc.', email: 'hello@acme.test' }],
])('the sender %j is given as %j', (from, expected) => {
  const transport = createCloudflareTransport({ binding: { send: () => Promise.reject(new Error()) } });
  expect(JSON.parse(transport.encode([mailOf({ from, replyTo: null })]))).toMatchObject({ from: expected });
});

test('a call that takes too long is abandoned, and its mail is unknown whatever the call returns', async () => {
  const late = Promise.withResolvers<{ messageId: string }>();
  const transport = createCloudflareTransport({ binding: { send: () => late.promise } });
  const call = callOf(transport, 1, { signal: AbortSignal.timeout(20) });
  expect((await transport.deliver(call)).outcome).toMatchObject({ kind: 'unknown', code: 'timeout' });
  late.reject(new Error('too late for anyone to hear'));
});

test('a call that is aborted before it begins sends nothing', async () => {
  let sentCount = 0;
  const transport = createCloudflareTransport({
    binding: {
      send: () => {
        sentCount += 1;
        return Promise.resolve({ messageId: 'm' });
      },
    },
  });
  const call = callOf(transport, 1, { signal: AbortSignal.abort() });
  expect((await transport.deliver(call)).outcome).toMatchObject({ kind: 'notSent' });
  expect(sentCount).toBe(0);
});
