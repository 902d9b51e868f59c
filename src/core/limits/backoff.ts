/**
 * How long the engine waits before an attempt is repeated: its policies. The wait is shared/backoff.ts.
 *
 * @module
 */
import type { BackoffPolicy } from '../../shared/backoff.ts';

/** A provider's hiccup is over in seconds; five minutes is the longest a person should wait for a sign of life. */
export const deliveryBackoff = { baseMs: 1_000, maxMs: 300_000 } as const satisfies BackoffPolicy;

/** Probes of an unreachable provider: soon at first, then once a minute. */
export const probeBackoff = { baseMs: 2_000, maxMs: 60_000 } as const satisfies BackoffPolicy;

/** The CRM database is ours and close: come back quickly. */
export const crmBackoff = { baseMs: 500, maxMs: 30_000 } as const satisfies BackoffPolicy;
