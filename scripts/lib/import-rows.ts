/**
 * Imports a whole file in one process, for scripts that have the rows and the database.
 *
 * @module
 */
import { putChunk } from '../../src/crm/imports/chunks.ts';
import type { FileRow } from '../../src/crm/imports/sort-rows.ts';
import { finishImport, openImport } from '../../src/crm/imports/import.ts';
import type { HashEmail } from '../../src/crm/email.ts';
import { limits } from '../../src/shared/limits.ts';
import type {
  Import,
  ImportCounts,
  ImportIssue,
  ImportOpenRequest,
} from '../../src/shared/schemas/imports.ts';

/**
 * Opens an import, sends all rows in chunks and finishes it.
 *
 * @param onChunk - called with the outcome of each chunk
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
  if (finished === null) throw new Error('The import that was just finished is gone.');
  return finished;
}
