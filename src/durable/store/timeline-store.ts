/**
 * SessionTimeline: the timeline of a session on disk (core/session/timeline.ts).
 *
 * Owns the tables `event` and `throughput`, and a memory cache of both; losing it costs a read. The writer of the
 * session's record passes it every change, inside the same transaction.
 * Invariant: few rows are written, one for each event and one for the whole series every few seconds.
 *
 * @module
 */
import {
  addPoint,
  emptySeries,
  eventsBetween,
  maxEventCount,
  placeEvent,
  type NewEvent,
  type Series,
} from '../../core/session/timeline.ts';
import type { Session } from '../../core/session/session.ts';
import type { ThroughputPoint, TimelineEvent } from '../../shared/timeline.ts';

type EventRow = {
  id: number;
  kind: TimelineEvent['kind'];
  at: number;
  until: number;
  actor: string | null;
  reason: TimelineEvent['reason'];
  message: string | null;
  count: number | null;
};

/** A point as it is stored: without names, in a third of the bytes. */
type StoredPoint = [at: number, processed: number, sent: number, failed: number];

export class SessionTimeline {
  readonly #sql: SqlStorage;
  #events: TimelineEvent[] | null = null;
  #series: Series | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Writes the events of a change of the record. Call inside the transaction that writes the record. */
  changed(before: Session | null, after: Session, by: string | null): void {
    for (const event of eventsBetween(before, after, by)) this.note(event);
    const series = addPoint(this.series(), before, after);
    if (series !== null) this.#saveSeries(series);
  }

  /** Writes an event, or extends an earlier one that says the same. Call inside a transaction. */
  note(event: NewEvent): void {
    const events = this.events();
    const step = placeEvent(events, event);
    switch (step.kind) {
      case 'known':
        return;
      case 'extend':
        this.#sql.exec('UPDATE event SET until = ? WHERE id = ?', step.until, step.id);
        this.#events = events.map((known) =>
          known.id === step.id ? { ...known, until: step.until } : known,
        );
        return;
      case 'add': {
        const { kind, at, until, by, reason, message, count } = event;
        const id = (events.at(-1)?.id ?? 0) + 1;
        this.#sql.exec(
          'INSERT INTO event (id, kind, at, until, actor, reason, message, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
          ...[id, kind, at, until, by, reason, message, count],
        );
        const kept = [...events, { id, ...event }].slice(-maxEventCount);
        if (kept.length <= events.length) this.#sql.exec('DELETE FROM event WHERE id < ?', kept[0]?.id ?? 0);
        this.#events = kept;
        return;
      }
      default:
        step satisfies never;
    }
  }

  events(): TimelineEvent[] {
    return (this.#events ??= this.#sql
      .exec<EventRow>('SELECT * FROM event ORDER BY id')
      .toArray()
      .map(({ actor, ...event }) => ({ ...event, by: actor })));
  }

  series(): Series {
    if (this.#series !== null) return this.#series;
    const row = this.#sql
      .exec<{ spacing_ms: number; points: string }>('SELECT spacing_ms, points FROM throughput WHERE id = 1')
      .toArray()[0];
    this.#series =
      row === undefined
        ? emptySeries
        : { spacingMs: row.spacing_ms, points: (JSON.parse(row.points) as StoredPoint[]).map(toPoint) };
    return this.#series;
  }

  /** Drops the caches: the transaction that filled them was rolled back. */
  forget(): void {
    this.#events = null;
    this.#series = null;
  }

  #saveSeries(series: Series): void {
    const points = series.points.map(({ at, processed, sent, failed }): StoredPoint => [
      at,
      processed,
      sent,
      failed,
    ]);
    this.#sql.exec(
      'INSERT OR REPLACE INTO throughput (id, spacing_ms, points) VALUES (1, ?, ?)',
      series.spacingMs,
      JSON.stringify(points),
    );
    this.#series = series;
  }
}

function toPoint([at, processed, sent, failed]: StoredPoint): ThroughputPoint {
  return { at, processed, sent, failed };
}
