/**
 * How fast a session is whose CRM or whose mail account is the limit, and that no CRM gets more calls than it takes.
 * Simulated: the real slice, permits and gates over ten minutes. Calls take 150 ms on average: more than six connections at
 * once, which the platform does not allow, are not needed then.
 */
import { describe, expect, it } from 'vitest';
import { crmConnections } from '../../src/crm/connections/index.ts';
import { simulateSending } from '../support/send-simulation.ts';

const usual = {
  sessionCount: 1,
  seconds: 600,
  limit: null,
  latencyMs: 100,
  answerJitterMs: 0,
  jitterMs: 100,
  tail: null,
  boundaryMs: 50,
};

function rateOf(name: string): number {
  const connection = crmConnections.find((each) => each.name === name);
  if (connection === undefined) throw new Error(`There is no ${name}.`);
  return connection.ratePerSecond;
}

/** The most calls in any span; a call that arrives at its very end counts. */
function mostIn(times: readonly number[], spanMs: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  let first = 0;
  return sorted.reduce((most, at, index) => {
    while ((sorted[first] ?? at) < at - spanMs) first++;
    return Math.max(most, index - first + 1);
  }, 0);
}

describe('the limit of a CRM', () => {
  it.each([
    // What the CRM allows: calls in a span.
    { name: 'hubspot', allowed: 190, spanMs: 10_000, mailRate: 50 },
    { name: 'hubspot', allowed: 190, spanMs: 10_000, mailRate: 20 },
    { name: 'twenty', allowed: 100, spanMs: 60_000, mailRate: 8 },
  ])(
    '$name with $mailRate mail calls a second is used up to a twentieth and never exceeded',
    async ({ name, allowed, spanMs, mailRate }) => {
      const { pushedAt } = await simulateSending({
        ...usual,
        mailRate,
        crm: { rate: rateOf(name), latencyMs: 100 },
      });
      expect(pushedAt.length).toBeGreaterThan(500);
      expect(mostIn(pushedAt, spanMs)).toBeLessThanOrEqual(allowed);
      const tookMs = Math.max(...pushedAt) - Math.min(...pushedAt);
      const leastMs = ((pushedAt.length - 1) * spanMs) / allowed;
      expect(tookMs / leastMs).toBeLessThanOrEqual(1.05);
    },
  );

  it('that is above the mail account’s does not slow mail down', async () => {
    const { ms, leastMs } = await simulateSending({
      ...usual,
      mailRate: 8,
      crm: { rate: rateOf('hubspot'), latencyMs: 100 },
    });
    expect(ms / leastMs).toBeLessThanOrEqual(1.05);
  });
});
