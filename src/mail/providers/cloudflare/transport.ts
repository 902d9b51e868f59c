/**
 * Cloudflare's own `send_email` binding (https://developers.cloudflare.com/email-service/): one mail a call, no
 * idempotency keys, no webhooks by tag. It is for transactional mail only, and new accounts have a low daily quota,
 * so it suits small activations.
 *
 * Owns the request and the table of outcomes. Does not retry. Invariant: only the rate limit certainly means that
 * the mail was not sent; an internal error of the binding is `unknown`.
 *
 * @module
 */
import { parseJson, safeCode, safeMessage } from '../../../runtime/answer.ts';
import { isGivenUp } from '../http.ts';
import { namedAddress } from '../named-address.ts';
import {
  auth,
  quota,
  readOutcomeTable,
  rejected,
  throttled,
  unreadableAnswer,
  type OutcomeRule,
} from '../outcome-table.ts';
import { json, jsonObject, jsonRecord, type Json } from '../../json.ts';
import type { Delivery, MailTransport, OutgoingMail } from '../../transport.ts';

/** What the binding takes; the part of `SendEmail`'s builder that is used. */
export interface CloudflareMail {
  from: string | { name: string; email: string };
  to: string;
  replyTo?: string;
  subject: string;
  html: string;
  text: string;
  headers: Record<string, string>;
}

/** The part of the `send_email` binding that is used. */
export interface SendEmailBinding {
  send(mail: CloudflareMail): Promise<{ messageId: string }>;
}

export interface CloudflareConfig {
  binding: SendEmailBinding;
}

/** Codes of thrown errors → outcome, by the error codes of the Workers API's page. */
const outcomeTable: readonly OutcomeRule[] = [
  { code: /^E_RATE_LIMIT_EXCEEDED$/, outcome: throttled },
  { code: /^E_DAILY_LIMIT_EXCEEDED$/, outcome: quota('daily') },
  { code: /^E_SENDER_(?:NOT_VERIFIED|DOMAIN_NOT_AVAILABLE)$/, outcome: auth },
  // An allow-list in the configuration of this binding excludes every lead.
  { code: /^E_RECIPIENT_NOT_ALLOWED$/, outcome: auth },
  {
    code: /^E_(?:VALIDATION_ERROR|FIELD_MISSING|TOO_MANY_RECIPIENTS|RECIPIENT_SUPPRESSED|CONTENT_TOO_LARGE|DELIVERY_FAILED|HEADERS?_[A-Z_]+)$/,
    outcome: rejected,
  },
  // E_INTERNAL_SERVER_ERROR and errors without a code: it may have been sent.
];

/** Makes the transport for the binding. */
export function createCloudflareTransport({ binding }: CloudflareConfig): MailTransport {
  return {
    name: 'cloudflare',
    maxBatch: 1,
    idempotencyWindowMs: null,
    encode: (mails) => {
      const [mail, ...others] = mails;
      if (mail === undefined || others.length > 0) throw new RangeError('The binding takes one mail a call.');
      return cloudflareMail(mail);
    },
    deliver: async ({ payload, mailCount, ...call }): Promise<Delivery> => {
      if (isGivenUp(call)) return { outcome: { kind: 'notSent' }, rate: null };
      try {
        // `encode` has written the payload.
        const mail = parseJson(payload) as CloudflareMail;
        const sending = binding.send(mail);
        call.onSent?.();
        const { messageId } = await abandonable(sending, call.signal);
        const isProof = typeof messageId === 'string' && messageId !== '';
        return {
          outcome: isProof ? { kind: 'accepted', messageIds: [messageId], rejections: [] } : unreadableAnswer,
          rate: null,
        };
      } catch (error) {
        return { outcome: errorOutcome(error, mailCount), rate: null };
      }
    },
  };
}

function errorOutcome(error: unknown, mailCount: number): Delivery['outcome'] {
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError')) {
    return { kind: 'unknown', code: 'timeout', message: 'The mail provider did not answer in time.' };
  }
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no_code';
  const message = error instanceof Error ? error.message : 'The mail could not be handed over.';
  return readOutcomeTable(outcomeTable, {
    status: 0,
    code: safeCode(code),
    message: safeMessage(message),
    retryAfterMs: null,
    mailCount,
  });
}

/** The binding takes no signal: an abandoned call continues, and its outcome is not known. */
async function abandonable<T>(call: Promise<T>, signal: AbortSignal): Promise<T> {
  const abandoned = Promise.withResolvers<never>();
  const onAbort = (): void => abandoned.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([call, abandoned.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function cloudflareMail(mail: OutgoingMail): Json {
  const { name, email } = namedAddress(mail.from);
  return jsonObject({
    from: name === undefined ? json(email) : jsonObject({ name: json(name), email: json(email) }),
    to: json(mail.to),
    replyTo: mail.replyTo === null ? undefined : json(mail.replyTo),
    subject: mail.subject,
    html: mail.html,
    text: mail.text,
    headers: jsonRecord(mail.headers),
  });
}
