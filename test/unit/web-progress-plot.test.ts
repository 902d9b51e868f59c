/** The plot of an activation: fixed buckets, the one under the cursor, and bands where it stood still. */
import { describe, expect, it } from 'vitest';
import type { ThroughputPoint, TimelineEvent } from '../../src/shared/timeline.ts';
import {
  bandsOf,
  bucketAt,
  bucketsOf,
  peakOf,
  pointsOf,
} from '../../web/src/lib/activations/page/progress-plot.ts';
import { formatRoughDuration } from '../../web/src/lib/messages/format.ts';
import { progressOf } from '../support/progress.ts';

/** Points from `[seconds since the start, emails sent by then]`. */
const points = (...counts: [number, number][]): ThroughputPoint[] =>
  counts.map(([seconds, sent]) => ({ at: seconds * 1_000, processed: sent, sent, failed: 0 }));

const event = (kind: TimelineEvent['kind'], at: number, until = at): TimelineEvent => ({
  id: at,
  kind,
  at,
  until,
  by: null,
  reason: null,
  message: null,
  count: null,
});

describe('the buckets of the plot', () => {
  it('are equal stretches with what was sent in each', () => {
    const buckets = bucketsOf(points([0, 0], [5, 100], [10, 120], [12, 130]));
    expect(buckets.map(({ sent, rate }) => [sent, rate])).toEqual([
      [100, 20],
      [120, 4],
      [130, null],
    ]);
  });

  it('make no peak of one quick call: 50 leads in a moment are not a thousand per second', () => {
    expect(peakOf(bucketsOf(points([0, 0], [0.05, 50], [1, 50])))).toBeNull();
    const buckets = bucketsOf(points([0, 0], [0.05, 50], [5, 50], [10, 60]));
    expect(peakOf(buckets)).toBe(10);
  });

  it('have no negative rate, though a retry takes results back', () => {
    expect(bucketsOf(points([0, 0], [5, 50], [10, 40])).map(({ rate }) => rate)).toEqual([10, 0]);
  });

  it('are level, at a rate of zero, while nothing is sent between two waves', () => {
    const waves = points([0, 0], [10, 50], [3_601, 50], [3_601, 150], [3_660, 200]);
    const buckets = bucketsOf(waves);
    const between = buckets.filter(({ from, to }) => from >= 10_000 && to <= 3_600_000);
    expect(between.length).toBeGreaterThan(50);
    expect(between.every(({ sent, rate }) => sent === 50 && rate === 0)).toBe(true);
    expect(buckets.at(-1)).toMatchObject({ from: 3_600_000, sent: 200, rate: 150 / 60 });
  });

  it('keep the level up to results that are the newest', () => {
    const progress = progressOf({
      startedAt: 0,
      updatedAt: 600_000,
      email: { ...progressOf().email, sent: 90 },
    });
    const stored = points([10, 50], [600, 50], [600, 90]);
    const [last, ...others] = bucketsOf(pointsOf(stored, progress)).reverse();
    expect(others.every(({ sent }) => sent === 50)).toBe(true);
    expect(last?.sent).toBe(90);
  });

  it('are few enough to be seen, however long it takes', () => {
    const buckets = bucketsOf(points([0, 0], [86_400, 1_000_000]));
    expect(buckets.length).toBeLessThanOrEqual(80);
    expect(buckets.at(-1)?.sent).toBe(1_000_000);
  });

  it('are none before anything has happened', () => {
    expect(bucketsOf([])).toEqual([]);
    expect(bucketsOf(points([0, 0]))).toEqual([]);
  });

  it('begin with the start and end with the newest view', () => {
    const progress = progressOf({
      startedAt: 10_000,
      updatedAt: 20_000,
      email: { ...progressOf().email, sent: 9 },
    });
    const stored = points([12, 4], [25, 99]);
    expect(pointsOf(stored, progress).map(({ at, sent }) => [at, sent])).toEqual([
      [10_000, 0],
      [12_000, 4],
      [20_000, 9],
    ]);
  });

  it('are read under the cursor, and not one before it', () => {
    const buckets = bucketsOf(points([0, 0], [15, 30]));
    expect([1, 4_999, 5_001, 14_000, 99_000].map((at) => bucketAt(buckets, at))).toEqual([0, 0, 1, 2, 2]);
  });
});

describe('the bands of the plot', () => {
  it('are pauses, the last of which may go on, and waits', () => {
    const events = [
      event('started', 0),
      event('paused', 10),
      event('resumed', 20),
      event('waiting', 30, 40),
      event('paused', 50),
    ];
    expect(bandsOf(events, progressOf({ state: 'paused' }), 60)).toEqual([
      { kind: 'pause', from: 10, to: 20 },
      { kind: 'wait', from: 30, to: 40 },
      { kind: 'pause', from: 50, to: 60 },
    ]);
  });

  it('end with the activation', () => {
    const events = [event('paused', 10), event('cancelled', 20), event('waiting', 15, 90)];
    const over = progressOf({ state: 'cancelled', finishedAt: 25 });
    expect(bandsOf(events, over, 99)).toEqual([
      { kind: 'pause', from: 10, to: 20 },
      { kind: 'wait', from: 15, to: 25 },
    ]);
  });
});

it('the time left is told no more exactly than it is known', () => {
  expect([200, 12_000, 42_000, 61_000, 634_000].map(formatRoughDuration)).toEqual([
    '1 s',
    '12 s',
    '45 s',
    '1 min',
    '11 min',
  ]);
});
