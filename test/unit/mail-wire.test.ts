/**
 * What the transports of all providers have in common: what arrives is what was encoded, the provider's own refusals mean
 * "not taken", and whatever goes wrong on the wire afterwards does not.
 *
 * @module
 */
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { json } from '../../src/mail/json.ts';
import { userAgent } from '../../src/runtime/fetch-like.ts';
import type { ApiAnswer } from '../support/mail-dialects.ts';
import {
  answering,
  callOf,
  eachDialect,
  mailOf,
  realFetch,
  transportOf,
  wireServer,
} from '../support/mail-fixtures.ts';

/** Texts that a template engine, a form or JSON could take for something else. */
const hostileText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '{{html}} {{{text}}} {{#each}}',
    '%recipient.html% %unsubscribe_url%',
    '-subject- <%body%>',
    '<p class="a">Zo\u00eb & "co"</p>\r\n--lead-activation-mails--\r\n',
    '$& $1 \\n \\" \u2028',
    '{"a":"\\\\"}',
  ),
);

const plainMail = fc.record({
  subject: hostileText,
  html: hostileText,
  text: hostileText,
  lead: fc.integer({ min: 1, max: 9_999 }).map(String),
  unsubscribe: fc.webUrl().map((url) => `<${url}>`),
});

describe.each(eachDialect)('%s', (_, dialect) => {
  test('gets what was encoded, mail by mail, whatever is in it', () => {
    const transport = transportOf(dialect, realFetch);
    fc.assert(
      fc.property(
        fc.array(plainMail, { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        (contents, hasReplyTo) => {
          const mails = contents.map(({ subject, html, text, lead, unsubscribe }, index) => ({
            from: 'Acme <hello@acme.test>',
            to: `lead${index}@lead.test`,
            replyTo: hasReplyTo ? 'team@acme.test' : null,
            ...{ subject, html, text },
            headers: {
              'List-Unsubscribe': unsubscribe,
              'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
            },
            tags: { session: 'activation_1704123456789_a7bc3d2f1', batch: '3', lead },
          }));
          const payload = transport.encode(
            mails.map((mail) => ({
              ...mail,
              ...{ subject: json(mail.subject), html: json(mail.html), text: json(mail.text), source: '' },
            })),
          );
          // The header names the boundary of a form; JSON has none.
          const contentType = 'multipart/form-data; boundary=lead-activation-mails';
          expect(dialect.read(payload, contentType)).toEqual(mails);
        },
      ),
    );
  });

  test('gets the same bytes for the same mails', () => {
    const transport = transportOf(dialect, realFetch);
    const tags = { lead: '7', session: 'activation_1704123456789_a7bc3d2f1', batch: '3' };
    const mails = [mailOf(), mailOf({ to: 'bob@lead.test' })];
    expect(transport.encode(mails.map((mail) => ({ ...mail, tags })))).toBe(transport.encode(mails));
  });

  test('is called with our name, and its redirects are not followed', async () => {
    const { fetch, seen } = answering(302, '', { location: 'https://elsewhere.test' });
    const transport = transportOf(dialect, fetch);
    expect((await transport.deliver(callOf(transport, 2))).outcome).toMatchObject({ kind: 'unknown' });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ redirect: 'manual' });
    expect(seen[0]?.headers.get('user-agent')).toBe(userAgent);
  });

  test('takes the mails of a call, each under an id', async () => {
    const verdicts = ['a', 'b'].map((id) => ({ kind: 'taken' as const, id }));
    const { outcome } = await deliverTo(dialect.answer(verdicts));
    expect(outcome).toMatchObject({ kind: 'accepted', rejections: [] });
    expect(outcome.kind === 'accepted' && outcome.messageIds.every((id) => id !== null)).toBe(true);
  });

  test('says in its own words that it took nothing', async () => {
    expect((await deliverTo(dialect.tooFast)).outcome).toMatchObject({ kind: 'throttled' });
    expect((await deliverTo(dialect.refusal)).outcome).toMatchObject({ kind: 'rejected', index: null });
    expect((await deliverTo(dialect.unauthorized)).outcome).toMatchObject({ kind: 'auth' });
  });

  test('says when to come again, by seconds or by a date', async () => {
    const after = async (value: string) => {
      const { status, body, headers } = dialect.tooFast;
      const answer = { status, body, headers: { ...headers, 'retry-after': value } };
      return (await deliverTo(answer)).outcome;
    };
    expect(await after('4')).toMatchObject({ kind: 'throttled', retryAfterMs: 4_000 });
    const date = 'Mon, 23 Nov 2026 14:00:10 GMT';
    expect(await after(date)).toMatchObject({ kind: 'throttled', retryAfterMs: 10_000 });
  });

  test('may have taken the mails when it answers 5xx in its own words', async () => {
    for (const status of [500, 502, 503, 504]) {
      const { outcome } = await deliverTo({ ...dialect.unauthorized, status });
      expect(outcome).toMatchObject({ kind: 'unknown' });
    }
  });

  async function deliverTo({ status, body = '', headers = {} }: ApiAnswer) {
    const transport = transportOf(dialect, answering(status, body, headers).fetch);
    return transport.deliver(callOf(transport, 2));
  }
});

describe.each(eachDialect)('%s, on the wire', (_, dialect) => {
  test('a refused connection was certainly not taken', async () => {
    const server = await wireServer(() => undefined);
    await server.close();
    const transport = transportOf(dialect, realFetch, server.url);
    expect((await transport.deliver(callOf(transport, 2))).outcome).toMatchObject({
      kind: 'transient',
      code: 'unreachable',
    });
  });

  test.each([
    ['a reset after the request', (socket: { resetAndDestroy: () => void }) => void socket.resetAndDestroy()],
    ['a connection closed without an answer', (socket: { end: () => void }) => void socket.end()],
    [
      'an answer that is no HTTP',
      (socket: { end: (text: string) => void }) => void socket.end('garbage\r\n\r\n'),
    ],
  ])('%s makes the mail unknown', async (__, onRequest) => {
    const server = await wireServer(onRequest);
    onTestFinished(server.close);
    const transport = transportOf(dialect, realFetch, server.url);
    expect((await transport.deliver(callOf(transport, 2))).outcome).toMatchObject({
      kind: 'unknown',
      code: 'connection_lost',
    });
  });

  test('an answer that breaks off in its body is a success without proof', async () => {
    const server = await wireServer((socket) => {
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"data":[{"id":"a"},',
        () => socket.resetAndDestroy(),
      );
    });
    onTestFinished(server.close);
    const transport = transportOf(dialect, realFetch, server.url);
    expect((await transport.deliver(callOf(transport, 2))).outcome).toMatchObject({
      kind: 'unknown',
      code: 'unreadable_answer',
    });
  });

  test('a provider that does not answer in time makes the mail unknown', async () => {
    const server = await wireServer(() => undefined);
    onTestFinished(server.close);
    const transport = transportOf(dialect, realFetch, server.url);
    const call = callOf(transport, 2, { signal: AbortSignal.timeout(50) });
    expect((await transport.deliver(call)).outcome).toMatchObject({ kind: 'unknown', code: 'timeout' });
  });

  test('an answer that stalls in its body ends with the signal', async () => {
    const server = await wireServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"data":');
    });
    onTestFinished(server.close);
    const patience = new AbortController();
    const transport = transportOf(
      dialect,
      async (url, init) => {
        const response = await realFetch(url, init);
        patience.abort();
        return response;
      },
      server.url,
    );
    const call = callOf(transport, 2, { signal: patience.signal });
    expect((await transport.deliver(call)).outcome).toMatchObject({
      kind: 'unknown',
      code: 'unreadable_answer',
    });
  });

  test('a call that is aborted before it begins is not made', async () => {
    const { fetch, seen } = answering(200, { data: [{ id: 'a' }, { id: 'b' }] });
    const transport = transportOf(dialect, fetch);
    const call = callOf(transport, 2, { signal: AbortSignal.abort() });
    expect((await transport.deliver(call)).outcome).toMatchObject({ kind: 'notSent' });
    expect(seen).toEqual([]);
  });

  test('an endless answer is cut off and not read into memory', async () => {
    let isCancelled = false;
    const chunk = new TextEncoder().encode('x'.repeat(1_000_000));
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(chunk),
      cancel: () => {
        isCancelled = true;
      },
    });
    const transport = transportOf(dialect, () => Promise.resolve(new Response(endless)));
    expect((await transport.deliver(callOf(transport, 2))).outcome).toMatchObject({ kind: 'unknown' });
    expect(isCancelled).toBe(true);
  });
});
