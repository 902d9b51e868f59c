/**
 * The events of Postmark (https://postmarkapp.com/developer/webhooks/webhooks-overview), with basic
 * authentication.
 *
 * @module
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { property, textProperty } from '../../../runtime/answer.ts';
import type { ProviderWebhook, WebhookRequest } from '../provider.ts';
import { meaningOf, onlyAddress, readTags, type EventMeaning, type MailEvent } from '../webhook-event.ts';

export const webhook: ProviderWebhook = {
  proof: { setting: 'POSTMARK_WEBHOOK_CREDENTIALS', what: 'its credentials', example: 'user:password' },
  summary: 'Events of Postmark, with basic authentication',
  headers: ['authorization'],
  reports: ['bounced', 'complained'],
  verify: hasCredentials,
  read: readPostmarkEvent,
};

/** Compares hashes, so that the time reveals nothing about the credentials. */
function hasCredentials({ headers, proof }: WebhookRequest): boolean {
  const [, given = ''] = /^basic ([a-z0-9+/=]+)$/i.exec(headers.get('authorization') ?? '') ?? [];
  if (!proof.includes(':') || given === '') return false;
  const sha256 = (text: string, encoding: 'utf8' | 'base64'): Uint8Array =>
    createHash('sha256').update(text, encoding).digest();
  return timingSafeEqual(sha256(proof, 'utf8'), sha256(given, 'base64'));
}

function readPostmarkEvent(body: unknown): readonly MailEvent[] {
  const origin = readTags(property(body, 'Metadata'));
  const meaning = meaningOfRecord(body);
  if (meaning === null || origin === null) return [];
  const address = textProperty(body, 'Email', textProperty(body, 'Recipient', ''));
  return [{ ...origin, ...meaning, address: onlyAddress(address) }];
}

/** Bounce types of addresses that will never accept mail. */
const hardBounces: ReadonlySet<string> = new Set(['HardBounce', 'BadEmailAddress']);
/** Replies and notices that arrive like bounces; the mail itself may have arrived. */
const notBounces: ReadonlySet<string> = new Set([
  'AutoResponder',
  'AddressChange',
  'Subscribe',
  'Unsubscribe',
  'ChallengeVerification',
  'OpenRelayTest',
  'VirusNotification',
  'SMTPApiError',
]);

function meaningOfRecord(body: unknown): EventMeaning | null {
  switch (textProperty(body, 'RecordType', '')) {
    case 'Delivery':
      return meaningOf('delivered');
    case 'SpamComplaint':
      return meaningOf('complained');
    case 'Bounce': {
      const type = textProperty(body, 'Type', '');
      if (hardBounces.has(type)) return meaningOf('hardBounced');
      if (type === 'SpamComplaint') return meaningOf('complained');
      if (type === 'Transient') return meaningOf('delayed');
      return notBounces.has(type) ? null : meaningOf('bounced');
    }
    case 'SubscriptionChange':
      return property(body, 'SuppressSending') === true ? suppressionMeaning(body) : null;
    default:
      return null;
  }
}

/** The address was added to Postmark's suppression list, which stops the next mail, not this one. */
function suppressionMeaning(body: unknown): EventMeaning {
  const reason = textProperty(body, 'SuppressionReason', '');
  // The bounce or the complaint has an event of its own; repeating it changes nothing.
  if (reason === 'HardBounce') return meaningOf('hardBounced');
  if (reason === 'SpamComplaint') return meaningOf('complained');
  // A recipient who unsubscribes has received the mail.
  return textProperty(body, 'Origin', '') === 'Recipient'
    ? { event: 'delivered', suppression: 'unsubscribed' }
    : { event: null, suppression: 'provider' };
}
