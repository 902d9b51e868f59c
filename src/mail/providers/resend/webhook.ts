/**
 * The events of Resend (https://resend.com/docs/dashboard/webhooks/event-types), signed by Svix.
 *
 * @module
 */
import { Webhook } from 'standardwebhooks';
import type { DeliveryEvent } from '../../../core/batch/delivery-status.ts';
import { property, textProperty } from '../http.ts';
import type { ProviderWebhook } from '../provider.ts';
import { meaningOf, readTags, type MailEvent } from '../webhook-event.ts';

export const webhook: ProviderWebhook = {
  secretName: 'RESEND_WEBHOOK_SECRET',
  secret: { what: 'its signing secret', example: '…' },
  summary: 'Events of Resend, signed (svix-id, svix-timestamp, svix-signature)',
  headers: ['svix-id', 'svix-timestamp', 'svix-signature'],
  reports: ['bounced', 'complained'],
  verify: isSigned,
  read: readResendEvent,
};

/** Standard Webhooks, the successor of Svix's scheme: the same signature under other header names. */
function isSigned({ headers, body, secret }: Parameters<ProviderWebhook['verify']>[0]): boolean {
  const signature = {
    'webhook-id': headers.get('svix-id') ?? '',
    'webhook-timestamp': headers.get('svix-timestamp') ?? '',
    'webhook-signature': headers.get('svix-signature') ?? '',
  };
  // Two secrets are valid while one is replaced by the other.
  const secrets = secret.split(/\s+/).filter((one) => one !== '');
  return secrets.some((one) => {
    try {
      new Webhook(one).verify(body, signature, { jsonParse: false });
      return true;
    } catch {
      // A wrong or old signature, or an unusable secret. The answer does not say which.
      return false;
    }
  });
}

const events: Readonly<Record<string, DeliveryEvent>> = {
  'email.delivered': 'delivered',
  'email.delivery_delayed': 'delayed',
  'email.bounced': 'bounced',
  'email.complained': 'complained',
  'email.failed': 'failed',
  'email.suppressed': 'suppressed',
};

function readResendEvent(body: unknown): MailEvent | null {
  const event = events[textProperty(body, 'type', '')];
  const data = property(body, 'data');
  // Tags come back as an object; older events have them as the list that was sent.
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

/** Our mails have one recipient. With several it would not be known which one bounced. */
function onlyAddress(to: unknown): string | null {
  const [address, ...others] = Array.isArray(to) ? (to as unknown[]) : [to];
  return typeof address === 'string' && address !== '' && others.length === 0 ? address : null;
}
