/**
 * Amazon SES, API v2 (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html):
 * one mail a call, no idempotency keys.
 *
 * `SendEmail`, not `SendBulkEmail`: the latter sends SES's own templates only, so a rendered body would pass a
 * second template engine, and a mail whose rendering fails there is first accepted and then silently dropped. SES
 * counts its rate in recipients, so one call per mail loses no throughput, and without keys a lost answer leaves one
 * mail in doubt instead of fifty.
 *
 * Owns the request, its signature and the table of outcomes. Does not retry, and therefore does not use
 * `AwsClient.fetch`, which repeats after 5xx and 429 up to ten times.
 *
 * @module
 */
import { AwsV4Signer } from 'aws4fetch';
import type { Outcome } from '../../../core/batch/outcome.ts';
import {
  callProvider,
  networkOutcome,
  parseJson,
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
  unknown,
  unreadableAnswer,
  type OutcomeRule,
} from '../outcome-table.ts';
import { parseRetryAfter } from '../retry-after.ts';
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
  fetch: FetchLike;
  /** Epoch milliseconds; becomes part of the signature. */
  now: () => number;
}

/**
 * Answers other than success → outcome, by the errors of SendEmail, AWS's common errors, and
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
  // The sender, or in the sandbox any recipient: in both cases nothing is taken until a person corrects it.
  { status: [400], code: /^MessageRejected$/, message: /address is not verified/i, outcome: auth },
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

/** Makes the transport for Amazon SES. */
export function createSesTransport(config: SesConfig): MailTransport {
  const url = `${config.apiUrl.replace(/\/+$/, '')}/v2/email/outbound-emails`;
  return {
    name: 'ses',
    maxBatch: 1,
    idempotencyWindowMs: null,
    encode: (mails) => {
      const [mail, ...others] = mails;
      if (mail === undefined || others.length > 0) throw new RangeError('SES takes one mail a call.');
      return sesMail(mail, config.configurationSet);
    },
    deliver: async ({ payload, mailCount, ...call }): Promise<Delivery> => {
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
      if (status >= 200 && status <= 299) return { outcome: acceptedOutcome(body), rate: null };
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

function acceptedOutcome(body: unknown): Outcome {
  const messageId = textProperty(body, 'MessageId', '');
  return messageId === '' ? unreadableAnswer : { kind: 'accepted', messageIds: [messageId], rejections: [] };
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

function sesMail(mail: OutgoingMail, configurationSet: string | null): Json {
  return jsonObject({
    FromEmailAddress: json(mail.from),
    Destination: jsonObject({ ToAddresses: jsonArray([json(mail.to)]) }),
    ReplyToAddresses: mail.replyTo === null ? undefined : jsonArray([json(mail.replyTo)]),
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

const utf8 = (data: Json): Json => jsonObject({ Data: data, Charset: json('UTF-8') });
