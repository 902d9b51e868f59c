/**
 * What providers' webhooks say, in our words: one event, one fate of one mail.
 *
 * Owns: reading the bodies of Resend and Postmark. Never: signatures, storage. Keeps true: an event that is
 * not about a mail of ours, or says nothing that we keep, is null and never a fault; providers add kinds.
 *
 * @module
 */
import type { DeliveryEvent } from '../../core/batch/delivery-status.ts';
import type { SuppressionReason } from '../../shared/schemas/mail.ts';
import { isSessionId } from '../../shared/session-id.ts';
import { property, textProperty } from './http.ts';

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

const suppressionOf: Readonly<Partial<Record<DeliveryEvent, SuppressionReason>>> = {
  hardBounced: 'hard_bounce',
  complained: 'complained',
  suppressed: 'provider',
};

type Meaning = Pick<MailEvent, 'event' | 'suppression'>;

const meaningOf = (event: DeliveryEvent): Meaning => ({ event, suppression: suppressionOf[event] ?? null });

const resendEvents: Readonly<Record<string, DeliveryEvent>> = {
  'email.delivered': 'delivered',
  'email.delivery_delayed': 'delayed',
  'email.bounced': 'bounced',
  'email.complained': 'complained',
  'email.failed': 'failed',
  'email.suppressed': 'suppressed',
};

/**
 * Reads one event of Resend (https://resend.com/docs/dashboard/webhooks/event-types); null when it does
 * not concern us.
 */
export function readResendEvent(body: unknown): MailEvent | null {
  const event = resendEvents[textProperty(body, 'type', '')];
  const data = property(body, 'data');
  const origin = readTags(property(data, 'tags'));
  if (event === undefined || origin === null) return null;
  const isHard =
    event === 'bounced' && /^permanent$/i.test(textProperty(property(data, 'bounce'), 'type', ''));
  return {
    ...origin,
    ...meaningOf(isHard ? 'hardBounced' : event),
    address: onlyAddress(property(data, 'to')),
  };
}

/** Postmark's bounce types that say that the address will never take mail. */
const hardPostmarkBounces: ReadonlySet<string> = new Set(['HardBounce', 'BadEmailAddress']);
/** Answers and notices that come back by the way of bounces; the mail itself may well have arrived. */
const noPostmarkBounces: ReadonlySet<string> = new Set([
  'AutoResponder',
  'AddressChange',
  'Subscribe',
  'Unsubscribe',
  'ChallengeVerification',
  'OpenRelayTest',
  'VirusNotification',
  'SMTPApiError',
]);

/**
 * Reads one event of Postmark (https://postmarkapp.com/developer/webhooks/webhooks-overview); null when
 * it does not concern us.
 */
export function readPostmarkEvent(body: unknown): MailEvent | null {
  const origin = readTags(property(body, 'Metadata'));
  const meaning = postmarkMeaning(body);
  if (meaning === null || origin === null) return null;
  const address = textProperty(body, 'Email', textProperty(body, 'Recipient', ''));
  return { ...origin, ...meaning, address: address === '' ? null : address };
}

function postmarkMeaning(body: unknown): Meaning | null {
  switch (textProperty(body, 'RecordType', '')) {
    case 'Delivery':
      return meaningOf('delivered');
    case 'SpamComplaint':
      return meaningOf('complained');
    case 'Bounce': {
      const type = textProperty(body, 'Type', '');
      if (hardPostmarkBounces.has(type)) return meaningOf('hardBounced');
      if (type === 'SpamComplaint') return meaningOf('complained');
      if (type === 'Transient') return meaningOf('delayed');
      return noPostmarkBounces.has(type) ? null : meaningOf('bounced');
    }
    case 'SubscriptionChange':
      return property(body, 'SuppressSending') === true ? postmarkSuppression(body) : null;
    default:
      return null;
  }
}

/** The address came onto Postmark's own list, which holds back the next mail: this one has left. */
function postmarkSuppression(body: unknown): Meaning {
  const reason = textProperty(body, 'SuppressionReason', '');
  // The bounce and the complaint are told of as well; twice is once.
  if (reason === 'HardBounce') return meaningOf('hardBounced');
  if (reason === 'SpamComplaint') return meaningOf('complained');
  // Who unsubscribes from a mail has it.
  return textProperty(body, 'Origin', '') === 'Recipient'
    ? { event: 'delivered', suppression: 'unsubscribed' }
    : { event: null, suppression: 'provider' };
}

/** Resend gives tags back as an object; its older events as the list that was sent. */
function readTags(tags: unknown): { sessionId: string; leadId: number } | null {
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

/** Our mails have one recipient; of several, nobody could say which one bounced. */
function onlyAddress(to: unknown): string | null {
  const [address, ...others] = Array.isArray(to) ? (to as unknown[]) : [to];
  return typeof address === 'string' && address !== '' && others.length === 0 ? address : null;
}
