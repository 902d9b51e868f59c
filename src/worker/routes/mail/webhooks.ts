/**
 * `POST /webhooks/<provider>`: mail providers report the outcome of mails.
 *
 * Passes an event to the session and the suppression list. Who may send one and what it means is decided in
 * src/mail/providers/<name>/webhook.ts. Public: no identity. Invariant: 200 is answered only when what the event
 * says is on disk, or concerns nobody here. So the provider's repeats lose nothing, and an event that comes twice
 * changes nothing.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { emailHash } from '../../../crm/email.ts';
import { suppressHash } from '../../../crm/suppressions.ts';
import { sessionStub } from '../../../durable/stubs.ts';
import { parseJson } from '../../../mail/providers/http.ts';
import { mailProviders } from '../../../mail/providers/index.ts';
import { textSetting, type ProviderWebhook } from '../../../mail/providers/provider.ts';
import type { MailEvent } from '../../../mail/providers/webhook-event.ts';
import { logEvent } from '../../../runtime/log.ts';
import type { App, AppEnv } from '../../app-env.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { addDeliveryEvents } from '../../operations/older-objects.ts';

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

const describe = (name: string, { summary, headers }: ProviderWebhook) =>
  createRoute({
    method: 'post',
    path: `/webhooks/${name}`,
    operationId: `${name}Webhook`,
    tags: ['webhooks'],
    summary,
    description,
    request: {
      headers: z.object(Object.fromEntries(headers.map((header) => [header, z.string()]))),
      body: { content: { 'application/json': { schema: anyEvent } } },
    },
    responses,
  });

export function webhookRoutes(app: App): void {
  for (const { name, webhook } of mailProviders) {
    if (webhook === undefined) continue;
    // Registered for the description only: the body must reach the handler as the bytes that were signed.
    app.openAPIRegistry.registerPath(describe(name, webhook));
    app.post(`/webhooks/${name}`, async (c) => {
      const body = await c.req.text();
      const secret = textSetting(c.env, webhook.secretName);
      if (!webhook.verify({ headers: c.req.raw.headers, body, secret }))
        throw new Refusal('invalid_signature');
      return take(c, webhook.read(requireJson(body)));
    });
  }
}

function requireJson(text: string): unknown {
  const body = parseJson(text);
  if (body === undefined) throw new Refusal('invalid_json');
  return body;
}

async function take(c: Context<AppEnv>, mail: MailEvent | null): Promise<Response> {
  if (mail === null) return c.body(null, 200);
  const { sessionId, leadId, event, suppression: reason, address } = mail;
  // The list first: it must not be lost even when the session is long gone.
  if (reason !== null && address !== null) {
    const hash = emailHash(c.env.ADDRESS_HASH_KEY, address);
    const entry = { emailHash: hash, leadId, address, reason, nowMs: Date.now(), sessionId };
    const isNew = await suppressHash(c.env.DB, entry);
    if (isNew) logEvent('info', 'suppressed', { sessionId, leadId, reason });
  }
  if (event !== null) await addDeliveryEvents(sessionStub(c.env, sessionId), [{ leadId, event }]);
  return c.body(null, 200);
}
