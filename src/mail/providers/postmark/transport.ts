/**
 * Postmark (https://postmarkapp.com/developer/api/email-api#send-batch-emails): up to 500 mails a call, each taken or
 * refused on its own, and no idempotency keys.
 *
 * Owns the request and the table of outcomes. Does not retry. Invariant: without a key a repeat sends again. So only
 * what Postmark itself says it did not process (rate limit, maintenance) is `transient` or `throttled`; everything
 * else in doubt is `unknown`, which only a person repeats.
 *
 * @module
 */
import type { Outcome } from '../../../core/batch/outcome.ts';
import { parseJson, property, safeMessage, textProperty } from '../../../runtime/answer.ts';
import type { FetchLike } from '../../../runtime/fetch-like.ts';
import { callProvider, networkOutcome } from '../http.ts';
import {
  auth,
  joinResults,
  readOutcomeTable,
  rejected,
  throttled,
  transient,
  unknown,
  unreadableAnswer,
  type MailResult,
  type OutcomeRule,
} from '../outcome-table.ts';
import { parseRetryAfter, readRateObservation } from '../../../runtime/retry-after.ts';
import { json, jsonArray, jsonFalse, jsonObject, jsonPairs, jsonRecord, type Json } from '../../json.ts';
import type { Delivery, MailTransport, OutgoingMail } from '../../transport.ts';

export interface PostmarkConfig {
  /** `https://api.postmarkapp.com`. */
  apiUrl: string;
  /** Token of one server of the account. */
  serverToken: string;
  /** Id of the message stream; Postmark wants bulk mail on a broadcast stream. */
  messageStream: string;
  fetch: FetchLike;
  /** Epoch milliseconds. */
  now: () => number;
}

/** Token wrong, sender not confirmed, account pending or closed, stream missing (12xx): the same for every mail. */
const accountCodes = /^(?:10|400|401|405|412|413|12\d\d)$/;

/**
 * Answers other than a list of results → outcome, by https://postmarkapp.com/developer/api/overview. `code` is
 * Postmark's ErrorCode, which looks like an HTTP status but is not one; an answer without it is not Postmark's own.
 * Each result of a list is read here too: its status is 200.
 */
const outcomeTable: readonly OutcomeRule[] = [
  { status: [429], outcome: throttled },
  { status: [200, 422], code: /^429$/, outcome: throttled },
  // "The Postmark API is offline for maintenance": nothing was processed. A 503 without this code does not say that.
  { status: [200, 422, 503], code: /^100$/, outcome: transient },
  { status: [401, 403, 404, 405], outcome: auth },
  { status: [200, 422], code: accountCodes, outcome: auth },
  { status: [408], outcome: unknown },
  { status: { from: 400, to: 499 }, outcome: rejected },
  // 500, 502, 503, 504 and all others: a part of the list may have been taken.
];

/** Makes the transport for Postmark. */
export function createPostmarkTransport(config: PostmarkConfig): MailTransport {
  const url = `${config.apiUrl.replace(/\/+$/, '')}/email/batch`;
  const messageStream = json(config.messageStream);
  return {
    name: 'postmark',
    maxBatch: 500,
    idempotencyWindowMs: null,
    encode: (mails) => jsonArray(mails.map((mail) => postmarkMail(mail, messageStream))),
    deliver: async ({ payload, mailCount, ...call }): Promise<Delivery> => {
      const request = {
        headers: {
          accept: 'application/json',
          'content-type': 'application/json',
          'x-postmark-server-token': config.serverToken,
        },
        body: payload,
      };
      const answer = await callProvider(config.fetch, url, request, call);
      if (answer.kind !== 'answered') return { outcome: networkOutcome(answer), rate: null };
      const { status, headers } = answer;
      const nowMs = config.now();
      const rate = readRateObservation(headers, nowMs);
      const retryAfterMs = parseRetryAfter(headers.get('retry-after'), nowMs);
      const body = parseJson(answer.body);
      if (status >= 200 && status <= 299)
        return { outcome: listOutcome(body, mailCount, retryAfterMs), rate };
      const outcome = readOutcomeTable(outcomeTable, {
        status,
        code: errorCode(body)?.toString() ?? '',
        message: safeMessage(textProperty(body, 'Message', `The mail provider answered ${status}.`)),
        retryAfterMs,
        mailCount,
      });
      return { outcome, rate };
    },
  };
}

/** One result per mail, in order: taken under an id, or refused with a code. */
function listOutcome(body: unknown, mailCount: number, retryAfterMs: number | null): Outcome {
  if (!Array.isArray(body) || body.length !== mailCount) return unreadableAnswer;
  return joinResults((body as unknown[]).map((result) => mailResult(result, mailCount, retryAfterMs)));
}

function mailResult(result: unknown, mailCount: number, retryAfterMs: number | null): MailResult {
  const code = errorCode(result);
  if (code === null) return unreadableAnswer;
  if (code === 0) return { kind: 'taken', messageId: textProperty(result, 'MessageID', '') || null };
  const message = safeMessage(textProperty(result, 'Message', 'The mail provider refused this mail.'));
  const answer = { status: 200, code: String(code), message, retryAfterMs, mailCount };
  const outcome = readOutcomeTable(outcomeTable, answer);
  // A code is Postmark's own word that it did not take this mail.
  return outcome.kind === 'unknown' ? rejected(answer) : outcome;
}

function errorCode(value: unknown): number | null {
  const code = property(value, 'ErrorCode');
  return typeof code === 'number' && Number.isSafeInteger(code) ? code : null;
}

function postmarkMail(mail: OutgoingMail, messageStream: Json): Json {
  return jsonObject({
    From: json(mail.from),
    To: json(mail.to),
    ReplyTo: mail.replyTo === null ? undefined : json(mail.replyTo),
    Subject: mail.subject,
    HtmlBody: mail.html,
    TextBody: mail.text,
    Headers: jsonPairs(mail.headers, 'Name', 'Value'),
    Metadata: jsonRecord(mail.tags),
    MessageStream: messageStream,
    // Link tracking is off: a scanner that follows the tracker's redirect would use up a one-time link.
    TrackOpens: jsonFalse,
    TrackLinks: json('None'),
  });
}
