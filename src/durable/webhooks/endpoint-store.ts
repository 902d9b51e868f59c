/**
 * EndpointStore: the storage of one endpoint's object.
 *
 * Owns its secrets, how far each session's events have been sent, and the log of deliveries. Makes no decisions and
 * reads no clock. What the endpoint is, its address and its types, is in D1 (crm/event-endpoints.ts).
 * Invariants: the tables are made when the endpoint is; the page that is being sent is on disk before its first event
 * leaves, so that a repeat sends the same events under the same ids.
 *
 * @module
 */
import type { DeliveryState } from '../../shared/schemas/webhooks.ts';

/** How far the events of one session have been sent. */
export interface Source {
  sessionId: string;
  /** Everything up to this number was sent. */
  afterSeq: number;
  /** The session has events up to this number. */
  knownSeq: number;
  /** The end of the page that is being sent; null: none is. */
  untilSeq: number | null;
  /** Events of that page that were sent, or are not wanted. */
  part: number;
  /** Attempts of the present event. */
  attempts: number;
  firstFailedAt: number | null;
  /** Not before; epoch ms. */
  nextAt: number;
}

/** One event in the log, as it is stored. */
export interface DeliveryRow {
  id: number;
  messageId: string;
  type: string;
  /** Null: of a test. */
  sessionId: string | null;
  /** Where the event is in its session: the page and the place in it. */
  afterSeq: number;
  untilSeq: number;
  part: number;
  state: DeliveryState;
  attempts: number;
  /** Of the last attempt. */
  attemptedAt: number;
  durationMs: number;
  status: number | null;
  error: string | null;
  nextAt: number | null;
}

interface Endpoint {
  createdAt: number;
  /** Of the switching off that its maker was told of. */
  toldDisabledAt: number | null;
}

/** Entries of the log; older ones are deleted. */
const maxDeliveryCount = 1_000;

const schema = `
  CREATE TABLE IF NOT EXISTS endpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), created_at INTEGER NOT NULL, told_disabled_at INTEGER
  ) STRICT;
  CREATE TABLE IF NOT EXISTS secret (
    id INTEGER PRIMARY KEY, value TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER
  ) STRICT;
  CREATE TABLE IF NOT EXISTS source (
    session_id TEXT PRIMARY KEY, after_seq INTEGER NOT NULL, known_seq INTEGER NOT NULL, until_seq INTEGER,
    part INTEGER NOT NULL, attempts INTEGER NOT NULL, first_failed_at INTEGER, next_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY, message_id TEXT NOT NULL, type TEXT NOT NULL, session_id TEXT, after_seq INTEGER NOT NULL,
    until_seq INTEGER NOT NULL, part INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
    attempted_at INTEGER NOT NULL, duration_ms INTEGER NOT NULL, status INTEGER, error TEXT, next_at INTEGER
  ) STRICT;`;

const sourceColumns = `session_id AS sessionId, after_seq AS afterSeq, known_seq AS knownSeq, until_seq AS untilSeq, part,
  attempts, first_failed_at AS firstFailedAt, next_at AS nextAt`;
const deliveryColumns = `id, message_id AS messageId, type, session_id AS sessionId, after_seq AS afterSeq,
  until_seq AS untilSeq, part, state, attempts, attempted_at AS attemptedAt, duration_ms AS durationMs, status, error,
  next_at AS nextAt`;

export class EndpointStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
  }

  transact<T>(work: () => T): T {
    return this.#storage.transactionSync(work);
  }

  /** Makes the tables of a new endpoint; a second call changes nothing. */
  create(createdAt: number): void {
    this.transact(() => {
      this.#sql.exec(schema);
      this.#sql.exec('INSERT OR IGNORE INTO endpoint (id, created_at) VALUES (1, ?)', createdAt);
    });
  }

  /** The endpoint, or null in an object of which none was made: nothing is written then. */
  endpoint(): Endpoint | null {
    try {
      return (
        this.#sql
          .exec<Endpoint & Record<string, SqlStorageValue>>(
            'SELECT created_at AS createdAt, told_disabled_at AS toldDisabledAt FROM endpoint',
          )
          .toArray()[0] ?? null
      );
    } catch (error) {
      if (error instanceof Error && error.message.includes('no such table')) return null;
      throw error;
    }
  }

  noteDisabledTold(disabledAt: number): void {
    this.#sql.exec('UPDATE endpoint SET told_disabled_at = ?', disabledAt);
  }

  async deleteAll(): Promise<void> {
    // In one turn, so that no death leaves rows that no alarm would ever delete.
    await Promise.all([this.#storage.deleteAlarm(), this.#storage.deleteAll()]);
  }

  // ── secrets ────────────────────────────────────────────────────────────────────────────────────

  /** The secrets that are valid, the newest first. */
  secrets(nowMs: number): string[] {
    return this.#sql
      .exec<{ value: string }>(
        'SELECT value FROM secret WHERE expires_at IS NULL OR expires_at > ? ORDER BY id DESC',
        nowMs,
      )
      .toArray()
      .map(({ value }) => value);
  }

  /** Until when the secret before the newest one is valid as well; null: it is not. */
  previousSecretUntil(nowMs: number): number | null {
    return this.#sql
      .exec<{ until: number | null }>(
        'SELECT max(expires_at) AS until FROM secret WHERE expires_at > ?',
        nowMs,
      )
      .one().until;
  }

  /** Adds the newest secret; those before are valid until `expiresAt`, and only one of them. */
  addSecret(value: string, nowMs: number, expiresAt: number): void {
    this.transact(() => {
      this.#sql.exec('DELETE FROM secret WHERE expires_at IS NOT NULL');
      this.#sql.exec('UPDATE secret SET expires_at = ?', expiresAt);
      this.#sql.exec('INSERT INTO secret (value, created_at) VALUES (?, ?)', value, nowMs);
    });
  }

  // ── sources ────────────────────────────────────────────────────────────────────────────────────

  /** A session has events up to this number. @returns false when that was known */
  announce(sessionId: string, seq: number): boolean {
    return (
      this.#sql.exec(
        `INSERT INTO source (session_id, after_seq, known_seq, part, attempts, next_at) VALUES (?, 0, ?, 0, 0, 0)
         ON CONFLICT (session_id) DO UPDATE SET known_seq = excluded.known_seq
         WHERE excluded.known_seq > known_seq`,
        sessionId,
        seq,
      ).rowsWritten > 0
    );
  }

  /** The sessions with events that can be sent now, those that wait longest first. */
  due(nowMs: number, limit: number): Source[] {
    return this.#sql
      .exec<Source & Record<string, SqlStorageValue>>(
        `SELECT ${sourceColumns} FROM source WHERE known_seq > after_seq AND next_at <= ? ORDER BY next_at LIMIT ?`,
        nowMs,
        limit,
      )
      .toArray();
  }

  source(sessionId: string): Source | null {
    return (
      this.#sql
        .exec<Source & Record<string, SqlStorageValue>>(
          `SELECT ${sourceColumns} FROM source WHERE session_id = ?`,
          sessionId,
        )
        .toArray()[0] ?? null
    );
  }

  /** When the next session has events that can be sent; null: none has. */
  nextAt(): number | null {
    return this.#sql
      .exec<{ at: number | null }>('SELECT min(next_at) AS at FROM source WHERE known_seq > after_seq')
      .one().at;
  }

  /** Sessions whose events wait to be sent. */
  waitingCount(): number {
    return this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM source WHERE known_seq > after_seq').one()
      .n;
  }

  /** Writes how far a session's events were sent. What the session has announced meanwhile stays. */
  saveSource(source: Source): void {
    this.#sql.exec(
      `UPDATE source SET after_seq = ?, known_seq = max(known_seq, ?), until_seq = ?, part = ?, attempts = ?,
         first_failed_at = ?, next_at = ? WHERE session_id = ?`,
      source.afterSeq,
      source.knownSeq,
      source.untilSeq,
      source.part,
      source.attempts,
      source.firstFailedAt,
      source.nextAt,
      source.sessionId,
    );
  }

  dropSource(sessionId: string): void {
    this.#sql.exec('DELETE FROM source WHERE session_id = ?', sessionId);
  }

  /** Everything that waits is sent soon, and its days begin anew. Writes only what is not so. */
  hurry(): void {
    this.#sql.exec(
      `UPDATE source SET next_at = 0, attempts = 0, first_failed_at = NULL
       WHERE known_seq > after_seq AND (next_at <> 0 OR attempts <> 0 OR first_failed_at IS NOT NULL)`,
    );
  }

  // ── the log ────────────────────────────────────────────────────────────────────────────────────

  /** Writes an attempt into the log: a new entry, or the present one of the same event. Call inside a transaction. */
  log(row: Omit<DeliveryRow, 'id'>): number {
    const known = this.#sql
      .exec<{ id: number }>(
        `SELECT id FROM delivery WHERE id > (SELECT coalesce(max(id), 0) FROM delivery) - ? AND message_id = ?
           AND state = 'failing' ORDER BY id DESC LIMIT 1`,
        row.attempts > 1 ? maxDeliveryCount : 0,
        row.messageId,
      )
      .toArray()[0]?.id;
    const id = this.#sql
      .exec<{ id: number }>(
        `INSERT OR REPLACE INTO delivery (id, message_id, type, session_id, after_seq, until_seq, part, state, attempts,
           attempted_at, duration_ms, status, error, next_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
        known ?? null,
        row.messageId,
        row.type,
        row.sessionId,
        row.afterSeq,
        row.untilSeq,
        row.part,
        row.state,
        row.attempts,
        row.attemptedAt,
        row.durationMs,
        row.status,
        row.error,
        row.nextAt,
      )
      .one().id;
    this.#sql.exec('DELETE FROM delivery WHERE id <= ?', id - maxDeliveryCount);
    return id;
  }

  /**
   * When the endpoint last took something, as far as the log knows. Reads the whole log.
   *
   * @param what - `events`: tests do not count, since whoever takes one may take nothing else
   */
  takenAt(what: 'anything' | 'events'): number | null {
    return this.#sql
      .exec<{ at: number | null }>(
        "SELECT max(attempted_at) AS at FROM delivery WHERE state = 'taken' AND (session_id IS NOT NULL OR ?)",
        Number(what === 'anything'),
      )
      .one().at;
  }

  delivery(id: number): DeliveryRow | null {
    return (
      this.#sql
        .exec<DeliveryRow & Record<string, SqlStorageValue>>(
          `SELECT ${deliveryColumns} FROM delivery WHERE id = ?`,
          id,
        )
        .toArray()[0] ?? null
    );
  }

  /** Entries of the log, the newest first. */
  deliveries(beforeId: number | null, limit: number): DeliveryRow[] {
    return this.#sql
      .exec<DeliveryRow & Record<string, SqlStorageValue>>(
        `SELECT ${deliveryColumns} FROM delivery WHERE id < ? ORDER BY id DESC LIMIT ?`,
        beforeId ?? Number.MAX_SAFE_INTEGER,
        limit,
      )
      .toArray();
  }
}
