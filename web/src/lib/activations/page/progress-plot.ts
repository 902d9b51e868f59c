/**
 * The timeline's points as a plot: fixed buckets with cumulative counts and a rate each, bands for pauses and waits.
 * Pure.
 *
 * Invariant: a rate is always over a whole bucket, so that one quick call makes no peak.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../../../../src/shared/progress.ts';
import type { ThroughputPoint, TimelineEvent } from '../../../../../src/shared/timeline.ts';

/** One stretch of the plot; times are epoch milliseconds, counts are since the start. */
export interface Bucket {
  from: number;
  to: number;
  sent: number;
  /** Failed or unconfirmed. */
  failed: number;
  /** Emails sent in this bucket, per second of it; null where the bucket is not whole. */
  rate: number | null;
}

/** Sizes that a person reads easily, in seconds. The least is what one rate may be taken over. */
const bucketSeconds = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400];
const maxBucketCount = 80;

/** A point of what is on the screen now, so that the plot does not lag behind the bar. */
export function livePoint(progress: Progress): ThroughputPoint {
  const { email, activation } = progress;
  return {
    at: progress.finishedAt ?? progress.updatedAt,
    processed: progress.processed,
    sent: email.sent,
    failed: activation.failed + email.failed + email.unknown,
  };
}

/** The stored points, begun where it started and ended where it is. */
export function pointsOf(stored: readonly ThroughputPoint[], progress: Progress): ThroughputPoint[] {
  const live = livePoint(progress);
  const startedAt = progress.startedAt ?? progress.createdAt;
  const start = { at: startedAt, processed: 0, sent: 0, failed: 0 };
  const known = stored.filter(({ at }) => at > startedAt && at <= live.at);
  return live.at <= startedAt ? [start] : [start, ...known, live];
}

/** The counts by a moment, on the straight line between the points around it. Of two points at one time the later counts. */
function countsAt(points: readonly ThroughputPoint[], at: number): { sent: number; failed: number } {
  const next = points.findIndex((point) => point.at > at);
  const after = points[next === -1 ? points.length - 1 : next];
  const before = points[next - 1];
  if (after === undefined) return { sent: 0, failed: 0 };
  if (before === undefined) return after;
  const share = (at - before.at) / (after.at - before.at);
  const between = (from: number, to: number): number => from + (to - from) * share;
  return { sent: between(before.sent, after.sent), failed: between(before.failed, after.failed) };
}

/** Cuts the time of an activation into equal buckets; the last one may be shorter. */
export function bucketsOf(points: readonly ThroughputPoint[]): Bucket[] {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || last.at <= first.at) return [];
  const spanMs = last.at - first.at;
  const seconds =
    bucketSeconds.find((size) => spanMs / (size * 1_000) <= maxBucketCount) ?? bucketSeconds.at(-1) ?? 5;
  const sizeMs = seconds * 1_000;
  const buckets: Bucket[] = [];
  let before = countsAt(points, first.at);
  for (let from = first.at; from < last.at; from += sizeMs) {
    const to = Math.min(from + sizeMs, last.at);
    const counts = countsAt(points, to);
    // A retry takes results back; that is no negative speed.
    const rate = to - from < sizeMs ? null : Math.max(0, counts.sent - before.sent) / seconds;
    buckets.push({ from, to, sent: counts.sent, failed: counts.failed, rate });
    before = counts;
  }
  return buckets;
}

/** The quickest bucket, in emails per second; null where fewer than two are whole, as one says no more than the average. */
export function peakOf(buckets: readonly Bucket[]): number | null {
  const rates = buckets.flatMap(({ rate }) => (rate === null ? [] : [rate]));
  return rates.length < 2 ? null : Math.max(...rates);
}

/** The index of the bucket under a moment; of the nearest one outside of them. */
export function bucketAt(buckets: readonly Bucket[], at: number): number {
  const index = buckets.findIndex(({ to }) => at <= to);
  return index === -1 ? buckets.length - 1 : index;
}

/** A stretch in which it stood still. */
export interface Band {
  kind: 'pause' | 'wait';
  from: number;
  to: number;
}

/** Pauses and waits, from the timeline. */
export function bandsOf(events: readonly TimelineEvent[], progress: Progress, now: number): Band[] {
  const end = progress.finishedAt ?? now;
  const bands: Band[] = [];
  let pausedAt: number | null = null;
  for (const { kind, at, until } of events) {
    if (kind === 'paused') pausedAt ??= at;
    else if (kind === 'waiting') bands.push({ kind: 'wait', from: at, to: Math.min(until, end) });
    else if (pausedAt !== null && (kind === 'resumed' || kind === 'cancelled' || kind === 'finished')) {
      bands.push({ kind: 'pause', from: pausedAt, to: at });
      pausedAt = null;
    }
  }
  if (pausedAt !== null && !isTerminal(progress)) bands.push({ kind: 'pause', from: pausedAt, to: end });
  return bands.filter(({ from, to }) => to > from);
}
