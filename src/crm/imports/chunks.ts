/**
 * The chunks of an import: each is the next rows of a file, with a sequence number, and one transaction.
 *
 * Owns the outcome of the rows. Invariants: a repeated chunk changes nothing and has the same answer; chunks are
 * taken in order and without gaps; of several rows of one file with one address the first counts, across chunks too.
 *
 * @module
 */
import type { Import, ImportCounts, ImportIssue } from '../../shared/schemas/imports.ts';
import type { HashEmail } from '../email.ts';
import {
  countColumns,
  counted,
  findImport,
  importStatement,
  storedImport,
  type StoredImport,
} from './import.ts';
import { toIssues, type StoredIssue } from './issues.ts';
import { type FileRow, sortRows } from './sort-rows.ts';
import { importStatements, isTaken, logImported } from './upsert-leads.ts';

export type ChunkAnswer =
  | { kind: 'ok'; seq: number; counts: ImportCounts; issues: ImportIssue[]; import: Import }
  | { kind: 'not_found' }
  | { kind: 'closed' }
  /** Not the next chunk, or its rows lie before those that are in. */
  | { kind: 'out_of_order'; nextSeq: number; nextLine: number }
  /** This chunk was taken before, with other rows. */
  | { kind: 'conflict' };

// Unless the import is open and awaits this chunk, the number is null. The column refuses null, which aborts the
// transaction. So only one of two senders of a chunk succeeds.
const insertChunkSql = `INSERT INTO import_chunks
    (import_number, seq, body_hash, duplicate_count, rejected_count, unmailable_count, issues, after_lead_id)
  VALUES ((SELECT number FROM imports WHERE number = ?1 AND state = 'open' AND next_seq = ?2),
    ?2, ?3, ?4, ?5, ?6, ?7, (SELECT coalesce(max(id), 0) FROM leads))`;

const sumChunkSql = `UPDATE imports AS i SET next_seq = ?2 + 1, next_line = ?3, updated_at = max(i.updated_at, ?4),
    ${counted.map((name) => `${name}_count = i.${name}_count + c.${name}_count`).join(', ')},
    member_count = i.member_count + c.created_count + c.updated_count + c.unchanged_count,
    cells_dropped_at = NULL
  FROM import_chunks c WHERE i.number = ?1 AND c.import_number = ?1 AND c.seq = ?2`;
const countLeadsSql = `UPDATE lead_counts SET revision = revision + 1, new_count = new_count +
  (SELECT created_count FROM import_chunks WHERE import_number = ?1 AND seq = ?2)`;

/**
 * The rows are sorted anew where one of their addresses or external ids was given to a lead meanwhile. An address can be
 * in the way once only; an external id each time, but few write the same ones at the same time.
 */
const maxAttemptCount = 5;

/**
 * Takes the next rows of a file, at most {@link limits.maxImportChunkRowCount}, with rising lines.
 *
 * Leads with a new address are created; those whose filled-in cells differ from what is there are
 * updated; the rest is left as it is.
 *
 * @param bodyHash - identifies the content of the chunk, to distinguish a repeat from another chunk
 * @throws what D1 throws; then the chunk was stored completely or not at all, and a repeat is safe
 */
export async function putChunk(
  db: D1Database,
  chunk: {
    importId: string;
    seq: number;
    rows: readonly FileRow[];
    bodyHash: string;
    nowMs: number;
    hashEmail: HashEmail;
  },
): Promise<ChunkAnswer> {
  const { importId, seq, bodyHash, nowMs } = chunk;
  const found = await findImport(db, importId);
  if (found === null) return { kind: 'not_found' };
  const refused = await repeatOrRefusal(db, found, chunk);
  if (refused !== null) return refused;

  const lastLine = chunk.rows.at(-1)?.line ?? found.import.nextLine;
  const position = [found.number, seq] as const;
  const put = async (areKnown: boolean) => {
    const sorted = await sortRows(db, { importNumber: found.number, ...found.import, ...chunk });
    const { issues } = sorted;
    const rows = areKnown ? sorted.rows.map((row) => ({ ...row, isKnown: true })) : sorted.rows;
    const countOf = (outcome: ImportIssue['outcome']) => issues.filter((it) => it[1] === outcome).length;
    await db.batch([
      db
        .prepare(insertChunkSql)
        .bind(
          ...position,
          bodyHash,
          countOf('duplicate_in_file'),
          countOf('rejected'),
          rows.filter((row) => row.unmailable).length,
          JSON.stringify(issues),
        ),
      ...importStatements(db, { importNumber: found.number, importId, seq, rows, nowMs }),
      db.prepare(countLeadsSql).bind(...position),
      ...logImported(db, { importNumber: found.number, seq, rows }),
      db.prepare(sumChunkSql).bind(...position, lastLine + 1, nowMs),
    ]);
  };
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        await put(attempt > 1);
        break;
      } catch (error) {
        if (!isTaken(error) || attempt === maxAttemptCount) throw error;
      }
    }
  } catch (error) {
    // Since the check, another sender may have sent the chunk or closed the import.
    const now = await findImport(db, importId);
    const answer = now === null ? null : await repeatOrRefusal(db, now, chunk);
    if (answer === null) throw error;
    return answer;
  }
  return storedAnswer(db, importId, chunk);
}

/** The answer to a chunk that was stored before or cannot be taken; null for the awaited chunk. */
async function repeatOrRefusal(
  db: D1Database,
  { import: { importId, state, nextSeq, nextLine } }: StoredImport,
  chunk: { seq: number; bodyHash: string; rows: readonly FileRow[] },
): Promise<ChunkAnswer | null> {
  if (chunk.seq < nextSeq) return storedAnswer(db, importId, chunk);
  if (state !== 'open') return { kind: 'closed' };
  const firstLine = chunk.rows[0]?.line ?? nextLine;
  return chunk.seq > nextSeq || firstLine < nextLine ? { kind: 'out_of_order', nextSeq, nextLine } : null;
}

async function storedAnswer(
  db: D1Database,
  importId: string,
  chunk: { seq: number; bodyHash: string },
): Promise<ChunkAnswer> {
  const [imports, chunks] = await db.batch([
    importStatement(db, importId),
    db
      .prepare(
        `SELECT body_hash AS bodyHash, issues, ${countColumns} FROM import_chunks
         WHERE import_number = (SELECT number FROM imports WHERE import_id = ?) AND seq = ?`,
      )
      .bind(importId, chunk.seq),
  ]);
  const found = storedImport(imports);
  const stored = chunks?.results[0] as (ImportCounts & { bodyHash: string; issues: string }) | undefined;
  if (found === null || stored === undefined) return { kind: 'not_found' };
  const { bodyHash, issues, ...counts } = stored;
  if (bodyHash !== chunk.bodyHash) return { kind: 'conflict' };
  return {
    kind: 'ok',
    seq: chunk.seq,
    counts,
    issues: toIssues(JSON.parse(issues) as StoredIssue[]),
    import: found.import,
  };
}

/** A row that was not taken, with its cells. */
export type RejectedRow = ImportIssue & { cells: readonly string[] };

/** The rows of one chunk with this outcome, and the next chunk that may have more; null after the last. */
export async function rejectedRows(
  db: D1Database,
  query: { importId: string; outcome: ImportIssue['outcome']; fromSeq: number },
): Promise<{ rows: RejectedRow[]; nextSeq: number | null }> {
  const stored = await db
    .prepare(
      `SELECT c.seq, c.issues FROM import_chunks c JOIN imports i ON i.number = c.import_number
       WHERE i.import_id = ? AND c.seq >= ? AND c.issues <> '[]' ORDER BY c.seq LIMIT 1`,
    )
    .bind(query.importId, query.fromSeq)
    .first<{ seq: number; issues: string }>();
  if (stored === null) return { rows: [], nextSeq: null };
  const rows = (JSON.parse(stored.issues) as StoredIssue[]).flatMap(([line, outcome, reason, cells]) =>
    outcome === query.outcome ? [{ line, outcome, reason, cells }] : [],
  );
  return { rows, nextSeq: stored.seq + 1 };
}
