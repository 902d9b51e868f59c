/**
 * Rate and ETA from recent progress.
 *
 * Owns which points of a session are kept and what follows from them. Invariant: at most
 * {@link maxSampleCount} samples, `etaSeconds` is null until it can be honest and is never negative,
 * NaN or infinite.
 *
 * @module
 */

/** `[epoch ms, leads processed by then]` */
export type Sample = readonly [atMs: number, processed: number];

/** Long enough to smooth batches of 100 at 8 calls a second, short enough to follow a throttled provider. */
const windowMs = 30_000;
/** Points closer than this say nothing new. */
const spacingMs = 1_000;
/** The first points may be closer, so that a session of a few seconds has an estimate too. */
const earlySpacingMs = 250;
const earlySampleCount = 8;
export const maxSampleCount = 40;
/** DESIGN §4: no ETA from fewer. */
const minSampleCount = 3;

/** Adds a point, if it says something new, and forgets those that are older than the window. */
export function addSample(samples: readonly Sample[], nowMs: number, processed: number): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined) {
    const spacing = samples.length < earlySampleCount ? earlySpacingMs : spacingMs;
    // A retry takes results back: the line starts anew.
    if (processed < last[1]) return [[nowMs, processed]];
    if (nowMs - last[0] < spacing) return samples;
  }
  const kept = samples.filter(([atMs]) => nowMs - atMs <= windowMs);
  // One point just outside the window keeps a slow session measurable (a result every 40 s).
  const edge = kept.length < minSampleCount ? samples.slice(-minSampleCount) : kept;
  return [...edge, [nowMs, processed] as const].slice(-maxSampleCount);
}

export interface Estimate {
  ratePerSecond: number;
  etaSeconds: number | null;
}

/**
 * What the samples say now.
 *
 * @param processed - leads processed by `nowMs`
 * @param remaining - leads still to be processed
 * @param moving - false while the session is paused or waits: the past rate says nothing then
 */
export function estimate(
  samples: readonly Sample[],
  nowMs: number,
  processed: number,
  remaining: number,
  moving: boolean,
): Estimate {
  const first = samples[0];
  if (!moving || first === undefined || samples.length < minSampleCount) {
    return { ratePerSecond: 0, etaSeconds: null };
  }
  const elapsedMs = nowMs - first[0];
  const done = processed - first[1];
  if (elapsedMs <= 0 || done <= 0) return { ratePerSecond: 0, etaSeconds: null };
  const perSecond = (done * 1_000) / elapsedMs;
  return {
    ratePerSecond: Math.round(perSecond * 10) / 10,
    etaSeconds: Math.ceil(Math.max(0, remaining) / perSecond),
  };
}
