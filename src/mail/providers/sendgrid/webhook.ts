/**
 * The events of SendGrid (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event), many in one
 * request, with an ECDSA signature
 * (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features).
 *
 * @module
 */
import { createPublicKey, verify } from 'node:crypto';
import { bytesOfBase64 } from '../../../runtime/base64.ts';
import { property, textProperty } from '../../../runtime/answer.ts';
import type { ProviderWebhook, WebhookRequest } from '../provider.ts';
import { meaningOf, onlyAddress, readTags, type EventMeaning, type MailEvent } from '../webhook-event.ts';

const signatureHeader = 'x-twilio-email-event-webhook-signature';
const timestampHeader = 'x-twilio-email-event-webhook-timestamp';

export const webhook: ProviderWebhook = {
  proof: { setting: 'MAIL_SENDGRID_WEBHOOK_KEY', what: 'its verification key', example: 'MFkw…' },
  summary: `Events of SendGrid, signed (${signatureHeader}, ${timestampHeader})`,
  headers: [signatureHeader, timestampHeader],
  reports: ['bounced', 'complained'],
  verify: isSigned,
  read: readSendgridEvents,
};

/**
 * SendGrid signs the time and the body. The time is not compared with ours: SendGrid repeats events for a day, does not
 * say whether it signs them anew, and an event that comes twice changes nothing.
 */
function isSigned({ headers, body, proof }: WebhookRequest): boolean {
  const timestamp = headers.get(timestampHeader) ?? '';
  const signature = bytesOfBase64(headers.get(signatureHeader) ?? '');
  if (proof === '' || timestamp === '' || signature.length === 0) return false;
  try {
    // SendGrid shows the key in base64, which PEM has in lines.
    const lines = proof.match(/.{1,64}/g) ?? [];
    const key = createPublicKey(
      ['-----BEGIN PUBLIC KEY-----', ...lines, '-----END PUBLIC KEY-----'].join('\n'),
    );
    return verify('sha256', new TextEncoder().encode(timestamp + body), key, signature);
  } catch {
    // The key is not one. The answer does not say so.
    return false;
  }
}

function readSendgridEvents(body: unknown): readonly MailEvent[] {
  return Array.isArray(body) ? (body as unknown[]).flatMap(readEvent) : [];
}

/** Our tags are properties of the event, beside SendGrid's own. */
function readEvent(event: unknown): MailEvent[] {
  const origin = readTags(event);
  const meaning = meaningOfEvent(event);
  if (origin === null || meaning === null) return [];
  return [{ ...origin, ...meaning, address: onlyAddress(property(event, 'email')) }];
}

/** Reasons of mail that was not sent because the address is on one of SendGrid's own lists. */
const ownLists = /^(?:Bounced Address|Unsubscribed Address|Spam Reporting Address|Invalid)$/;

function meaningOfEvent(event: unknown): EventMeaning | null {
  switch (textProperty(event, 'event', '')) {
    case 'delivered':
      return meaningOf('delivered');
    case 'deferred':
      return meaningOf('delayed');
    case 'bounce':
      // A receiving server may block a mail for reasons that have nothing to do with the address.
      return meaningOf(textProperty(event, 'type', '') === 'blocked' ? 'bounced' : 'hardBounced');
    case 'dropped':
      return meaningOf(ownLists.test(textProperty(event, 'reason', '')) ? 'suppressed' : 'failed');
    case 'spamreport':
      return meaningOf('complained');
    case 'unsubscribe':
    case 'group_unsubscribe':
      return { event: 'delivered', suppression: 'unsubscribed' };
    default:
      return null;
  }
}
