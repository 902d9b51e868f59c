/**
 * The utilisation benchmark sees what it is for: time in which no call leaves.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { closeAll } from '../bench/lib/harness.ts';
import { measureRow } from '../bench/utilisation.ts';

afterEach(closeAll);

describe('the utilisation benchmark', () => {
  it('shows a stall of two seconds that was planted into the mail API', async () => {
    const scenario = { mailRate: 10, limitPerSecond: 20, window: 'sliding', sessionCount: 1 } as const;
    const figure = await measureRow(scenario, 8, { afterCallCount: 30, ms: 2_000 });
    // Five calls are out when it begins, so the stream of calls pauses for a little less.
    expect(figure.longestGapMs).toBeGreaterThan(1_300);
    expect(figure.ms - figure.leastMs).toBeGreaterThan(1_200);
    expect(figure.throttledCount).toBe(0);
  }, 60_000);
});
