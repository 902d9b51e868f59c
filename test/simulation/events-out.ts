/**
 * The promises of events to endpoints, as code: each once at least, in order, none made up.
 *
 * Owns the receivers' own books, and a record of what each lead has been by the rows on disk. It asks no outbox of the
 * product: whether an event is true is seen by the results of the leads and the numbers of the activation.
 *
 * @module
 */
import {
  deliveryStatus,
  withDeliveryEvent,
  type DeliveryEvent,
} from '../../src/core/batch/delivery-status.ts';
import type { EventCounts, EventLead, EventType } from '../../src/shared/events.ts';

export type EventInvariant =
  'each event arrives' | 'events come in order' | 'no event is made up' | 'a repeat is the same event';

/** The body of a webhook. */
interface Body {
  type: EventType;
  timestamp: string;
  data: {
    sessionId: string;
    sequence: number;
    leads?: EventLead[];
    counts?: EventCounts;
    reason?: string | null;
  };
}

interface Book {
  types: readonly EventType[];
  /** By the clock of then. */
  createdAt: number;
  /** When somebody asked for it; true time. */
  askedAt: number;
  /** True time; null: it may not be there yet. */
  isThereSince: number | null;
  /** The first of each id, in the order in which they were sent first. */
  sent: Map<string, Body>;
  received: Map<string, Body>;
  /** The highest number that was sent, by session. */
  lastSequence: Map<string, number>;
  /** The types of a lead's events in a page, by page and lead. */
  typesInPage: Map<string, EventType[]>;
}

/** What is known of a session at the end. */
export interface EndedSession {
  sessionId: string;
  states: ReadonlyMap<number, string>;
  /** By its rows. */
  counts: EventCounts;
}

export interface EventParts {
  nowMs(): number;
  isClockTrue(): boolean;
  /** What was reported of a lead's mail to the session. */
  reportsOf(
    sessionId: string,
    leadId: number,
  ): { sent: ReadonlySet<DeliveryEvent>; told: ReadonlySet<DeliveryEvent> };
  fail(invariant: EventInvariant, detail: string): void;
}

/** States that a lead has had on disk, by session and lead. */
type History = Map<string, Set<string>>;

/** The clock may count differently at the two ends of a commit. */
const clockMs = 50;

export class EventChecks {
  /** This world has endpoints; otherwise nothing is recorded. */
  isWatched = false;
  readonly #parts: EventParts;
  readonly #books = new Map<string, Book>();
  readonly #histories: History = new Map();
  /** By session: states at the ends of turns whose commit is still to come. */
  readonly #written = new Map<string, ReadonlyMap<number, string>[]>();
  readonly #forgotten = new Set<number>();
  /** Sessions that have noted events from their start, and since when; true time. */
  readonly #noted = new Map<string, number>();

  constructor(parts: EventParts) {
    this.#parts = parts;
  }

  /** An endpoint is about to be added. */
  added(endpointId: string, types: readonly EventType[], createdAt: number): void {
    if (this.#books.has(endpointId)) return;
    this.#books.set(endpointId, {
      ...{ types, createdAt, askedAt: this.#parts.nowMs(), isThereSince: null },
      ...{ sent: new Map(), received: new Map(), lastSequence: new Map(), typesInPage: new Map() },
    });
  }

  /** It is in the database. */
  isThere(endpointId: string): void {
    const book = this.#books.get(endpointId);
    if (book !== undefined) book.isThereSince ??= this.#parts.nowMs();
  }

  /** A session is started, which knows that there are endpoints. An earlier start that died has left nothing. */
  notes(sessionId: string): void {
    this.#noted.set(sessionId, this.#parts.nowMs());
  }

  leadForgotten(leadId: number): void {
    this.#forgotten.add(leadId);
  }

  /**
   * A turn of a session has written something, and is committed together with the next ones: a lead may fail in one of
   * them and be sent again in another. Both are true once they are durable.
   */
  written(sessionId: string, states: ReadonlyMap<number, string>): void {
    this.#written.set(sessionId, [...(this.#written.get(sessionId) ?? []), states]);
  }

  /** A session has died: what it had not committed never was. */
  lost(sessionId: string): void {
    this.#written.delete(sessionId);
  }

  /** A session has committed something. */
  committed(sessionId: string, states: ReadonlyMap<number, string>): void {
    if (!this.isWatched) return;
    const turns = this.#written.get(sessionId) ?? [];
    this.#written.delete(sessionId);
    for (const turn of [...turns, states]) {
      for (const [leadId, state] of turn) {
        const key = `${sessionId}/${leadId}`;
        const history = this.#histories.get(key);
        if (history === undefined) this.#histories.set(key, new Set([state]));
        else history.add(state);
      }
    }
  }

  /** An event leaves. */
  departed(endpointId: string, id: string, text: string): void {
    const book = this.#books.get(endpointId);
    const body = JSON.parse(text) as Body;
    const { sessionId, sequence } = body.data;
    if (book === undefined) return void this.#parts.fail('no event is made up', `there is no ${endpointId}`);
    if (id !== `${sessionId}_${sequence}`)
      this.#parts.fail('a repeat is the same event', `${sequence} of ${sessionId} is sent as ${id}`);
    // A start that was asked for before the endpoint, and arrives after it, is told with the time of the request.
    const isLater = (this.#noted.get(sessionId) ?? -Infinity) >= book.askedAt;
    if (!isLater && this.#parts.isClockTrue() && Date.parse(body.timestamp) < book.createdAt - clockMs)
      this.#parts.fail('no event is made up', `${id} is older than ${endpointId}`);
    if (!book.types.includes(body.type))
      this.#parts.fail('no event is made up', `${endpointId} does not want ${body.type}`);
    const known = book.sent.get(id);
    if (known !== undefined) {
      this.#checkSame(id, known, body);
      return;
    }
    this.#checkTrue(id, body);
    const last = book.lastSequence.get(sessionId) ?? 0;
    if (sequence < last)
      this.#parts.fail('events come in order', `${endpointId} is sent ${id} after number ${last}`);
    book.lastSequence.set(sessionId, sequence);
    this.#checkLeads(book, id, body);
    this.#checkPage(book, id, body);
    book.sent.set(id, body);
  }

  /** A receiver has got it, whatever it answers. */
  received(endpointId: string, id: string, text: string): void {
    const book = this.#books.get(endpointId);
    if (book !== undefined && !book.received.has(id)) book.received.set(id, JSON.parse(text) as Body);
  }

  /** Erased leads may be missing. */
  #checkSame(id: string, known: Body, body: Body): void {
    const isKept = (leadId: number): boolean => !this.#forgotten.has(leadId);
    const rest = ({ type, timestamp, data }: Body): string => {
      const leads = data.leads?.filter(({ leadId }) => isKept(leadId));
      return JSON.stringify({ type, timestamp, ...data, leads });
    };
    if (rest(known) !== rest(body))
      this.#parts.fail('a repeat is the same event', `${id} was ${rest(known)} and is ${rest(body)}`);
  }

  /** What it says has been so on disk. */
  #checkTrue(id: string, { type, data: { sessionId, leads = [] } }: Body): void {
    const wanted = statesOf[type];
    for (const { leadId } of leads) {
      const history = this.#histories.get(`${sessionId}/${leadId}`) ?? new Set();
      if (wanted !== undefined && ![...history].some((state) => wanted.includes(state)))
        this.#parts.fail(
          'no event is made up',
          `${id}: ${type} of lead ${leadId}, which was ${[...history].join()}`,
        );
      const [, status] = type.split('.');
      const isReport = status === 'delivered' || status === 'bounced' || status === 'complained';
      if (!isReport) continue;
      const { sent } = this.#parts.reportsOf(sessionId, leadId);
      if (!reportStates(sent).has(status))
        this.#parts.fail(
          'no event is made up',
          `${id}: ${type} of lead ${leadId}, of which ${[...sent].join()} came`,
        );
    }
  }

  /** A lead is told of once, and as failed not after it was emailed. What happened to it twice is in two events. */
  #checkLeads({ sent }: Book, id: string, { type, data: { sessionId, leads = [] } }: Body): void {
    if (new Set(leads.map(({ leadId }) => leadId)).size < leads.length)
      this.#parts.fail('events come in order', `${id}: ${type} names a lead twice`);
    if (type !== 'lead.emailed' && type !== 'lead.failed' && type !== 'lead.delivered') return;
    for (const { leadId, step } of leads) {
      for (const [earlierId, earlier] of sent) {
        if (earlier.data.sessionId !== sessionId) continue;
        if (!earlier.data.leads?.some((lead) => lead.leadId === leadId)) continue;
        if (earlier.type === type && type !== 'lead.failed')
          this.#parts.fail(
            'a repeat is the same event',
            `${type} of lead ${leadId} is ${earlierId} and ${id}`,
          );
        if (earlier.type === 'lead.emailed' && type === 'lead.failed' && step === 'email')
          this.#parts.fail('events come in order', `${id}: lead ${leadId} failed after it was emailed`);
      }
    }
  }

  /**
   * A page is sorted by type, so two changes of a lead would lose their order in it, and their times. A lead is in a page
   * with one of them (decision 40).
   */
  #checkPage(
    { typesInPage }: Book,
    id: string,
    { type, data: { sessionId, sequence, leads = [] } }: Body,
  ): void {
    const page = `${sessionId}/${Math.floor(sequence / numbersOfPage)}`;
    for (const { leadId } of leads) {
      const key = `${page}/${leadId}`;
      const types = [...(typesInPage.get(key) ?? []), type];
      if (!typesOfChange.some((together) => types.every((each) => together.includes(each))))
        this.#parts.fail(
          'events come in order',
          `${id}: ${types.join(', ')} of lead ${leadId} are in one page`,
        );
      typesInPage.set(key, types);
    }
  }

  /** True when nothing is left to arrive of what must. */
  missing(sessions: readonly EndedSession[]): string | null {
    for (const [endpointId, book] of this.#books) {
      for (const session of sessions) {
        const since = this.#noted.get(session.sessionId);
        if (since === undefined || book.isThereSince === null || book.isThereSince > since) continue;
        const found = this.#missingIn(book, session);
        if (found !== null) return `${endpointId} has not got ${found} of ${session.sessionId}`;
      }
    }
    return null;
  }

  #missingIn(book: Book, { sessionId, states, counts }: EndedSession): string | null {
    const of = [...book.received.values()].filter(({ data }) => data.sessionId === sessionId);
    const has = (type: EventType, leadId: number): boolean =>
      !book.types.includes(type) ||
      of.some((body) => body.type === type && body.data.leads?.some((lead) => lead.leadId === leadId));
    for (const [leadId, state] of states) {
      if (this.#forgotten.has(leadId)) continue;
      if (state === 's' && !has('lead.emailed', leadId)) return `lead.emailed of ${leadId}`;
      if (state === 's' && !has('lead.activated', leadId)) return `lead.activated of ${leadId}`;
      if ((state === 'f' || state === 'refused') && !has('lead.failed', leadId))
        return `lead.failed of ${leadId}`;
      const { told } = this.#parts.reportsOf(sessionId, leadId);
      const status = deliveryStatus([...told].reduce(withDeliveryEvent, 0)).state;
      // More may have been reported than was acknowledged: then that is told.
      const later = (['complained', 'bounced', 'delivered'] as const).slice(
        0,
        1 + ['complained', 'bounced', 'delivered'].indexOf(status ?? ''),
      );
      if (status !== null && !later.some((each) => has(`lead.${each}`, leadId)))
        return `lead.${status} of ${leadId}`;
    }
    const ends = ['activation.completed', 'activation.cancelled', 'activation.failed'] as const;
    if (!ends.every((type) => book.types.includes(type))) return null;
    const end = of.filter(({ type }) => (ends as readonly string[]).includes(type)).at(-1);
    if (end === undefined) return 'its end';
    // An event of a provider may have settled mail since.
    const told = end.data.counts;
    const isLast = told !== undefined && told.total === counts.total && told.skipped === counts.skipped;
    return isLast && told.sent + told.unconfirmed === counts.sent + counts.unconfirmed
      ? null
      : `its last end, ${JSON.stringify(counts)}, but ${JSON.stringify(told)}`;
  }

  /** Everything has come to rest. */
  atEnd(sessions: readonly EndedSession[]): void {
    const found = this.missing(sessions);
    if (found !== null) this.#parts.fail('each event arrives', found);
  }
}

/** The events of a page have numbers with the same thousands. */
const numbersOfPage = 1_000;

/** What one change tells of a lead, at most. */
const typesOfChange: readonly (readonly EventType[])[] = [
  ['lead.activated', 'lead.emailed'],
  ['lead.activated', 'lead.failed'],
  ['lead.delivered', 'lead.bounced', 'lead.complained', 'lead.unsubscribed'],
];

const statesOf: Partial<Record<EventType, readonly string[]>> = {
  'lead.activated': ['p', 's', 'f', 'u'],
  'lead.emailed': ['s'],
  'lead.failed': ['f', 'refused'],
};

/** The statuses that a lead may have been shown with, whatever the order of its reports. */
function reportStates(events: ReadonlySet<DeliveryEvent>): Set<string> {
  const states = new Set<string>();
  for (const event of events) {
    const { state } = deliveryStatus(withDeliveryEvent(0, event));
    if (state !== null) states.add(state);
  }
  return states;
}
