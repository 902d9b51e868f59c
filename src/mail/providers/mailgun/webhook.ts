/**
 * The events of Mailgun (https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure), with the
 * signature in the body (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks).
 *
 * @module
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseJson, property, textProperty } from '../../../runtime/answer.ts';
import type { MailEffects, ProviderWebhook, WebhookRequest } from '../provider.ts';
import { meaningOf, onlyAddress, readTags, type EventMeaning, type MailEvent } from '../webhook-event.ts';

export const webhook: ProviderWebhook = {
  proof: { setting: 'MAILGUN_WEBHOOK_SIGNING_KEY', what: 'its signing key', example: '…' },
  summary: 'Events of Mailgun, signed in the body (signature.timestamp, .token, .signature)',
  headers: [],
  reports: ['bounced', 'complained'],
  verify: isSigned,
  read: readMailgunEvent,
};

/**
 * The signature is of a time and a token, not of the event. An old one is refused, so that who finds a request in a log
 * cannot use its signature for ever; Mailgun repeats an event for eight hours.
 */
const maxAgeMs = 24 * 60 * 60 * 1_000;

function isSigned({ body, proof }: WebhookRequest, { now }: MailEffects): boolean {
  const signature = property(parseJson(body), 'signature');
  const timestamp = textProperty(signature, 'timestamp', '');
  const token = textProperty(signature, 'token', '');
  if (proof === '' || !/^\d{1,12}$/.test(timestamp) || token === '') return false;
  if (Math.abs(now() - Number(timestamp) * 1_000) > maxAgeMs) return false;
  const encoder = new TextEncoder();
  const expected = encoder.encode(createHmac('sha256', proof).update(`${timestamp}${token}`).digest('hex'));
  const given = encoder.encode(textProperty(signature, 'signature', ''));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function readMailgunEvent(body: unknown): readonly MailEvent[] {
  const event = property(body, 'event-data');
  const origin = readTags(property(event, 'user-variables'));
  const meaning = meaningOfEvent(event);
  if (origin === null || meaning === null) return [];
  return [{ ...origin, ...meaning, address: onlyAddress(property(event, 'recipient')) }];
}

function meaningOfEvent(event: unknown): EventMeaning | null {
  switch (textProperty(event, 'event', '')) {
    case 'delivered':
      return meaningOf('delivered');
    case 'failed':
      return meaningOf(failure(event));
    // "Mailgun rejected the request to send": nothing was sent.
    case 'rejected':
      return meaningOf('failed');
    case 'complained':
      return meaningOf('complained');
    case 'unsubscribed':
      return { event: 'delivered', suppression: 'unsubscribed' };
    default:
      return null;
  }
}

function failure(event: unknown): 'delayed' | 'suppressed' | 'hardBounced' | 'bounced' {
  if (textProperty(event, 'severity', '') !== 'permanent') return 'delayed';
  // `suppress-bounce` and the like: the address is on Mailgun's own list, and nothing was sent.
  if (/^suppress-/.test(textProperty(event, 'reason', ''))) return 'suppressed';
  // RFC 3463: 5.1.x is about the address. Other permanent failures are about the mail, the mailbox or the sender.
  const status = property(event, 'delivery-status');
  const code = textProperty(status, 'enhanced-code', textProperty(status, 'bounce-code', ''));
  return /^5\.1\.\d+$/.test(code) ? 'hardBounced' : 'bounced';
}
