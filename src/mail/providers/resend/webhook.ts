/**
 * The events of Resend (https://resend.com/docs/dashboard/webhooks/event-types), signed by Svix.
 *
 * @module
 */
import { Webhook } from 'standardwebhooks';
import type { DeliveryEvent } from '../../../core/batch/delivery-status.ts';
import { property, textProperty } from '../../../runtime/answer.ts';
import type { ProviderWebhook, WebhookRequest } from '../provider.ts';
import { meaningOf, onlyAddress, readTags, type MailEvent } from '../webhook-event.ts';

export const webhook: ProviderWebhook = {
  proof: { setting: 'RESEND_WEBHOOK_SECRET', what: 'its signing secret', example: '…' },
  summary: 'Events of Resend, signed (svix-id, svix-timestamp, svix-signature)',
  headers: ['svix-id', 'svix-timestamp', 'svix-signature'],
  reports: ['bounced', 'complained'],
  verify: isSigned,
  read: readResendEvent,
};

/** Standard Webhooks, the successor of Svix's scheme: the same signature under other header names. */
function isSigned({ headers, body, proof }: WebhookRequest): boolean {
  const signature = {
    'webhook-id': headers.get('svix-id') ?? '',
    'webhook-timestamp': headers.get('svix-timestamp') ?? '',
    'webhook-signature': headers.get('svix-signature') ?? '',
  };
  // Two secrets are valid while one is replaced by the other.
  const secrets = proof.split(/\s+/).filter((one) => one !== '');
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

function readResendEvent(body: unknown): readonly MailEvent[] {
  const event = events[textProperty(body, 'type', '')];
  const data = property(body, 'data');
  // Tags come back as an object; older events have them as the list that was sent.
  const origin = readTags(property(data, 'tags'));
  if (event === undefined || origin === null) return [];
  const isHard =
    event === 'bounced' && /^permanent$/i.test(textProperty(property(data, 'bounce'), 'type', ''));
  return [
    {
      ...origin,
      ...meaningOf(isHard ? 'hardBounced' : event),
      address: onlyAddress(property(data, 'to')),
    },
  ];
}
