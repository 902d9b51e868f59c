/**
 * The SQLite schema of a session object: an append-only list of migrations.
 *
 * A deployed migration is never edited. A session that an older version made is migrated when it is opened, statement
 * by statement, in one transaction. The schema is made at the start of a session only, because a read of an unknown id
 * must not write.
 *
 * @module
 */

/** `migrations[n]` brings version n to n + 1. */
const migrations: readonly string[] = [
  `
  -- What the session was started with; large (template, ids) and never written again.
  CREATE TABLE spec (id INTEGER PRIMARY KEY CHECK (id = 1), json TEXT NOT NULL) STRICT;

  CREATE TABLE session (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    state          TEXT NOT NULL,
    reason         TEXT,
    generation     INTEGER NOT NULL,
    rev            INTEGER NOT NULL,
    total          INTEGER NOT NULL,
    counts         TEXT NOT NULL,
    fates          TEXT NOT NULL,
    plan           TEXT NOT NULL,
    started_at     INTEGER,
    updated_at     INTEGER NOT NULL,
    finished_at    INTEGER,
    cancelled_at   INTEGER,
    progressed_at  INTEGER NOT NULL,
    waiting_until  INTEGER,
    last_error     TEXT,
    fault_streak   INTEGER NOT NULL,
    probe_at       INTEGER,
    recorded_rev   INTEGER NOT NULL,
    samples        TEXT NOT NULL
  ) STRICT;

  -- Small columns first: a scan over states and marks then stays off the overflow pages of the rest.
  CREATE TABLE batch (
    seq             INTEGER PRIMARY KEY,
    state           TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    attempt_at      INTEGER,
    in_doubt_since  INTEGER,
    next_attempt_at INTEGER,
    origin_seq      INTEGER,
    marks           TEXT NOT NULL DEFAULT '',
    code            TEXT,
    message         TEXT,
    payload_hash    TEXT,
    skipped         TEXT NOT NULL DEFAULT '[]',
    failures        TEXT NOT NULL DEFAULT '[]',
    lead_ids        TEXT NOT NULL,
    recipients      TEXT,
    message_ids     TEXT
  ) STRICT;

  -- Only rare states are indexed: every index that a batch touches is one more billed row, and the
  -- common way pending -> inflight -> done touches none. Pending ones are found by a cursor.
  CREATE INDEX batch_waiting ON batch (next_attempt_at) WHERE state = 'waiting';
  CREATE INDEX batch_unknown ON batch (seq) WHERE state = 'unknown';
  `,
  `
  -- What became of mails, from webhooks: one byte of bits (core/batch/delivery-status.ts) for each lead, 256 lead ids in a
  -- row. Leads of a batch are neighbours, so many events cost one row.
  CREATE TABLE fate (block INTEGER PRIMARY KEY, bits BLOB NOT NULL) STRICT;
  `,
  `
  -- Leads that were erased while the session knew them. Ids that mean nobody any more: a slice that holds
  -- such a lead in memory must not write it back or mail it.
  CREATE TABLE erased_lead (lead_id INTEGER PRIMARY KEY) STRICT;
  `,
  `
  -- What happened to the session and who did it; bounded (core/session/timeline.ts).
  CREATE TABLE event (
    id      INTEGER PRIMARY KEY,
    kind    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    actor   TEXT,
    reason  TEXT,
    message TEXT,
    count   INTEGER
  ) STRICT;

  -- Counters at some hundred moments, all in one row: a row each would be billed twice, when it is written
  -- and when the series is thinned.
  CREATE TABLE throughput (id INTEGER PRIMARY KEY CHECK (id = 1), spacing_ms INTEGER NOT NULL, points TEXT NOT NULL) STRICT;
  `,
  `
  -- What a person had done with a batch while it was unknown (core/batch/batch.ts, Retried).
  ALTER TABLE batch ADD COLUMN retried TEXT;
  -- The version before took a 503, and a retry of unknown mail, for "not taken": what waits may have been taken.
  UPDATE batch SET in_doubt_since = attempt_at
    WHERE state = 'waiting' AND in_doubt_since IS NULL AND attempt_at IS NOT NULL
      AND coalesce(code, '') NOT IN ('throttled', 'daily_quota', 'monthly_quota');
  -- Fields of the session that are neither sorted nor searched by, as JSON.
  ALTER TABLE session ADD COLUMN extra TEXT NOT NULL DEFAULT '{}';
  `,
  `
  -- What the session last waited for, as JSON: { kind, since }.
  ALTER TABLE session ADD COLUMN waiting_for TEXT;
  `,
  `
  -- The last receipt, as JSON (core/session/receipt.ts). These tables are empty until somebody asks for a receipt.
  CREATE TABLE receipt (id INTEGER PRIMARY KEY CHECK (id = 1), json TEXT NOT NULL) STRICT;
  -- The seeds of the salts, 16 random bytes for each of a thousand batches; zeros where a seed was destroyed.
  CREATE TABLE receipt_seeds (block INTEGER PRIMARY KEY, seeds BLOB NOT NULL) STRICT;
  -- Batches of which a recipient was erased: salts of the others and leaves of the erased, as JSON.
  CREATE TABLE receipt_closed (seq INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
  `,
  `
  -- Events for endpoints, as JSON (core/events/make-events.ts). Row 0 says that they are noted, and how far the
  -- endpoints know of them. Empty where there is no endpoint.
  CREATE TABLE outbox (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, events TEXT NOT NULL) STRICT;
  `,
];

const versionTable = 'CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT';

/**
 * What an object holds: no session, a session of an older version, or one that can be read.
 *
 * It reads the row and catches the error of a missing table. A query of `sqlite_master` would read, and bill, a row
 * for each table and index on every first read of a session.
 */
export function schemaState(sql: SqlStorage): 'none' | 'outdated' | 'current' {
  let version: number | undefined;
  try {
    version = sql.exec<{ version: number }>('SELECT version FROM schema_version').toArray()[0]?.version;
  } catch (error) {
    if (error instanceof Error && error.message.includes('no such table')) return 'none';
    throw error;
  }
  if (version === undefined) return 'none';
  return version < migrations.length ? 'outdated' : 'current';
}

/**
 * Writes the tombstone of an erased session. Its id must not be started again: leads have it as their owner, and the
 * mail provider remembers keys that contain it.
 */
export function markErased(sql: SqlStorage): void {
  sql.exec('CREATE TABLE erased (id INTEGER PRIMARY KEY CHECK (id = 1)) STRICT');
}

/** True in an object whose session was erased. Call it only where there is no session. */
export function isMarkedErased(sql: SqlStorage): boolean {
  return (
    sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'erased'").toArray().length > 0
  );
}

/** Makes the schema, or migrates it. Call inside a transaction. */
export function migrate(sql: SqlStorage): void {
  sql.exec(versionTable);
  const row = sql.exec<{ version: number }>('SELECT version FROM schema_version').toArray()[0];
  const from = row?.version ?? 0;
  if (from >= migrations.length) return;
  for (const migration of migrations.slice(from)) sql.exec(migration);
  if (row === undefined) sql.exec('INSERT INTO schema_version (version) VALUES (?)', migrations.length);
  else sql.exec('UPDATE schema_version SET version = ?', migrations.length);
}
