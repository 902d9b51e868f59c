import { describe, expect, test } from 'vitest';
import {
  batchCountUnderCap,
  refundAllowance,
  takeAllowance,
  type CapState,
} from '../../src/core/limits/daily-cap.ts';

const noon = Date.UTC(2026, 10, 23, 12);
const day = Math.floor(noon / 86_400_000);
const hourMs = 3_600_000;

describe('the allowance of a day', () => {
  test('grants until the cap is reached, then says when the next day begins', () => {
    let state: CapState | null = null;
    const take = (count: number, at = noon) => {
      const taken = takeAllowance(state, 100, at, count);
      state = taken.state;
      return taken.allowance;
    };
    expect(take(60)).toEqual({ kind: 'granted', day });
    expect(take(60)).toEqual({ kind: 'tomorrow', retryAt: noon + 12 * hourMs });
    expect(take(40)).toEqual({ kind: 'granted', day });
    expect(take(1)).toEqual({ kind: 'tomorrow', retryAt: noon + 12 * hourMs });
    expect(take(1, noon + 12 * hourMs)).toEqual({ kind: 'granted', day: day + 1 });
  });

  test('is neither granted twice nor held back for long when the clock is set back across midnight', () => {
    const tomorrow = { day: day + 1, usedCount: 100 };
    expect(takeAllowance(tomorrow, 100, noon, 1).allowance).toEqual({
      kind: 'tomorrow',
      retryAt: noon + 12 * hourMs,
    });
    // A clock that was a year ahead once.
    expect(takeAllowance({ day: day + 365, usedCount: 100 }, 100, noon, 1).allowance.kind).toBe('granted');
  });

  test('lets a batch larger than a lowered cap leave alone, instead of holding it for ever', () => {
    expect(takeAllowance(null, 10, noon, 100).allowance.kind).toBe('granted');
    expect(takeAllowance({ day, usedCount: 1 }, 10, noon, 100).allowance.kind).toBe('tomorrow');
  });

  test('takes back what did not leave, but only on its own day', () => {
    expect(refundAllowance({ day, usedCount: 60 }, day, 20)).toEqual({ day, usedCount: 40 });
    expect(refundAllowance({ day: day + 1, usedCount: 60 }, day, 20)).toEqual({
      day: day + 1,
      usedCount: 60,
    });
    expect(refundAllowance(null, day, 20)).toBeNull();
  });

  test.each([
    [100, null, 100],
    [100, 1_000, 100],
    [100, 150, 75],
    [100, 250, 83],
    [100, 30, 30],
    [1, 500, 1],
    [100, 1, 1],
  ])('batches of at most %i under a cap of %s have %i leads', (maxBatch, cap, count) => {
    expect(batchCountUnderCap(maxBatch, cap)).toBe(count);
  });
});
