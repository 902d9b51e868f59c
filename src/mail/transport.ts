/**
 * MailTransport: what every mail provider offers to a session.
 *
 * Owns the form of a call. Does not retry, read a clock or store anything; the session decides when to repeat.
 * Invariant: `encode` is a pure function of the mails, so a repeat sends the same bytes.
 *
 * @module
 */
import type { Outcome, RateObservation } from '../core/batch/outcome.ts';

/** One mail, rendered. `tags` come back in webhooks: names and values of `[A-Za-z0-9_-]`, never an address. */
export interface OutgoingMail {
  from: string;
  to: string;
  replyTo: string | null;
  subject: string;
  html: string;
  text: string;
  headers: Record<string, string>;
  tags: Record<string, string>;
}

export interface DeliveryCall {
  /** Idempotency key; the same for every attempt of one intent. */
  key: string;
  /** What {@link MailTransport.encode} made. */
  payload: string;
  /** Mails in the payload. */
  mailCount: number;
  /** Asked just before the call is made; false: a command came and nothing may leave. The outcome is `notSent`. */
  mayLeave?: () => boolean;
  /** Aborts when the answer is no longer waited for; the outcome is then `unknown`. */
  signal: AbortSignal;
}

export interface Delivery {
  outcome: Outcome;
  rate: RateObservation | null;
}

export interface MailTransport {
  /** The name of its provider, as in `MAIL_PROVIDER`. */
  readonly name: string;
  /** Mails in one call. */
  readonly maxBatch: number;
  /** How long the provider remembers an idempotency key; null where it has none. */
  readonly idempotencyWindowMs: number | null;
  /** The payload of one call, canonical: the same mails make the same string. */
  encode(mails: readonly OutgoingMail[]): string;
  /** Makes one call. Never throws: every fault is an outcome. */
  deliver(call: DeliveryCall): Promise<Delivery>;
}

/** Entries by name, so that the same headers or tags make the same bytes in whatever order they were added. */
export function sortedEntries(record: Record<string, string>): [name: string, value: string][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
