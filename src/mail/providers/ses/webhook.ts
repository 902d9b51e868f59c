/**
 * The events of Amazon SES, which come through a topic of Amazon SNS
 * (https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html).
 *
 * Tags come back through event publishing of a configuration set only, and so does what this file reads; the older
 * feedback notifications of an identity have none.
 *
 * @module
 */
import { parseJson, property, textProperty } from '../../../runtime/answer.ts';
import type { ProviderWebhook } from '../provider.ts';
import { meaningOf, onlyAddress, readTags, type EventMeaning, type MailEvent } from '../webhook-event.ts';
import { isFromTopic, snsUrl } from './sns.ts';

export const webhook: ProviderWebhook = {
  proof: {
    setting: 'MAIL_SES_TOPIC_ARN',
    what: 'the ARN of its topic',
    example: 'arn:aws:sns:…',
  },
  summary:
    'Events of Amazon SES through a topic of Amazon SNS, signed in the body (Signature, SigningCertURL)',
  headers: [],
  reports: ['bounced', 'complained'],
  verify: ({ body, proof }, effects) => isFromTopic(body, proof, effects.fetch),
  read: readNotification,
  confirmationUrl,
};

/** `SubscribeURL` asks SNS to confirm the subscription to its topic, which the signature has shown to be ours. */
function confirmationUrl(message: unknown): string | null {
  if (textProperty(message, 'Type', '') !== 'SubscriptionConfirmation') return null;
  const arn = textProperty(message, 'TopicArn', '');
  const url = snsUrl(textProperty(message, 'SubscribeURL', ''), arn);
  return url?.searchParams.get('TopicArn') === arn ? url.href : null;
}

function readNotification(message: unknown): readonly MailEvent[] {
  if (textProperty(message, 'Type', '') !== 'Notification') return [];
  const event = parseJson(textProperty(message, 'Message', ''));
  const mail = property(event, 'mail');
  const origin = readTags(firstValues(property(mail, 'tags')));
  const meaning = meaningOfEvent(event);
  if (origin === null || meaning === null) return [];
  return [{ ...origin, ...meaning, address: onlyAddress(property(mail, 'destination')) }];
}

/** Each tag has a list of values; ours have one. */
function firstValues(tags: unknown): Record<string, unknown> {
  if (typeof tags !== 'object' || tags === null) return {};
  return Object.fromEntries(
    Object.entries(tags).map(([name, values]: [string, unknown]) => [
      name,
      Array.isArray(values) && values.length === 1 ? (values as unknown[])[0] : null,
    ]),
  );
}

/** Subtypes of bounces and complaints that SES made itself: the address is on its own list, and nothing was sent. */
const ownList = /^(?:Suppressed|OnAccountSuppressionList)$/;

function meaningOfEvent(event: unknown): EventMeaning | null {
  switch (textProperty(event, 'eventType', '')) {
    case 'Delivery':
      return meaningOf('delivered');
    case 'DeliveryDelay':
      return meaningOf('delayed');
    case 'Bounce': {
      const bounce = property(event, 'bounce');
      if (ownList.test(textProperty(bounce, 'bounceSubType', ''))) return meaningOf('suppressed');
      return meaningOf(textProperty(bounce, 'bounceType', '') === 'Permanent' ? 'hardBounced' : 'bounced');
    }
    case 'Complaint': {
      const subType = textProperty(property(event, 'complaint'), 'complaintSubType', '');
      return meaningOf(ownList.test(subType) ? 'suppressed' : 'complained');
    }
    // "The email was accepted, but contained a virus", and a template that could not be rendered: neither was sent.
    case 'Reject':
    case 'Rendering Failure':
      return meaningOf('failed');
    case 'Subscription':
      return isUnsubscribed(event) ? { event: 'delivered', suppression: 'unsubscribed' } : null;
    default:
      return null;
  }
}

/** The recipient used SES's own link, where the account's list management adds one. */
function isUnsubscribed(event: unknown): boolean {
  const preferences = property(property(event, 'subscription'), 'newTopicPreferences');
  return property(preferences, 'unsubscribeAll') === true;
}
