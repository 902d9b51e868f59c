/**
 * When an event that was not taken is sent again, and when that ends.
 *
 * Pure. Full jitter (shared/backoff.ts), soon at first and every few hours at the end, for three days.
 * Invariant: an endpoint is never written off while it takes other events: then only the event is given up.
 *
 * @module
 */
import { backoffMs, type BackoffPolicy } from '../../shared/backoff.ts';

/** A receiver's restart is over in seconds; one that is away for a night gets its events within hours of its return. */
export const eventBackoff = { baseMs: 1_000, maxMs: 6 * 3_600_000 } as const satisfies BackoffPolicy;

/** An event that nobody took for so long is given up; so long a weekend lasts. */
export const giveUpAfterMs = 3 * 86_400_000;

/** What became of one attempt. */
export type Attempt =
  | { kind: 'taken'; status: number | null }
  | { kind: 'refused'; status: number | null; error: string; retryAfterMs: number | null }
  /** 410: the receiver says that it wants no more. */
  | { kind: 'gone'; status: number; error: string };

export interface FailedDelivery {
  /** Attempts made, with the one that has just failed. */
  attempts: number;
  /** When the first one failed; epoch ms. */
  firstFailedAt: number;
  /** When the endpoint last took an event; null: never. */
  takenAt: number | null;
}

export type NextStep =
  | { kind: 'retry'; at: number }
  /** The endpoint takes other events, but not this one. */
  | { kind: 'giveUp' }
  /** The endpoint has taken nothing for days. */
  | { kind: 'disable' };

/** What to do after a failed attempt. @param random - uniform in [0, 1) */
export function afterFailure(
  delivery: FailedDelivery,
  retryAfterMs: number | null,
  nowMs: number,
  random: () => number,
  policy: BackoffPolicy = eventBackoff,
): NextStep {
  const { attempts, firstFailedAt, takenAt } = delivery;
  if (nowMs - firstFailedAt >= giveUpAfterMs)
    return takenAt !== null && takenAt > firstFailedAt ? { kind: 'giveUp' } : { kind: 'disable' };
  const waitMs = Math.max(backoffMs(policy, attempts, random), retryAfterMs ?? 0);
  // The last attempt is at the end of the time, and not after it.
  return { kind: 'retry', at: Math.min(nowMs + waitMs, firstFailedAt + giveUpAfterMs) };
}
