/**
 * Says what some rows of a file would do, before the import is opened.
 *
 * Reads leads by their addresses and writes nothing. Rows are judged on their own: what earlier requests sent
 * is not known here, so the client leaves out the addresses that it has sent before.
 *
 * @module
 */
import type { ColumnMapping } from '../../shared/imports/import-file.ts';
import { readImportRow } from '../../shared/imports/parse-row.ts';
import type { ImportCounts } from '../../shared/schemas/imports.ts';
import { addressKey } from '../email.ts';
import type { FileRow } from './chunks.ts';
import { countKnownLeads, prepareRow, type PreparedRow } from './upsert-leads.ts';

export interface RowCheck {
  mapping: ColumnMapping;
  consentSource: string;
  source: string;
  rows: readonly FileRow[];
}

/** The counts that an import of these rows would have. */
export async function checkRows(db: D1Database, check: RowCheck): Promise<ImportCounts> {
  const { mapping, consentSource, source, rows } = check;
  const seen = new Set<string>();
  const prepared: PreparedRow[] = [];
  let [duplicate, rejected] = [0, 0];
  for (const { line, cells } of rows) {
    const row = readImportRow(mapping, cells, line, { consentSource, source });
    if (row.kind === 'rejected') {
      rejected += 1;
      continue;
    }
    const key = addressKey(row.lead.email);
    if (seen.has(key)) {
      duplicate += 1;
      continue;
    }
    seen.add(key);
    // Nothing is written, so no hash is needed.
    prepared.push(prepareRow({ line, lead: row.lead, isKnown: false }, () => ''));
  }
  const { known, changed } = await countKnownLeads(db, prepared);
  return {
    created: prepared.length - known,
    updated: changed,
    unchanged: known - changed,
    duplicate,
    rejected,
    unmailable: prepared.filter(({ unmailable }) => unmailable).length,
  };
}
