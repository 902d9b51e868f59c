/**
 * Rows as the version before left them: an object that the deploy of this version restarts.
 *
 * Takes back the last migrations of src/durable/store/schema.ts. That version kept no history of a person's
 * retries, and took a proxy's 503 for *not taken*, so it wrote no doubt of such a batch.
 *
 * @module
 */
import type { ObjectHost } from '../platform/objects.ts';
import { hasTable } from '../invariants.ts';

/** The version whose rows are left. */
const earlierVersion = 4;

/**
 * Leaves the rows of a session as the version before wrote them. Its instance must be gone.
 *
 * @returns false when the rows say what that version could not: then nothing is changed
 */
export function leaveEarlierRows(host: ObjectHost): boolean {
  const { database } = host;
  const isNew =
    database.run('SELECT 1 FROM batch WHERE retried IS NOT NULL').rows.length > 0 ||
    (hasTable(host, 'outbox') && database.run('SELECT 1 FROM outbox WHERE seq = 0').rows.length > 0) ||
    database.run(
      "SELECT 1 FROM session WHERE extra ->> 'takeBack' IS NOT NULL OR extra ->> 'waves' IS NOT NULL",
    ).rows.length > 0;
  const version = database.run('SELECT version FROM schema_version').rows[0]?.['version'];
  if (isNew || typeof version !== 'number' || version <= earlierVersion) return false;
  database.run("UPDATE batch SET in_doubt_since = NULL WHERE state = 'waiting' AND code = 'http_503'");
  for (const [table, column] of [
    ['session', 'waiting_for'],
    ['session', 'extra'],
    ['batch', 'retried'],
  ] as const) {
    database.script(`ALTER TABLE ${table} DROP COLUMN ${column}`);
  }
  for (const table of ['receipt', 'receipt_seeds', 'receipt_closed', 'outbox'])
    database.script(`DROP TABLE IF EXISTS ${table}`);
  database.run('UPDATE schema_version SET version = ?', earlierVersion);
  return true;
}

/** True for an object that holds a session. */
export function holdsSession(host: ObjectHost): boolean {
  return host.className === 'session' && hasTable(host, 'batch');
}
