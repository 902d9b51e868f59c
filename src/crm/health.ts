/**
 * What the database knows of the product's health: the figures behind metrics, the last sweep, and when alerts fired.
 *
 * Owns the tables `sweep_report` and `alert_events`. What the figures mean is core/health.
 * Invariant: the cost of a read is bounded, however long the product has run.
 *
 * @module
 */
import type { CrmAllowance } from '../shared/crm.ts';
import type { ActivationFigures, DatabaseFigures, SweepReport } from '../shared/health.ts';

/** Rows of one list that are read. More than so many open activations are counted as so many. */
const maxRowCount = 500;
const dayMs = 86_400_000;

const field = (path: string, name: string): string => `progress ->> '$.${path}' AS ${name}`;
const activationSql = `SELECT session_id AS sessionId, state, ${[
  field('reason', 'reason'),
  field('waitingFor.kind', 'waitingFor'),
  field('waitingUntil', 'waitingUntil'),
  field('stalledSince', 'stalledSince'),
  field('startsAt', 'undoUntil'),
  field('updatedAt', 'updatedAt'),
  field('startedAt', 'startedAt'),
  field('finishedAt', 'finishedAt'),
  field('schedule.startAt', 'startAt'),
  field('approval.expiresAt', 'expiresAt'),
  ...['sent', 'failed', 'unknown', 'delivered', 'bounced', 'complained'].map((name) =>
    field(`email.${name}`, name),
  ),
].join(', ')} FROM activations`;

/** Everything at once, in one call of the database. */
export async function readHealth(db: D1Database, nowMs: number): Promise<DatabaseFigures> {
  const [open, recent, endpoints, imports, sweep, connections] = await db.batch<Record<string, never>>([
    db
      .prepare(
        `${activationSql} INDEXED BY activations_open WHERE (progress ->> 'finishedAt') IS NULL
         ORDER BY session_id DESC LIMIT ?`,
      )
      .bind(maxRowCount),
    db
      .prepare(
        `${activationSql} WHERE created_at > ? AND (progress ->> 'finishedAt') IS NOT NULL
         ORDER BY created_at DESC LIMIT ?`,
      )
      .bind(nowMs - 7 * dayMs, maxRowCount),
    db.prepare(
      `SELECT endpoint_id AS endpointId, disabled_reason AS disabledReason, disabled_at IS NOT NULL AS isOff
       FROM event_endpoints`,
    ),
    db
      .prepare(
        `SELECT import_id AS importId, updated_at AS updatedAt FROM imports
         WHERE state IN ('open', 'undoing') AND updated_at > ? ORDER BY updated_at LIMIT ?`,
      )
      .bind(nowMs - dayMs, maxRowCount),
    db.prepare('SELECT at, report FROM sweep_report'),
    db.prepare('SELECT account, allowance FROM crm_connections WHERE allowance IS NOT NULL'),
  ]);
  const stored = sweep?.results[0] as { at: number; report: string } | undefined;
  return {
    activations: [...(open?.results ?? []), ...(recent?.results ?? [])] as unknown as ActivationFigures[],
    endpoints: (
      (endpoints?.results ?? []) as unknown as {
        endpointId: string;
        disabledReason: string | null;
        isOff: number;
      }[]
    ).map((row) => ({ ...row, isOff: row.isOff === 1 })),
    imports: (imports?.results ?? []) as unknown as DatabaseFigures['imports'],
    // Written by connection-state.ts only.
    crmAllowances: ((connections?.results ?? []) as unknown as { account: string; allowance: string }[]).map(
      ({ account, allowance }) => ({ account, allowance: JSON.parse(allowance) as CrmAllowance }),
    ),
    // Written by writeSweep only.
    sweep:
      stored === undefined
        ? null
        : { ...(JSON.parse(stored.report) as Omit<SweepReport, 'at'>), at: stored.at },
  };
}

/** Stores what a sweep has found, in place of the one before. */
export async function writeSweep(db: D1Database, { at, ...report }: SweepReport): Promise<void> {
  await db
    .prepare('INSERT OR REPLACE INTO sweep_report (id, at, report) VALUES (1, ?, ?)')
    .bind(at, JSON.stringify(report))
    .run();
}

// ── alerts ───────────────────────────────────────────────────────────────────────────────────────

/** When an alert fired or ended. */
export interface AlertRow {
  seq: number;
  at: number;
  alertId: string;
  state: 'firing' | 'ended';
  value: number | null;
}

const alertColumns = 'seq, at, alert_id AS alertId, state, value';

/** The last row of each alert that is firing. */
export async function firingRows(db: D1Database): Promise<AlertRow[]> {
  const { results } = await db
    .prepare(
      `SELECT ${alertColumns} FROM alert_events
       WHERE seq IN (SELECT max(seq) FROM alert_events GROUP BY alert_id) AND state = 'firing'`,
    )
    .all<AlertRow>();
  return results;
}

/**
 * Notes that alerts fired or ended. Of two checks at once, one notes it.
 *
 * @returns those that were news
 */
export async function noteAlerts(
  db: D1Database,
  changes: readonly Omit<AlertRow, 'seq'>[],
): Promise<Omit<AlertRow, 'seq'>[]> {
  if (changes.length === 0) return [];
  const note = db.prepare(
    `INSERT INTO alert_events (seq, at, alert_id, state, value)
     SELECT max(?1, coalesce((SELECT max(seq) FROM alert_events), 0) + 1), ?1, ?2, ?3, ?4
     WHERE coalesce((SELECT state FROM alert_events WHERE alert_id = ?2 ORDER BY seq DESC LIMIT 1), 'ended') <> ?3`,
  );
  const results = await db.batch(
    changes.map(({ at, alertId, state, value }) => note.bind(at, alertId, state, value)),
  );
  return changes.filter((_, index) => (results[index]?.meta.changes ?? 0) > 0);
}

/** Alerts after a number, in order. */
export async function alertsAfter(
  db: D1Database,
  { afterSeq, untilSeq, limit }: { afterSeq: number; untilSeq: number | null; limit: number },
): Promise<AlertRow[]> {
  const { results } = await db
    .prepare(`SELECT ${alertColumns} FROM alert_events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`)
    .bind(afterSeq, untilSeq ?? Number.MAX_SAFE_INTEGER, limit)
    .all<AlertRow>();
  return results;
}

/** The last alert that fired or ended; null: none ever did. */
export async function lastAlert(db: D1Database): Promise<{ seq: number; at: number } | null> {
  return db.prepare('SELECT seq, at FROM alert_events ORDER BY seq DESC LIMIT 1').first();
}

/** Deletes what happened long ago, but not the present state of an alert. */
export async function dropOldAlerts(db: D1Database, untilMs: number): Promise<void> {
  await db
    .prepare(
      `DELETE FROM alert_events WHERE at < ?
       AND seq NOT IN (SELECT max(seq) FROM alert_events GROUP BY alert_id)`,
    )
    .bind(untilMs)
    .run();
}
