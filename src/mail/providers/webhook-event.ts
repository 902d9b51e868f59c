/**
 * An event of a mail provider in our terms: the outcome of one mail.
 *
 * Owns what the readers of all providers share. Does not verify signatures and does not store anything. Invariant:
 * an event that is not about a mail of ours, or of an unknown kind, is null and never an error, because providers
 * add kinds of events.
 *
 * @module
 */
import type { DeliveryEvent } from '../../core/batch/delivery-status.ts';
import type { SuppressionReason } from '../../shared/schemas/mail.ts';
import { isSessionId } from '../../shared/session-id.ts';
import { property } from '../../runtime/answer.ts';

export interface MailEvent {
  sessionId: string;
  leadId: number;
  /** Null when the event does not change the mail's status. */
  event: DeliveryEvent | null;
  /** Why its address must not be mailed again; null when it may. */
  suppression: SuppressionReason | null;
  /** The recipient of the mail; null when the event does not name it with certainty. */
  address: string | null;
}

export type EventMeaning = Pick<MailEvent, 'event' | 'suppression'>;

const suppressionOf: Readonly<Partial<Record<DeliveryEvent, SuppressionReason>>> = {
  hardBounced: 'hard_bounce',
  complained: 'complained',
  suppressed: 'provider',
};

/** A delivery event with the suppression that follows from it. */
export const meaningOf = (event: DeliveryEvent): EventMeaning => ({
  event,
  suppression: suppressionOf[event] ?? null,
});

/**
 * The recipient of a mail. Ours have one; with several it would not be known which one an event is about.
 *
 * @param to - an address, or a list of addresses
 */
export function onlyAddress(to: unknown): string | null {
  const [address, ...others] = Array.isArray(to) ? (to as unknown[]) : [to];
  return typeof address === 'string' && address !== '' && others.length === 0 ? address : null;
}

/**
 * The session and the lead of a mail's tags; null when the tags are not ours.
 *
 * @param tags - an object of names and values, or a list of `{name, value}`
 */
export function readTags(tags: unknown): { sessionId: string; leadId: number } | null {
  const tagOf = (name: string): unknown =>
    Array.isArray(tags)
      ? property(
          tags.find((tag) => property(tag, 'name') === name),
          'value',
        )
      : property(tags, name);
  const sessionId = tagOf('session');
  const lead = tagOf('lead');
  if (!isSessionId(sessionId) || typeof lead !== 'string' || !/^[1-9]\d{0,15}$/.test(lead)) return null;
  const leadId = Number(lead);
  return Number.isSafeInteger(leadId) ? { sessionId, leadId } : null;
}
