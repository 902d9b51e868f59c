/**
 * The frequency guard: how long a lead is left alone after a mail of ours.
 *
 * @module
 */

const dayMs = 86_400_000;

/**
 * A lead that was mailed after this time, epoch ms, is not mailed now; null: there is no guard.
 *
 * @param minDaysBetween - days that must lie between two mails; null for no guard
 */
export function mailedAfterAt(minDaysBetween: number | null, nowMs: number): number | null {
  return minDaysBetween === null ? null : nowMs - minDaysBetween * dayMs;
}
