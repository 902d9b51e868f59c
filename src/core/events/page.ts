/**
 * Putting stored events together into the ones that are sent.
 *
 * Rows of an outbox are small: one for each batch that is decided. A page is what is sent next: one row of the
 * activation itself, or as many rows of leads as fit into events of {@link maxEventLeadCount} leads, one event for each
 * type. Invariant: the same rows make the same events, so that a repeat has the same ids; a lead's events keep their
 * order, because a row whose types would overtake one another begins a page of its own.
 *
 * @module
 */
import {
  eventTypeNames,
  maxEventLeadCount,
  type EventLead,
  type LeadEventType,
  type OutEvent,
} from '../../shared/events.ts';
import { isLeadEvent, type StoredEvent } from './make-events.ts';

/** A row of a session's outbox. */
export interface OutboxRow {
  seq: number;
  at: number;
  events: readonly StoredEvent[];
}

/** Events of the rows up to `until`, in order. */
export interface EventPage {
  until: number;
  events: OutEvent[];
}

/** More events than one page can have: of each type at most one, or all of one row. */
const sequencesPerRow = 1_000;

/**
 * The first page of rows.
 *
 * @param rows - in order; not empty
 */
export function firstPage(
  rows: readonly OutboxRow[],
  session: { sessionId: string; name: string },
): EventPage {
  const [first, ...rest] = rows;
  if (first === undefined) throw new Error('A page has at least one row.');
  const merged = new Map<LeadEventType, EventLead[]>();
  let last = first;
  if (isMergeable(first)) {
    for (const row of [first, ...rest]) {
      if (!isMergeable(row) || !fits(merged, row)) break;
      for (const event of row.events)
        if (isLeadEvent(event)) leadsOf(merged, event.type).push(...event.leads);
      last = row;
    }
  }
  const events: readonly StoredEvent[] = isMergeable(first)
    ? [...merged].map(([type, leads]) => ({ type, leads })).sort(byType)
    : first.events;
  return {
    until: last.seq,
    events: events.map((event, index): OutEvent => {
      const sequence = last.seq * sequencesPerRow + index;
      return isLeadEvent(event)
        ? {
            type: event.type,
            at: last.at,
            data: { sessionId: session.sessionId, sequence, leads: event.leads },
          }
        : {
            type: event.type,
            at: last.at,
            data: { ...session, sequence, reason: event.reason, counts: event.counts },
          };
    }),
  };
}

/** A row with one event of a type at most, each about leads. */
function isMergeable({ events }: OutboxRow): boolean {
  return events.every(isLeadEvent) && new Set(events.map(({ type }) => type)).size === events.length;
}

/**
 * Whether a row's leads fit, and no lead of it would be overtaken: a lead that is in the page already, as failed, may
 * be in the next row as emailed.
 */
function fits(merged: ReadonlyMap<LeadEventType, readonly EventLead[]>, row: OutboxRow): boolean {
  const known = new Set([...merged.values()].flatMap((leads) => leads.map(({ leadId }) => leadId)));
  return row.events.every(
    (event) =>
      !isLeadEvent(event) ||
      ((merged.get(event.type)?.length ?? 0) + event.leads.length <= maxEventLeadCount &&
        event.leads.every(({ leadId }) => !known.has(leadId))),
  );
}

function leadsOf(merged: Map<LeadEventType, EventLead[]>, type: LeadEventType): EventLead[] {
  const leads = merged.get(type) ?? [];
  merged.set(type, leads);
  return leads;
}

function byType(a: StoredEvent, b: StoredEvent): number {
  return eventTypeNames.indexOf(a.type) - eventTypeNames.indexOf(b.type);
}
