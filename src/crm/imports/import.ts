/**
 * Imports: files of leads that come in by chunks, each of which is one transaction with a sequence number.
 *
 * Owns: what an import is and what became of its rows. Never: reading files.
 * Keeps true: a chunk that is sent again changes nothing and has the same answer; chunks are taken in
 * order and without gaps; of several rows of one file with one address the first counts, across chunks
 * too; the audience of an import is every lead of its file that exists.
 *
 * @module
 */
import type { ColumnMapping } from '../../shared/imports/import-file.ts';
import { limits } from '../../shared/limits.ts';
import type {
  Import,
  ImportCounts,
  ImportIssue,
  ImportList,
  ImportOpenRequest,
} from '../../shared/schemas/activation.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { rememberNames } from '../leads/custom-fields.ts';
import type { HashEmail } from '../email-hash.ts';
import type { StoredIssue } from './issues.ts';
import { importStatements, prepareRow, type PreparedRow } from './upsert-leads.ts';
import { readImportRow } from '../../shared/imports/parse-row.ts';

/** How every chunk of an import is read. */
type ImportSpec = Pick<Import, 'columns' | 'consentSource' | 'source' | 'reading'> & {
  mapping: ColumnMapping;
};

interface ImportRecordRow {
  number: number;
  import_id: string;
  owner: string;
  file_name: string;
  size_bytes: number | null;
  head_hash: string | null;
  state: Import['state'];
  spec: string;
  next_seq: number;
  next_line: number;
  created_count: number;
  updated_count: number;
  unchanged_count: number;
  duplicate_count: number;
  rejected_count: number;
  unmailable_count: number;
  removed_count: number;
  created_at: number;
  updated_at: number;
  finished_at: number | null;
  cells_dropped_at: number | null;
}

type CountRow = Pick<
  ImportRecordRow,
  | 'created_count'
  | 'updated_count'
  | 'unchanged_count'
  | 'duplicate_count'
  | 'rejected_count'
  | 'unmailable_count'
>;

function toCounts(row: CountRow): ImportCounts {
  return {
    created: row.created_count,
    updated: row.updated_count,
    unchanged: row.unchanged_count,
    duplicate: row.duplicate_count,
    rejected: row.rejected_count,
    unmailable: row.unmailable_count,
  };
}

function toImport(row: ImportRecordRow): Import {
  // Written by openImport only, from an ImportSpec.
  const spec = JSON.parse(row.spec) as ImportSpec;
  return {
    importId: row.import_id,
    state: row.state,
    owner: row.owner,
    fileName: row.file_name,
    sizeBytes: row.size_bytes,
    headHash: row.head_hash,
    columns: spec.columns,
    mapping: spec.mapping,
    consentSource: spec.consentSource,
    source: spec.source,
    reading: spec.reading,
    nextSeq: row.next_seq,
    nextLine: row.next_line,
    counts: toCounts(row),
    removed: row.removed_count,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    finishedAt: row.finished_at,
    cellsDroppedAt: row.cells_dropped_at,
  };
}

async function findRow(db: D1Database, importId: string): Promise<ImportRecordRow | null> {
  return db.prepare('SELECT * FROM imports WHERE import_id = ?').bind(importId).first<ImportRecordRow>();
}

/** The import, or null. */
export async function getImport(db: D1Database, importId: string): Promise<Import | null> {
  const row = await findRow(db, importId);
  return row === null ? null : toImport(row);
}

/**
 * Opens an import, once: the same request again finds it, as it is now.
 *
 * @returns `conflict` when the id names an import that was opened otherwise
 */
export async function openImport(
  db: D1Database,
  open: { request: Omit<ImportOpenRequest, 'importId'>; importId: string; owner: string; nowMs: number },
): Promise<{ kind: 'opened' | 'exists'; import: Import } | { kind: 'conflict' }> {
  const { fileName, sizeBytes, headHash, columns, mapping, consentSource, source, reading } = open.request;
  const spec = JSON.stringify({ columns, mapping, consentSource, source, reading } satisfies ImportSpec);
  const results = await db.batch<ImportRecordRow>([
    // Before the import is there: with its opening, and never with a request that is refused.
    ...rememberNames(db, Object.keys(mapping.custom ?? {}), {
      sql: 'NOT EXISTS (SELECT 1 FROM imports WHERE import_id = ?2)',
      params: [open.importId],
    }),
    db
      .prepare(
        `INSERT INTO imports (import_id, owner, file_name, size_bytes, head_hash, state, spec, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'open', ?6, ?7, ?7) ON CONFLICT (import_id) DO NOTHING`,
      )
      .bind(open.importId, open.owner, fileName, sizeBytes, headHash, spec, open.nowMs),
    db.prepare('SELECT * FROM imports WHERE import_id = ?').bind(open.importId),
  ]);
  const [inserted, found] = results.slice(-2);
  const row = found?.results[0];
  if (row === undefined) throw new Error('An import is gone that was just opened.');
  if ((inserted?.meta.changes ?? 0) > 0) return { kind: 'opened', import: toImport(row) };
  const isSame =
    row.owner === open.owner &&
    row.file_name === fileName &&
    row.size_bytes === sizeBytes &&
    row.head_hash === headHash &&
    row.spec === spec;
  return isSame ? { kind: 'exists', import: toImport(row) } : { kind: 'conflict' };
}

/** One page of imports, newest first. */
export async function listImports(
  db: D1Database,
  query: { cursor: string | null; limit: number },
): Promise<{ kind: 'ok'; list: ImportList } | { kind: 'invalid_cursor' }> {
  const parts = query.cursor === null ? [Number.MAX_SAFE_INTEGER] : (decodeCursor(query.cursor) ?? []);
  const [before, ...rest] = parts;
  if (typeof before !== 'number' || rest.length > 0) return { kind: 'invalid_cursor' };
  const { results } = await db
    .prepare('SELECT * FROM imports WHERE number < ? ORDER BY number DESC LIMIT ?')
    .bind(before, query.limit + 1)
    .all<ImportRecordRow>();
  const rows = results.slice(0, query.limit);
  const last = rows.at(-1);
  const nextCursor = results.length > query.limit && last !== undefined ? encodeCursor([last.number]) : null;
  return { kind: 'ok', list: { imports: rows.map(toImport), nextCursor } };
}

// ── chunks ───────────────────────────────────────────────────────────────────────────────────────

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

const counted = ['created', 'updated', 'unchanged', 'duplicate', 'rejected', 'unmailable'] as const;
const sumChunkSql = `UPDATE imports AS i SET next_seq = ?2 + 1, next_line = ?3, updated_at = max(i.updated_at, ?4),
    ${counted.map((name) => `${name}_count = i.${name}_count + c.${name}_count`).join(', ')},
    member_count = i.member_count + c.created_count + c.updated_count + c.unchanged_count,
    cells_dropped_at = NULL
  FROM import_chunks c WHERE i.number = ?1 AND c.import_number = ?1 AND c.seq = ?2`;
const countLeadsSql = `UPDATE lead_counts SET revision = revision + 1, new_count = new_count +
  (SELECT created_count FROM import_chunks WHERE import_number = ?1 AND seq = ?2)`;

/** What SQLite's NOCASE takes for one address: it knows the case of ASCII letters only. */
export function addressKey(email: string): string {
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
  const found = await findRow(db, importId);
  if (found === null) return { kind: 'not_found' };
  const refused = await repeatOrRefusal(db, found, chunk);
  if (refused !== null) return refused;

  const { rows, issues } = await sortOut(db, found, chunk);
  const lastLine = chunk.rows.at(-1)?.line ?? found.next_line;
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
    const now = await findRow(db, importId);
    const answer = now === null ? null : await repeatOrRefusal(db, now, chunk);
    if (answer === null) throw error;
    return answer;
  }
  return storedAnswer(db, importId, chunk);
}

/** The answer to a chunk that is no news, or cannot be taken; null when it is the one that is awaited. */
async function repeatOrRefusal(
  db: D1Database,
  row: ImportRecordRow,
  chunk: { seq: number; bodyHash: string; rows: readonly FileRow[] },
): Promise<ChunkAnswer | null> {
  if (chunk.seq < row.next_seq) return storedAnswer(db, row.import_id, chunk);
  if (row.state !== 'open') return { kind: 'closed' };
  const firstLine = chunk.rows[0]?.line ?? row.next_line;
  return chunk.seq > row.next_seq || firstLine < row.next_line
    ? { kind: 'out_of_order', nextSeq: row.next_seq, nextLine: row.next_line }
    : null;
}

async function storedAnswer(
  db: D1Database,
  importId: string,
  chunk: { seq: number; bodyHash: string },
): Promise<ChunkAnswer> {
  const [imports, chunks] = await db.batch([
    db.prepare('SELECT * FROM imports WHERE import_id = ?').bind(importId),
    db
      .prepare(
        `SELECT c.* FROM import_chunks c JOIN imports i ON i.number = c.import_number
         WHERE i.import_id = ? AND c.seq = ?`,
      )
      .bind(importId, chunk.seq),
  ]);
  const row = imports?.results[0] as ImportRecordRow | undefined;
  const stored = chunks?.results[0] as (CountRow & { body_hash: string; issues: string }) | undefined;
  if (row === undefined || stored === undefined) return { kind: 'not_found' };
  if (stored.body_hash !== chunk.bodyHash) return { kind: 'conflict' };
  const issues = JSON.parse(stored.issues) as StoredIssue[];
  return {
    kind: 'ok',
    seq: chunk.seq,
    counts: toCounts(stored),
    issues: issues.map(([line, outcome, reason]) => ({ line, outcome, reason })),
    import: toImport(row),
  };
}

/** Sorts the rows of a chunk into those to be written and those not to be. */
async function sortOut(
  db: D1Database,
  row: ImportRecordRow,
  chunk: { rows: readonly FileRow[]; hashEmail: HashEmail },
): Promise<{ rows: PreparedRow[]; issues: StoredIssue[] }> {
  const { mapping, consentSource, source } = JSON.parse(row.spec) as ImportSpec;
  const read = chunk.rows.map(({ line, cells }) => ({
    cells,
    row: readImportRow(mapping, cells, line, { consentSource, source }),
  }));
  const emails = read.flatMap(({ row: it }) => (it.kind === 'lead' ? [it.lead.email] : []));
  const lines = await earlierLines(db, row.number, emails);
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

/** Closes an import to further chunks; again, it changes nothing. */
export async function finishImport(
  db: D1Database,
  finish: { importId: string; nowMs: number },
): Promise<Import | null> {
  await db
    .prepare(
      `UPDATE imports SET state = 'done', updated_at = ?2, finished_at = ?2 WHERE import_id = ?1 AND state = 'open'`,
    )
    .bind(finish.importId, finish.nowMs)
    .run();
  return getImport(db, finish.importId);
}

/** The imports that a lead was in, newest first: one look-up for each import that there is. */
export async function importsOfLead(
  db: D1Database,
  leadId: number,
): Promise<
  {
    importId: string;
    fileName: string;
    owner: string;
    line: number;
    outcome: 'created' | 'updated' | 'unchanged';
    at: number;
  }[]
> {
  const { results } = await db
    .prepare(
      `SELECT i.import_id AS importId, i.file_name AS fileName, i.owner, m.line, m.outcome, m.added_at AS at
       FROM imports i CROSS JOIN import_leads m ON m.import_number = i.number AND m.lead_id = ?
       ORDER BY i.number DESC LIMIT 100`,
    )
    .bind(leadId)
    .all<{
      importId: string;
      fileName: string;
      owner: string;
      line: number;
      outcome: 'created' | 'updated' | 'unchanged';
      at: number;
    }>();
  return results;
}

/**
 * Imports a whole file in this process: opens, chunks and finishes. For scripts, which have the rows and
 * the database at hand.
 *
 * @param onChunk - told what became of each chunk
 */
export async function importRows(
  db: D1Database,
  file: {
    importId: string;
    owner: string;
    request: Omit<ImportOpenRequest, 'importId'>;
    rows: AsyncIterable<FileRow> | Iterable<FileRow>;
    now: () => number;
    hashEmail: HashEmail;
    onChunk?: (counts: ImportCounts, issues: readonly ImportIssue[]) => void;
  },
): Promise<Import> {
  const { importId, owner, request, now, hashEmail } = file;
  const opened = await openImport(db, { request, importId, owner, nowMs: now() });
  if (opened.kind === 'conflict') throw new Error(`There is another import with the id ${importId}.`);
  let seq = opened.import.nextSeq;
  let rows: FileRow[] = [];
  const flush = async (): Promise<void> => {
    if (rows.length === 0) return;
    const answer = await putChunk(db, { importId, seq, rows, bodyHash: '', nowMs: now(), hashEmail });
    if (answer.kind !== 'ok') throw new Error(`A chunk was not taken: ${answer.kind}.`);
    file.onChunk?.(answer.counts, answer.issues);
    seq += 1;
    rows = [];
  };
  for await (const row of file.rows) {
    rows.push(row);
    if (rows.length === limits.maxImportChunkRowCount) await flush();
  }
  await flush();
  const finished = await finishImport(db, { importId, nowMs: now() });
  if (finished === null) throw new Error('An import is gone that was just finished.');
  return finished;
}
