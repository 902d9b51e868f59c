/**
 * The events that leave the product, and the kinds of endpoints that get them.
 *
 * Invariant: an event type is one line of {@link eventTypes}; nothing else lists them.
 *
 * @module
 */
import type { SessionReason } from './progress.ts';
import type { ExternalId } from './schemas/leads.ts';

/** What an event type is about, how people call it, whether it is sent to them as a notice, and its meaning. */
interface EventTypeRow {
  about: 'activation' | 'lead';
  /** On screens and in notices. */
  title: string;
  /** Slack, Teams and email endpoints can get it. */
  isNotice: boolean;
  meaning: string;
}

/** Every event type. A new one is one line here and one in the function that makes it (core/events/make-events.ts). */
export const eventTypes = {
  'activation.scheduled': row(
    'activation',
    'Activation scheduled',
    false,
    'It waits for its start time, or that time was changed.',
  ),
  'activation.awaiting_approval': row(
    'activation',
    'Approval needed',
    true,
    'Another person has to approve it.',
  ),
  'activation.started': row(
    'activation',
    'Activation started',
    false,
    'It begins to set leads active and to send.',
  ),
  'activation.paused': row(
    'activation',
    'Activation paused',
    true,
    'It sends nothing until it is resumed; `reason` says why.',
  ),
  'activation.wave_held': row(
    'activation',
    'Activation held after a wave',
    true,
    'A wave broke a limit; the next waits until it is released.',
  ),
  'activation.resumed': row(
    'activation',
    'Activation resumed',
    false,
    'It goes on after a pause, or after a wave that was held.',
  ),
  'activation.completed': row(
    'activation',
    'Activation done',
    true,
    'Every lead has its result. Again after a retry.',
  ),
  'activation.failed': row(
    'activation',
    'Activation failed',
    true,
    'It ended and does not know the result of every lead.',
  ),
  'activation.cancelled': row(
    'activation',
    'Activation cancelled',
    false,
    'It ended early: cancelled, undone, rejected or not approved in time.',
  ),
  'lead.activated': row(
    'lead',
    'Leads activated',
    false,
    'The leads are active, and the result of their email follows.',
  ),
  'lead.emailed': row('lead', 'Leads emailed', false, 'The mail provider has accepted the emails.'),
  'lead.failed': row(
    'lead',
    'Leads failed',
    false,
    'The lead was not activated, or its email certainly not sent.',
  ),
  'lead.delivered': row('lead', 'Emails delivered', false, 'The emails were delivered.'),
  'lead.bounced': row('lead', 'Emails bounced', false, 'The emails did not arrive.'),
  'lead.complained': row('lead', 'Marked as spam', false, 'The recipients reported the emails as spam.'),
  'lead.unsubscribed': row(
    'lead',
    'Unsubscribed',
    false,
    'The recipients have unsubscribed by the link in the email.',
  ),
} as const satisfies Record<string, EventTypeRow>;

function row(about: EventTypeRow['about'], title: string, isNotice: boolean, meaning: string): EventTypeRow {
  return { about, title, isNotice, meaning };
}

export type EventType = keyof typeof eventTypes;
export type ActivationEventType = Extract<EventType, `activation.${string}`>;
export type LeadEventType = Extract<EventType, `lead.${string}`>;

export const eventTypeNames = Object.keys(eventTypes) as [EventType, ...EventType[]];
/** The types that Slack, Teams and email endpoints can get. */
export const noticeTypeNames = eventTypeNames.filter((type) => eventTypes[type].isNotice);

/** `webhook`: Standard Webhooks to a program. The others write a sentence to people. */
export const endpointKinds = ['webhook', 'slack', 'teams', 'email'] as const;
export type EndpointKind = (typeof endpointKinds)[number];

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
  /** As it is when the event is sent. Not in sessions, which would have to forget it with the lead. */
  externalId?: ExternalId;
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
      type: LeadEventType;
      at: number;
      data: { sessionId: string; sequence: number; leads: EventLead[] };
    };
