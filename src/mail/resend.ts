/**
 * Resend (https://resend.com/docs/api-reference/emails/send-batch-emails): up to 100 mails a call, all
 * or none, under an idempotency key that is remembered for 24 hours. A repeat under the same key with
 * the same payload gets the ids of the first call and sends nothing.
 *
 * Owns: the request and the table of outcomes. Never: retries or keys. Keeps true: only an answer that
 * is certain counts as not taken; whatever is doubtful is `unknown`, and is asked again under its key.
 *
 * @module
 */
import type { Outcome } from '../core/outcome.ts';
import {
  callProvider,
  networkOutcome,
  parseJson,
  property,
  safeCode,
  safeMessage,
  textProperty,
  type FetchLike,
} from './http.ts';
import { parseRetryAfter, readRateObservation } from './retry-after.ts';
import { sortedEntries, type Delivery, type MailTransport, type OutgoingMail } from './transport.ts';

export interface ResendConfig {
  /** `https://api.resend.com`, or the stand-in's address. */
  apiUrl: string;
  apiKey: string;
  fetch: FetchLike;
  /** Epoch milliseconds; Retry-After may be a date. */
  now: () => number;
}

/** A provider's answer, reduced to what the table asks of it. */
interface ResendAnswer {
  status: number;
  /** Resend's `name` of an error; empty when the body named none. */
  name: string;
  message: string;
  retryAfterMs: number | null;
  mailCount: number;
}

/** One line of the table: the first that fits decides. No `name`: any. */
interface OutcomeRule {
  status: (status: number) => boolean;
  name?: RegExp;
  message?: RegExp;
  outcome: (answer: ResendAnswer) => Outcome;
}

const is =
  (...statuses: number[]) =>
  (status: number) =>
    statuses.includes(status);
const between = (low: number, high: number) => (status: number) => status >= low && status <= high;

const auth = ({ status, name, message }: ResendAnswer): Outcome => ({
  kind: 'auth',
  code: name === '' ? `http_${status}` : name,
  message,
});
const rejected = ({ status, name, message, mailCount }: ResendAnswer): Outcome => ({
  kind: 'rejected',
  code: name === '' ? `http_${status}` : name,
  message,
  index: rejectedIndex(message, mailCount),
});
const transient = ({ status, name, message, retryAfterMs }: ResendAnswer): Outcome => ({
  kind: 'transient',
  code: name === '' ? `http_${status}` : name,
  message,
  retryAfterMs,
});
const unknown = ({ status, name, message }: ResendAnswer): Outcome => ({
  kind: 'unknown',
  code: name === '' ? `http_${status}` : name,
  message,
});

/** Every answer but success → outcome, by https://resend.com/docs/api-reference/errors. */
const outcomeTable: readonly OutcomeRule[] = [
  // The key was used with another payload: that payload was taken. A new key would send again.
  { status: is(409), name: /^invalid_idempotent_request$/, outcome: () => ({ kind: 'acceptedEarlier' }) },
  { status: is(409), name: /^concurrent_idempotent_requests$/, outcome: () => ({ kind: 'concurrent' }) },
  { status: is(409), name: /^resource_locked$/, outcome: transient },
  // A conflict that does not say which: perhaps one of the first two.
  { status: is(409), outcome: unknown },
  {
    status: is(429),
    name: /^daily_quota_exceeded$/,
    outcome: ({ message }) => ({ kind: 'quota', scope: 'daily', message }),
  },
  {
    status: is(429),
    name: /^monthly_quota_exceeded$/,
    outcome: ({ message }) => ({ kind: 'quota', scope: 'monthly', message }),
  },
  { status: is(429), outcome: ({ retryAfterMs }) => ({ kind: 'throttled', retryAfterMs }) },
  // Key missing, wrong, restricted or suspended; the sender's domain not verified. 403 is also what the
  // edge answers (error 1010) to a client that it does not like. 451 is an account under review.
  { status: is(401, 403, 451), outcome: auth },
  // The sender is the same in every mail, so bisecting would only fail all leads one by one.
  { status: is(400, 422), name: /^invalid_from_address$/, outcome: auth },
  { status: is(400, 422), message: /\bdomain is not verified\b|\binvalid [`'"]?from\b/i, outcome: auth },
  // A wrong address of the API, or a redirect elsewhere (never followed): no mail will get through.
  { status: is(404, 405), outcome: auth },
  { status: between(300, 399), outcome: auth },
  // A proxy that gave up on the request: how far it had come is not known.
  { status: is(408), outcome: unknown },
  // 400, 413 (a smaller half may fit), 422 and any other: refused for its content.
  { status: between(400, 499), outcome: rejected },
  { status: is(503), outcome: transient },
  // 500, 502, 504 and all else: it may have been taken before it broke.
  { status: () => true, outcome: unknown },
];

/** The outcome of an answer that is not a success. Exported for its table of tests. */
export function resendOutcome(answer: ResendAnswer): Outcome {
  for (const rule of outcomeTable) {
    const fits =
      rule.status(answer.status) &&
      (rule.name === undefined || rule.name.test(answer.name)) &&
      (rule.message === undefined || rule.message.test(answer.message));
    if (fits) return rule.outcome(answer);
  }
  return unknown(answer);
}

/**
 * Which mail of the call a message speaks of, where it says so beyond doubt: `emails[3]`, `[3].to`,
 * `3.to`, `index 3`. Not `to[0]`, which counts the addresses of one mail.
 */
function rejectedIndex(message: string, mailCount: number): number | null {
  if (mailCount === 1) return 0;
  const match =
    /(?:^|[\s`'"])(?:(?:emails|body)?\[(\d{1,3})\]|(\d{1,3})\.[a-z]|(?:at )?index:? (\d{1,3}))/i.exec(
      message,
    );
  const digits = match?.[1] ?? match?.[2] ?? match?.[3];
  const index = digits === undefined ? -1 : Number(digits);
  return index >= 0 && index < mailCount ? index : null;
}

/**
 * A success. By its status line the call was taken, but the ids are the proof that it was this API that
 * took it, and each mail of it: a broken or strange body (a proxy's page, a captive portal) is `unknown`,
 * and asking again under the same key brings the ids without another mail.
 */
function acceptedOutcome(body: unknown, isWhole: boolean, mailCount: number): Outcome {
  const data = property(body, 'data');
  const messageIds = Array.isArray(data) ? data.map((item) => textProperty(item, 'id', '')) : [];
  if (isWhole && messageIds.length === mailCount && messageIds.every((id) => id !== '')) {
    return { kind: 'accepted', messageIds, rejections: [] };
  }
  return {
    kind: 'unknown',
    code: 'unreadable_answer',
    message: 'The mail provider took the call but its answer could not be read.',
  };
}

/** Makes the transport for Resend, or for anything that speaks its API. */
export function createResendTransport(config: ResendConfig): MailTransport {
  const url = `${config.apiUrl.replace(/\/+$/, '')}/emails/batch`;
  return {
    name: 'resend',
    maxBatch: 100,
    idempotencyWindowMs: 24 * 60 * 60 * 1000,
    encode: (mails) => JSON.stringify(mails.map(resendMail)),
    deliver: async ({ key, payload, mailCount, signal }): Promise<Delivery> => {
      const answer = await callProvider(config.fetch, url, {
        headers: {
          authorization: `Bearer ${config.apiKey}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: payload,
        signal,
      });
      if (answer.kind !== 'answered') return { outcome: networkOutcome(answer), rate: null };
      const { status, headers, isWhole } = answer;
      const nowMs = config.now();
      const rate = readRateObservation(headers, nowMs);
      const body = parseJson(answer.body);
      if (status >= 200 && status <= 299) return { outcome: acceptedOutcome(body, isWhole, mailCount), rate };
      const outcome = resendOutcome({
        status,
        name: safeCode(textProperty(body, 'name', '')),
        message: safeMessage(textProperty(body, 'message', `The mail provider answered ${status}.`)),
        retryAfterMs: parseRetryAfter(headers.get('retry-after'), nowMs),
        mailCount,
      });
      return { outcome, rate };
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
