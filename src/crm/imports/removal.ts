/**
 * Removes the leads that an import created (undo), the cells of its rejected rows (retention), or everything about
 * it (deletion).
 *
 * Invariants: each step is one transaction, so an interrupted request can be repeated and continues. No step blocks
 * the database for long.
 *
 * @module
 */
import type { Import } from '../../shared/schemas/imports.ts';
import { dropCells } from './issues.ts';
import { getImport } from './import.ts';
import { logChange } from '../leads/changes.ts';
import { isBeyondInSpans } from '../leads/filter.ts';
import { deletingMany, mergeSearchIndex } from '../leads/search-index.ts';

async function numberAndState(
  db: D1Database,
  importId: string,
): Promise<{ number: number; state: Import['state'] } | null> {
  return db
    .prepare('SELECT number, state FROM imports WHERE import_id = ?')
    .bind(importId)
    .first<{ number: number; state: Import['state'] }>();
}

// ── undo ─────────────────────────────────────────────────────────────────────────────────────────

/** Leads removed in one transaction. */
const undoPageLeadCount = 500;

/**
 * Removes the leads that the import created and that are not active. When the time ends at `deadlineMs`, the state
 * in the answer is `undoing`, and a further call continues. Changes of the import to other leads stay.
 */
export async function undoImport(
  db: D1Database,
  undo: { importId: string; now: () => number; deadlineMs: number },
): Promise<Import | null> {
  const { importId, now } = undo;
  await db
    .prepare(
      `UPDATE imports SET state = 'undoing', updated_at = ? WHERE import_id = ? AND state IN ('open', 'done')`,
    )
    .bind(now(), importId)
    .run();
  const row = await numberAndState(db, importId);
  if (row?.state !== 'undoing') return row === null ? null : getImport(db, importId);
  for (let afterId = 0; ;) {
    const beyond = isBeyondInSpans(afterId);
    const { results } = await db
      .prepare(
        `SELECT l.id FROM import_leads m CROSS JOIN leads l ON l.id BETWEEN m.lead_id AND m.lead_id + m.more_count
         WHERE m.import_number = ? AND ${beyond.sql} AND m.outcome = 'created' AND +l.status = 'new'
         ORDER BY m.lead_id, l.id LIMIT ?`,
      )
      .bind(row.number, ...beyond.params, undoPageLeadCount)
      .all<{ id: number }>();
    const last = results.at(-1);
    if (last === undefined) break;
    await removeLeads(
      db,
      row.number,
      results.map((it) => it.id),
    );
    afterId = last.id;
    if (now() >= undo.deadlineMs) return getImport(db, importId);
  }
  // The nightly cleanup merges what does not fit in the time.
  await mergeSearchIndex(db, undo);
  await db
    .prepare(
      `UPDATE imports SET state = 'undone', updated_at = ?2, finished_at = coalesce(finished_at, ?2)
       WHERE number = ?1 AND state = 'undoing'`,
    )
    .bind(row.number, now())
    .run();
  return getImport(db, importId);
}

async function removeLeads(db: D1Database, importNumber: number, leadIds: readonly number[]): Promise<void> {
  if (leadIds.length === 0) return;
  const ids = JSON.stringify(leadIds);
  // Counted before they are deleted, because the full-text index changes the value of changes(). The three
  // statements agree: a lead that a session has activated meanwhile is new in none of them.
  const isStillNew = `id IN (SELECT value FROM json_each(?1)) AND +status = 'new'`;
  await db.batch([
    db
      .prepare(
        `UPDATE imports SET removed_count = removed_count + (SELECT count(*) FROM leads WHERE ${isStillNew})
         WHERE number = ?2`,
      )
      .bind(ids, importNumber),
    db
      .prepare(
        `UPDATE lead_counts SET revision = revision + 1,
           new_count = new_count - (SELECT count(*) FROM leads WHERE ${isStillNew})`,
      )
      .bind(ids),
    logChange(db, leadIds),
    ...deletingMany(db, [db.prepare(`DELETE FROM leads WHERE ${isStillNew}`).bind(ids)]),
  ]);
}

// ── retention ────────────────────────────────────────────────────────────────────────────────────

/** Chunks whose cells are dropped in one transaction. Each has up to one MiB of JSON. */
const anonymizedChunkCount = 20;

/**
 * Drops the cells of rejected rows of every import without a new chunk since `untouchedSinceMs`. Lines and reasons
 * stay: they name nobody, and the answer to a repeated chunk is made from them.
 *
 * @returns the number of imports; when the time is over, the next call does the rest
 */
export async function dropOldCells(
  db: D1Database,
  drop: { untouchedSinceMs: number; now: () => number; deadlineMs: number },
): Promise<number> {
  const { results } = await db
    .prepare(
      `SELECT number, next_seq FROM imports WHERE cells_dropped_at IS NULL AND updated_at <= ?
       ORDER BY number`,
    )
    .bind(drop.untouchedSinceMs)
    .all<{ number: number; next_seq: number }>();
  let importCount = 0;
  for (const { number, next_seq: nextSeq } of results) {
    for (let seq = 0; seq < nextSeq; seq += anonymizedChunkCount) {
      if (drop.now() >= drop.deadlineMs) return importCount;
      await dropCells(db, { importNumber: number, fromSeq: seq, toSeq: seq + anonymizedChunkCount });
    }
    // Not if a chunk has come in the meantime: its cells have their own retention time.
    const { meta } = await db
      .prepare('UPDATE imports SET cells_dropped_at = ?1 WHERE number = ?2 AND updated_at <= ?3')
      .bind(drop.now(), number, drop.untouchedSinceMs)
      .run();
    importCount += meta.changes;
  }
  return importCount;
}

// ── deletion ─────────────────────────────────────────────────────────────────────────────────────

/** Spans of leads deleted in one transaction. */
const forgottenSpanCount = 5_000;

/**
 * Deletes an import: its record, its rejected rows, and the list of its leads. The leads stay; undo the import first
 * to remove them.
 *
 * @returns `more` when the time was over; a further call continues
 */
export async function deleteImport(
  db: D1Database,
  deletion: { importId: string; now: () => number; deadlineMs: number },
): Promise<'deleted' | 'more' | 'not_found'> {
  const { importId, now, deadlineMs } = deletion;
  const found = await numberAndState(db, importId);
  if (found === null) return 'not_found';
  // First it is closed to chunks, and its cells are deleted.
  await db.batch([
    db
      .prepare(`UPDATE imports SET state = 'done', updated_at = ?2 WHERE number = ?1 AND state = 'open'`)
      .bind(found.number, now()),
    db.prepare('DELETE FROM import_chunks WHERE import_number = ?').bind(found.number),
  ]);
  for (;;) {
    const spans = `SELECT lead_id FROM import_leads WHERE import_number = ?1 ORDER BY lead_id LIMIT ${forgottenSpanCount}`;
    const [, forgotten] = await db.batch([
      // Leads of a span that were erased are not counted any more.
      db
        .prepare(
          `UPDATE imports SET member_count = max(0, member_count - (
             SELECT coalesce(sum(more_count + 1), 0) FROM import_leads
             WHERE import_number = ?1 AND lead_id IN (${spans}))) WHERE number = ?1`,
        )
        .bind(found.number),
      db
        .prepare(`DELETE FROM import_leads WHERE import_number = ?1 AND lead_id IN (${spans})`)
        .bind(found.number),
    ]);
    if ((forgotten?.meta.changes ?? 0) < forgottenSpanCount) break;
    if (now() >= deadlineMs) return 'more';
  }
  await db.prepare('DELETE FROM imports WHERE number = ?').bind(found.number).run();
  return 'deleted';
}
