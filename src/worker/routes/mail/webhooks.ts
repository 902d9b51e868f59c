/**
 * `/webhooks/…`: events of mail providers about mails.
 *
 * Owns the check of signatures, and passing events to the session and the suppression list. Public: no identity.
 * Invariant: an event is answered with 200 only when its content is stored or concerns no session here. So the
 * provider's repeats lose nothing, and an event that arrives twice changes nothing.
 *
 * @module
 */
import { Buffer } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { Webhook } from 'standardwebhooks';
import { emailHash } from '../../../crm/email-hash.ts';
import { suppressHash } from '../../../crm/suppressions.ts';
import { logEvent } from '../../../runtime/log.ts';
import { sessionStub } from '../../../durable/stubs.ts';
import { parseJson } from '../../../mail/providers/http.ts';
import { readPostmarkEvent, readResendEvent, type MailEvent } from '../../../mail/providers/webhook-event.ts';
import type { App, AppEnv } from '../../app-env.ts';
import { problems, Refusal } from '../../http/problem.ts';

/** An event of one mail is about 2 kB. */
export const maxEventBytes = 256 * 1024;

const anyEvent = z
  .record(z.string(), z.unknown())
  .openapi({ description: 'An event, as the provider sends it.' });

const description =
  'Events of mails that were not sent from here, and of sessions that do not exist, are accepted and ignored.';
const responses = {
  200: { description: 'The event is stored, now or before, or concerns no session here.' },
  ...problems('invalid_signature', 'invalid_json', 'body_too_large', 'body_too_slow'),
};

// Registered for the description only: the body must reach the handler as the bytes that were signed.
const resend = createRoute({
  method: 'post',
  path: '/webhooks/resend',
  tags: ['webhooks'],
  summary: 'Events of Resend, signed (svix-id, svix-timestamp, svix-signature)',
  description,
  request: {
    headers: z.object({
      'svix-id': z.string(),
      'svix-timestamp': z.string(),
      'svix-signature': z.string(),
    }),
    body: { content: { 'application/json': { schema: anyEvent } } },
  },
  responses,
});

const postmark = createRoute({
  method: 'post',
  path: '/webhooks/postmark',
  tags: ['webhooks'],
  summary: 'Events of Postmark, with basic authentication',
  description,
  request: {
    headers: z.object({ authorization: z.string() }),
    body: { content: { 'application/json': { schema: anyEvent } } },
  },
  responses,
});

export function webhookRoutes(app: App): void {
  app.openAPIRegistry.registerPath(resend);
  app.post('/webhooks/resend', async (c) => {
    const text = await c.req.text();
    if (!isSignedByResend(c, text)) throw new Refusal('invalid_signature');
    return take(c, readResendEvent(requireJson(text)));
  });

  app.openAPIRegistry.registerPath(postmark);
  app.post('/webhooks/postmark', async (c) => {
    if (!hasCredentials(c.req.header('authorization'), c.env.POSTMARK_WEBHOOK_CREDENTIALS)) {
      throw new Refusal('invalid_signature');
    }
    return take(c, readPostmarkEvent(requireJson(await c.req.text())));
  });
}

function requireJson(text: string): unknown {
  const body = parseJson(text);
  if (body === undefined) throw new Refusal('invalid_json');
  return body;
}

/** Svix signs as Standard Webhooks does, under other header names. */
function isSignedByResend(c: Context<AppEnv>, body: string): boolean {
  const headers = {
    'webhook-id': c.req.header('svix-id') ?? '',
    'webhook-timestamp': c.req.header('svix-timestamp') ?? '',
    'webhook-signature': c.req.header('svix-signature') ?? '',
  };
  const secrets = (c.env.RESEND_WEBHOOK_SECRET ?? '').split(/\s+/).filter((secret) => secret !== '');
  return secrets.some((secret) => {
    try {
      new Webhook(secret).verify(body, headers, { jsonParse: false });
      return true;
    } catch {
      // Another secret's signature, too old, or a malformed secret: the sender does not learn which.
      return false;
    }
  });
}

/** Compares hashes, so that the time of the comparison reveals nothing about the credentials. */
function hasCredentials(authorization: string | undefined, credentials: string | undefined): boolean {
  const expected = credentials?.trim() ?? '';
  const [, given = ''] = /^basic ([a-z0-9+/=]+)$/i.exec(authorization ?? '') ?? [];
  if (!expected.includes(':') || given === '') return false;
  const digest = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
  return timingSafeEqual(digest(Buffer.from(expected)), digest(Buffer.from(given, 'base64')));
}

async function take(c: Context<AppEnv>, mail: MailEvent | null): Promise<Response> {
  if (mail === null) return c.body(null, 200);
  const { sessionId, leadId, event, suppression: reason, address } = mail;
  // The suppression first: it must not be lost, even when the session no longer exists.
  if (reason !== null && address !== null) {
    const hash = emailHash(c.env.ADDRESS_HASH_KEY, address);
    const isNew = await suppressHash(c.env.DB, { emailHash: hash, reason, nowMs: Date.now(), sessionId });
    if (isNew) logEvent('info', 'suppressed', { sessionId, leadId, reason });
  }
  if (event !== null) await sessionStub(c.env, sessionId).addDeliveryEvents([{ leadId, event }]);
  return c.body(null, 200);
}
