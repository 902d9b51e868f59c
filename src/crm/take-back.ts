/**
 * Taking back an activation: makes leads new again that one session has set active, where nothing else has changed
 * them since.
 *
 * One D1 batch for each page, which is one transaction; it writes 2 rows for each lead and 3 for the page. Invariants:
 * a repeat changes nothing and counts the same leads, because each lead has the session that took it back; a lead that
 * was edited, imported, erased or activated by another session since stays; a lead that was mailed keeps the time of
 * its mail, for the frequency guard; a flip of the session that arrives late changes nothing (fence.ts).
 *
 * @module
 */
import { raisingFence } from './fence.ts';
import { logChange } from './leads/changes.ts';
import { nextRevisionSql } from './leads/row.ts';

// Leads of before 0012 have no revisions.
const isTouchedSql = `iif(l.activated_revision > 0, l.revision > l.activated_revision, l.updated_at > l.activated_at)`;
const isOursSql = `+l.status = 'active' AND +l.activated_by = ?2 AND NOT ${isTouchedSql}`;
const isTakenBackSql = `+l.taken_back_by = ?2 AND +l.activated_by IS NOT ?2`;
const isGivenSql = 'l.id IN (SELECT value FROM json_each(?1))';

// The revision of an edit: to sessions that run, the lead has changed since they started, so they do not draw it. Those
// that have drawn it before skip it (flip.ts).
const revertSql = (mailTimes: string): string => `UPDATE leads AS l SET status = 'new',
    activated_at = NULL, activated_by = NULL, taken_back_by = ?2, taken_back_at = ?3,
    revision = ${nextRevisionSql}, taken_back_revision = ${nextRevisionSql}, ${mailTimes}
  WHERE ${isGivenSql} AND ${isOursSql}`;
const revertMailedSql = revertSql('mailed_at = coalesce(mailed_at, activated_at)');
// The flip wrote the time of a mail that did not leave.
const revertUnmailedSql = revertSql(`mailed_at = iif(mailed_at = activated_at, mailed_before, mailed_at),
    mailed_before = iif(mailed_at = activated_at, NULL, mailed_before)`);

const countRevertedSql = `UPDATE lead_counts
  SET revision = revision + 1, new_count = new_count + changes(), active_count = active_count - changes()
  WHERE changes() > 0`;

const readTakenBackSql = `SELECT count(*) AS count FROM leads l WHERE ${isGivenSql} AND ${isTakenBackSql}`;

/**
 * Takes back one page of leads.
 *
 * @param page.number - higher than that of each flip of the session
 * @returns how many of the leads are new again because of this session; a repeat returns the same
 * @throws what D1 throws; a repeat is safe
 */
export async function takeBackLeads(
  db: D1Database,
  page: {
    sessionId: string;
    number: number;
    unmailed: readonly number[];
    mailed: readonly number[];
    nowMs: number;
  },
): Promise<number> {
  const { sessionId, number, unmailed, mailed, nowMs } = page;
  const revert = (sql: string, leadIds: readonly number[]): D1PreparedStatement[] =>
    leadIds.length === 0
      ? []
      : [
          db.prepare(sql).bind(JSON.stringify(leadIds), sessionId, nowMs),
          db.prepare(countRevertedSql),
          logChange(db, leadIds),
        ];
  const results = await db.batch<{ count: number }>([
    raisingFence(db, { sessionId, number }),
    ...revert(revertUnmailedSql, unmailed),
    ...revert(revertMailedSql, mailed),
    db.prepare(readTakenBackSql).bind(JSON.stringify([...unmailed, ...mailed]), sessionId),
  ]);
  return results.at(-1)?.results[0]?.count ?? 0;
}

/** What {@link takeBackLeads} would do with some leads. */
export interface TakeBackForecast {
  revertedIds: number[];
  alreadyTakenBack: number;
}

const forecastSql = `SELECT
    (SELECT json_group_array(l.id) FROM leads l WHERE ${isGivenSql} AND ${isOursSql}) AS revertedIds,
    (${readTakenBackSql}) AS alreadyTakenBack`;

/** What taking back these leads would do now. Writes nothing. */
export async function forecastTakeBack(
  db: D1Database,
  sessionId: string,
  leadIds: readonly number[],
): Promise<TakeBackForecast> {
  const row = await db
    .prepare(forecastSql)
    .bind(JSON.stringify(leadIds), sessionId)
    .first<{ revertedIds: string; alreadyTakenBack: number }>();
  if (row === null) return { revertedIds: [], alreadyTakenBack: 0 };
  return { revertedIds: JSON.parse(row.revertedIds) as number[], alreadyTakenBack: row.alreadyTakenBack };
}

/** The activation that last made a lead new again, or null. */
export async function takenBackOf(
  db: D1Database,
  leadId: number,
): Promise<{ sessionId: string; at: number } | null> {
  return db
    .prepare(
      `SELECT taken_back_by AS sessionId, taken_back_at AS at FROM leads WHERE id = ? AND taken_back_by IS NOT NULL`,
    )
    .bind(leadId)
    .first<{ sessionId: string; at: number }>();
}
