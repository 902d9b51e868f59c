/**
 * Backoff: how long to wait before an attempt is repeated.
 *
 * Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): the wait is uniform between
 * nothing and the exponential ceiling, so that batches that failed together do not return together.
 *
 * @module
 */

export interface BackoffPolicy {
  baseMs: number;
  maxMs: number;
}

/** A provider's hiccup is over in seconds; five minutes is the longest a person should wait for a sign of life. */
export const deliveryBackoff = { baseMs: 1_000, maxMs: 300_000 } as const satisfies BackoffPolicy;

/** Probes of an unreachable provider: soon at first, then once a minute. */
export const probeBackoff = { baseMs: 2_000, maxMs: 60_000 } as const satisfies BackoffPolicy;

/** The CRM database is ours and close: come back quickly. */
export const crmBackoff = { baseMs: 500, maxMs: 30_000 } as const satisfies BackoffPolicy;

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
