/**
 * Says what some rows of a file would do, before the import is opened.
 *
 * Reads leads and writes nothing. Rows are judged on their own: what earlier requests sent is not known here, so the
 * client leaves out the addresses and external ids that it has sent before.
 *
 * @module
 */
import type { ImportCheck, ImportIssue } from '../../shared/schemas/imports.ts';
import { toIssues } from './issues.ts';
import { type RowsToSort, sortRows } from './sort-rows.ts';
import { countKnownLeads } from './upsert-leads.ts';

/** What an import of these rows would do. */
export async function checkRows(
  db: D1Database,
  check: Omit<RowsToSort, 'importNumber' | 'hashEmail'>,
): Promise<ImportCheck> {
  // Nothing is written, so no hash is needed.
  const sorted = await sortRows(db, { ...check, importNumber: null, hashEmail: () => '' });
  const { known, changed } = await countKnownLeads(db, sorted.rows);
  const issues = toIssues(sorted.issues);
  const countOf = (outcome: ImportIssue['outcome']) => issues.filter((it) => it.outcome === outcome).length;
  return {
    created: sorted.rows.length - known,
    updated: changed,
    unchanged: known - changed,
    duplicate: countOf('duplicate_in_file'),
    rejected: countOf('rejected'),
    unmailable: sorted.rows.filter(({ unmailable }) => unmailable).length,
    issues,
  };
}
