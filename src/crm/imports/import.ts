/**
 * Imports: files of leads that come in by chunks (chunks.ts).
 *
 * Owns the record of an import: how its file is read, its progress, and the outcome of its rows. Does not read
 * files. Invariant: the audience of an import is every lead of its file that exists.
 *
 * @module
 */
import { columnMapping, type ColumnMapping } from '../../shared/imports/import-file.ts';
import type { Import, ImportCounts, ImportList, ImportOpenRequest } from '../../shared/schemas/imports.ts';
import { readPage, type PagedList } from '../cursor.ts';
import { rememberNames } from '../leads/custom-fields.ts';
import { spanWithSql } from '../leads/filter.ts';

/** How every chunk of an import is read. */
type ImportSpec = Pick<Import, 'columns' | 'consentSource' | 'source' | 'externalSource' | 'reading'> & {
  mapping: ColumnMapping;
};

/** The outcomes that are counted: each has a column `…_count` in imports and in chunks. */
export const counted = [
  'created',
  'updated',
  'unchanged',
  'duplicate',
  'rejected',
  'unmailable',
] as const satisfies readonly (keyof ImportCounts)[];

/** The columns of {@link ImportCounts}. */
export const countColumns = counted.map((name) => `${name}_count AS ${name}`).join(', ');

/** A row of the table; `spec` is JSON. */
type ImportRow = Omit<Import, keyof ImportSpec | 'counts'> & ImportCounts & { number: number; spec: string };

/** An import with the number that its chunks and members have. */
export interface StoredImport {
  number: number;
  import: Import;
}

const list: PagedList<ImportRow> = {
  select: `SELECT number, import_id AS importId, state, owner, file_name AS fileName, size_bytes AS sizeBytes,
      head_hash AS headHash, spec, next_seq AS nextSeq, next_line AS nextLine, ${countColumns},
      removed_count AS removed, created_at AS createdAt, updated_at AS updatedAt, finished_at AS finishedAt,
      cells_dropped_at AS cellsDroppedAt FROM imports`,
  key: [{ column: 'number', type: 'integer', of: (row) => row.number }],
};

/** The spec that {@link openImport} wrote. What was added to imports later is not in it. */
function readSpec(json: string): ImportSpec {
  const spec = JSON.parse(json) as Omit<ImportSpec, 'externalSource'> & { externalSource?: string };
  return { externalSource: '', ...spec, mapping: { ...columnMapping(() => []), ...spec.mapping } };
}

function toStored({ number, spec, ...row }: ImportRow): StoredImport {
  const { created, updated, unchanged, duplicate, rejected, unmailable, ...record } = row;
  const counts = { created, updated, unchanged, duplicate, rejected, unmailable };
  return { number, import: { ...record, ...readSpec(spec), counts } };
}

/** The statement that reads an import; {@link storedImport} takes its result. */
export function importStatement(db: D1Database, importId: string): D1PreparedStatement {
  return db.prepare(`${list.select} WHERE import_id = ?`).bind(importId);
}

/** The import that {@link importStatement} read, or null. */
export function storedImport(result: D1Result | undefined): StoredImport | null {
  const row = result?.results[0] as ImportRow | undefined;
  return row === undefined ? null : toStored(row);
}

export async function findImport(db: D1Database, importId: string): Promise<StoredImport | null> {
  return storedImport(await importStatement(db, importId).all());
}

/** The import, or null. */
export async function getImport(db: D1Database, importId: string): Promise<Import | null> {
  return (await findImport(db, importId))?.import ?? null;
}

/**
 * Opens an import once: a repeat of the request finds it in its present state.
 *
 * @returns `conflict` when the id names an import that was opened with another request
 */
export async function openImport(
  db: D1Database,
  open: { request: Omit<ImportOpenRequest, 'importId'>; importId: string; owner: string; nowMs: number },
): Promise<{ kind: 'opened' | 'exists'; import: Import } | { kind: 'conflict' }> {
  const { fileName, sizeBytes, headHash } = open.request;
  const { columns, mapping, consentSource, source, externalSource, reading } = open.request;
  const given: ImportSpec = { columns, mapping, consentSource, source, externalSource, reading };
  const spec = JSON.stringify(given);
  const results = await db.batch<ImportRow>([
    // The names are stored by a statement before the insert of the import, with a condition, so that a refused
    // request stores none.
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
    importStatement(db, open.importId),
  ]);
  const [inserted, found] = results.slice(-2);
  const row = found?.results[0];
  if (row === undefined) throw new Error('The import that was just opened is gone.');
  const { import: stored } = toStored(row);
  if ((inserted?.meta.changes ?? 0) > 0) return { kind: 'opened', import: stored };
  const isSame =
    row.owner === open.owner &&
    row.fileName === fileName &&
    row.sizeBytes === sizeBytes &&
    row.headHash === headHash &&
    JSON.stringify(readSpec(row.spec)) === JSON.stringify(readSpec(spec));
  return isSame ? { kind: 'exists', import: stored } : { kind: 'conflict' };
}

/** One page of imports, newest first. */
export async function listImports(
  db: D1Database,
  query: { cursor: string | null; limit: number },
): Promise<{ kind: 'ok'; list: ImportList } | { kind: 'invalid_cursor' }> {
  // Only for the query plan, which calls a read of the whole table a scan even with a limit.
  const page = await readPage(db, list, { ...query, where: [['number > ?', 0]] });
  if (page.kind !== 'ok') return page;
  const imports = page.rows.map((row) => toStored(row).import);
  return { kind: 'ok', list: { imports, nextCursor: page.nextCursor } };
}

/** Closes an import to further chunks; a repeat changes nothing. */
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

/** SQL of the line of a lead `l` in the file of the span `m`. */
export const lineSql = "iif(m.outcome = 'created', coalesce(l.import_line, m.line), m.line)";

/** SQL of the places of the lead `?` in imports `i`, newest first, by one look-up for each existing import. */
export const placesOfLeadSql = (columns: string): string =>
  `SELECT i.import_id AS importId, i.file_name AS fileName, ${lineSql} AS line, m.outcome, ${columns}
   FROM leads l CROSS JOIN imports i CROSS JOIN import_leads m
     ON m.import_number = i.number AND m.lead_id = (${spanWithSql('i.number', 'l.id', 'm.lead_id')})
   WHERE l.id = ? AND l.id <= m.lead_id + m.more_count ORDER BY i.number DESC`;

/** A lead's place in an import. */
export interface PlaceOfLead {
  importId: string;
  fileName: string;
  line: number;
  outcome: 'created' | 'updated' | 'unchanged';
}

/** The imports that a lead was in, newest first. */
export async function importsOfLead(
  db: D1Database,
  leadId: number,
): Promise<(PlaceOfLead & { owner: string; at: number })[]> {
  const { results } = await db
    .prepare(`${placesOfLeadSql('i.owner, m.added_at AS at')} LIMIT 100`)
    .bind(leadId)
    .all<PlaceOfLead & { owner: string; at: number }>();
  return results;
}
