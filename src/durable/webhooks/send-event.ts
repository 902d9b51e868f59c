/**
 * One attempt to send one event: to a program, a channel or a mailbox.
 *
 * Owns the request and the meaning of its answer. Does not decide when to repeat (core/events/retry.ts) and stores
 * nothing. Invariants: nothing here throws; a redirect is not followed; the body of an answer is never read, because
 * nothing is known of what is in it.
 *
 * @module
 */
import { Webhook } from 'standardwebhooks';
import {
  alertNotice,
  noticeEmail,
  noticeOf,
  slackBody,
  teamsBody,
  type Notice,
} from '../../core/events/notices.ts';
import type { Attempt } from '../../core/events/retry.ts';
import { targetFault } from '../../core/events/target.ts';
import type { EndpointRow } from '../../crm/event-endpoints.ts';
import type { OutEvent } from '../../shared/events.ts';
import type { ExternalId } from '../../shared/schemas/leads.ts';
import { sha256Hex } from '../../shared/sha256.ts';
import { userAgent, type FetchLike } from '../../runtime/fetch-like.ts';
import { maxRetryAfterMs, parseRetryAfter } from '../../runtime/retry-after.ts';
import { faultText } from '../../runtime/faults.ts';
import { inTime } from '../../runtime/in-time.ts';
import type { PublicAddresses } from './addresses.ts';

/** An event with the id under which its receiver knows it. */
export interface Message {
  id: string;
  event: OutEvent | { type: 'endpoint.test'; at: number; data: Record<string, never> };
}

/** A mail to a person; the same key for every attempt. */
export interface NoticeMail {
  key: string;
  to: string;
  subject: string;
  html: string;
  text: string;
}

export interface SendContext {
  fetch: FetchLike;
  now(): number;
  addresses: PublicAddresses;
  /** Events may go to addresses that are not public. */
  allowLocal: boolean;
  /** Where the app is reached, for links. */
  publicUrl: string | null;
  sendMail(mail: NoticeMail): Promise<Attempt>;
  /** What other systems call these leads. */
  externalIds(leadIds: readonly number[]): Promise<ReadonlyMap<number, ExternalId>>;
}

/** A receiver that takes longer has to store first and work afterwards. */
const timeoutMs = 15_000;

/**
 * Sends an event once.
 *
 * @param secrets - the newest first; the event is signed with each
 */
export async function sendEvent(
  context: SendContext,
  { kind, target }: Pick<EndpointRow, 'kind' | 'target'>,
  secrets: readonly string[],
  message: Message,
): Promise<Attempt> {
  switch (kind) {
    case 'webhook': {
      const body = await webhookBody(message, context);
      if (typeof body !== 'string') return body;
      return post(context, target, body, signed(secrets, message.id, body, context.now()));
    }
    case 'slack':
      return post(context, target, slackBody(noticeFor(message, context.publicUrl)), {});
    case 'teams':
      return post(context, target, teamsBody(noticeFor(message, context.publicUrl)), {});
    case 'email': {
      const notice = noticeFor(message, context.publicUrl);
      // Endpoints have the same ids. A key that was used for another mailbox would be taken for a mail that was sent.
      const box = (await sha256Hex(target)).slice(0, 16);
      return context.sendMail({ key: `event/${message.id}/${box}`, to: target, ...noticeEmail(notice) });
    }
    default:
      return kind satisfies never;
  }
}

/** The body for a program, or why it cannot be made now. */
async function webhookBody(
  { event: { type, at, data } }: Message,
  { externalIds }: SendContext,
): Promise<string | Attempt> {
  const write = (told: object): string =>
    JSON.stringify({ type, timestamp: new Date(at).toISOString(), data: told });
  if (!('leads' in data)) return write(data);
  try {
    const known = await externalIds(data.leads.map(({ leadId }) => leadId));
    return write({
      ...data,
      leads: data.leads.map((lead) => {
        const externalId = known.get(lead.leadId);
        return externalId === undefined ? lead : { ...lead, externalId };
      }),
    });
  } catch (fault) {
    const error = `The leads could not be read: ${faultText(fault)}`;
    return { kind: 'refused', status: null, error, retryAfterMs: null };
  }
}

/** The headers of Standard Webhooks. A signature for each secret: receivers take an event that has one they know. */
function signed(secrets: readonly string[], id: string, body: string, nowMs: number): Record<string, string> {
  const time = new Date(nowMs);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(nowMs / 1_000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, time, body)).join(' '),
  };
}

function noticeFor({ event }: Message, publicUrl: string | null): Notice {
  if ('name' in event.data) return noticeOf(event as Parameters<typeof noticeOf>[0], publicUrl);
  if ('alertId' in event.data) return alertNotice(event as Parameters<typeof alertNotice>[0], publicUrl);
  const text = 'Lead Activation can write here.';
  return { title: 'Test notice', name: 'it works', text, linkText: 'Open Lead Activation', link: publicUrl };
}

async function post(
  { fetch, now, addresses, allowLocal }: SendContext,
  target: string,
  body: string,
  headers: Record<string, string>,
): Promise<Attempt> {
  const fault =
    targetFault(target, allowLocal) ??
    (allowLocal ? null : await addresses.faultOf(new URL(target).hostname));
  if (fault !== null) return { kind: 'refused', status: null, error: fault, retryAfterMs: null };
  try {
    return await inTime(timeoutMs, async (signal) => {
      const response = await fetch(target, {
        method: 'POST',
        redirect: 'manual',
        headers: { 'content-type': 'application/json', 'user-agent': userAgent, ...headers },
        body,
        signal,
      });
      // An unread body holds one of the six connections.
      await response.body?.cancel();
      return meaningOf(response, now());
    });
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    const text = isLate ? `No answer within ${timeoutMs / 1_000} s.` : `No connection: ${faultText(error)}`;
    return { kind: 'refused', status: null, error: text, retryAfterMs: null };
  }
}

function meaningOf({ status, headers }: Response, nowMs: number): Attempt {
  if (status >= 200 && status < 300) return { kind: 'taken', status };
  if (status === 410) return { kind: 'gone', status, error: 'It answered 410: it wants no more events.' };
  const error =
    status >= 300 && status < 400
      ? `It answered ${status}, a redirect; events are sent to the address that was saved only.`
      : `It answered ${status}.`;
  const wait = parseRetryAfter(headers.get('retry-after'), nowMs);
  return {
    kind: 'refused',
    status,
    error,
    retryAfterMs: wait === null ? null : Math.min(wait, maxRetryAfterMs),
  };
}
