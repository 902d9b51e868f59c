import { describe, expect, it } from 'vitest';
import type { ThroughputPoint } from '../../src/shared/timeline.ts';
import {
  ratesOf,
  summaryOf,
  timeLeftRange,
  withLive,
} from '../../web/src/lib/activations/page/throughput.ts';
import { formatDurationRange, formatRoughDuration } from '../../web/src/lib/messages/format.ts';

/** Points every two seconds, from the mails sent in each stretch. */
function pointsOf(...sentInStretch: number[]): ThroughputPoint[] {
  let sent = 0;
  return [0, ...sentInStretch].map((count, index) => {
    sent += count;
    return { at: 1_700_000_000_000 + index * 2_000, processed: sent, sent, failed: 0 };
  });
}

describe('the rates of a run', () => {
  it('are what lies between two points', () => {
    expect(ratesOf(pointsOf(20, 0, 10)).sent).toEqual([10, 10, 0, 5]);
  });

  it('are never negative, though a retry takes results back', () => {
    const points = pointsOf(20, 20).map((point, index) => ({ ...point, failed: [0, 8, 0][index] ?? 0 }));
    expect(ratesOf(points).failed).toEqual([4, 4, 0]);
  });

  it('leave out a point at the same moment as the one before, which would be endlessly fast', () => {
    const [first, second] = pointsOf(20) as [ThroughputPoint, ThroughputPoint];
    expect(ratesOf([first, second, { ...second, sent: 30 }]).sent).toEqual([10, 10]);
  });

  it('are summed up by the average over all of it and the best stretch', () => {
    expect(summaryOf(pointsOf(20, 0, 10))).toEqual({ average: 5, peak: 10 });
    expect(summaryOf(pointsOf())).toBeNull();
    expect(summaryOf([])).toBeNull();
  });

  it('reach up to the newest view, unless that is of the same moment', () => {
    const points = pointsOf(20);
    const live = { ...points.at(-1)!, at: points.at(-1)!.at + 1_500, sent: 35 };
    expect(withLive(points, live)).toHaveLength(3);
    expect(withLive(points, { ...live, at: points.at(-1)!.at + 500 })).toBe(points);
  });
});

describe('the time left', () => {
  const progress = { etaSeconds: 100, total: 1_000, processed: 0 };

  it('is one number for a steady run, and for one that has only begun', () => {
    expect(timeLeftRange(pointsOf(20, 20, 20, 20, 21, 19), progress)).toBeNull();
    expect(timeLeftRange(pointsOf(5, 40), progress)).toBeNull();
    expect(timeLeftRange(pointsOf(5, 40, 5, 40, 5), { ...progress, etaSeconds: null })).toBeNull();
  });

  it('is a range around the estimate for a run that is now quick and now slow', () => {
    const range = timeLeftRange(pointsOf(10, 40, 10, 40, 10, 40), progress);
    expect(range).toEqual({ lowMs: 50_000, highMs: 200_000 });
  });

  it('is about now: a slow beginning is forgotten', () => {
    const slow = Array.from({ length: 50 }, () => 1);
    const steady = Array.from({ length: 15 }, () => 20);
    expect(timeLeftRange(pointsOf(...slow, ...steady), progress)).toBeNull();
  });

  it('does not count standing still as a speed', () => {
    expect(timeLeftRange(pointsOf(20, 20, 0, 0, 20, 20), progress)).toBeNull();
  });

  it('is told no more exactly than it is known', () => {
    expect(formatDurationRange(240_000, 400_000)).toMatch(/^4\D7 min$/);
    expect(formatDurationRange(11_000, 43_000)).toMatch(/^10\D45 sec$/);
    expect(formatDurationRange(3_000_000, 9_000_000)).toMatch(/^50\D150 min$/);
    expect(formatDurationRange(9_000_000, 19_000_000)).toMatch(/^2\D6 hr$/);
    expect([1_000, 42_000, 61_000, 634_000].map(formatRoughDuration)).toEqual([
      '5 s',
      '45 s',
      '1 min',
      '11 min',
    ]);
  });
});
