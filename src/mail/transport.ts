/**
 * MailTransport: the interface of every mail provider to a session.
 *
 * Owns the interface only. A transport does not retry, read a clock or store anything; the session decides when to
 * repeat. Invariant: `encode` is a pure function of the mails, so a repeat sends the same bytes.
 *
 * @module
 */
import type { Outcome, RateObservation } from '../core/batch/outcome.ts';
import type { Json } from './json.ts';

/** One mail, rendered. `tags` come back in webhooks: names and values of `[A-Za-z0-9_-]`, never an address. */
export interface OutgoingMail {
  from: string;
  to: string;
  replyTo: string | null;
  subject: Json;
  html: Json;
  text: Json;
  /** A short text that determines `html` and `text`. */
  source: string;
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
  /** Checked directly before the call; false: a command came and nothing may leave. The outcome is then `notSent`. */
  mayLeave?: () => boolean;
  /**
   * Called once, when the next call may begin to send: the payload has left, or the provider does not take it at once.
   * Without it the runtime sends the payloads of several calls in turns, piece by piece.
   */
  onSent?: () => void;
  /** Aborts when the wait for the answer ends; the outcome is then `unknown`. */
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
  /** Characters of one payload, where the provider takes fewer than our memory. */
  readonly maxPayloadLength?: number;
  /** What the account's rate (`MAIL_RATE`) counts; calls, where it is not set. */
  readonly rateCounts?: 'mails';
  /** How long the provider remembers an idempotency key; null where it has none. */
  readonly idempotencyWindowMs: number | null;
  /** The payload of one call, canonical: the same mails make the same string. */
  encode(mails: readonly OutgoingMail[]): string;
  /** Makes one call. Never throws: every fault is an outcome. */
  deliver(call: DeliveryCall): Promise<Delivery>;
}
