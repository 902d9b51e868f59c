/**
 * The changes of leads in their order: the log that each change of the CRM writes a row to, and the pages by which
 * another system reads it.
 *
 * A page never uses a clock: a change has the revision of the CRM that it made, and revisions follow each other without
 * gaps in the order of transactions. Invariants: whoever changes leads raises the revision and logs it in the same
 * transaction ({@link logChange}); a reader gets every change after its cursor or is told that the log does not have
 * them; a lead is read as it is when the page is read, so what changes during the reading comes again behind it.
 *
 * @module
 */
import { limits } from '../../shared/limits.ts';
import type { FoundLead } from '../../shared/schemas/leads.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { leadColumns, toFoundLead, unmailableSql, type FoundLeadRow } from './row.ts';

const logSql = (ids: string): string => `INSERT OR REPLACE INTO lead_changes (revision, at, lead_ids)
  SELECT c.revision,
    max(CAST(unixepoch('subsec') * 1000 AS INTEGER),
      coalesce((SELECT p.at FROM lead_changes p ORDER BY p.revision DESC LIMIT 1), 0)),
    coalesce(${ids}, '')
  FROM lead_counts c WHERE changes() > 0`;

/** The statement that raises the revision if the statement before it has changed something. */
export const raiseRevision = (db: D1Database): D1PreparedStatement =>
  db.prepare('UPDATE lead_counts SET revision = revision + 1 WHERE changes() > 0');

/**
 * The statement that logs a change, directly after the one that raised the revision; it writes one row, or none where
 * that one changed nothing. The time is the database's, because the writers have different clocks.
 *
 * @param leadIds - every lead that was changed, created or removed; others among them do no harm
 */
export const logChange = (db: D1Database, leadIds: readonly number[]): D1PreparedStatement =>
  db.prepare(logSql('?1')).bind(leadIds.join(','));

/**
 * The same where only the database knows the leads.
 *
 * @param ids - SQL of their ids as text, such as `group_concat(id)`, with numbered parameters
 */
export const logChangeOf = (
  db: D1Database,
  ids: string,
  ...params: readonly (string | number | null)[]
): D1PreparedStatement => db.prepare(logSql(ids)).bind(...params);

/** Drops changes that are too old to be read. The last one stays: cursors begin at it. */
export async function dropOldChanges(db: D1Database, nowMs: number): Promise<void> {
  await db
    .prepare('DELETE FROM lead_changes WHERE at < ? AND revision < (SELECT max(revision) FROM lead_changes)')
    .bind(nowMs - limits.leadChangeDays * 86_400_000)
    .run();
}

/**
 * Where a reader is. `revision` and `at` are of a row of the log: everything up to it was read, and the time tells a log
 * that was restored from a backup from the one that the cursor is of.
 *
 * `all`: leads by id are read first, up to `afterId`. `changes`: of the next revision, leads up to `afterId` were read.
 */
interface Place {
  phase: 'all' | 'changes';
  revision: number;
  at: number;
  afterId: number;
}

const writePlace = ({ phase, revision, at, afterId }: Place): string =>
  encodeCursor([phase, revision, at, afterId]);

function readPlace(cursor: string): Place | null {
  const [phase, revision, at, afterId, ...rest] = decodeCursor(cursor) ?? [];
  const isWhole = (part: unknown): part is number => Number.isSafeInteger(part) && Number(part) >= 0;
  if (phase !== 'all' && phase !== 'changes') return null;
  if (rest.length > 0 || !isWhole(revision) || !isWhole(at) || !isWhole(afterId)) return null;
  return { phase, revision, at, afterId };
}

export interface ChangedLeads {
  leads: FoundLead[];
  /** Leads that are gone; the same may be named again. */
  erasedIds: number[];
  nextCursor: string;
  /** False: there was nothing newer when the page was read. */
  hasMore: boolean;
}

export type ChangesAnswer =
  | { kind: 'ok'; page: ChangedLeads }
  | { kind: 'invalid_cursor' }
  /** The log does not have all changes after the cursor. */
  | { kind: 'expired' };

/**
 * The next leads that changed, in the order of their last changes.
 *
 * @param query.since - epoch ms: without a cursor, changes from then on; all leads where the log does not reach so far
 * @param query.limit - leads that are looked at; a page may have fewer
 */
export async function readChanges(
  db: D1Database,
  query: { since: number; cursor: string | null; limit: number },
): Promise<ChangesAnswer> {
  const place = query.cursor === null ? await placeOf(db, query.since) : readPlace(query.cursor);
  if (place === null) return { kind: 'invalid_cursor' };
  return place.phase === 'all' ? readAll(db, place, query.limit) : readLog(db, place, query.limit);
}

/** The place of a reader that knows what there was before this time. */
async function placeOf(db: D1Database, since: number): Promise<Place> {
  // Times in the log never fall and revisions have no gaps, so a row is found by halves and not by reading all.
  const ends = await db
    .prepare(
      `SELECT (SELECT min(revision) FROM lead_changes) AS first, (SELECT revision FROM lead_counts) AS last`,
    )
    .first<{ first: number | null; last: number }>();
  if (ends?.first == null) throw new Error('The log of changes is missing.');
  const rowAt = async (revision: number): Promise<number> =>
    (await db.prepare('SELECT at FROM lead_changes WHERE revision = ?').bind(revision).first<number>('at')) ??
    0;
  const atLast = await rowAt(ends.last);
  const all: Place = { phase: 'all', revision: ends.last, at: atLast, afterId: 0 };
  if (since <= (await rowAt(ends.first))) return all;
  const before = await db
    .prepare(
      `WITH RECURSIVE half (low, high) AS (
         -- The last row before the time is at or after low, and before high. D1 binds numbers as floating point.
         SELECT CAST(?1 AS INTEGER), CAST(?2 AS INTEGER) + 1
         UNION ALL
         SELECT iif(m.at < ?3, m.revision, low), iif(m.at < ?3, high, m.revision)
         FROM half JOIN lead_changes m ON m.revision = (low + high) / 2 WHERE high - low > 1
       )
       SELECT revision, at FROM lead_changes WHERE revision = (SELECT max(low) FROM half)`,
    )
    .bind(ends.first, ends.last, since)
    .first<{ revision: number; at: number }>();
  return before === null ? all : { phase: 'changes', ...before, afterId: 0 };
}

async function readAll(db: D1Database, place: Place, limit: number): Promise<ChangesAnswer> {
  const [rows, log] = await db.batch<FoundLeadRow & { revision: number; isKnown: 0 | 1 }>([
    db
      .prepare(
        `SELECT ${leadColumns}, ${unmailableSql} AS unmailable FROM leads l WHERE l.id > ? ORDER BY l.id LIMIT ?`,
      )
      .bind(place.afterId, limit + 1),
    db
      .prepare(
        `SELECT revision, EXISTS (SELECT 1 FROM lead_changes WHERE revision = ?1 AND at = ?2) AS isKnown FROM lead_counts`,
      )
      .bind(place.revision, place.at),
  ]);
  const { revision, isKnown } = log?.results[0] ?? { revision: 0, isKnown: 0 };
  if (isKnown === 0) return { kind: 'expired' };
  const found = rows?.results ?? [];
  const leads = found.slice(0, limit).map(toFoundLead);
  const isLast = found.length <= limit;
  const next: Place = isLast
    ? { ...place, phase: 'changes', afterId: 0 }
    : { ...place, afterId: leads.at(-1)?.id ?? 0 };
  return {
    kind: 'ok',
    page: {
      leads,
      erasedIds: [],
      nextCursor: writePlace(next),
      hasMore: !isLast || revision > place.revision,
    },
  };
}

interface LogRow {
  revision: number;
  at: number;
  ids: string;
  current: number;
}

/** Changes that a page looks at. Most have a hundred leads, which an activation sets active together. */
const maxLogRowCount = 200;

async function readLog(db: D1Database, place: Place, limit: number): Promise<ChangesAnswer> {
  const { results } = await db
    .prepare(
      `SELECT revision, at, lead_ids AS ids, (SELECT revision FROM lead_counts) AS current
       FROM lead_changes WHERE revision >= ? ORDER BY revision LIMIT ${maxLogRowCount + 1}`,
    )
    .bind(place.revision)
    .all<LogRow>();
  const [first, ...rows] = results;
  if (first?.revision !== place.revision || first.at !== place.at) return { kind: 'expired' };
  // A revision without a row is a change of a version that has no log.
  const last = results.at(-1) ?? first;
  const isWhole = results.every(({ revision }, index) => revision === place.revision + index);
  const isEnd = results.length <= maxLogRowCount;
  if (!isWhole || (isEnd && last.revision < last.current)) return { kind: 'expired' };

  const { changed, next } = takeChanges(place, rows, limit);
  const now = await readNow(db, [...new Set(changed.map(({ leadId }) => leadId))]);
  const leads: FoundLead[] = [];
  const erasedIds = new Set<number>();
  for (const { leadId, revision } of changed) {
    const lead = now.get(leadId);
    if (lead === undefined) erasedIds.add(leadId);
    // One that changed later has a later row in the log, and one with an earlier change was not changed by this one.
    else if (lead.changedRevision === revision) leads.push(toFoundLead(lead.row));
  }
  return {
    kind: 'ok',
    page: {
      leads,
      erasedIds: [...erasedIds],
      nextCursor: writePlace(next),
      hasMore: next.revision < last.current,
    },
  };
}

/** The next leads of the log, at most `limit`, and the place after them. */
function takeChanges(
  place: Place,
  rows: readonly LogRow[],
  limit: number,
): { changed: { leadId: number; revision: number }[]; next: Place } {
  const changed: { leadId: number; revision: number }[] = [];
  let next = place;
  for (const { revision, at, ids } of rows) {
    const left = idsOf(ids).filter((id) => id > next.afterId);
    const taken = left.slice(0, limit - changed.length);
    changed.push(...taken.map((leadId) => ({ leadId, revision })));
    if (taken.length < left.length) {
      return { changed, next: { ...next, afterId: taken.at(-1) ?? next.afterId } };
    }
    next = { phase: 'changes', revision, at, afterId: 0 };
  }
  return { changed, next };
}

/** The ids of a row of the log, each once and in their order. */
function idsOf(text: string): number[] {
  const ids = text.split(',').flatMap((part) => {
    if (part === '') return [];
    const [from = 0, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
  return [...new Set(ids)].sort((a, b) => a - b);
}

/** SQL of the revision at which a lead `l` last changed: an edit, an activation, or its end. */
const changedRevisionSql = 'max(l.revision, l.activated_revision, coalesce(l.taken_back_revision, 0))';

async function readNow(
  db: D1Database,
  leadIds: readonly number[],
): Promise<Map<number, { row: FoundLeadRow; changedRevision: number }>> {
  const { results } = await db
    .prepare(
      `SELECT ${leadColumns}, ${unmailableSql} AS unmailable, ${changedRevisionSql} AS changedRevision
       FROM leads l WHERE l.id IN (SELECT value FROM json_each(?))`,
    )
    .bind(JSON.stringify(leadIds))
    .all<FoundLeadRow & { changedRevision: number }>();
  return new Map(results.map(({ changedRevision, ...row }) => [row.id, { row, changedRevision }]));
}
