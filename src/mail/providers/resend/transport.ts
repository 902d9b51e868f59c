/**
 * Resend (https://resend.com/docs/api-reference/emails/send-batch-emails): up to 100 mails a call, all or none, under
 * an idempotency key that is remembered for 24 hours. A repeat under the same key with the same payload gets the ids
 * of the first call and sends nothing.
 *
 * Owns the request and the table of outcomes. Does not retry and does not make keys. Invariant: only a certain answer
 * counts as not taken; whatever is doubtful is `unknown`, and is asked again under its key.
 *
 * @module
 */
import type { Outcome } from '../../../core/batch/outcome.ts';
import {
  callProvider,
  networkOutcome,
  parseJson,
  property,
  safeCode,
  safeMessage,
  textProperty,
  type FetchLike,
} from '../http.ts';
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
import { parseRetryAfter, readRateObservation } from '../retry-after.ts';
import { sortedEntries, type Delivery, type MailTransport, type OutgoingMail } from '../../transport.ts';

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
 * Every answer but success → outcome, by https://resend.com/docs/api-reference/errors. Its own words are JSON with
 * `name` and `message`; `statusCode`, where it is there, is the status. No 5xx says that nothing was taken.
 */
const outcomeTable: readonly OutcomeRule[] = [
  // The key was used with another payload: that payload was taken. A new key would send again.
  { status: conflict, code: /^invalid_idempotent_request$/, outcome: () => ({ kind: 'acceptedEarlier' }) },
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
  // It gave up on the request: how far it had come is not known.
  { status: [408], outcome: unknown },
  // 400, 413 (a smaller half may fit), 422 and any other: refused for its content.
  { status: { from: 400, to: 499 }, outcome: rejectedMail },
  // 500, 502, 503, 504 and all else: it may have been taken before it broke.
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
  // A path that ends in a field of a mail.
  /(?:^|[\s`'"])\[?(\d{1,3})\]?\.(?:from|to|cc|bcc|reply_to|subject|html|text|headers|tags)\b/i,
  /\bindex:? (\d{1,3})\b/i,
];

/**
 * Which mail of the call a message speaks of, where it says so beyond doubt: `emails[3]`, `[3].to`,
 * `3.to`, `index 3`. Not `to[0]`, which counts the addresses of one mail, nor the `3.lead.test` of an
 * address: the mail that is named is failed on this word alone.
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
 * What an answer of Resend, or of whatever answered in its place, means.
 *
 * @param text - the body as it came
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
    encode: (mails) => JSON.stringify(mails.map(resendMail)),
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
function resendMail(mail: OutgoingMail): unknown {
  return {
    from: mail.from,
    to: [mail.to],
    ...(mail.replyTo === null ? {} : { reply_to: mail.replyTo }),
    subject: mail.subject,
    html: mail.html,
    text: mail.text,
    headers: Object.fromEntries(sortedEntries(mail.headers)),
    tags: sortedEntries(mail.tags).map(([name, value]) => ({ name, value })),
  };
}
