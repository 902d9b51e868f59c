/**
 * Flips of several batches in one call of the database: who gets which answer, and what a refusal costs.
 */
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch/batch.ts';
import { flipAheadCount } from '../../src/core/session/slice.ts';
import { Flips } from '../../src/durable/sending/flips.ts';
import { erasedRecipient, type FlipResult } from '../../src/shared/recipient.ts';
import { batchOf } from '../support/batches.ts';

/** Batch `n` has the leads 10 n and 10 n + 1; the second of each is skipped. */
const batch = (seq: number): Batch => batchOf([10 * seq, 10 * seq + 1], { seq });

function flipped(leadIds: readonly number[]): FlipResult {
  const activated = leadIds.filter((leadId) => leadId % 10 === 0);
  return {
    activated: activated.map(erasedRecipient),
    skipped: leadIds
      .filter((leadId) => leadId % 10 === 1)
      .map((leadId) => ({ leadId, reason: 'already_active' as const })),
    emailHashes: new Map(activated.map((leadId) => [leadId, `hash-${leadId}`])),
    ownedElsewhere: new Set(leadIds.filter((leadId) => leadId % 10 === 1)),
  };
}

function flipsOf(aheadCount: number, flip: (leadIds: readonly number[]) => Promise<FlipResult>) {
  const calls: number[][] = [];
  const held: Batch[] = [];
  let nextSeq = 1;
  const clock = { nowMs: 1_000_000 };
  const flips = new Flips(
    {
      now: () => clock.nowMs,
      held: () => held,
      ahead: (limit) => Array.from({ length: limit }, (_, index) => batch(nextSeq + index)),
      flip: (leadIds) => {
        calls.push(leadIds.filter((leadId) => leadId % 10 === 0).map((leadId) => leadId / 10));
        return flip(leadIds);
      },
    },
    aheadCount,
  );
  const take = (): Batch => {
    const taken = batch(nextSeq++);
    held.push(taken);
    return taken;
  };
  return { flips, calls, take, clock };
}

const working = (leadIds: readonly number[]): Promise<FlipResult> => Promise.resolve(flipped(leadIds));

describe('flips', () => {
  it('set the batches in hand and the next ones active in one call, and give each its own answer', async () => {
    const { flips, calls, take } = flipsOf(4, working);
    const [first, second] = [take(), take()];
    const answers = await Promise.all([flips.of(first), flips.of(second), flips.of(take())]);
    expect(calls).toEqual([[1, 2, 3, 4, 5]]);
    expect(answers).toEqual([first, second, batch(3)].map(({ leadIds }) => flipped(leadIds)));
    // The other two were flipped already; the next call is for what comes after them.
    await flips.of(take());
    await flips.of(take());
    expect(calls).toHaveLength(1);
    await flips.of(take());
    expect(calls[1]).toEqual([6, 7, 8, 9, 10]);
  });

  it('that have waited are made again: meanwhile somebody may have unsubscribed', async () => {
    for (const passedMs of [1_001, -1]) {
      const { flips, calls, take, clock } = flipsOf(4, working);
      await flips.of(take());
      clock.nowMs += 1_000;
      await flips.of(take());
      expect(calls).toEqual([[1, 2, 3, 4, 5]]);
      clock.nowMs += passedMs - 1_000;
      expect(await flips.of(take())).toEqual(flipped([30, 31]));
      expect(calls).toEqual([[1, 2, 3, 4, 5], [3]]);
    }
  });

  it('leave batches alone that no sender holds, where the rate is low', async () => {
    expect([1, 8, 10].map(flipAheadCount)).toEqual([0, 0, 0]);
    expect([11, 50, 100_000].map(flipAheadCount)).toEqual([1, 4, 4]);
    const { flips, calls, take } = flipsOf(0, working);
    await Promise.all([flips.of(take()), flips.of(take())]);
    expect(calls).toEqual([[1], [2]]);
  });

  it('that the database refuses because of one batch are made one by one', async () => {
    const { flips, calls, take } = flipsOf(4, (leadIds) =>
      leadIds.includes(20)
        ? Promise.reject(new Error('D1_ERROR: CHECK constraint failed: SQLITE_CONSTRAINT'))
        : working(leadIds),
    );
    const answers = await Promise.allSettled([take(), take(), take()].map((taken) => flips.of(taken)));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(calls).toEqual([[1, 2, 3, 4, 5], [1], [2], [3]]);
  });

  it('that fail are not repeated, and what they may have set active stays noted', async () => {
    const { flips, calls, take } = flipsOf(4, () =>
      Promise.reject(new Error('D1_ERROR: Network connection lost')),
    );
    const answers = await Promise.allSettled([take(), take()].map((taken) => flips.of(taken)));
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(calls).toHaveLength(1);
    expect(flips.hasOpen).toBe(true);
  });

  it('are open until each batch has an intent or a result, also those that nobody has taken', async () => {
    const { flips, take } = flipsOf(1, working);
    await flips.of(take());
    flips.settled(1);
    expect(flips.hasOpen).toBe(true);
    flips.settled(2);
    expect(flips.hasOpen).toBe(false);
  });
});
