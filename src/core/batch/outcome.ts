/**
 * Outcome: the result of one delivery of one batch, in the same terms for every mail provider.
 *
 * The difference that matters is between "not taken" (may be sent again) and "may have been taken" (may be sent
 * again only under a key that the provider still remembers). Only a body that is the provider's own means "not
 * taken": a status alone does not, and neither does the page of a proxy. Each transport maps
 * its provider's answers onto this union in one table; the batch machine decides what follows.
 *
 * @module
 */

/** A recipient that the provider refused while it took others of the same call. */
export interface RecipientRejection {
  /** Index into the call's mails. */
  index: number;
  code: string;
  /** For a person; never an address. */
  message: string;
}

/** Mails that the provider certainly did not take, without a fault of their own, while it took others of the call. */
export interface Deferral {
  /** Into the call's mails. */
  indexes: number[];
  because: Extract<Outcome, { kind: 'throttled' | 'quota' | 'auth' | 'transient' }>;
}

/** @see docs/RELIABILITY.md for what each promises. */
export type Outcome =
  /** Taken. `messageIds[i]` belongs to mail `i`; null where the provider gave none or refused it. */
  | {
      kind: 'accepted';
      messageIds: (string | null)[];
      rejections: RecipientRejection[];
      deferral?: Deferral;
    }
  /**
   * The key was used before with another payload, and nothing was taken now. That call may have been taken, or refused
   * where the provider remembers refusals too. Never send under a new key.
   */
  | { kind: 'keyConflict' }
  /** Definitely not taken, because of its content; `index` when the provider says which mail. */
  | { kind: 'rejected'; code: string; message: string; index: number | null }
  /**
   * Come back later. Uses up no attempt. Definitely not taken, unless `isForeign`: something before the provider
   * says so.
   */
  | { kind: 'throttled'; retryAfterMs: number | null; isForeign?: boolean }
  /** A command came before the call was made: nothing left. */
  | { kind: 'notSent' }
  /** Another request with this key is under way: ask again soon. It uses no attempt and does not slow the account. */
  | { kind: 'concurrent' }
  /** The account's daily or monthly allowance is used up. The session pauses. */
  | { kind: 'quota'; scope: 'daily' | 'monthly'; message: string }
  /** The account, key or sender is refused: nothing will be taken until a person acts. */
  | { kind: 'auth'; code: string; message: string }
  /** Definitely not taken, by a passing fault. */
  | { kind: 'transient'; code: string; message: string; retryAfterMs: number | null }
  /** May or may not have been taken. */
  | { kind: 'unknown'; code: string; message: string };

export type OutcomeKind = Outcome['kind'];

/** The rate limit in a provider's answer; null for missing values. */
export interface RateObservation {
  /** Calls allowed per window. */
  limitCount: number | null;
  /** Calls left in this window. */
  remainingCount: number | null;
  /** Until the window starts anew. */
  resetMs: number | null;
}
