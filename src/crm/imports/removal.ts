/**
 * What is removed of an import: the leads that it created (undo), the cells of the rows that were not taken
 * (retention), or everything about it (deletion).
 *
 * Invariants: each step is one transaction, so that a request that was interrupted can be repeated and goes on; none
 * keeps others from the database for long.
 *
 * @module
 */
import type { Import } from '../../shared/schemas/imports.ts';
import { dropCells } from './issues.ts';
import { getImport } from './import.ts';
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
 * Removes the leads that the import created and that are not active, as far as it comes until
 * `deadlineMs`: the answer's state is `undoing` then, and a further call goes on. Nothing else is
 * brought back: what the import changed in other leads stays.
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
    const { results } = await db
      .prepare(
        `SELECT m.lead_id AS id FROM import_leads m CROSS JOIN leads l ON l.id = m.lead_id
         WHERE m.import_number = ? AND m.lead_id > ? AND m.outcome = 'created' AND +l.status = 'new'
         ORDER BY m.lead_id LIMIT ?`,
      )
      .bind(row.number, afterId, undoPageLeadCount)
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
  // What does not fit in the time is merged by the nightly cleanup.
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
  // Counted before they go: the full-text index spoils changes(). One that a session has activated meanwhile
  // is not new any more, in all three statements alike.
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
        `UPDATE lead_counts SET new_count = new_count - (SELECT count(*) FROM leads WHERE ${isStillNew})`,
      )
      .bind(ids),
    ...deletingMany(db, [db.prepare(`DELETE FROM leads WHERE ${isStillNew}`).bind(ids)]),
  ]);
}

// ── retention ────────────────────────────────────────────────────────────────────────────────────

/** Chunks whose rows are reduced in one transaction: up to as many MiB of JSON. */
const anonymizedChunkCount = 20;

/**
 * Drops the cells of rows that were not taken, of every import that nothing has come into since
 * `untouchedSinceMs`. Lines and reasons stay: they name nobody, and a chunk that is sent again has its
 * answer from them.
 *
 * @returns how many imports it was done for; where the time was over, the rest is left to the next call
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
    // Not if a chunk has come in the meantime: its cells are kept as long as those of any other.
    const { meta } = await db
      .prepare('UPDATE imports SET cells_dropped_at = ?1 WHERE number = ?2 AND updated_at <= ?3')
      .bind(drop.now(), number, drop.untouchedSinceMs)
      .run();
    importCount += meta.changes;
  }
  return importCount;
}

// ── deletion ─────────────────────────────────────────────────────────────────────────────────────

/** Members forgotten in one transaction. */
const forgottenMemberCount = 5_000;

/**
 * Deletes an import: its record, the rows that were not taken, and which leads were in it. The leads stay;
 * undoing it before removes them.
 *
 * @returns `more` when the time was over: a further call goes on
 */
export async function deleteImport(
  db: D1Database,
  deletion: { importId: string; now: () => number; deadlineMs: number },
): Promise<'deleted' | 'more' | 'not_found'> {
  const { importId, now, deadlineMs } = deletion;
  const found = await numberAndState(db, importId);
  if (found === null) return 'not_found';
  // First of all it takes no chunk any more, and holds no cell.
  await db.batch([
    db
      .prepare(`UPDATE imports SET state = 'done', updated_at = ?2 WHERE number = ?1 AND state = 'open'`)
      .bind(found.number, now()),
    db.prepare('DELETE FROM import_chunks WHERE import_number = ?').bind(found.number),
  ]);
  for (;;) {
    const [forgotten] = await db.batch([
      db
        .prepare(
          `DELETE FROM import_leads WHERE import_number = ?1 AND lead_id IN
             (SELECT lead_id FROM import_leads WHERE import_number = ?1 ORDER BY lead_id LIMIT ?2)`,
        )
        .bind(found.number, forgottenMemberCount),
      db
        .prepare('UPDATE imports SET member_count = member_count - changes() WHERE number = ?')
        .bind(found.number),
    ]);
    if ((forgotten?.meta.changes ?? 0) < forgottenMemberCount) break;
    if (now() >= deadlineMs) return 'more';
  }
  await db.prepare('DELETE FROM imports WHERE number = ?').bind(found.number).run();
  return 'deleted';
}
