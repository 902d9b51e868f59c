/**
 * Messages of Amazon SNS over HTTPS, and the proof that one comes from our topic
 * (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html).
 *
 * Owns the signature and where its certificate may come from. Does not know what a message is about. Invariants: nothing
 * is fetched unless the message names our topic and an address of SNS in the topic's region; a certificate is trusted
 * because it came from that address.
 *
 * @module
 */
import { verify, X509Certificate } from 'node:crypto';
import { bytesOfBase64 } from '../../../runtime/base64.ts';
import { parseJson, property, textProperty } from '../../../runtime/answer.ts';
import type { FetchLike } from '../../../runtime/fetch-like.ts';

/** Types of the messages with which SNS asks about a subscription. */
const confirmations: readonly string[] = ['SubscriptionConfirmation', 'UnsubscribeConfirmation'];

const topicArn = /^arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]+):\d{12}:[\w-]{1,256}$/;

/** True for `arn:aws:sns:<region>:<account>:<topic>`. A FIFO topic cannot send over HTTPS. */
export function isTopicArn(text: string): boolean {
  return topicArn.test(text);
}

/** The host of SNS in the region of a topic. */
function snsHost(arn: string): string | null {
  const [, partition, region = ''] = topicArn.exec(arn) ?? [];
  if (partition === undefined) return null;
  return `sns.${region}.amazonaws.com${partition === 'aws-cn' ? '.cn' : ''}`;
}

/** An https address of SNS in the topic's region, without another port or a user; null otherwise. */
export function snsUrl(text: string, arn: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const isPlain = url.protocol === 'https:' && url.port === '' && url.username === '' && url.password === '';
  return isPlain && url.hostname === snsHost(arn) ? url : null;
}

/**
 * True when the message is signed by SNS and comes from the topic.
 *
 * @param arn - our topic; empty when none is set
 * @throws when the certificate cannot be had now
 */
export async function isFromTopic(body: string, arn: string, fetchLike: FetchLike): Promise<boolean> {
  const message = parseJson(body);
  if (arn === '' || property(message, 'TopicArn') !== arn) return false;
  const certificateUrl = snsUrl(textProperty(message, 'SigningCertURL', ''), arn);
  // Version 1 is the default of a topic, version 2 its SignatureVersion attribute.
  const hash = { '1': 'sha1', '2': 'sha256' }[textProperty(message, 'SignatureVersion', '')];
  const signed = signedText(message);
  if (certificateUrl?.pathname.endsWith('.pem') !== true || hash === undefined || signed === null)
    return false;
  const { publicKey } = await certificateAt(certificateUrl.href, fetchLike);
  const signature = bytesOfBase64(textProperty(message, 'Signature', ''));
  return verify(hash, new TextEncoder().encode(signed), publicKey, signature);
}

/** The names and values that SNS signs, each on a line of its own; null when one is missing. */
function signedText(message: unknown): string | null {
  const type = textProperty(message, 'Type', '');
  const isConfirmation = confirmations.includes(type);
  if (!isConfirmation && type !== 'Notification') return null;
  // A notification without a subject is signed without one.
  const hasSubject = typeof property(message, 'Subject') === 'string';
  const names = isConfirmation
    ? ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
    : ['Message', 'MessageId', ...(hasSubject ? ['Subject'] : []), 'Timestamp', 'TopicArn', 'Type'];
  let text = '';
  for (const name of names) {
    const value = property(message, name);
    if (typeof value !== 'string') return null;
    text += `${name}\n${value}\n`;
  }
  return text;
}

/** A region has one certificate at a time, which changes about once a year. */
const maxCertificateCount = 4;
const certificates = new Map<string, X509Certificate>();

async function certificateAt(url: string, fetchLike: FetchLike): Promise<X509Certificate> {
  const known = certificates.get(url);
  if (known !== undefined) return known;
  const response = await fetchLike(url, { redirect: 'manual' });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`The certificate of Amazon SNS could not be fetched: ${response.status}.`);
  const certificate = new X509Certificate(text);
  const [oldest] = certificates.keys();
  if (oldest !== undefined && certificates.size >= maxCertificateCount) certificates.delete(oldest);
  certificates.set(url, certificate);
  return certificate;
}
