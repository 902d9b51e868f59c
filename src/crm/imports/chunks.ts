/**
 * The chunks of an import: each is the next rows of a file, with a sequence number, and one transaction.
 *
 * Owns what becomes of the rows. Invariants: a chunk that is sent again changes nothing and has the same answer;
 * chunks are taken in order and without gaps; of several rows of one file with one address the first counts,
 * across chunks too.
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
import type { StoredIssue } from './issues.ts';
import { readImportRow } from './parse-row.ts';
import { importStatements, prepareRow, type PreparedRow } from './upsert-leads.ts';

/** A row of a file: where its record begins, counted from 1, and its cells. */
export interface FileRow {
  line: number;
  cells: readonly string[];
}

export type ChunkAnswer =
  | { kind: 'ok'; seq: number; counts: ImportCounts; issues: ImportIssue[]; import: Import }
  | { kind: 'not_found' }
  | { kind: 'closed' }
  /** Not the next chunk, or its rows lie before those that are in. */
  | { kind: 'out_of_order'; nextSeq: number; nextLine: number }
  /** This chunk was taken before, with other rows. */
  | { kind: 'conflict' };

// The number is null, which the column refuses and the transaction with it, unless the import is open and
// awaits this very chunk: two senders of one chunk cannot both be in time.
const insertChunkSql = `INSERT INTO import_chunks
    (import_number, seq, body_hash, duplicate_count, rejected_count, unmailable_count, issues)
  VALUES ((SELECT number FROM imports WHERE number = ?1 AND state = 'open' AND next_seq = ?2),
    ?2, ?3, ?4, ?5, ?6, ?7)`;

const sumChunkSql = `UPDATE imports AS i SET next_seq = ?2 + 1, next_line = ?3, updated_at = max(i.updated_at, ?4),
    ${counted.map((name) => `${name}_count = i.${name}_count + c.${name}_count`).join(', ')},
    member_count = i.member_count + c.created_count + c.updated_count + c.unchanged_count,
    cells_dropped_at = NULL
  FROM import_chunks c WHERE i.number = ?1 AND c.import_number = ?1 AND c.seq = ?2`;
const countLeadsSql = `UPDATE lead_counts SET revision = revision + 1, new_count = new_count +
  (SELECT created_count FROM import_chunks WHERE import_number = ?1 AND seq = ?2)`;

/** What SQLite's NOCASE takes for one address: it knows the case of ASCII letters only. */
function addressKey(email: string): string {
  return email.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Addresses of these that earlier chunks of the import had, with the lines they were in. */
async function earlierLines(
  db: D1Database,
  importNumber: number,
  emails: readonly string[],
): Promise<Map<string, number>> {
  // CROSS JOIN fixes the order: SQLite would hold every member of the import against every row.
  const { results } = await db
    .prepare(
      `SELECT r.value AS email, m.line FROM json_each(?1) AS r
       CROSS JOIN leads l ON l.email = r.value
       CROSS JOIN import_leads m ON m.import_number = ?2 AND m.lead_id = l.id`,
    )
    .bind(JSON.stringify(emails), importNumber)
    .all<{ email: string; line: number }>();
  return new Map(results.map((row) => [addressKey(row.email), row.line]));
}

/**
 * Takes the next rows of a file, at most {@link limits.maxImportChunkRowCount}, with rising lines.
 *
 * Leads with a new address are created; those whose filled-in cells differ from what is there are
 * updated; the rest is left as it is.
 *
 * @param bodyHash - names the content of the chunk, to tell a repeat from another chunk
 * @throws what D1 throws; the chunk was not taken then, or wholly, and sending it again is safe
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

  const { rows, issues } = await sortOut(db, found, chunk);
  const lastLine = chunk.rows.at(-1)?.line ?? found.import.nextLine;
  const countOf = (outcome: ImportIssue['outcome']) => issues.filter((issue) => issue[1] === outcome).length;
  const position = [found.number, seq] as const;
  try {
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
      db.prepare(sumChunkSql).bind(...position, lastLine + 1, nowMs),
    ]);
  } catch (error) {
    // Somebody else may have sent it, or closed the import, since it was looked at.
    const now = await findImport(db, importId);
    const answer = now === null ? null : await repeatOrRefusal(db, now, chunk);
    if (answer === null) throw error;
    return answer;
  }
  return storedAnswer(db, importId, chunk);
}

/** The answer to a chunk that is no news, or cannot be taken; null when it is the one that is awaited. */
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
    issues: (JSON.parse(issues) as StoredIssue[]).map(([line, outcome, reason]) => ({
      line,
      outcome,
      reason,
    })),
    import: found.import,
  };
}

/** Sorts the rows of a chunk into those to be written and those not to be. */
async function sortOut(
  db: D1Database,
  { number, import: { mapping, consentSource, source } }: StoredImport,
  chunk: { rows: readonly FileRow[]; hashEmail: HashEmail },
): Promise<{ rows: PreparedRow[]; issues: StoredIssue[] }> {
  const read = chunk.rows.map(({ line, cells }) => ({
    cells,
    row: readImportRow(mapping, cells, line, { consentSource, source }),
  }));
  const emails = read.flatMap(({ row: it }) => (it.kind === 'lead' ? [it.lead.email] : []));
  const lines = await earlierLines(db, number, emails);
  const rows: PreparedRow[] = [];
  const issues: StoredIssue[] = [];
  for (const { cells, row: it } of read) {
    if (it.kind === 'rejected') {
      issues.push([it.line, 'rejected', it.reason, cells]);
      continue;
    }
    const key = addressKey(it.lead.email);
    const firstLine = lines.get(key);
    if (firstLine !== undefined) {
      issues.push([it.line, 'duplicate_in_file', `the same address as in line ${firstLine}`, cells]);
      continue;
    }
    lines.set(key, it.line);
    rows.push(prepareRow(it.line, it.lead, chunk.hashEmail));
  }
  return { rows, issues };
}

/** A row that was not taken, with its cells. */
export type RejectedRow = ImportIssue & { cells: readonly string[] };

/** The rows of one chunk that ended so, and the chunk after it that may have more; null after the last. */
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
