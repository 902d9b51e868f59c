/**
 * OutboxStore: the events of a session that endpoints are to get.
 *
 * Owns the table `outbox`. A session notes events from the moment that it learns of an endpoint; without one it writes
 * nothing here. Rows are never changed, and are kept until the session is anonymized or removed, so that an event can
 * be sent again. Which change makes which event is core/events/make-events.ts.
 * Invariant: an event is written in the transaction of the change that it tells of.
 *
 * @module
 */
import { isLeadEvent, type StoredEvent } from '../../core/events/make-events.ts';
import type { OutboxRow } from '../../core/events/page.ts';

/** Row 0: that the session notes events, and how far the endpoints have been told of them. */
interface OutboxState {
  toldSeq: number;
  /** The last event before the session learned of an endpoint, by its id. Rows of earlier versions have none. */
  knownAfter?: Readonly<Record<string, number>>;
}

/** Rows in memory at once: those of a large session may not fit. */
const parsedRowCount = 500;

export class OutboxStore {
  readonly #sql: SqlStorage;
  /** Undefined: not read; null: the session notes no events. */
  #state: OutboxState | null | undefined;
  #lastSeq: number | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** True once the session knows of an endpoint. */
  get isOn(): boolean {
    return this.#load() !== null;
  }

  /** The number of the last event; 0: none. */
  get lastSeq(): number {
    return (this.#lastSeq ??=
      this.#sql.exec<{ seq: number | null }>('SELECT max(seq) AS seq FROM outbox').one().seq ?? 0);
  }

  /** True when every endpoint knows of every event. */
  get isTold(): boolean {
    const state = this.#load();
    return state === null || state.toldSeq >= this.lastSeq;
  }

  /** Notes events for these endpoints from now on. Call inside a transaction. */
  turnOn(endpointIds: readonly string[]): void {
    const known = this.#load()?.knownAfter;
    const after = (id: string): number => known?.[id] ?? this.lastSeq;
    const knownAfter = Object.fromEntries(endpointIds.map((id) => [id, after(id)]));
    this.#save({ toldSeq: this.#load()?.toldSeq ?? this.lastSeq, knownAfter });
  }

  /** True when {@link turnOn} has been called for just these endpoints. */
  isOnFor(endpointIds: readonly string[]): boolean {
    const known = this.#load()?.knownAfter ?? {};
    return (
      this.isOn && endpointIds.length === Object.keys(known).length && endpointIds.every((id) => id in known)
    );
  }

  /** The last event before the session learned of an endpoint; null: it has not. */
  knownAfter(endpointId: string): number | null {
    return this.#load()?.knownAfter?.[endpointId] ?? null;
  }

  /** Deletes all events: nobody is left who would get them. Call inside a transaction. */
  turnOff(): void {
    const { lastSeq } = this;
    this.#sql.exec('DELETE FROM outbox');
    this.#keepNumber(lastSeq);
    this.forget();
  }

  /** The endpoints know of the events up to this one. Call inside a transaction. */
  noteTold(seq: number): void {
    const state = this.#load();
    if (state !== null && state.toldSeq < seq) this.#save({ ...state, toldSeq: seq });
  }

  /** Writes events. Call inside the transaction of what they tell of, and only while {@link isOn}. */
  note(events: readonly StoredEvent[], at: number): void {
    if (events.length === 0) return;
    const seq = this.lastSeq + 1;
    this.#sql.exec('INSERT INTO outbox (seq, at, events) VALUES (?, ?, ?)', seq, at, JSON.stringify(events));
    this.#lastSeq = seq;
  }

  /** The rows after `afterSeq` up to `untilSeq`, in order. */
  rows(afterSeq: number, untilSeq: number, limit: number): OutboxRow[] {
    return this.#sql
      .exec<{
        seq: number;
        at: number;
        events: string;
      }>(
        'SELECT seq, at, events FROM outbox WHERE seq > max(0, ?) AND seq <= ? ORDER BY seq LIMIT ?',
        afterSeq,
        untilSeq,
        limit,
      )
      .toArray()
      .map((row) => ({ ...row, events: JSON.parse(row.events) as StoredEvent[] }));
  }

  /** Deletes the events that name leads; those of the activation stay. Call inside a transaction. */
  anonymize(): void {
    if (!this.isOn) return;
    const { lastSeq } = this;
    for (let afterSeq = 0; afterSeq < lastSeq;) {
      const rows = this.rows(afterSeq, lastSeq, parsedRowCount);
      for (const { seq, events } of rows) {
        if (events.some(isLeadEvent)) this.#sql.exec('DELETE FROM outbox WHERE seq = ?', seq);
      }
      afterSeq = rows.at(-1)?.seq ?? lastSeq;
    }
    this.#keepNumber(lastSeq);
  }

  /** A row without events where the last one was deleted: receivers know events by their numbers, so none is given out again. */
  #keepNumber(lastSeq: number): void {
    if (lastSeq > 0)
      this.#sql.exec("INSERT OR IGNORE INTO outbox (seq, at, events) VALUES (?, 0, '[]')", lastSeq);
  }

  /** Drops the cache: the transaction that filled it was rolled back, or all rows were deleted. */
  forget(): void {
    this.#state = undefined;
    this.#lastSeq = null;
  }

  #load(): OutboxState | null {
    if (this.#state !== undefined) return this.#state;
    const row = this.#sql.exec<{ events: string }>('SELECT events FROM outbox WHERE seq = 0').toArray()[0];
    return (this.#state = row === undefined ? null : (JSON.parse(row.events) as OutboxState));
  }

  #save(state: OutboxState): void {
    this.#sql.exec('INSERT OR REPLACE INTO outbox (seq, at, events) VALUES (0, 0, ?)', JSON.stringify(state));
    this.#state = state;
  }
}
