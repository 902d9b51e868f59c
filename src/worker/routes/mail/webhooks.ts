/**
 * `POST /webhooks/<provider>`: mail providers report the outcome of mails.
 *
 * Passes events to the sessions and the suppression list. Who may send one and what it means is decided in
 * src/mail/providers/<name>/webhook.ts. Public: no identity. Invariant: 200 is answered only when what the event
 * says is on disk, or concerns nobody here. So the provider's repeats lose nothing, and an event that comes twice
 * changes nothing.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { emailHash } from '../../../crm/email.ts';
import { suppressHash } from '../../../crm/suppressions.ts';
import { sessionStub } from '../../../durable/stubs.ts';
import { parseJson } from '../../../runtime/answer.ts';
import { mailProviders } from '../../../mail/providers/index.ts';
import { textSetting } from '../../../shared/setting.ts';
import type { MailEffects, ProviderWebhook } from '../../../mail/providers/provider.ts';
import type { MailEvent } from '../../../mail/providers/webhook-event.ts';
import { logEvent } from '../../../runtime/log.ts';
import type { App } from '../../app-env.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { addDeliveryEvents } from '../../operations/older-objects.ts';

/** An event of one mail is about 2 kB. SendGrid sends as many together as fit into 768 kB. */
export const maxEventBytes = 1024 * 1024;

/** How long a fetch for a webhook may take, in ms: Amazon SNS gives up on us after 15 s. */
const maxFetchMs = 5_000;

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
      const proof = textSetting(c.env, webhook.proof.setting);
      if (!(await webhook.verify({ headers: c.req.raw.headers, body, proof }, effects)))
        throw new Refusal('invalid_signature');
      const message = requireJson(body);
      const url = webhook.confirmationUrl?.(message) ?? null;
      if (url !== null) await confirm(url);
      await take(c.env, webhook.read(message));
      return c.body(null, 200);
    });
  }
}

const effects: MailEffects = {
  fetch: (url, init) => fetch(url, { signal: AbortSignal.timeout(maxFetchMs), ...init }),
  now: Date.now,
};

/** Tells the provider that its events are wanted here. Our answer is a fault otherwise, and it asks again. */
async function confirm(url: string): Promise<void> {
  const response = await effects.fetch(url, { redirect: 'manual' });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`The webhook was not confirmed: ${response.status}.`);
  logEvent('info', 'webhook_confirmed', { host: new URL(url).hostname });
}

function requireJson(text: string): unknown {
  const body = parseJson(text);
  if (body === undefined) throw new Refusal('invalid_json');
  return body;
}

async function take(env: Env, mails: readonly MailEvent[]): Promise<void> {
  // The list first: it must not be lost even when the session is long gone.
  for (const { sessionId, leadId, suppression: reason, address } of mails) {
    if (reason === null || address === null) continue;
    const hash = emailHash(env.ADDRESS_HASH_KEY, address);
    const entry = { emailHash: hash, leadId, address, reason, nowMs: Date.now(), sessionId };
    const isNew = await suppressHash(env.DB, entry);
    if (isNew) logEvent('info', 'suppressed', { sessionId, leadId, reason });
  }
  const bySession = Map.groupBy(mails, ({ sessionId }) => sessionId);
  await Promise.all(
    Array.from(bySession, async ([sessionId, ofSession]) => {
      const reports = ofSession.flatMap(({ leadId, event }) => (event === null ? [] : [{ leadId, event }]));
      if (reports.length > 0) await addDeliveryEvents(sessionStub(env, sessionId), reports);
    }),
  );
}
