/**
 * Resend (https://resend.com/docs/api-reference/emails/send-batch-emails): up to 100 mails a call, all or none, under
 * an idempotency key that is remembered for 24 hours. A repeat under the same key with the same payload gets the ids
 * of the first call and sends nothing.
 *
 * Owns the request and the table of outcomes. Does not retry and does not make keys. Invariant: only a certain
 * answer counts as not taken; every doubtful one is `unknown`, and the call is repeated under its key.
 *
 * @module
 */
import type { Outcome } from '../../../core/batch/outcome.ts';
import { parseJson, property, safeCode, safeMessage, textProperty } from '../../../runtime/answer.ts';
import type { FetchLike } from '../../../runtime/fetch-like.ts';
import { callProvider, networkOutcome } from '../http.ts';
import {
  auth,
  quota,
  readOutcomeTable,
  rejected,
  throttled,
  transient,
  unknown,
  unreadableAnswer,
  type OutcomeRule,
  type ProviderAnswer,
} from '../outcome-table.ts';
import { parseRetryAfter, readRateObservation } from '../../../runtime/retry-after.ts';
import { json, jsonArray, jsonObject, jsonPairs, jsonRecord, type Json } from '../../json.ts';
import type { Delivery, MailTransport, OutgoingMail } from '../../transport.ts';

export interface ResendConfig {
  /** `https://api.resend.com`, or the stand-in's address. */
  apiUrl: string;
  apiKey: string;
  fetch: FetchLike;
  /** Epoch milliseconds; Retry-After may be a date. */
  now: () => number;
}

/** @see https://resend.com/docs/dashboard/emails/idempotency-keys */
export const resendKeyWindowMs = 24 * 60 * 60 * 1000;

const conflict = [409];
const invalid = [400, 422];
const tooMany = [429];

/**
 * Every answer but success → outcome, by https://resend.com/docs/api-reference/errors. Resend's own form is JSON
 * with `name` and `message`, and sometimes `statusCode`, which is the status. No 5xx means that nothing was taken.
 */
const outcomeTable: readonly OutcomeRule[] = [
  // "Used on a request that had a different payload" (https://resend.com/docs/dashboard/emails/idempotency-keys): most
  // likely that request was taken, but the page does not say that refused requests use no key.
  { status: conflict, code: /^invalid_idempotent_request$/, outcome: () => ({ kind: 'keyConflict' }) },
  { status: conflict, code: /^concurrent_idempotent_requests$/, outcome: () => ({ kind: 'concurrent' }) },
  { status: conflict, code: /^resource_locked$/, outcome: transient },
  // A conflict that does not say which: perhaps one of the first two.
  { status: conflict, outcome: unknown },
  { status: tooMany, code: /^daily_quota_exceeded$/, outcome: quota('daily') },
  { status: tooMany, code: /^monthly_quota_exceeded$/, outcome: quota('monthly') },
  { status: tooMany, outcome: throttled },
  // Key missing, wrong, restricted or suspended; the sender's domain not verified. 451 is an account under review.
  { status: [401, 403, 451], outcome: auth },
  // The sender is the same in every mail, so bisecting would only fail all leads one by one.
  { status: invalid, code: /^invalid_from_address$/, outcome: auth },
  {
    status: invalid,
    message: /\bdomain is not verified\b|[`'"]from[`'"]|\b(?:invalid|missing|field:) from\b/i,
    outcome: auth,
  },
  // A wrong address of the API: no mail will get through.
  { status: [404, 405], outcome: auth },
  // Resend gave up on the request, and it is not known how far it had come.
  { status: [408], outcome: unknown },
  // 400, 413 (a smaller half may fit), 422 and any other: refused for its content.
  { status: { from: 400, to: 499 }, outcome: rejectedMail },
  // 500, 502, 503, 504 and all others: the call may have been taken before the error.
];

/** The provider's own word for an error; empty for an answer in another form than its own. */
function ownWord(status: number, body: unknown): string {
  const statusCode = property(body, 'statusCode');
  const isOwn =
    typeof property(body, 'message') === 'string' && (statusCode === undefined || statusCode === status);
  return isOwn ? safeCode(textProperty(body, 'name', '')) : '';
}

function rejectedMail(answer: ProviderAnswer): Outcome {
  const { message, mailCount } = answer;
  return { ...rejected(answer), index: mailCount === 1 ? 0 : rejectedIndex(message, mailCount) };
}

const namedMail: readonly RegExp[] = [
  /\b(?:emails|body)\[(\d{1,3})\]/i,
  // Matches a path that ends in a field of a mail.
  /(?:^|[\s`'"])\[?(\d{1,3})\]?\.(?:from|to|cc|bcc|reply_to|subject|html|text|headers|tags)\b/i,
  /\bindex:? (\d{1,3})\b/i,
];

/**
 * The mail of the call that a message certainly refers to: `emails[3]`, `[3].to`, `3.to`, `index 3`. Not `to[0]`,
 * which counts the addresses of one mail, nor the `3.lead.test` of an address: the named mail fails because of this
 * message alone.
 */
function rejectedIndex(message: string, mailCount: number): number | null {
  for (const pattern of namedMail) {
    const digits = pattern.exec(message)?.[1];
    if (digits !== undefined && Number(digits) < mailCount) return Number(digits);
  }
  return null;
}

function acceptedOutcome(body: unknown, mailCount: number): Outcome {
  const data = property(body, 'data');
  const messageIds = Array.isArray(data) ? data.map((item) => textProperty(item, 'id', '')) : [];
  const isProof = messageIds.length === mailCount && messageIds.every((id) => id !== '');
  return isProof ? { kind: 'accepted', messageIds, rejections: [] } : unreadableAnswer;
}

/**
 * The meaning of an answer of Resend, or of a proxy in front of it.
 *
 * @param text - the received body
 */
export function readResendAnswer(
  status: number,
  text: string,
  mailCount: number,
  retryAfterMs: number | null,
): Outcome {
  const body = parseJson(text);
  if (status >= 200 && status <= 299) return acceptedOutcome(body, mailCount);
  return readOutcomeTable(outcomeTable, {
    status,
    code: ownWord(status, body),
    message: safeMessage(textProperty(body, 'message', `The mail provider answered ${status}.`)),
    retryAfterMs,
    mailCount,
  });
}

/** Makes the transport for Resend, or for anything that speaks its API. */
export function createResendTransport(config: ResendConfig): MailTransport {
  const url = `${config.apiUrl.replace(/\/+$/, '')}/emails/batch`;
  return {
    name: 'resend',
    maxBatch: 100,
    idempotencyWindowMs: resendKeyWindowMs,
    encode: (mails) => jsonArray(mails.map(resendMail)),
    deliver: async ({ key, payload, mailCount, ...call }): Promise<Delivery> => {
      const request = {
        headers: {
          authorization: `Bearer ${config.apiKey}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: payload,
      };
      const answer = await callProvider(config.fetch, url, request, call);
      if (answer.kind !== 'answered') return { outcome: networkOutcome(answer), rate: null };
      const { status, headers } = answer;
      const nowMs = config.now();
      const rate = readRateObservation(headers, nowMs);
      const retryAfterMs = parseRetryAfter(headers.get('retry-after'), nowMs);
      return { outcome: readResendAnswer(status, answer.body, mailCount, retryAfterMs), rate };
    },
  };
}

/** Properties in a fixed order: the provider may compare payloads byte by byte. */
function resendMail(mail: OutgoingMail): Json {
  return jsonObject({
    from: json(mail.from),
    to: jsonArray([json(mail.to)]),
    reply_to: mail.replyTo === null ? undefined : json(mail.replyTo),
    subject: mail.subject,
    html: mail.html,
    text: mail.text,
    headers: jsonRecord(mail.headers),
    tags: jsonPairs(mail.tags, 'name', 'value'),
  });
}
