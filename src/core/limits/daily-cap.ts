/**
 * The daily cap: how many mails may leave from one domain on one day, over all sessions.
 *
 * Mailbox providers trust a domain whose volume grows slowly. The cap spreads a large session over days.
 * Warm-up (warm-up.ts) moves it by itself. Days are UTC days. A repeat of a mail takes nothing of the cap, because the provider has
 * counted the mail before or has never seen it.
 *
 * Arithmetic only: no storage and no clock.
 *
 * @module
 */

const dayMs = 86_400_000;

export interface CapState {
  /** Days since 1970. */
  day: number;
  usedCount: number;
}

export type Allowance =
  | { kind: 'granted'; day: number }
  /** The day's mails are used up; the next day begins then (ms since 1970). */
  | { kind: 'tomorrow'; retryAt: number };

/** Takes `count` mails out of the day's allowance, or says when there will be one again. */
export function takeAllowance(
  state: CapState | null,
  cap: number,
  nowMs: number,
  count: number,
): { state: CapState; allowance: Allowance } {
  const day = Math.floor(nowMs / dayMs);
  // A clock that was set back across midnight must not give the day out twice; one that was far ahead once, for
  // whatever reason, must not close the days until then.
  const isKnown = state !== null && (state.day === day || state.day === day + 1);
  const today = isKnown ? state : { day, usedCount: 0 };
  // A batch larger than a cap that was lowered under it still leaves, alone on its day; else never.
  const fits = today.usedCount + count <= cap || today.usedCount === 0;
  return fits
    ? {
        state: { day: today.day, usedCount: today.usedCount + count },
        allowance: { kind: 'granted', day: today.day },
      }
    : { state: today, allowance: tomorrow(nowMs) };
}

/** The beginning of the UTC day, by which mails are counted; epoch ms. */
export function dayStart(nowMs: number): number {
  return Math.floor(nowMs / dayMs) * dayMs;
}

/** The answer on a day whose mails are used up. */
export function tomorrow(nowMs: number): Extract<Allowance, { kind: 'tomorrow' }> {
  return { kind: 'tomorrow', retryAt: (Math.floor(nowMs / dayMs) + 1) * dayMs };
}

/** Gives back what was granted on `day` and did not leave; yesterday's is gone with yesterday. */
export function refundAllowance(state: CapState | null, day: number, count: number): CapState | null {
  if (state === null || state.day !== day) return state;
  return { day, usedCount: Math.max(0, state.usedCount - count) };
}

/** Leads in a batch, so that whole batches use a day up as far as they can. */
export function batchCountUnderCap(maxBatch: number, cap: number | null): number {
  if (cap === null) return maxBatch;
  const callCount = Math.ceil(cap / maxBatch);
  return Math.max(1, Math.floor(cap / callCount));
}
