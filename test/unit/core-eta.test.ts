/**
 * Rate and estimate from series of progress, as sessions make them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addSample, estimate, maxSampleCount, type Sample } from '../../src/core/session/eta.ts';

/** A run as a list of results: `[ms since the start, leads processed by then]`. */
type Series = readonly Sample[];

/** `batch` leads every `intervalMs`, each moved by up to `wobble` intervals, the same way every time. */
function steady(total: number, batch: number, intervalMs: number, wobble = 0): Series {
  return Array.from({ length: total / batch }, (_, i) =>
    Math.round((i + 1 + Math.sin(i * 12.9898) * wobble) * intervalMs),
  )
    .sort((a, b) => a - b)
    .map((atMs, i) => [atMs, (i + 1) * batch]);
}

/** The ETA after each result, with the time that really remained. */
function replay(series: Series): { atMs: number; share: number; eta: number | null; trueSeconds: number }[] {
  const [endMs, total] = series.at(-1) ?? [0, 0];
  let samples: readonly Sample[] = [];
  return series.map(([atMs, processed]) => {
    samples = addSample(samples, atMs, processed);
    const { etaSeconds } = estimate(samples, atMs, processed, total - processed, true);
    return { atMs, share: processed / total, eta: etaSeconds, trueSeconds: (endMs - atMs) / 1_000 };
  });
}

function medianError(series: Series, fromShare: number, toShare = 0.95): number {
  const errors = replay(series)
    .filter(({ share }) => share >= fromShare && share <= toShare)
    .map(({ eta, trueSeconds }) => (eta === null ? Infinity : Math.abs(eta - trueSeconds) / trueSeconds))
    .sort((a, b) => a - b);
  return errors[Math.floor(errors.length / 2)] ?? Infinity;
}

describe('the ETA of a steady session', () => {
  it.each([
    ['10,000 leads at 8 calls a second', steady(10_000, 100, 125)],
    ['50,000 leads with an uneven provider', steady(50_000, 100, 125, 2)],
    ['a million leads', steady(1_000_000, 1_000, 1_250)],
    ['a slow provider: a batch every 4 s', steady(5_000, 100, 4_000, 0.4)],
    ['a very slow one: a batch every 40 s', steady(3_000, 100, 40_000)],
    ['batches of one', steady(300, 1, 500, 0.5)],
  ])('%s: the median error is below a tenth once a tenth is done', (_, series) => {
    expect(medianError(series, 0.1)).toBeLessThan(0.1);
  });
});

describe('the ETA of an uneven session', () => {
  it('after a change of pace follows within the window', () => {
    // 800 leads a second for a minute, then throttled to a fifth of it.
    const fast = steady(48_000, 100, 125);
    const slow = steady(48_000, 100, 625).map(([atMs, processed]): Sample => [
      60_000 + atMs,
      48_000 + processed,
    ]);
    const settled = replay([...fast, ...slow]).filter(({ atMs }) => atMs > 60_000 + 35_000 && atMs < 350_000);
    for (const { eta, trueSeconds } of settled) {
      expect(Math.abs((eta ?? Infinity) - trueSeconds) / trueSeconds).toBeLessThan(0.1);
    }
  });

  it('grows while no results come', () => {
    let samples: readonly Sample[] = [];
    for (const [atMs, processed] of steady(1_000, 100, 1_000)) samples = addSample(samples, atMs, processed);
    const early = estimate(samples, 10_000, 1_000, 9_000, true).etaSeconds ?? 0;
    const late = estimate(samples, 30_000, 1_000, 9_000, true).etaSeconds ?? 0;
    expect(late).toBeGreaterThan(early);
  });

  it('is not promised while the session is paused or waits', () => {
    const samples: Sample[] = steady(1_000, 100, 1_000).slice();
    expect(estimate(samples, 11_000, 1_000, 9_000, false)).toEqual({ ratePerSecond: 0, etaSeconds: null });
  });

  it('ignores a pause: the rate begins with the first sample after it', () => {
    let samples: readonly Sample[] = [];
    // An hour's pause cleared the samples; the pace after it is what counts.
    for (const [atMs, processed] of steady(1_000, 100, 1_000)) {
      samples = addSample(samples, 3_600_000 + atMs, 5_000 + processed);
    }
    expect(estimate(samples, 3_610_000, 6_000, 1_000, true).etaSeconds).toBe(10);
  });

  it('begins again when a person retries results', () => {
    const samples = addSample(addSample(addSample([], 0, 100), 1_000, 200), 2_000, 50);
    expect(samples).toEqual([[2_000, 50]]);
  });
});

describe('an estimate', () => {
  it('is null until there are three samples', () => {
    let samples: readonly Sample[] = [];
    const etas = [1, 2, 3, 4].map((i) => {
      samples = addSample(samples, i * 1_000, i * 100);
      return estimate(samples, i * 1_000, i * 100, 1_000, true).etaSeconds;
    });
    expect(etas.map((eta) => eta !== null)).toEqual([false, false, true, true]);
  });

  it('is never negative, NaN or infinite, and keeps a bounded memory, for any series and any clock', () => {
    const point = fc.record({
      stepMs: fc.integer({ min: -5_000, max: 100_000 }),
      done: fc.integer({ min: -50, max: 500 }),
    });
    fc.assert(
      fc.property(
        fc.array(point, { maxLength: 200 }),
        fc.nat(1_000_000),
        fc.boolean(),
        (points, remaining, isMoving) => {
          let [nowMs, processed] = [1_000_000, 0];
          let samples: readonly Sample[] = [];
          for (const { stepMs, done } of points) {
            nowMs += stepMs;
            processed = Math.max(0, processed + done);
            samples = addSample(samples, nowMs, processed);
            expect(samples.length).toBeLessThanOrEqual(maxSampleCount);
            const { ratePerSecond, etaSeconds } = estimate(samples, nowMs, processed, remaining, isMoving);
            expect(Number.isFinite(ratePerSecond) && ratePerSecond >= 0).toBe(true);
            expect(etaSeconds === null || (Number.isFinite(etaSeconds) && etaSeconds >= 0)).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of a session of which nothing remains is 0', () => {
    const samples: Sample[] = [
      [0, 0],
      [1_000, 100],
      [2_000, 200],
    ];
    expect(estimate(samples, 2_000, 200, 0, true).etaSeconds).toBe(0);
  });
});
