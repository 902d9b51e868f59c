/**
 * What providers' webhooks say, in our words: one event, one fate of one mail.
 *
 * Owns: reading the bodies of Resend and Postmark. Never: signatures, storage. Keeps true: an event that is
 * not about a mail of ours, or says nothing that we keep, is null and never a fault; providers add kinds.
 *
 * @module
 */
import type { FateKind } from '../core/fates.ts';
import { isSessionId } from '../shared/session-id.ts';
import { property, textProperty } from './http.ts';

export interface MailEvent {
  sessionId: string;
  leadId: number;
  fate: FateKind;
  /** Whom the mail went to; null where the event does not say it beyond doubt. */
  address: string | null;
}

const resendFates: Readonly<Record<string, FateKind>> = {
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
  const fate = resendFates[textProperty(body, 'type', '')];
  const data = property(body, 'data');
  const origin = readTags(property(data, 'tags'));
  if (fate === undefined || origin === null) return null;
  const isHard =
    fate === 'bounced' && /^permanent$/i.test(textProperty(property(data, 'bounce'), 'type', ''));
  return { ...origin, fate: isHard ? 'hardBounced' : fate, address: onlyAddress(property(data, 'to')) };
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
  const fate = postmarkFate(body);
  if (fate === null || origin === null) return null;
  const address = textProperty(body, 'Email', textProperty(body, 'Recipient', ''));
  return { ...origin, fate, address: address === '' ? null : address };
}

function postmarkFate(body: unknown): FateKind | null {
  switch (textProperty(body, 'RecordType', '')) {
    case 'Delivery':
      return 'delivered';
    case 'SpamComplaint':
      return 'complained';
    case 'Bounce': {
      const type = textProperty(body, 'Type', '');
      if (hardPostmarkBounces.has(type)) return 'hardBounced';
      if (type === 'SpamComplaint') return 'complained';
      if (type === 'Transient') return 'delayed';
      return noPostmarkBounces.has(type) ? null : 'bounced';
    }
    case 'SubscriptionChange':
      return property(body, 'SuppressSending') === true ? 'suppressed' : null;
    default:
      return null;
  }
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
