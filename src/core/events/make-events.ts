/**
 * Which events a change of a session or of one of its batches makes.
 *
 * Pure. The store calls it with what is on disk and what will be, in the transaction that writes the change, so an event
 * is there exactly when the change is there. How events are put together and sent is page.ts and durable/webhooks.
 * Invariant: a change that is repeated makes no event, because it changes nothing.
 *
 * @module
 */
import type { SessionReason } from '../../shared/progress.ts';
import {
  maxEventLeadCount,
  type ActivationEventType,
  type EventCounts,
  type EventLead,
  type LeadEventType,
} from '../../shared/events.ts';
import { recipientState, type Batch } from '../batch/batch.ts';
import { deliveryStatus, hasUnsubscribed } from '../batch/delivery-status.ts';
import type { Session } from '../session/session.ts';

/** An event as a session keeps it. The name of the activation is added when it is sent, because it can change. */
export type StoredEvent =
  | { type: ActivationEventType; reason: SessionReason | null; counts: EventCounts }
  | { type: LeadEventType; leads: EventLead[] };

/** True for an event that names leads. */
export function isLeadEvent(event: StoredEvent): event is Extract<StoredEvent, { leads: EventLead[] }> {
  return 'leads' in event;
}

/** The events of a change of the session's record. @param before - null for a new session */
export function activationEvents(before: Session | null, after: Session): StoredEvent[] {
  const types: ActivationEventType[] = [];
  const isNew = before?.state !== after.state;
  switch (after.state) {
    case 'scheduled':
      if (isNew || before.spec.schedule?.startAt !== after.spec.schedule?.startAt)
        types.push('activation.scheduled');
      break;
    case 'awaiting_approval':
      if (isNew || before.spec.approval?.askedAt !== after.spec.approval?.askedAt)
        types.push('activation.awaiting_approval');
      break;
    case 'running':
      if (before?.state === 'paused' || before?.state === 'wave_held') types.push('activation.resumed');
      else if (isNew && before?.startedAt == null) types.push('activation.started');
      break;
    case 'paused':
      if (isNew || before.reason !== after.reason) types.push('activation.paused');
      break;
    case 'wave_held':
      if (isNew) types.push('activation.wave_held');
      break;
    case 'queued':
      if (before?.state === 'paused') types.push('activation.resumed');
      break;
    case 'completed':
    case 'failed':
    case 'cancelled':
      break;
    default:
      after.state satisfies never;
  }
  // An end is told once no call is open, so that its numbers are the last ones.
  if (after.finishedAt !== null && before?.finishedAt == null) types.push(endType(after));
  return types.map((type) => ({ type, reason: after.reason, counts: countsOf(after) }));
}

function endType({ state, cancelledAt }: Session): ActivationEventType {
  if (state === 'cancelled' || cancelledAt !== null) return 'activation.cancelled';
  return state === 'failed' ? 'activation.failed' : 'activation.completed';
}

function countsOf({ total, counts }: Session): EventCounts {
  const { activated, skipped, sent, failed, refused, unknown } = counts;
  return { total, activated, skipped, sent, failed: failed + refused, unconfirmed: unknown };
}

/** What is needed of the batch that a batch's recipients came from. */
export type Origin = Pick<Batch, 'state' | 'leadIds'>;

/**
 * The events of a change of a batch.
 *
 * `lead.activated` is told with the first result of the lead's email, because until then a cancel can make the lead new
 * again. A recipient that was retried was told of before.
 *
 * @param before - as it is on disk
 * @param origin - of a batch with an `originSeq`
 */
export function batchEvents(before: Batch, after: Batch, origin: Origin | null): StoredEvent[] {
  if (after.recipients === null) {
    const isRefused = after.state === 'done' && before.state !== 'done';
    if (!isRefused) return [];
    const code = after.code ?? 'crm_refused';
    return leadEvents(
      'lead.failed',
      after.leadIds.map((leadId) => ({ leadId, code, step: 'activation' })),
    );
  }
  const activated: EventLead[] = [];
  const emailed: EventLead[] = [];
  const failed: EventLead[] = [];
  const codes = new Map(after.failures.map(({ index, code }) => [index, code]));
  // Whoever is asked again while in doubt stays active, whatever comes of it.
  const isAsked = before.retried === null && after.retried === 'asked';
  for (const [index, { leadId }] of after.recipients.entries()) {
    const was = before.recipientStates[index] ?? recipientState.pending;
    const is = after.recipientStates[index];
    const isDecided =
      is === recipientState.sent || is === recipientState.failed || is === recipientState.unknown;
    const isFirst = was === recipientState.pending && before.retried === null;
    if (isFirst && (isDecided || (isAsked && is === recipientState.pending)) && isUntold(leadId, origin))
      activated.push({ leadId });
    if (was === is) continue;
    if (is === recipientState.sent) emailed.push({ leadId });
    else if (is === recipientState.failed) {
      const code = codes.get(index);
      failed.push({ leadId, ...(code === undefined ? {} : { code }), step: 'email' });
    }
  }
  return [
    ...leadEvents('lead.activated', activated),
    ...leadEvents('lead.emailed', emailed),
    ...leadEvents('lead.failed', failed),
  ];
}

/** False for a recipient that was moved here because its email had failed: its activation was told then. */
function isUntold(leadId: number, origin: Origin | null): boolean {
  return origin === null || origin.state === 'split' || !origin.leadIds.includes(leadId);
}

/** The delivery bits of a lead before and after a report. */
export interface BitsChange {
  leadId: number;
  before: number;
  after: number;
}

/** The events of delivery reports: what each changed of the status that a person sees. */
export function reportEvents(changes: readonly BitsChange[]): StoredEvent[] {
  const byType = {
    'lead.delivered': [] as EventLead[],
    'lead.bounced': [] as EventLead[],
    'lead.complained': [] as EventLead[],
    'lead.unsubscribed': [] as EventLead[],
  };
  for (const { leadId, before, after } of changes) {
    if (hasUnsubscribed(after) && !hasUnsubscribed(before)) byType['lead.unsubscribed'].push({ leadId });
    const was = deliveryStatus(before);
    const is = deliveryStatus(after);
    // A hard bounce after a soft one is a bounce that was told.
    if (is.state === null || is.state === was.state) continue;
    const code = is.state === 'bounced' && is.code !== null ? { code: is.code } : {};
    byType[`lead.${is.state}`].push({ leadId, ...code });
  }
  return Object.entries(byType).flatMap(([type, leads]) => leadEvents(type as LeadEventType, leads));
}

/** Events of one type, none with more leads than an event may have. */
function leadEvents(type: LeadEventType, leads: readonly EventLead[]): StoredEvent[] {
  const events: StoredEvent[] = [];
  for (let start = 0; start < leads.length; start += maxEventLeadCount)
    events.push({ type, leads: leads.slice(start, start + maxEventLeadCount) });
  return events;
}
