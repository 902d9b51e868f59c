/**
 * What the throughput points of a session tell: its rate over time, and a range for the time left. Pure.
 *
 * @module
 */
import type { Progress } from '../../../../../src/shared/progress.ts';
import type { ThroughputPoint } from '../../../../../src/shared/timeline.ts';

/**
 * Columns of a plot: between `times[i - 1]` and `times[i]` the rates are those at `i`. The first point begins
 * a stretch and ends none; it has the rates of the second, so that its stretch is drawn from its beginning.
 */
export interface Rates {
  /** Epoch seconds. */
  times: number[];
  /** Mails sent in a second. */
  sent: number[];
  /** Failed or unknown in a second. */
  failed: number[];
}

/** A point of what is on the screen now, so that the plot does not lag behind the bars. */
export function livePoint(progress: Progress): ThroughputPoint {
  const { email, activation } = progress;
  return {
    at: progress.finishedAt ?? progress.updatedAt,
    processed: progress.processed,
    sent: email.sent,
    failed: activation.failed + email.failed + email.unknown,
  };
}

/** Points nearer than this would make a rate of what is mere chance. */
const minGapMs = 1_000;

/** The stored points with the newest view behind them, where it is newer by enough to mean something. */
export function withLive(
  points: readonly ThroughputPoint[],
  live: ThroughputPoint,
): readonly ThroughputPoint[] {
  const last = points.at(-1);
  return last === undefined || live.at - last.at < minGapMs ? points : [...points, live];
}

/** A retry takes results back; that is no negative speed. */
const perSecond = (from: number, to: number, gapMs: number): number =>
  Math.max(0, ((to - from) * 1_000) / gapMs);

export function ratesOf(points: readonly ThroughputPoint[]): Rates {
  const rates: Rates = { times: [], sent: [], failed: [] };
  for (const [index, point] of points.entries()) {
    const before = points[index - 1];
    const gapMs = before === undefined ? 0 : point.at - before.at;
    if (before !== undefined && gapMs <= 0) continue;
    rates.times.push(point.at / 1_000);
    rates.sent.push(before === undefined ? 0 : perSecond(before.sent, point.sent, gapMs));
    rates.failed.push(before === undefined ? 0 : perSecond(before.failed, point.failed, gapMs));
  }
  rates.sent[0] = rates.sent[1] ?? 0;
  rates.failed[0] = rates.failed[1] ?? 0;
  return rates;
}

/** Mails per second: the average from start to end, pauses included, and the best stretch. */
export function summaryOf(points: readonly ThroughputPoint[]): { average: number; peak: number } | null {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || last.at <= first.at) return null;
  const peak = Math.max(...ratesOf(points).sent);
  return { average: perSecond(first.sent, last.sent, last.at - first.at), peak };
}

/** Stretches that are looked at: long enough for chance to even out, short enough to be about now. */
const lookBackCount = 12;
const minStretchCount = 4;
/** Below this one number says as much as two. */
const worthARange = 1.25;

/**
 * How long it takes still, from the slower to the faster stretches of late; null when one number does.
 *
 * @param points - of the session so far
 * @param progress - with an ETA
 */
export function timeLeftRange(
  points: readonly ThroughputPoint[],
  progress: Pick<Progress, 'etaSeconds' | 'total' | 'processed'>,
): { lowMs: number; highMs: number } | null {
  if (progress.etaSeconds === null) return null;
  const recent = points.slice(-lookBackCount - 1);
  const speeds = recent
    .flatMap((point, index) => {
      const before = recent[index - 1];
      return before === undefined || point.at <= before.at
        ? []
        : [perSecond(before.processed, point.processed, point.at - before.at)];
    })
    .filter((speed) => speed > 0)
    .sort((a, b) => a - b);
  const slow = speeds[Math.floor(speeds.length * 0.2)];
  const quick = speeds[Math.ceil(speeds.length * 0.8) - 1];
  if (speeds.length < minStretchCount || slow === undefined || quick === undefined) return null;
  const remaining = Math.max(0, progress.total - progress.processed);
  const middleMs = progress.etaSeconds * 1_000;
  // The smoothed estimate lies in its own range, whatever the stretches say.
  const lowMs = Math.min(middleMs, (remaining / quick) * 1_000);
  const highMs = Math.max(middleMs, (remaining / slow) * 1_000);
  return highMs / Math.max(1, lowMs) < worthARange ? null : { lowMs, highMs };
}
