/**
 * The events that leave the product, and the kinds of endpoints that get them.
 *
 * Invariant: an event type is one line of {@link eventTypes}; nothing else lists them.
 *
 * @module
 */
import type { SessionReason } from './progress.ts';

/** What an event type is about, whether it is sent to people as a notice, and its meaning. */
interface EventTypeRow {
  about: 'activation' | 'lead' | 'alert';
  /** Slack, Teams and email endpoints can get it. */
  isNotice: boolean;
  meaning: string;
}

/** Every event type. A new one is one line here and one in the function that makes it (core/events/make-events.ts). */
export const eventTypes = {
  'activation.scheduled': row('activation', false, 'It waits for its start time, or that time was changed.'),
  'activation.awaiting_approval': row('activation', true, 'Another person has to approve it.'),
  'activation.started': row('activation', false, 'It begins to set leads active and to send.'),
  'activation.paused': row('activation', true, 'It sends nothing until it is resumed; `reason` says why.'),
  'activation.wave_held': row(
    'activation',
    true,
    'A wave broke a limit; the next waits until it is released.',
  ),
  'activation.resumed': row('activation', false, 'It goes on after a pause, or after a wave that was held.'),
  'activation.completed': row('activation', true, 'Every lead has its result. Again after a retry.'),
  'activation.failed': row('activation', true, 'It ended and does not know the result of every lead.'),
  'activation.cancelled': row(
    'activation',
    false,
    'It ended early: cancelled, undone, rejected or not approved in time.',
  ),
  'alert.firing': row('alert', true, 'An admin should act: docs/OPERATIONS.md has a runbook for each alert.'),
  'alert.ended': row('alert', true, 'What the alert told of is over.'),
  'lead.activated': row('lead', false, 'The leads are active, and the result of their email follows.'),
  'lead.emailed': row('lead', false, 'The mail provider has accepted the emails.'),
  'lead.failed': row('lead', false, 'The lead was not activated, or its email certainly not sent.'),
  'lead.delivered': row('lead', false, 'The emails were delivered.'),
  'lead.bounced': row('lead', false, 'The emails did not arrive.'),
  'lead.complained': row('lead', false, 'The recipients reported the emails as spam.'),
  'lead.unsubscribed': row('lead', false, 'The recipients have unsubscribed by the link in the email.'),
} as const satisfies Record<string, EventTypeRow>;

function row(about: EventTypeRow['about'], isNotice: boolean, meaning: string): EventTypeRow {
  return { about, isNotice, meaning };
}

export type EventType = keyof typeof eventTypes;
export type ActivationEventType = Extract<EventType, `activation.${string}`>;
export type AlertEventType = Extract<EventType, `alert.${string}`>;
export type LeadEventType = Extract<EventType, `lead.${string}`>;

export const eventTypeNames = Object.keys(eventTypes) as [EventType, ...EventType[]];
/** The types that Slack, Teams and email endpoints can get. */
export const noticeTypeNames = eventTypeNames.filter((type) => eventTypes[type].isNotice);

/** `webhook`: Standard Webhooks to a program. The others write a sentence to people. */
export const endpointKinds = ['webhook', 'slack', 'teams', 'email'] as const;
export type EndpointKind = (typeof endpointKinds)[number];

/** Where events of alerts come from, in place of the id of a session. */
export const alertSourceId = 'alerts';

/** Leads of one event. */
export const maxEventLeadCount = 500;

/** The numbers of an activation at the moment of an event. */
export interface EventCounts {
  total: number;
  activated: number;
  skipped: number;
  sent: number;
  failed: number;
  unconfirmed: number;
}

/** What an event says of one lead. It has no address and no name. */
export interface EventLead {
  leadId: number;
  /** Why it failed or bounced; a code of the results. */
  code?: string;
  /** Of `lead.failed`: what failed. */
  step?: 'activation' | 'email';
}

/** An event as it is sent (https://www.standardwebhooks.com/): type, time and data. */
export type OutEvent =
  | {
      type: ActivationEventType;
      /** Epoch ms. */
      at: number;
      data: {
        sessionId: string;
        name: string;
        /** Rises within an activation; there are gaps. */
        sequence: number;
        /** Why it was paused or cancelled. */
        reason: SessionReason | null;
        counts: EventCounts;
      };
    }
  | {
      type: AlertEventType;
      at: number;
      data: {
        alertId: string;
        title: string;
        severity: 'critical' | 'warning';
        /** Rises from event to event. */
        sequence: number;
        /** Of the metric that the alert watches. */
        value: number | null;
      };
    }
  | {
      type: LeadEventType;
      at: number;
      data: { sessionId: string; sequence: number; leads: EventLead[] };
    };
