/**
 * SessionEvents: the session's side of sending events to endpoints.
 *
 * Learns whether there are endpoints, tells them that there are events, and hands the events out in pages. An endpoint
 * fetches events by their numbers and sends them itself (durable/webhooks), so nothing here waits for a receiver.
 * Invariant: the alarm stays set until every endpoint has on its own disk how far this session's events go.
 *
 * @module
 */
import { firstPage } from '../../core/events/page.ts';
import { endpointIds } from '../../crm/event-endpoints.ts';
import type { OutEvent } from '../../shared/events.ts';
import { faultText } from '../../runtime/faults.ts';
import { endpointStub } from '../stubs.ts';
import type { SessionContext } from './context.ts';

/** A new endpoint gets the events of running sessions from then on; the sweep asks each of them every minute. */
const endpointsValidMs = 10_000;
/** Events that come together are told together. A receiver has them within a second all the same. */
const tellAfterMs = 100;
/** Rows that are read for one page: they hold at least one lead each, so a page cannot have more. */
const maxPageRowCount = 500;

/** What an endpoint asks a session for. */
export interface EventQuery {
  afterSeq: number;
  /** Of a page that was handed out before; null: the next one. */
  untilSeq: number | null;
  /** Earlier events are left out: the endpoint did not exist then. Epoch ms. */
  since: number;
  /**
   * Who asks. What the session has noted since it learned of this endpoint is not left out, whatever its time: the clock
   * may have been set back. Endpoints of the version before do not say it.
   */
  endpointId?: string;
}

export interface EventAnswer {
  /** The page ends with this number; the one asked for when there is nothing. */
  until: number;
  /** JSON of {@link OutEvent}s: a text passes between objects at a fraction of the cost of its values. */
  events: string;
  /** The number of the session's last event. */
  lastSeq: number;
}

export class SessionEvents {
  readonly #context: SessionContext;
  #endpointIds: readonly string[] = [];
  #endpointsReadAt = -Infinity;
  /** Questions which endpoints there are, and the last one that was answered. */
  #askedCount = 0;
  #answeredQuestion = 0;
  #telling: Promise<void> | null = null;
  /** How far a timer or a call in this object has told. */
  #toldSeq = 0;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /**
   * Notes events from now on if there is an endpoint, and no more once there is none. Never throws.
   *
   * @param validMs - how old what is known of the endpoints may be
   * @returns false when the database did not say which endpoints there are
   */
  async refresh(validMs = endpointsValidMs): Promise<boolean> {
    const { store, env, now, log } = this.#context;
    if (store.load() === null) return false;
    if (Math.abs(now() - this.#endpointsReadAt) < validMs) return true;
    try {
      const question = ++this.#askedCount;
      const ids = await endpointIds(env.DB);
      // A later question knows better: this answer may be of the time before an endpoint was added.
      if (question < this.#answeredQuestion) return true;
      this.#answeredQuestion = question;
      this.#endpointIds = ids;
      this.#endpointsReadAt = now();
      if (store.load() === null) return true;
      if (this.#endpointIds.length === 0) {
        if (store.outbox.isOn) store.transact(() => store.outbox.turnOff());
      } else if (!store.outbox.isOnFor(this.#endpointIds))
        store.transact(() => store.outbox.turnOn(this.#endpointIds));
      return true;
    } catch (error) {
      log('warn', 'endpoints_unread', { error: faultText(error) });
      return false;
    }
  }

  /** Something may have been noted: tells the endpoints soon. Costs nothing where nothing was. */
  soon(): void {
    const { store, sleep, waitUntil } = this.#context;
    if (this.#telling !== null || store.load() === null) return;
    const { outbox } = store;
    if (!outbox.isOn || outbox.isTold || this.#toldSeq >= outbox.lastSeq) return;
    this.#telling = sleep(tellAfterMs)
      .then(() => this.#tell(endpointsValidMs))
      .then((told) => {
        this.#toldSeq = Math.max(this.#toldSeq, told ?? 0);
      })
      .finally(() => {
        this.#telling = null;
      });
    waitUntil(this.#telling);
  }

  /**
   * Tells the endpoints of the last event, also those that were added a moment ago, and writes that they know of it.
   *
   * @throws only what storage throws
   */
  async tell(): Promise<void> {
    const { store } = this.#context;
    if (store.load() === null || store.outbox.isTold) return;
    const told = await this.#tell(0);
    if (told !== null && store.load() !== null) store.transact(() => store.outbox.noteTold(told));
  }

  /** @returns the number that all endpoints know of; null when one of them could not be reached */
  async #tell(validMs: number): Promise<number | null> {
    const { store, env, log } = this.#context;
    try {
      if (!(await this.refresh(validMs))) return null;
      const session = store.load();
      if (session === null || !store.outbox.isOn) return null;
      const { lastSeq } = store.outbox;
      const { sessionId } = session.spec;
      await Promise.all(this.#endpointIds.map((id) => endpointStub(env, id).announce(sessionId, lastSeq)));
      return lastSeq;
    } catch (error) {
      log('warn', 'endpoint_unreached', { error: faultText(error) });
      return null;
    }
  }

  /** The next events, or those of a page again; null for a session that does not exist. */
  page({ afterSeq, untilSeq, since, endpointId = '' }: EventQuery): EventAnswer | null {
    const { store } = this.#context;
    const session = store.load();
    if (session === null) return null;
    const { lastSeq } = store.outbox;
    const read = store.outbox.rows(afterSeq, untilSeq ?? lastSeq, maxPageRowCount);
    const knownAfter = store.outbox.knownAfter(endpointId) ?? Infinity;
    const rows = read.filter(({ seq, at, events }) => (at >= since || seq > knownAfter) && events.length > 0);
    if (rows.length === 0) return { until: untilSeq ?? read.at(-1)?.seq ?? afterSeq, events: '[]', lastSeq };
    const { sessionId, name } = session.spec;
    const page = firstPage(rows, { sessionId, name });
    return {
      until: untilSeq ?? page.until,
      events: JSON.stringify(page.events.map(withoutErased(store))),
      lastSeq,
    };
  }
}

/** Erased leads are left out, also of events that were noted before. */
function withoutErased(store: SessionContext['store']): (event: OutEvent) => OutEvent {
  return (event) =>
    'leads' in event.data
      ? ({
          ...event,
          data: { ...event.data, leads: event.data.leads.filter(({ leadId }) => !store.isErased(leadId)) },
        } as OutEvent)
      : event;
}
