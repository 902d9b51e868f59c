/**
 * An event of a mail provider in our words: what became of one mail.
 *
 * Owns what the readers of all providers share. Does not verify signatures and does not store anything.
 * Invariant: an event that is not about a mail of ours, or says nothing that is kept, is null and never an
 * error, because providers add kinds of events.
 *
 * @module
 */
import type { DeliveryEvent } from '../../core/batch/delivery-status.ts';
import type { SuppressionReason } from '../../shared/schemas/mail.ts';
import { isSessionId } from '../../shared/session-id.ts';
import { property } from './http.ts';

export interface MailEvent {
  sessionId: string;
  leadId: number;
  /** Null where it says nothing of what became of the mail. */
  event: DeliveryEvent | null;
  /** Why its address must not be mailed again; null where it may. */
  suppression: SuppressionReason | null;
  /** Whom the mail went to; null where the event does not say it beyond doubt. */
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
