/**
 * Words of the webhooks in the settings.
 *
 * @module
 */
import { eventTypes, type EndpointKind, type EventType } from '../../../../src/shared/events.ts';
import type { Delivery, Endpoint } from '../../../../src/shared/schemas/webhooks.ts';

export const webhookMessages = {
  title: 'Webhooks',
  hint: 'Tell other programs, a Slack or Teams channel, or a colleague what happens.',
  failed: 'The webhooks couldn’t be loaded',
  notSaved: 'The webhook wasn’t saved',
  none: 'No webhooks yet.',
  add: 'Add webhook',
  kind: 'Type',
  kinds: {
    webhook: 'Webhook (JSON, signed)',
    slack: 'Slack channel',
    teams: 'Teams channel',
    email: 'Email',
  } satisfies Record<EndpointKind, string>,
  target: { webhook: 'URL', slack: 'Slack webhook URL', teams: 'Teams workflow URL', email: 'Email address' },
  description: 'Description (optional)',
  events: 'Events',
  typeOf: (type: string): string =>
    Object.hasOwn(eventTypes, type) ? eventTypes[type as EventType].title : 'Test event',
  save: 'Save webhook',
  cancel: 'Cancel',
  secret: {
    title: 'Signing secret',
    text: 'Copy it now. It is not shown again.',
    close: 'I have copied it',
  },
  on: 'On',
  off: {
    person: 'Off',
    gone: 'Off: answered 410',
    failing: 'Off: failing',
  } satisfies Record<NonNullable<Endpoint['disabledReason']>, string>,
  kept: 'Events are kept and sent when you turn it on.',
  offSince: {
    person: null,
    gone: (day: string) => `Turned off on ${day}: it answered 410. Check the receiver, then turn it on.`,
    failing: (day: string) =>
      `Turned off on ${day}: it took no event for three days. The log has its answers. Check the receiver, then turn it on.`,
  } satisfies Record<NonNullable<Endpoint['disabledReason']>, ((day: string) => string) | null>,
  eventCount: (count: number) => `${count} ${count === 1 ? 'event' : 'events'}`,
  turnOn: 'Turn on',
  turnOff: 'Turn off',
  test: 'Send test',
  rotate: 'New secret',
  remove: 'Delete',
  removeTitle: 'Delete this webhook?',
  removeText: 'It gets no more events. Its log and its secret are deleted.',
  log: 'Log',
  hideLog: 'Hide log',
  emptyLog: 'Nothing sent yet.',
  sendAgain: 'Send again',
  states: { taken: 'Delivered', failing: 'Retrying', given_up: 'Failed' } satisfies Record<
    Delivery['state'],
    string
  >,
  attempts: (count: number) => `${count} ${count === 1 ? 'attempt' : 'attempts'}`,
};
