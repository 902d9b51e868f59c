/**
 * Resend's webhooks as a test sends them: signed, and with the tags that our mails carry.
 *
 * @module
 */
import { env } from 'cloudflare:workers';
import { Webhook } from 'standardwebhooks';
import { request } from './session-driver.ts';

export type ResendEventType =
  | 'email.sent'
  | 'email.delivered'
  | 'email.delivery_delayed'
  | 'email.bounced'
  | 'email.complained'
  | 'email.failed'
  | 'email.suppressed'
  | 'email.opened';

export interface TestEvent {
  type: ResendEventType;
  sessionId: string;
  leadId: number;
  to?: string;
  bounceType?: 'Permanent' | 'Transient';
}

/** The body of an event, as Resend's documentation shows it. */
export function resendBody(event: TestEvent): string {
  const { type, sessionId, leadId, to = `lead${leadId}@example.com`, bounceType } = event;
  return JSON.stringify({
    type,
    created_at: '2026-11-23T14:00:00.000Z',
    data: {
      created_at: '2026-11-23T13:59:59.000Z',
      email_id: '56761188-7520-42d8-8898-ff6fc54ce618',
      from: 'Acme <onboarding@acme.test>',
      to: [to],
      subject: 'Hello',
      tags: { session: sessionId, batch: '1', lead: String(leadId) },
      ...(bounceType === undefined
        ? {}
        : { bounce: { type: bounceType, subType: 'General', message: 'smtp; 550 no such user' } }),
    },
  });
}

let lastId = 0;

export interface Signing {
  id?: string;
  at?: Date;
  secret?: string;
}

/** The three headers that Resend signs with. */
export function signatureOf(body: string, signing: Signing = {}): Record<string, string> {
  const { id = `msg_${++lastId}`, at = new Date(), secret = env.RESEND_WEBHOOK_SECRET ?? '' } = signing;
  return {
    'svix-id': id,
    'svix-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'svix-signature': new Webhook(secret).sign(id, at, body),
  };
}

/** Posts a body with these headers. */
export function postEvent(body: string, headers: Record<string, string>): Promise<Response> {
  return request('/webhooks/resend', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'test-identity': 'none', ...headers },
    body,
  });
}

/** Posts one correctly signed event; resolves to the status. */
export async function tell(event: TestEvent, signing: Signing = {}): Promise<number> {
  const body = resendBody(event);
  const response = await postEvent(body, signatureOf(body, signing));
  await response.body?.cancel();
  return response.status;
}
