/**
 * Deliveries: sends the events of sessions to one endpoint.
 *
 * Owns the order: of a session one event at a time, and the next one when it was taken or given up. Several sessions
 * are sent side by side, so that one whose event is refused does not hold up the others. What becomes of a failed
 * attempt is core/events/retry.ts, rows are endpoint-store.ts.
 * Invariants: an event's end is written after its answer and before the next event leaves; a death in between sends it
 * again, under the same id. Nothing is written after {@link sendDue} has ended, so that two turns never write of the
 * same session.
 *
 * @module
 */
import { afterFailure, type Attempt } from '../../core/events/retry.ts';
import type { BackoffPolicy } from '../../shared/backoff.ts';
import type { EndpointRow } from '../../crm/event-endpoints.ts';
import { alertSourceId, type OutEvent } from '../../shared/events.ts';
import type { EventAnswer, EventQuery } from '../session/events.ts';
import type { DeliveryRow, EndpointStore, Source } from './endpoint-store.ts';
import type { Message } from './send-event.ts';

/** Sessions that are sent side by side: a Worker has six connections, and names are looked up too. */
const senderCount = 4;

/** Which page of a session's events. */
export type PageQuery = Pick<EventQuery, 'afterSeq' | 'untilSeq'>;

export interface DeliveryVerbs {
  store: EndpointStore;
  now(): number;
  random(): number;
  /** The endpoint was changed since it was read: another address, other types, or it is off. */
  isOutdated(): boolean;
  backoff: BackoffPolicy;
  /** The next events of a session, or those of a page again. Never throws. */
  pull(
    sessionId: string,
    page: PageQuery,
  ): Promise<({ kind: 'page' } & EventAnswer) | { kind: 'erased' } | { kind: 'unreachable' }>;
  send(message: Message): Promise<Attempt>;
}

/** Why sending ended; `time_over` also where it goes on by another row of the endpoint. */
export type DeliveryEnd = 'nothing_due' | 'time_over' | 'gone' | 'failing';

/** A page that is being sent, in memory: reading it again costs a call. */
interface HeldPage {
  until: number;
  lastSeq: number;
  events: OutEvent[];
}

/**
 * Sends what is due, until nothing is, or the time is over.
 *
 * @param endpoint - one that is switched on
 * @returns `gone` or `failing` when the endpoint has to be switched off
 * @throws what storage throws, once no sender waits for an answer any more
 */
export async function sendDue(
  verbs: DeliveryVerbs,
  endpoint: EndpointRow,
  deadlineMs: number,
): Promise<DeliveryEnd> {
  const { store, now } = verbs;
  const busy = new Set<string>();
  const faults: unknown[] = [];
  let end: DeliveryEnd = 'nothing_due';
  const isOver = (): boolean => {
    if (end === 'nothing_due' && (now() >= deadlineMs || verbs.isOutdated())) end = 'time_over';
    return end !== 'nothing_due' || faults.length > 0;
  };
  const take = (): Source | undefined =>
    store.due(now(), busy.size + 1).find(({ sessionId }) => !busy.has(sessionId));
  const sender = async (): Promise<void> => {
    for (let source = take(); source !== undefined && !isOver(); source = take()) {
      busy.add(source.sessionId);
      try {
        const ended = await sendSource(verbs, endpoint, source.sessionId, isOver);
        if (ended !== null) end = ended;
      } finally {
        busy.delete(source.sessionId);
      }
    }
  };
  const guarded = (): Promise<void> => sender().catch((error: unknown) => void faults.push(error));
  await Promise.all(Array.from({ length: senderCount }, guarded));
  // Not wrapped: its type and message are what the shell classifies.
  if (faults.length > 0) throw faults[0];
  return end;
}

/** Sends a session's events in order until there are none, one was refused, or the time is over. */
async function sendSource(
  verbs: DeliveryVerbs,
  endpoint: EndpointRow,
  sessionId: string,
  isOver: () => boolean,
): Promise<'gone' | 'failing' | null> {
  const { store } = verbs;
  let page: HeldPage | null = null;
  while (!isOver()) {
    const source = store.source(sessionId);
    if (source === null || source.nextAt > verbs.now()) return null;
    if (source.untilSeq !== null && source.untilSeq <= source.afterSeq) {
      // Two turns of an earlier version overlapped: this page was sent, and then written again as one that had failed.
      store.saveSource({ ...source, ...noPage });
      continue;
    }
    page ??= await readPage(verbs, source);
    if (page === null || isOver()) return null;
    const part = nextPart(page.events, source.part, endpoint);
    if (part === null) {
      store.saveSource({ ...source, ...noPage, afterSeq: page.until, knownSeq: page.lastSeq });
      page = null;
      continue;
    }
    // On disk before the first event of the page leaves.
    if (source.untilSeq === null)
      store.saveSource({ ...source, ...noPage, untilSeq: page.until, knownSeq: page.lastSeq });
    const step = await sendPart(verbs, endpoint, source, page, part);
    if (step === 'page_sent') page = null;
    else if (step !== 'sent') return step === 'later' ? null : step;
  }
  return null;
}

const noPage = { untilSeq: null, part: 0, attempts: 0, firstFailedAt: null, nextAt: 0 } as const;

/** How soon a session is asked again that does not answer. */
const pullRetryMs = 5_000;

/** The page that is being sent, or the next one; null: there is none now. */
async function readPage({ store, now, pull }: DeliveryVerbs, source: Source): Promise<HeldPage | null> {
  const { sessionId, afterSeq, untilSeq } = source;
  const answer = await pull(sessionId, { afterSeq, untilSeq });
  switch (answer.kind) {
    case 'page': {
      const { until, lastSeq } = answer;
      if (until > afterSeq) return { until, lastSeq, events: JSON.parse(answer.events) as OutEvent[] };
      // It has announced more than it has, because its storage was set back.
      store.saveSource({ ...source, ...noPage, afterSeq: source.knownSeq });
      return null;
    }
    case 'erased':
      store.dropSource(sessionId);
      return null;
    case 'unreachable':
      store.saveSource({ ...(store.source(sessionId) ?? source), nextAt: now() + pullRetryMs });
      return null;
    default:
      return answer satisfies never;
  }
}

/** The place of the next event that the endpoint wants; null: none is left. */
function nextPart(events: readonly OutEvent[], from: number, { types }: EndpointRow): number | null {
  const index = events.findIndex(
    ({ type, data }, place) =>
      place >= from && types.includes(type) && (!('leads' in data) || data.leads.length > 0),
  );
  return index < 0 ? null : index;
}

/** @returns `page_sent` when it was the page's last event; `later` when this one waits for its repeat */
async function sendPart(
  verbs: DeliveryVerbs,
  endpoint: EndpointRow,
  source: Source,
  page: HeldPage,
  part: number,
): Promise<'sent' | 'page_sent' | 'later' | 'gone' | 'failing'> {
  const { store, now, send } = verbs;
  const event = page.events[part];
  if (event === undefined) throw new Error('The page has no such event.');
  const message = messageOf(event);
  const startedAt = now();
  const attempt = await send(message);
  // Then the wait that the address of before asks for does not count, nor the types of before.
  const isOutdated = verbs.isOutdated();
  // A person who has saved the endpoint meanwhile has begun its attempts anew.
  const present = store.source(source.sessionId) ?? source;
  const attempts = present.attempts + 1;
  const entry = {
    ...place(source.sessionId, message, { afterSeq: source.afterSeq, untilSeq: page.until, part }),
    attempts,
    ...outcomeOf(attempt, startedAt, now()),
  };
  const isLast = !isOutdated && nextPart(page.events, part + 1, endpoint) === null;
  const passed = isLast
    ? { ...noPage, afterSeq: page.until }
    : { ...noPage, untilSeq: page.until, part: part + 1 };
  const write = (change: Partial<Source>, state: DeliveryRow['state'], nextAt: number | null): void =>
    store.transact(() => {
      // It may have announced more meanwhile, or been dropped.
      const known = store.source(source.sessionId);
      if (known !== null) store.saveSource({ ...known, ...change });
      store.log({ ...entry, state, nextAt });
    });
  if (attempt.kind === 'taken') {
    write(passed, 'taken', null);
    return isLast ? 'page_sent' : 'sent';
  }
  const firstFailedAt = present.firstFailedAt ?? startedAt;
  const failed = { untilSeq: page.until, part, attempts, firstFailedAt };
  if (attempt.kind === 'gone') {
    write({ ...failed, nextAt: 0 }, 'failing', null);
    return 'gone';
  }
  const next = afterFailure(
    { attempts, firstFailedAt, takenAt: store.takenAt('events') },
    isOutdated ? null : attempt.retryAfterMs,
    now(),
    () => verbs.random(),
    verbs.backoff,
  );
  switch (next.kind) {
    case 'retry':
      write({ ...failed, nextAt: next.at }, 'failing', next.at);
      return 'later';
    case 'giveUp':
      write(passed, 'given_up', null);
      return isLast ? 'page_sent' : 'sent';
    case 'disable':
      write({ ...failed, nextAt: 0 }, 'failing', null);
      return 'failing';
    default:
      return next satisfies never;
  }
}

/** Where an event is in its session, for the log and for sending it again. */
export function place(
  sessionId: string | null,
  { id, event }: Message,
  { afterSeq, untilSeq, part }: Pick<DeliveryRow, 'afterSeq' | 'untilSeq' | 'part'>,
): Pick<DeliveryRow, 'messageId' | 'type' | 'sessionId' | 'afterSeq' | 'untilSeq' | 'part'> {
  return { messageId: id, type: event.type, sessionId, afterSeq, untilSeq, part };
}

/** What the log says of an attempt. */
export function outcomeOf(
  attempt: Attempt,
  startedAt: number,
  nowMs: number,
): Pick<DeliveryRow, 'attemptedAt' | 'durationMs' | 'status' | 'error'> {
  return {
    attemptedAt: startedAt,
    durationMs: Math.max(0, Math.round(nowMs - startedAt)),
    status: attempt.status,
    error: attempt.kind === 'taken' ? null : attempt.error,
  };
}

/** An event as it is sent. Its id says where it is in its session, so that every attempt has the same one. */
export function messageOf(event: OutEvent): Message {
  const sourceId = 'sessionId' in event.data ? event.data.sessionId : alertSourceId;
  return { id: `${sourceId}_${event.data.sequence}`, event };
}
