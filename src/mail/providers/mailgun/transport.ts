/**
 * Mailgun (https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/batch-sending): up to 1,000 mails
 * a call, all or none, one id for all of them, and no idempotency keys.
 *
 * A call is one message with placeholders and a dictionary of recipient variables. The message of a call is placeholders
 * only, and each mail, which is rendered already, is their values. Mailgun replaces them once, without escaping.
 *
 * Owns the request and the table of outcomes. Does not retry. Invariant: without a key a repeat sends again. A 5xx is
 * `unknown`: customers report that Mailgun has sent such mail.
 *
 * @module
 */
import type { Outcome } from '../../../core/batch/outcome.ts';
import { parseJson, safeMessage, textProperty } from '../../../runtime/answer.ts';
import type { FetchLike } from '../../../runtime/fetch-like.ts';
import { callProvider, networkOutcome } from '../http.ts';
import {
  auth,
  readOutcomeTable,
  rejected,
  throttled,
  unknown,
  unreadableAnswer,
  type OutcomeRule,
} from '../outcome-table.ts';
import { parseRetryAfter, readRateObservation } from '../../../runtime/retry-after.ts';
import { json, jsonObject, type Json } from '../../json.ts';
import type { Delivery, MailTransport, OutgoingMail } from '../../transport.ts';

export interface MailgunConfig {
  /** `https://api.mailgun.net`, or `https://api.eu.mailgun.net` for domains in the EU. */
  apiUrl: string;
  /** The sending domain, as Mailgun knows it. */
  domain: string;
  apiKey: string;
  fetch: FetchLike;
  /** Epoch milliseconds; the end of a limit is a date. */
  now: () => number;
}

/**
 * Every answer but success → outcome, by *Error codes* of
 * https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages and
 * https://documentation.mailgun.com/docs/mailgun/quickstart-guide/responses. Mailgun has no error codes; its own form is
 * an object with a message and nothing else.
 */
const outcomeTable: readonly OutcomeRule[] = [
  { status: [429], outcome: throttled },
  // Key wrong, domain missing, or not yet allowed to send as many mails in a call.
  { status: [401, 403, 404, 405], outcome: auth },
  // Sandbox, free account, domain not verified, account not activated; and a sender, which is the same in every mail.
  { status: [400], message: /\bnot allowed to send\b|^'?from'? parameter\b/i, outcome: auth },
  { status: [408], outcome: unknown },
  // 400, 413 (a smaller half may fit) and any other: refused for its content.
  { status: { from: 400, to: 499 }, outcome: rejected },
  // 500 and all others: the mails may have been taken.
];

/** Makes the transport for Mailgun. */
export function createMailgunTransport(config: MailgunConfig): MailTransport {
  const url = `${config.apiUrl.replace(/\/+$/, '')}/v3/${encodeURIComponent(config.domain)}/messages`;
  const authorization = `Basic ${btoa(`api:${config.apiKey}`)}`;
  return {
    name: 'mailgun',
    maxBatch: 1_000,
    idempotencyWindowMs: null,
    encode: (mails) => {
      const [first] = mails;
      if (first === undefined) throw new RangeError('Mailgun takes no call without a mail.');
      return formData(fieldsOf(first, mails));
    },
    deliver: async ({ payload, mailCount, ...call }): Promise<Delivery> => {
      const request = {
        headers: { authorization, 'content-type': `multipart/form-data; boundary=${boundary}` },
        body: payload,
      };
      const answer = await callProvider(config.fetch, url, request, call);
      if (answer.kind !== 'answered') return { outcome: networkOutcome(answer), rate: null };
      const { status, headers } = answer;
      const nowMs = config.now();
      const rate = readRateObservation(headers, nowMs);
      const body = parseJson(answer.body);
      if (status >= 200 && status <= 299) return { outcome: acceptedOutcome(body, mailCount), rate };
      const message = ownMessage(status, answer.body, body);
      const outcome = readOutcomeTable(outcomeTable, {
        status,
        code: message === '' ? '' : `http_${status}`,
        message: safeMessage(message),
        retryAfterMs: parseRetryAfter(headers.get('retry-after'), nowMs) ?? endOfLimit(message, nowMs),
        mailCount,
      });
      return { outcome, rate };
    },
  };
}

/** The message of an answer in Mailgun's form; empty for an answer in another one. */
function ownMessage(status: number, text: string, body: unknown): string {
  // A wrong key is answered in plain text.
  if (status === 401 && text.trim() === 'Forbidden') return 'Forbidden';
  const isOwn = typeof body === 'object' && body !== null && Object.keys(body).join() === 'message';
  return isOwn ? textProperty(body, 'message', '') : '';
}

/** "Domain … is not allowed to send: recipient limit exceeded, try again after Mon, 20 Dec 2021 20:33:21 UTC". */
function endOfLimit(message: string, nowMs: number): number | null {
  return parseRetryAfter(/ try again after (.+)$/.exec(message)?.[1] ?? null, nowMs);
}

/** `{"id":"<…>","message":"Queued. Thank you."}`: the id is the same for all mails of the call. */
function acceptedOutcome(body: unknown, mailCount: number): Outcome {
  const messageId = textProperty(body, 'id', '');
  if (messageId === '') return unreadableAnswer;
  return { kind: 'accepted', messageIds: Array<string>(mailCount).fill(messageId), rejections: [] };
}

/**
 * The fields of a call. Sender, reply address and the names of headers and tags are those of the first mail, because
 * they are the same in all mails of a call.
 */
function fieldsOf(first: OutgoingMail, mails: readonly OutgoingMail[]): [name: string, value: string][] {
  const headers = Object.keys(first.headers).sort();
  const tags = Object.keys(first.tags).sort();
  const placeholder = (name: string): string => `%recipient.${name}%`;
  return [
    ['from', first.from],
    ...mails.map(({ to }): [string, string] => ['to', to]),
    ...(['subject', 'html', 'text'] as const).map((name): [string, string] => [name, placeholder(name)]),
    ...(first.replyTo === null ? [] : [['h:Reply-To', first.replyTo] as [string, string]]),
    ...headers.map((name, index): [string, string] => [`h:${name}`, placeholder(`header_${index}`)]),
    // Variables of an event: https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/attaching-metadata
    ...tags.map((name, index): [string, string] => [`v:${name}`, placeholder(`tag_${index}`)]),
    // Tracking is off: a scanner that follows the tracker's redirect would use up a one-time link.
    ['o:tracking', 'no'],
    ['recipient-variables', recipientVariables(mails, headers, tags)],
  ];
}

function recipientVariables(
  mails: readonly OutgoingMail[],
  headers: readonly string[],
  tags: readonly string[],
): string {
  const entries = mails.map((mail) => {
    const values: Record<string, Json> = { subject: mail.subject, html: mail.html, text: mail.text };
    for (const [index, name] of headers.entries()) values[`header_${index}`] = json(mail.headers[name] ?? '');
    for (const [index, name] of tags.entries()) values[`tag_${index}`] = json(mail.tags[name] ?? '');
    return `${json(mail.to)}:${jsonObject(values)}`;
  });
  return `{${entries.join(',')}}`;
}

/** Begins a line of no value, because no value has a line end: addresses are one line, and JSON escapes its own. */
const boundary = 'lead-activation-mails';

/** The fields as RFC 7578 writes them; the API does not take them URL-encoded. */
function formData(fields: readonly (readonly [name: string, value: string])[]): string {
  let body = '';
  for (const [name, value] of fields) {
    if (/[\r\n]/.test(value)) throw new RangeError(`The field ${name} of a call to Mailgun has a line end.`);
    body += `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  }
  return `${body}--${boundary}--\r\n`;
}
