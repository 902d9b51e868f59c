/**
 * `/webhooks/…`: mail providers tell what became of mails.
 *
 * Owns: who may tell it (signatures), and handing it to the session and the suppression list. Public: no
 * identity. Keeps true: an event is answered with 200 only when what it says is on disk, or concerns
 * nobody here; so the provider's repeats lose nothing, and telling twice changes nothing.
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
  'Events of mails that did not come from here, and of sessions that do not exist, are taken and forgotten.';
const responses = {
  200: { description: 'It is on disk, was so before, or concerns nobody here.' },
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

/** Standard Webhooks, which Svix grew into: the same signature under other header names. */
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
      // Not this secret's signature, too old, or the secret itself is none: the sender is not told which.
      return false;
    }
  });
}

/** Compares hashes, so that the time says nothing about where or how long the credentials differ. */
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
  // The list first: of the two it is the one that must not be lost, also when the session is long gone.
  if (reason !== null && address !== null) {
    const hash = emailHash(c.env.ADDRESS_HASH_KEY, address);
    const isNew = await suppressHash(c.env.DB, { emailHash: hash, reason, nowMs: Date.now(), sessionId });
    if (isNew) logEvent('info', 'suppressed', { sessionId, leadId, reason });
  }
  if (event !== null) await sessionStub(c.env, sessionId).addDeliveryEvents([{ leadId, event }]);
  return c.body(null, 200);
}
