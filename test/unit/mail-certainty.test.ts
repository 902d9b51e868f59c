/**
 * The rules for all outcome tables, whatever a provider or a proxy in front of it answers.
 *
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answering, callOf, eachDialect, transportOf } from '../support/mail-fixtures.ts';

/** Bodies that a provider, a proxy or an attacker in between might send. */
const body = fc.oneof(
  fc.constantFrom(
    '',
    '{',
    '[]',
    '{}',
    'null',
    '<html>',
    '{"data":[]}',
    '{"data":null}',
    '[null]',
    '{"name":7}',
  ),
  fc.json(),
  fc.record({
    name: fc.constantFrom('invalid_idempotent_request', 'rate_limit_exceeded', 'daily_quota_exceeded', 'x'),
    message: fc.string(),
  }),
  fc.record({
    ErrorCode: fc.oneof(fc.constantFrom(0, 10, 100, 300, 406, 429), fc.anything()),
    Message: fc.string(),
  }),
  fc.array(fc.record({ ErrorCode: fc.constantFrom(0, 10, 100, 300, 406, 429), MessageID: fc.string() }), {
    maxLength: 2,
  }),
  fc.record({ MessageId: fc.oneof(fc.string(), fc.integer()) }),
  fc.record({
    BulkEmailEntryResults: fc.array(
      fc.record({
        Status: fc.constantFrom('SUCCESS', 'ACCOUNT_THROTTLED', 'FAILED', 'TRANSIENT_FAILURE', 'NEW', 7),
        MessageId: fc.oneof(fc.string(), fc.integer()),
      }),
      { maxLength: 3 },
    ),
  }),
  fc.record({ id: fc.oneof(fc.string(), fc.integer()), message: fc.string() }),
  fc.record({ message: fc.string() }),
  fc.record({ errors: fc.array(fc.record({ message: fc.string(), field: fc.anything() })) }),
  fc.record({ data: fc.array(fc.record({ id: fc.oneof(fc.string(), fc.integer()) }), { maxLength: 2 }) }),
);
const headers = fc.record(
  {
    'retry-after': fc.constantFrom('1', '-1', 'x', 'Mon, 23 Nov 2026 14:00:10 GMT', '99999999999999'),
    'ratelimit-limit': fc.constantFrom('10', '-1', 'x', '1e9'),
    'x-message-id': fc.constantFrom('', 'a'),
    'x-amzn-errortype': fc.constantFrom('TooManyRequestsException:', 'BadRequestException', 'x'),
  },
  { requiredKeys: [] },
);

describe.each(eachDialect)('%s, whatever the answer', (name, dialect) => {
  const answer = fc.tuple(fc.integer({ min: 200, max: 599 }), body, headers);

  async function outcomeOf([status, content, head]: [number, unknown, Record<string, string>]) {
    const isBodyless = status === 204 || status === 205 || status === 304;
    const transport = transportOf(dialect, answering(status, isBodyless ? '' : content, head).fetch);
    const call = callOf(transport, 2);
    return { delivery: await transport.deliver(call), mailCount: call.mailCount };
  }

  test('a success never counts as "not taken", and each id belongs to a mail', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async ([status, content, head]) => {
        const { delivery, mailCount } = await outcomeOf([200 + (status % 100), content, head]);
        const { outcome } = delivery;
        // These two say "not taken" of single mails inside a success.
        if (dialect.answersEach && !['accepted', 'unknown'].includes(outcome.kind)) {
          expect(JSON.stringify(content)).toMatch(
            /"ErrorCode":(?:10|100|300|406|429)|"Status":"(?:ACCOUNT_|FAILED|TRANS)/,
          );
          return;
        }
        expect(['accepted', 'unknown']).toContain(outcome.kind);
        if (outcome.kind === 'accepted') expect(outcome.messageIds).toHaveLength(mailCount);
      }),
      { numRuns: 300, seed: 20261123 },
    );
  });

  test('an error inside the provider never counts as "not taken"', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async ([status, content, head]) => {
        const serverFault = 500 + (status % 100);
        const { delivery } = await outcomeOf([serverFault, content, head]);
        // Postmark says in its own form that it is offline for maintenance.
        const isClosed = name === 'postmark' && JSON.stringify(content).includes('"ErrorCode":100');
        expect(isClosed ? ['transient', 'unknown'] : ['unknown']).toContain(delivery.outcome.kind);
      }),
      { numRuns: 300, seed: 20261123 },
    );
  });

  test('an answer in another form never means "not taken", pauses no account and splits no batch', async () => {
    const foreignBody = fc.constantFrom(
      '',
      '<html>Blocked</html>',
      '{}',
      '{"error":"forbidden","message":"Blocked by policy"}',
      '{"name":"","message":"No."}',
      '[]',
    );
    const status = fc.constantFrom(
      300,
      302,
      307,
      400,
      401,
      403,
      404,
      407,
      413,
      421,
      425,
      426,
      429,
      431,
      451,
      503,
    );
    await fc.assert(
      fc.asyncProperty(status, foreignBody, async (answered, content) => {
        const { outcome } = (await outcomeOf([answered, content, {}])).delivery;
        if (answered === 429) expect(outcome).toMatchObject({ kind: 'throttled', isForeign: true });
        else expect(outcome).toMatchObject({ kind: 'unknown', code: `http_${answered}` });
      }),
      { numRuns: 150, seed: 20261124 },
    );
  });

  test('waits are bounded, and messages are short and contain no address', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async (given) => {
        const { outcome, rate } = (await outcomeOf(given)).delivery;
        if ('retryAfterMs' in outcome && outcome.retryAfterMs !== null) {
          expect(outcome.retryAfterMs).toBeGreaterThanOrEqual(0);
          expect(outcome.retryAfterMs).toBeLessThanOrEqual(86_400_000);
        }
        if ('message' in outcome) {
          expect(outcome.message.length).toBeLessThanOrEqual(300);
          expect(outcome.message).not.toMatch(/[^\s@]@[^\s@]+\.[^\s@]/);
        }
        if ('code' in outcome) expect(outcome.code).toMatch(/^[A-Za-z0-9_.-]{1,64}$/);
        for (const figure of Object.values(rate ?? {})) {
          if (figure !== null) expect(figure).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 300, seed: 20261123 },
    );
  });
});
