/**
 * Amazon SES, API v2: up to 50 mails a call, each taken or refused on its own, and no idempotency keys.
 *
 * Several mails go through `SendBulkEmail`
 * (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendBulkEmail.html). It sends templates only, so the
 * template of a call is three placeholders, and each mail, which is rendered already, is their values: "SES doesn't
 * escape HTML content when rendering the HTML template"
 * (https://docs.aws.amazon.com/ses/latest/dg/send-personalized-email-advanced.html). A single mail goes through
 * `SendEmail`, without a template.
 *
 * Owns the requests, their signature and the tables of outcomes. Does not retry, and therefore does not use
 * `AwsClient.fetch`, which repeats after 5xx and 429 up to ten times.
 *
 * @module
 */
import { AwsV4Signer } from 'aws4fetch';
import type { Outcome } from '../../../core/batch/outcome.ts';
import { parseJson, property, safeCode, safeMessage, textProperty } from '../../../runtime/answer.ts';
import type { FetchLike } from '../../../runtime/fetch-like.ts';
import { callProvider, networkOutcome } from '../http.ts';
import {
  auth,
  joinResults,
  quota,
  readOutcomeTable,
  rejected,
  throttled,
  transient,
  unknown,
  unreadableAnswer,
  type MailResult,
  type OutcomeRule,
} from '../outcome-table.ts';
import { parseRetryAfter } from '../../../runtime/retry-after.ts';
import { json, jsonArray, jsonObject, jsonPairs, type Json } from '../../json.ts';
import type { Delivery, MailTransport, OutgoingMail } from '../../transport.ts';

export interface SesConfig {
  /** `https://email.<region>.amazonaws.com`. */
  apiUrl: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Events (bounces, complaints) are published through a configuration set only; null: none. */
  configurationSet: string | null;
  /** Mails a second that the account may send; a call has no more. NaN: not known. */
  mailsPerSecond: number;
  fetch: FetchLike;
  /** Epoch milliseconds; becomes part of the signature. */
  now: () => number;
}

/** The sender is missing or not verified: the same for every mail. In the sandbox, any recipient. */
const notVerified: OutcomeRule = {
  code: /^(?:MessageRejected|MESSAGE_REJECTED)$/,
  message: /address(?:es)? (?:is|are) not verified/i,
  outcome: auth,
};

/**
 * Answers to a whole call → outcome, by the errors of SendEmail and SendBulkEmail, AWS's common errors, and
 * https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html. AWS's own answers name the error's
 * type; an answer without it comes from something else. A failing server (500, 503) does not say how far it had
 * come.
 */
const outcomeTable: readonly OutcomeRule[] = [
  { message: /daily (?:message|sending) quota/i, status: { from: 400, to: 499 }, outcome: quota('daily') },
  {
    status: [400, 429],
    code: /^(?:TooManyRequests|Throttling|LimitExceeded)(?:Exception)?$/,
    outcome: throttled,
  },
  { status: [429], outcome: throttled },
  {
    status: [400],
    code: /^(?:AccountSuspended|SendingPaused|AccountSendingPaused|MailFromDomainNotVerified)(?:Exception)?$/,
    outcome: auth,
  },
  { ...notVerified, status: [400] },
  // Signature, key, clock or permission.
  { status: [401, 403], outcome: auth },
  {
    status: [400],
    code: /^(?:InvalidClientTokenId|UnrecognizedClient|InvalidSignature|ExpiredToken|IncompleteSignature|MissingAuthenticationToken)(?:Exception)?$/,
    outcome: auth,
  },
  // The configuration set does not exist, or MAIL_API_URL is not an address of SES.
  { status: [404, 405], outcome: auth },
  { status: [408], outcome: unknown },
  { status: { from: 400, to: 499 }, outcome: rejected },
  // 500, 502, 503, 504 and all others: the mail may have been taken.
];

/**
 * The statuses of one mail of a call → outcome, by
 * https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_BulkEmailEntryResult.html. All but SUCCESS are errors
 * "that prevented a message being sent". A status that is not on that page matches nothing: unknown.
 */
const statusTable: readonly OutcomeRule[] = [
  { code: /^ACCOUNT_THROTTLED$/, outcome: throttled },
  { code: /^ACCOUNT_DAILY_QUOTA_EXCEEDED$/, outcome: quota('daily') },
  { code: /^TRANSIENT_FAILURE$/, outcome: transient },
  {
    code: /^(?:ACCOUNT_SUSPENDED|ACCOUNT_SENDING_PAUSED|MAIL_FROM_DOMAIN_NOT_VERIFIED|CONFIGURATION_SET_DOES_NOT_EXIST|CONFIGURATION_SET_SENDING_PAUSED|INVALID_SENDING_POOL_NAME|TEMPLATE_DOES_NOT_EXIST)$/,
    outcome: auth,
  },
  notVerified,
  { code: /^(?:MESSAGE_REJECTED|INVALID_PARAMETER_VALUE|FAILED)$/, outcome: rejected },
];

/** "You can send email to up to 50 destination objects in each call." */
const maxBulkCount = 50;

/**
 * A call with an inline template has at most 1 MB of JSON
 * (https://docs.aws.amazon.com/ses/latest/dg/send-personalized-email-api.html). The values of each mail are JSON within
 * JSON, whose quotes and line ends are escaped twice; what is planned for a mail leaves room for that.
 */
const maxBulkLength = 1_000_000;

/**
 * Mails of one call. "The number of destinations you can contact in a single call can be limited by your account's
 * maximum sending rate" (the same page), so a call has no more than may be sent within a second.
 */
function bulkCount(mailsPerSecond: number): number {
  return Math.max(1, Math.min(maxBulkCount, Math.floor(mailsPerSecond) || 1));
}

/** Makes the transport for Amazon SES. */
export function createSesTransport(config: SesConfig): MailTransport {
  const baseUrl = `${config.apiUrl.replace(/\/+$/, '')}/v2/email`;
  return {
    name: 'ses',
    maxBatch: bulkCount(config.mailsPerSecond),
    maxPayloadLength: maxBulkLength,
    // "Quotas are based on the number of recipients": https://docs.aws.amazon.com/ses/latest/dg/quotas.html
    rateCounts: 'mails',
    idempotencyWindowMs: null,
    encode: (mails) => {
      const [mail, ...others] = mails;
      if (mail === undefined) throw new RangeError('SES takes no call without a mail.');
      return others.length === 0
        ? singleMail(mail, config.configurationSet)
        : bulkMails(mail, mails, config.configurationSet);
    },
    deliver: async ({ payload, mailCount, ...call }): Promise<Delivery> => {
      const isBulk = mailCount > 1;
      const url = `${baseUrl}/${isBulk ? 'outbound-bulk-emails' : 'outbound-emails'}`;
      const signed = await new AwsV4Signer({
        method: 'POST',
        url,
        headers: { 'content-type': 'application/json' },
        body: payload,
        accessKeyId: config.accessKeyId,
        secretAccessKey: config.secretAccessKey,
        service: 'ses',
        region: config.region,
        datetime: amzDate(config.now()),
      }).sign();
      const request = { headers: Object.fromEntries(signed.headers), body: payload };
      const answer = await callProvider(config.fetch, url, request, call);
      if (answer.kind !== 'answered') return { outcome: networkOutcome(answer), rate: null };
      const { status, headers } = answer;
      const body = parseJson(answer.body);
      if (status >= 200 && status <= 299)
        return { outcome: isBulk ? bulkOutcome(body, mailCount) : singleOutcome(body), rate: null };
      const outcome = readOutcomeTable(outcomeTable, {
        status,
        code: errorType(headers, body),
        // AWS writes `message` in some services and errors, `Message` in others.
        message: safeMessage(
          textProperty(
            body,
            'message',
            textProperty(body, 'Message', `The mail provider answered ${status}.`),
          ),
        ),
        retryAfterMs: parseRetryAfter(headers.get('retry-after'), config.now()),
        mailCount,
      });
      return { outcome, rate: null };
    },
  };
}

function singleOutcome(body: unknown): Outcome {
  const messageId = textProperty(body, 'MessageId', '');
  return messageId === '' ? unreadableAnswer : { kind: 'accepted', messageIds: [messageId], rejections: [] };
}

function bulkOutcome(body: unknown, mailCount: number): Outcome {
  const results = property(body, 'BulkEmailEntryResults');
  if (!Array.isArray(results) || results.length !== mailCount) return unreadableAnswer;
  return joinResults((results as unknown[]).map((result) => mailResult(result, mailCount)));
}

function mailResult(result: unknown, mailCount: number): MailResult {
  const code = safeCode(textProperty(result, 'Status', ''));
  const messageId = textProperty(result, 'MessageId', '');
  if (code === 'SUCCESS') return messageId === '' ? unreadableAnswer : { kind: 'taken', messageId };
  const message = safeMessage(textProperty(result, 'Error', `The mail provider answered ${code}.`));
  return readOutcomeTable(statusTable, { status: 200, code, message, retryAfterMs: null, mailCount });
}

/** `BadRequestException:http://…` in a header, or `com.amazonaws…#BadRequestException` in the body. */
function errorType(headers: Headers, body: unknown): string {
  const type =
    headers.get('x-amzn-errortype') ?? textProperty(body, '__type', textProperty(body, 'code', ''));
  return safeCode(type.replace(/:.*$/s, '').replace(/^.*#/, ''));
}

/** `20261123T140500Z`: the ISO time without punctuation or milliseconds. */
function amzDate(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, '');
}

function singleMail(mail: OutgoingMail, configurationSet: string | null): Json {
  return jsonObject({
    FromEmailAddress: json(mail.from),
    Destination: destination(mail),
    ReplyToAddresses: replyTo(mail),
    Content: jsonObject({
      Simple: jsonObject({
        Subject: utf8(mail.subject),
        Body: jsonObject({ Text: utf8(mail.text), Html: utf8(mail.html) }),
        Headers: jsonPairs(mail.headers, 'Name', 'Value'),
      }),
    }),
    EmailTags: jsonPairs(mail.tags, 'Name', 'Value'),
    ConfigurationSetName: configurationSet === null ? undefined : json(configurationSet),
  });
}

const placeholders = jsonObject({
  Template: jsonObject({
    TemplateContent: jsonObject({
      Subject: json('{{subject}}'),
      Text: json('{{text}}'),
      Html: json('{{html}}'),
    }),
    // No values by default: a mail without its own would be a rendering failure, and not an empty mail.
    TemplateData: json('{}'),
  }),
});

/** @param first - has the sender, which is the same in all mails of a call */
function bulkMails(
  first: OutgoingMail,
  mails: readonly OutgoingMail[],
  configurationSet: string | null,
): Json {
  return jsonObject({
    FromEmailAddress: json(first.from),
    ReplyToAddresses: replyTo(first),
    DefaultContent: placeholders,
    BulkEmailEntries: jsonArray(mails.map(bulkEntry)),
    ConfigurationSetName: configurationSet === null ? undefined : json(configurationSet),
  });
}

function bulkEntry(mail: OutgoingMail): Json {
  const values = jsonObject({ subject: mail.subject, text: mail.text, html: mail.html });
  return jsonObject({
    Destination: destination(mail),
    ReplacementEmailContent: jsonObject({
      ReplacementTemplate: jsonObject({ ReplacementTemplateData: json(values) }),
    }),
    ReplacementHeaders: jsonPairs(mail.headers, 'Name', 'Value'),
    ReplacementTags: jsonPairs(mail.tags, 'Name', 'Value'),
  });
}

const destination = (mail: OutgoingMail): Json => jsonObject({ ToAddresses: jsonArray([json(mail.to)]) });

const replyTo = ({ replyTo: address }: OutgoingMail): Json | undefined =>
  address === null ? undefined : jsonArray([json(address)]);

const utf8 = (data: Json): Json => jsonObject({ Data: data, Charset: json('UTF-8') });
