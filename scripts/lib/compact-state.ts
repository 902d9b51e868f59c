/**
 * Rewrites the databases of a state folder after something was erased, so that no byte of it is left.
 *
 * Deleted rows, and the old text of changed ones, stay in free parts of their pages until something else is
 * written there. SQLite's remedies are `PRAGMA secure_delete` and VACUUM
 * (sqlite.org/pragma.html#pragma_secure_delete), and the runtime allows neither in a Worker or an object. So
 * both are done here, while the runtime does not run.
 *
 * A database that another process has open is skipped and done the next time. A kill loses nothing, because
 * VACUUM is a transaction.
 *
 * @module
 */
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Actions of the audit after which data of people is gone. */
const erasingActions = [
  'lead.erase',
  'person.erase',
  'lead.bulkErase',
  'activation.erase',
  'import.delete',
  'import.undo',
  'view.delete',
];

/** The CRM's last erasure and retention step; the text differs after a new one. */
const erasuresSql = `SELECT json_array(
  (SELECT max(id) FROM audit WHERE action IN (SELECT value FROM json_each(?))),
  (SELECT max(reduced_at) FROM activations),
  (SELECT max(cells_dropped_at) FROM imports)) AS known`;

/**
 * Compacts every database of the folder if something was erased or deleted since the last time. Call it while the
 * runtime does not run.
 */
export function compactState(stateDir: string): void {
  // Kept by earlier versions, with the URL of each request.
  rmSync(join(stateDir, 'v3/observability'), { recursive: true, force: true });
  const files = databasesIn(join(stateDir, 'v3'));
  const known = files.map(erasuresIn).find((text) => text !== null);
  const stampFile = join(stateDir, 'compacted');
  const stamp = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : JSON.stringify([null, null, null]);
  if (known === undefined || known === stamp) return;
  try {
    for (const file of files) compact(file);
  } catch (error) {
    // A script beside the app writes to it. It is compacted the next time.
    if (error instanceof Error && /locked|busy/i.test(error.message)) return;
    throw error;
  }
  writeFileSync(stampFile, known);
}

function databasesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sqlite'))
    .map((name) => join(folder, name));
}

/** The result of {@link erasuresSql}; null in a file that is not the CRM database, or of an earlier version. */
function erasuresIn(file: string): string | null {
  const db = new DatabaseSync(file);
  try {
    const row = db.prepare(erasuresSql).get(JSON.stringify(erasingActions));
    return typeof row?.['known'] === 'string' ? row['known'] : null;
  } catch (error) {
    if (error instanceof Error && /no such (?:table|column)|not a database/.test(error.message)) return null;
    throw error;
  } finally {
    db.close();
  }
}

function compact(file: string): void {
  const db = new DatabaseSync(file);
  try {
    db.exec('PRAGMA secure_delete = ON; VACUUM');
    // The write-ahead log still has the old content until it is truncated.
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}
