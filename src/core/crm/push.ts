/**
 * The push: what an answer of a foreign CRM means for a call that sets fields of records.
 *
 * A push sets absolute values by record id, so it may be repeated after any doubt, and there is no `unknown` as there is
 * for mail. Owns the outcomes and what follows from each. Each CRM maps its answers onto them in one table
 * (src/crm/connections). No storage, no clock.
 * Invariant: a record counts as refused only in the CRM's own words; everything that is not understood is repeated.
 *
 * @module
 */
import { backoffMs, type BackoffPolicy } from '../../shared/backoff.ts';

/** A record that the CRM does not take while it takes others of the call. */
export interface RecordRefusal {
  /** Index into the call's records. */
  index: number;
  code: string;
  /** For a person; never an address. */
  message: string;
}

export type PushOutcome =
  /** Every record is set, but for the refused ones. */
  | { kind: 'set'; refusals: RecordRefusal[] }
  /** Come back later; nothing was done. */
  | { kind: 'throttled'; retryAfterMs: number | null }
  /** The account's allowance is used up. The session pauses. */
  | { kind: 'quota'; message: string }
  /** The key, the field or the address is refused: nothing will be taken until a person acts. */
  | { kind: 'auth'; code: string; message: string }
  /** It may or may not have been done; it is repeated. */
  | { kind: 'unavailable'; code: string; message: string; retryAfterMs: number | null }
  /** A command came before the call was made: nothing left. */
  | { kind: 'notSent' };

/** A hiccup of a CRM is over in a second or two; afterwards the session waits as for any database. */
const maxTryCount = 3;
const pushBackoff: BackoffPolicy = { baseMs: 500, maxMs: 2_000 };
/** A 429 says itself when to come back; so many in a row are an outage. */
const maxThrottleCount = 10;

export type PushStep =
  | { kind: 'done'; refusals: RecordRefusal[] }
  | { kind: 'repeat'; delayMs: number }
  | { kind: 'giveUp'; message: string }
  | { kind: 'pause'; reason: 'crm_auth' | 'crm_quota'; message: string }
  | { kind: 'stopped' };

/** Calls of one push so far, this one included. */
export interface PushTries {
  /** Without an answer that counts. */
  failed: number;
  throttled: number;
}

/** What follows from an answer. */
export function nextPushStep(
  outcome: PushOutcome,
  { failed, throttled }: PushTries,
  random: () => number,
): PushStep {
  switch (outcome.kind) {
    case 'set':
      return { kind: 'done', refusals: outcome.refusals };
    case 'throttled':
      // The gate slows everybody down; the next permit is the wait.
      return throttled >= maxThrottleCount
        ? { kind: 'giveUp', message: 'The CRM keeps asking us to slow down.' }
        : { kind: 'repeat', delayMs: 0 };
    case 'quota':
      return { kind: 'pause', reason: 'crm_quota', message: outcome.message };
    case 'auth':
      return { kind: 'pause', reason: 'crm_auth', message: outcome.message };
    case 'unavailable': {
      const delayMs = Math.max(outcome.retryAfterMs ?? 0, backoffMs(pushBackoff, failed, random));
      return failed >= maxTryCount || delayMs > pushBackoff.maxMs
        ? { kind: 'giveUp', message: outcome.message }
        : { kind: 'repeat', delayMs };
    }
    case 'notSent':
      return { kind: 'stopped' };
    default:
      return outcome satisfies never;
  }
}

/** What a session remembers of the CRM that it sets its leads active in. */
export interface CrmProgress {
  /** Leads that are active in the CRM: recipients with a record there. */
  inCrm: number;
  /** Calls in a row in which the CRM refused every record, before it took any. */
  refusedCallCount: number;
  /** The lower of the two limits, in leads a second. */
  limitedBy: 'mail' | 'crm';
}

/** As for mail: when three calls are refused as a whole, the values are wrong and not the records. */
const maxRefusedCallCount = 3;

/**
 * Counts a call that the CRM has answered.
 *
 * @returns the progress, and whether the session pauses before these leads are given up
 */
export function judgeRefusals(
  crm: CrmProgress,
  recordCount: number,
  refusedCount: number,
): { crm: CrmProgress; isHopeless: boolean } {
  if (refusedCount < recordCount || crm.inCrm > 0) return { crm, isHopeless: false };
  const refusedCallCount = crm.refusedCallCount + 1;
  const isHopeless = refusedCallCount >= maxRefusedCallCount;
  // A person who resumes has seen it: it is counted anew.
  return { crm: { ...crm, refusedCallCount: isHopeless ? 0 : refusedCallCount }, isHopeless };
}
