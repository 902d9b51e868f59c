/**
 * Twilio SendGrid (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send): up to 1,000 mails a call, all
 * or none, one id for all of them, and no idempotency keys.
 *
 * The mails of a call share one content, and substitutions are limited to 10,000 bytes a mail. So several mails need a
 * dynamic template of the account, whose subject, HTML and text are the placeholders `{{{subject}}}`, `{{{html}}}` and
 * `{{{text}}}`, which are not escaped
 * (https://www.twilio.com/docs/sendgrid/for-developers/sending-email/using-handlebars). Each mail, which is rendered
 * already, is their values. Without such a template a call has one mail.
 *
 * Owns the request and the table of outcomes. Does not retry. Invariant: without a key a repeat sends again, so all in
 * doubt is `unknown`.
 *
 * @module
 */
import type { Outcome } from '../../../core/batch/outcome.ts';
import { parseJson, property, safeCode, safeMessage, textProperty } from '../../../runtime/answer.ts';
import type { FetchLike } from '../../../runtime/fetch-like.ts';
import { callProvider, networkOutcome } from '../http.ts';
import { namedAddress } from '../named-address.ts';
import {
  auth,
  quota,
  readOutcomeTable,
  rejected,
  throttled,
  unknown,
  unreadableAnswer,
  type OutcomeRule,
} from '../outcome-table.ts';
import { parseRetryAfter, readRateObservation } from '../../../runtime/retry-after.ts';
import { json, jsonArray, jsonFalse, jsonObject, jsonRecord, type Json } from '../../json.ts';
import type { Delivery, MailTransport, OutgoingMail } from '../../transport.ts';

export interface SendgridConfig {
  /** `https://api.sendgrid.com`, or `https://api.eu.sendgrid.com` for subusers in the EU. */
  apiUrl: string;
  apiKey: string;
  /** Id of the dynamic template with the three placeholders; null: none, and one mail a call. */
  templateId: string | null;
  fetch: FetchLike;
  /** Epoch milliseconds. */
  now: () => number;
}

/**
 * Every answer but success → outcome, by
 * https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/errors and
 * https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors. SendGrid's own form is a list of errors, each with
 * a message, and the field that it is about.
 */
const outcomeTable: readonly OutcomeRule[] = [
  { status: [429], outcome: throttled },
  // The mails that the plan includes are used up.
  { status: [401, 403], message: /\bcredits exceeded\b/i, outcome: quota('monthly') },
  // Key missing, wrong or without the permission; or the sender is not verified.
  { status: [401, 403, 404, 405], outcome: auth },
  // The same in every mail.
  { status: [400], code: /^(?:from|template_id|reply_to)\b/, outcome: auth },
  { status: [408], outcome: unknown },
  // 400, 413 (a smaller half may fit) and any other: refused for its content.
  { status: { from: 400, to: 499 }, outcome: rejected },
  // 500, 503 and all others: the mails may have been taken.
];

/** Makes the transport for SendGrid. */
export function createSendgridTransport(config: SendgridConfig): MailTransport {
  const url = `${config.apiUrl.replace(/\/+$/, '')}/v3/mail/send`;
  const { templateId } = config;
  const maxBatch = templateId === null ? 1 : 1_000;
  return {
    name: 'sendgrid',
    maxBatch,
    idempotencyWindowMs: null,
    encode: (mails) => {
      const [first] = mails;
      if (first === undefined || mails.length > maxBatch)
        throw new RangeError(`SendGrid takes from one to ${maxBatch} mails a call with these settings.`);
      return templateId === null ? plainMail(first) : templatedMails(first, mails, json(templateId));
    },
    deliver: async ({ payload, mailCount, ...call }): Promise<Delivery> => {
      const request = {
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${config.apiKey}`,
          'content-type': 'application/json',
        },
        body: payload,
      };
      const answer = await callProvider(config.fetch, url, request, call);
      if (answer.kind !== 'answered') return { outcome: networkOutcome(answer), rate: null };
      const { status, headers } = answer;
      const nowMs = config.now();
      const rate = readRateObservation(headers, nowMs);
      if (status >= 200 && status <= 299)
        return { outcome: acceptedOutcome(status, headers, mailCount), rate };
      const { code, message } = firstError(parseJson(answer.body));
      const outcome = readOutcomeTable(outcomeTable, {
        status,
        code,
        message: safeMessage(message),
        retryAfterMs: parseRetryAfter(headers.get('retry-after'), nowMs),
        mailCount,
      });
      return { outcome: namedMail(outcome, code, mailCount), rate };
    },
  };
}

/** 202 without a body. The header proves that SendGrid answered; ids of mails begin with it. */
function acceptedOutcome(status: number, headers: Headers, mailCount: number): Outcome {
  const messageId = headers.get('x-message-id') ?? '';
  if (status !== 202 || messageId === '') return unreadableAnswer;
  return { kind: 'accepted', messageIds: Array<string>(mailCount).fill(messageId), rejections: [] };
}

/** The first of the errors, with its field as the code; both are empty for an answer in another form. */
function firstError(body: unknown): { code: string; message: string } {
  const errors = property(body, 'errors');
  const [error] = Array.isArray(errors) ? (errors as unknown[]) : [];
  const message = textProperty(error, 'message', '');
  // Errors of the account name no field.
  return { code: message === '' ? '' : safeCode(textProperty(error, 'field', 'error')), message };
}

/** `personalizations.3.to.0.email` names the mail that is at fault. */
function namedMail(outcome: Outcome, code: string, mailCount: number): Outcome {
  if (outcome.kind !== 'rejected' || outcome.index !== null) return outcome;
  const index = /^personalizations[._](\d{1,3})\b/.exec(code)?.[1];
  return index !== undefined && Number(index) < mailCount ? { ...outcome, index: Number(index) } : outcome;
}

/** Tracking is off: a scanner that follows the tracker's redirect would use up a one-time link. */
const noTracking = jsonObject({
  click_tracking: jsonObject({ enable: jsonFalse, enable_text: jsonFalse }),
  open_tracking: jsonObject({ enable: jsonFalse }),
  subscription_tracking: jsonObject({ enable: jsonFalse }),
});

function templatedMails(first: OutgoingMail, mails: readonly OutgoingMail[], templateId: Json): Json {
  return jsonObject({
    personalizations: jsonArray(
      mails.map((mail) =>
        personalization(mail, jsonObject({ subject: mail.subject, html: mail.html, text: mail.text })),
      ),
    ),
    ...senderOf(first),
    template_id: templateId,
    tracking_settings: noTracking,
  });
}

function plainMail(mail: OutgoingMail): Json {
  const part = (type: string, value: Json): Json => jsonObject({ type: json(type), value });
  return jsonObject({
    personalizations: jsonArray([personalization(mail)]),
    ...senderOf(mail),
    subject: mail.subject,
    content: jsonArray([part('text/plain', mail.text), part('text/html', mail.html)]),
    tracking_settings: noTracking,
  });
}

/** @param values - of the template's placeholders */
function personalization(mail: OutgoingMail, values?: Json): Json {
  return jsonObject({
    to: jsonArray([jsonObject({ email: json(mail.to) })]),
    headers: jsonRecord(mail.headers),
    // SendGrid keeps them for long and for its staff to see: ids only, never an address.
    custom_args: jsonRecord(mail.tags),
    dynamic_template_data: values,
  });
}

function senderOf({ from, replyTo }: OutgoingMail): Record<string, Json | undefined> {
  return { from: addressOf(from), reply_to: replyTo === null ? undefined : addressOf(replyTo) };
}

function addressOf(text: string): Json {
  const { name, email } = namedAddress(text);
  return jsonObject({ email: json(email), name: name === undefined ? undefined : json(name) });
}
