/**
 * The gate as an object: a granted slot stays granted, also after an eviction.
 */
import { evictDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import { hooks, resetHooks } from '../support/hooks.ts';

let nowMs = 0;
let gateName = 0;

beforeEach(() => {
  resetHooks();
  nowMs = 1_000_000;
  hooks.now = () => nowMs;
});

// MAIL_RATE of the tests is 100,000 a second; a throttle makes its slots visible.
const freshGate = () => env.MAIL_GATE.getByName(`gate-${++gateName}`);

describe('the gate', () => {
  it('keeps a pause that the provider asked for when it is evicted', async () => {
    const gate = freshGate();
    await gate.report({ throttled: { retryAfterMs: 60_000 }, rate: null });
    await evictDurableObject(gate);
    expect(await gate.lease(5)).toMatchObject({ permitCount: 0, retryInMs: 60_000 });
    nowMs += 60_000;
    expect((await gate.lease(5)).permitCount).toBeGreaterThan(0);
  });

  it('grants no slot twice, however often it is evicted', async () => {
    const gate = freshGate();
    const slots: number[] = [];
    for (let i = 0; i < 20; i++) {
      const lease = await gate.lease(5);
      for (let slot = 0; slot < lease.permitCount; slot++) {
        slots.push(nowMs + lease.delayMs + slot * lease.intervalMs);
      }
      await evictDurableObject(gate);
    }
    expect(slots.length).toBe(100);
    for (const [index, slot] of slots.entries()) {
      const before = slots[index - 1];
      if (before !== undefined) expect(slot).toBeGreaterThan(before);
    }
  });

  it('stops every session after a 429 that one of them met', async () => {
    const gate = freshGate();
    await gate.lease(1);
    await gate.report({ throttled: { retryAfterMs: 3_000 }, rate: null });
    const leases = await Promise.all([gate.lease(1), gate.lease(1), gate.lease(1)]);
    expect(Math.min(...leases.map((lease) => lease.delayMs))).toBeGreaterThanOrEqual(3_000);
  });

  it('follows the limit that the provider names in its headers', async () => {
    const gate = freshGate();
    await gate.report({ throttled: null, rate: { limitCount: 2, remainingCount: 1, resetMs: 1_000 } });
    // With the margin of a gate that goes at just the provider's limit.
    expect((await gate.lease(1)).intervalMs).toBeCloseTo(505);
  });
});
