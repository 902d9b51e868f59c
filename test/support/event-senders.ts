/**
 * The events of each mail provider as a test sends them: in the provider's form, signed, and with the tags of our mails.
 *
 * @module
 */
import { createHmac } from 'node:crypto';
import { env } from 'cloudflare:workers';
import { Webhook } from 'standardwebhooks';
import { vi } from 'vitest';
import { selfSignedPem } from './self-signed.ts';

/** What a provider reports of one mail. */
export type EventKind =
  | 'delivered'
  | 'delayed'
  | 'hardBounce'
  | 'softBounce'
  | 'complained'
  | 'failed'
  | 'suppressed'
  /** An event that says nothing of the delivery. */
  | 'opened';

export interface MailReport {
  kind: EventKind;
  sessionId: string;
  leadId: number;
}

export interface SignedRequest {
  body: string;
  headers: Record<string, string>;
}

export interface EventSender {
  /** The last part of the webhook's path. */
  name: string;
  /** The setting that proves the origin of its events, as the tests have it, and another one. */
  proof: { setting: string; value: string; other: string };
  /** What a report looks like, before it is signed. */
  content(report: MailReport): unknown;
  /** Signs as the provider does, or as somebody without its key does. */
  sign(content: unknown, by?: 'provider' | 'stranger'): Promise<SignedRequest>;
  /** False: the signature says nothing of the body. */
  signsBody: boolean;
}

const tagsOf = ({ sessionId, leadId }: MailReport) => ({
  session: sessionId,
  batch: '1',
  lead: String(leadId),
});
const addressOf = ({ leadId }: MailReport): string => `lead${leadId}@example.com`;

const resendTypes: Record<EventKind, object> = {
  delivered: { type: 'email.delivered' },
  delayed: { type: 'email.delivery_delayed' },
  hardBounce: { type: 'email.bounced', bounce: { type: 'Permanent', subType: 'General' } },
  softBounce: { type: 'email.bounced', bounce: { type: 'Transient', subType: 'General' } },
  complained: { type: 'email.complained' },
  failed: { type: 'email.failed' },
  suppressed: { type: 'email.suppressed' },
  opened: { type: 'email.opened' },
};

let lastId = 0;

const resend: EventSender = {
  name: 'resend',
  proof: {
    setting: 'RESEND_WEBHOOK_SECRET',
    value: env.RESEND_WEBHOOK_SECRET ?? '',
    other: 'whsec_YW5vdGhlci1zZWNyZXQ=',
  },
  content: (report) => {
    const { type, ...rest } = resendTypes[report.kind] as { type: string };
    return { type, data: { to: [addressOf(report)], tags: tagsOf(report), ...rest } };
  },
  sign: (content, by = 'provider') => {
    const body = JSON.stringify(content);
    const [id, at] = [`msg_${++lastId}`, new Date()];
    const secret = by === 'provider' ? resend.proof.value : resend.proof.other;
    const headers = {
      'svix-id': id,
      'svix-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'svix-signature': new Webhook(secret).sign(id, at, body),
    };
    return Promise.resolve({ body, headers });
  },
  signsBody: true,
};

const postmarkRecords: Record<EventKind, object> = {
  delivered: { RecordType: 'Delivery' },
  delayed: { RecordType: 'Bounce', Type: 'Transient' },
  hardBounce: { RecordType: 'Bounce', Type: 'HardBounce' },
  softBounce: { RecordType: 'Bounce', Type: 'SoftBounce' },
  complained: { RecordType: 'SpamComplaint' },
  failed: { RecordType: 'Bounce', Type: 'Blocked' },
  suppressed: { RecordType: 'SubscriptionChange', SuppressSending: true, Origin: 'Customer' },
  opened: { RecordType: 'Open' },
};

const postmark: EventSender = {
  name: 'postmark',
  proof: {
    setting: 'POSTMARK_WEBHOOK_CREDENTIALS',
    value: env.POSTMARK_WEBHOOK_CREDENTIALS ?? '',
    other: 'postmark:other',
  },
  content: (report) => ({
    ...postmarkRecords[report.kind],
    Recipient: addressOf(report),
    Metadata: tagsOf(report),
  }),
  sign: (content, by = 'provider') => {
    const credentials = by === 'provider' ? postmark.proof.value : postmark.proof.other;
    const headers = { authorization: `Basic ${btoa(credentials)}` };
    return Promise.resolve({ body: JSON.stringify(content), headers });
  },
  signsBody: false,
};

const sesEvents: Record<EventKind, object> = {
  delivered: { eventType: 'Delivery' },
  delayed: { eventType: 'DeliveryDelay' },
  hardBounce: { eventType: 'Bounce', bounce: { bounceType: 'Permanent', bounceSubType: 'General' } },
  softBounce: { eventType: 'Bounce', bounce: { bounceType: 'Transient', bounceSubType: 'MailboxFull' } },
  complained: { eventType: 'Complaint', complaint: { complaintFeedbackType: 'abuse' } },
  failed: { eventType: 'Rendering Failure' },
  suppressed: {
    eventType: 'Bounce',
    bounce: { bounceType: 'Permanent', bounceSubType: 'OnAccountSuppressionList' },
  },
  opened: { eventType: 'Open' },
};

export const topicArn = 'arn:aws:sns:eu-west-1:123456789012:mail-events';
export const certificateUrl = 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem';

const rsa = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2_048, publicExponent: new Uint8Array([1, 0, 1]) };

async function snsKey(hash: 'SHA-1' | 'SHA-256'): Promise<CryptoKeyPair> {
  return (await crypto.subtle.generateKey({ ...rsa, hash }, true, ['sign', 'verify'])) as CryptoKeyPair;
}

const snsKeyPair = snsKey('SHA-256');
const strangerKeyPair = snsKey('SHA-256');

/** The same private key, for signatures with another hash. */
async function signingKey(pair: CryptoKeyPair, hash: 'SHA-1' | 'SHA-256'): Promise<CryptoKey> {
  const pkcs8 = (await crypto.subtle.exportKey('pkcs8', pair.privateKey)) as ArrayBuffer;
  return crypto.subtle.importKey('pkcs8', pkcs8, { ...rsa, hash }, false, ['sign']);
}

/** Answers for SNS: its certificate, and confirmations, whose addresses are noted. */
export function answerAsSns(): { confirmed: string[]; status: number; certificateCount: number } {
  const seen = { confirmed: [] as string[], status: 200, certificateCount: 0 };
  const others = globalThis.fetch;
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const { url } = new Request(input, init);
    if (url.startsWith(certificateUrl)) {
      seen.certificateCount++;
      return new Response(await selfSignedPem(await snsKeyPair));
    }
    if (!url.includes('Action=ConfirmSubscription')) return others(input, init);
    seen.confirmed.push(url);
    return new Response('<ConfirmSubscriptionResponse/>', { status: seen.status });
  });
  return seen;
}

/** Signs a message of SNS. */
export async function signSns(
  fields: Record<string, string>,
  { by = 'provider', version = '2' }: { by?: 'provider' | 'stranger'; version?: '1' | '2' } = {},
): Promise<SignedRequest> {
  const message: Record<string, string> = {
    MessageId: `message-${++lastId}`,
    TopicArn: topicArn,
    Timestamp: '2026-11-23T14:00:00.000Z',
    SigningCertURL: certificateUrl,
    SignatureVersion: version,
    ...fields,
  };
  const unsigned = new Set(['SigningCertURL', 'SignatureVersion', 'UnsubscribeURL']);
  const text = Object.keys(message)
    .filter((name) => !unsigned.has(name))
    .sort()
    .map((name) => `${name}\n${message[name]}\n`)
    .join('');
  const pair = await (by === 'provider' ? snsKeyPair : strangerKeyPair);
  const key = await signingKey(pair, version === '1' ? 'SHA-1' : 'SHA-256');
  const signature = await crypto.subtle.sign(rsa.name, key, new TextEncoder().encode(text));
  message['Signature'] = Buffer.from(signature).toString('base64');
  // SNS sends JSON as text/plain.
  return { body: JSON.stringify(message), headers: { 'content-type': 'text/plain; charset=UTF-8' } };
}

const ses: EventSender = {
  name: 'ses',
  proof: {
    setting: 'MAIL_SES_TOPIC_ARN',
    value: topicArn,
    other: 'arn:aws:sns:eu-west-1:123456789012:other-topic',
  },
  content: (report) => ({
    ...sesEvents[report.kind],
    mail: {
      messageId: '0102018e-1',
      destination: [addressOf(report)],
      tags: {
        'ses:configuration-set': ['events'],
        ...Object.fromEntries(Object.entries(tagsOf(report)).map(([name, value]) => [name, [value]])),
      },
    },
  }),
  sign: (content, by = 'provider') =>
    signSns({ Type: 'Notification', Message: JSON.stringify(content) }, { by }),
  signsBody: true,
};

const mailgunEvents: Record<EventKind, object> = {
  delivered: { event: 'delivered' },
  delayed: { event: 'failed', severity: 'temporary' },
  hardBounce: { event: 'failed', severity: 'permanent', 'delivery-status': { 'enhanced-code': '5.1.1' } },
  softBounce: { event: 'failed', severity: 'permanent', 'delivery-status': { 'enhanced-code': '5.2.2' } },
  complained: { event: 'complained' },
  failed: { event: 'rejected' },
  suppressed: { event: 'failed', severity: 'permanent', reason: 'suppress-bounce' },
  opened: { event: 'opened' },
};

const mailgun: EventSender = {
  name: 'mailgun',
  proof: { setting: 'MAILGUN_WEBHOOK_SIGNING_KEY', value: 'mailgun-test-key', other: 'another-key' },
  content: (report) => ({
    ...mailgunEvents[report.kind],
    recipient: addressOf(report),
    'user-variables': tagsOf(report),
  }),
  sign: (content, by = 'provider') =>
    Promise.resolve(signMailgun(content, Math.floor(Date.now() / 1_000), by)),
  signsBody: false,
};

/** @param timestamp - epoch seconds */
export function signMailgun(
  content: unknown,
  timestamp: number,
  by: 'provider' | 'stranger' = 'provider',
): SignedRequest {
  const token = `token-${++lastId}`;
  const key = by === 'provider' ? mailgun.proof.value : mailgun.proof.other;
  const signature = createHmac('sha256', key).update(`${timestamp}${token}`).digest('hex');
  const body = { signature: { timestamp: String(timestamp), token, signature }, 'event-data': content };
  return { body: JSON.stringify(body), headers: {} };
}

const sendgridEvents: Record<EventKind, object> = {
  delivered: { event: 'delivered' },
  delayed: { event: 'deferred' },
  hardBounce: { event: 'bounce', type: 'bounce' },
  softBounce: { event: 'bounce', type: 'blocked' },
  complained: { event: 'spamreport' },
  failed: { event: 'dropped', reason: 'Spam Content' },
  suppressed: { event: 'dropped', reason: 'Bounced Address' },
  opened: { event: 'open' },
};

const p256 = { name: 'ECDSA', namedCurve: 'P-256' };
const ecdsaKeys = async (): Promise<CryptoKeyPair> =>
  (await crypto.subtle.generateKey(p256, true, ['sign', 'verify'])) as CryptoKeyPair;
const [sendgridPair, strangerPair] = await Promise.all([ecdsaKeys(), ecdsaKeys()]);
const publicKeyOf = async ({ publicKey }: CryptoKeyPair): Promise<string> =>
  Buffer.from(await crypto.subtle.exportKey('spki', publicKey)).toString('base64');

/** An ECDSA signature as DER, from the two numbers that WebCrypto writes one after the other. */
function derSignature(raw: Uint8Array): Buffer {
  const number = (bytes: Uint8Array): number[] => {
    const digits = [...bytes];
    while (digits.length > 1 && digits[0] === 0) digits.shift();
    if ((digits[0] ?? 0) > 127) digits.unshift(0);
    return [0x02, digits.length, ...digits];
  };
  const numbers = [...number(raw.slice(0, 32)), ...number(raw.slice(32))];
  return Buffer.from([0x30, numbers.length, ...numbers]);
}

const sendgrid: EventSender = {
  name: 'sendgrid',
  proof: {
    setting: 'MAIL_SENDGRID_WEBHOOK_KEY',
    value: await publicKeyOf(sendgridPair),
    other: await publicKeyOf(strangerPair),
  },
  content: (report) => [
    {
      ...sendgridEvents[report.kind],
      email: addressOf(report),
      sg_message_id: 'abc.filter',
      ...tagsOf(report),
    },
  ],
  sign: async (content, by = 'provider') => {
    const body = JSON.stringify(content);
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const { privateKey } = by === 'provider' ? sendgridPair : strangerPair;
    const bytes = new TextEncoder().encode(timestamp + body);
    const raw = await crypto.subtle.sign({ ...p256, hash: 'SHA-256' }, privateKey, bytes);
    return {
      body,
      headers: {
        'x-twilio-email-event-webhook-timestamp': timestamp,
        'x-twilio-email-event-webhook-signature': derSignature(new Uint8Array(raw)).toString('base64'),
      },
    };
  },
  signsBody: true,
};

export const eventSenders: readonly EventSender[] = [resend, postmark, ses, mailgun, sendgrid];
