/**
 * Backoff: how long to wait before an attempt is repeated. The product and its client wait by it.
 *
 * Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): the wait is uniform between
 * nothing and the exponential ceiling, so that what failed together does not return together.
 *
 * @module
 */

export interface BackoffPolicy {
  baseMs: number;
  maxMs: number;
}

/**
 * Milliseconds to wait before attempt `attempt + 1`.
 *
 * @param attempt - attempts made so far, from 1
 * @param random - uniform in [0, 1)
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, random: () => number): number {
  const ceilingMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(30, Math.max(0, attempt - 1)));
  // Never less than a tenth of the base: a wait of nothing is a busy loop.
  return Math.round(Math.max(policy.baseMs / 10, random() * ceilingMs));
}
