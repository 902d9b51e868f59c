/**
 * Sorts rows of a file: which are written, and which are not and why. For a chunk, and for the check before an import.
 *
 * Reads leads and writes nothing. Invariants: of several rows of one file with one address, or one external id, the first
 * counts; a row never moves an external id to another lead, nor gives a lead another one; a reason names nobody.
 *
 * @module
 */
import type { ColumnMapping } from '../../shared/imports/import-file.ts';
import { readImportRow } from '../../shared/imports/parse-row.ts';
import { addressKey, type HashEmail } from '../email.ts';
import { spanWithSql } from '../leads/filter.ts';
import { lineSql } from './import.ts';
import type { StoredIssue } from './issues.ts';
import { prepareRow, type PreparedRow } from './upsert-leads.ts';

/** A row of a file: where its record begins, counted from 1, and its cells. */
export interface FileRow {
  line: number;
  cells: readonly string[];
}

export interface RowsToSort {
  /** Null: they are of no import yet. */
  importNumber: number | null;
  mapping: ColumnMapping;
  consentSource: string;
  source: string;
  externalSource: string;
  rows: readonly FileRow[];
  hashEmail: HashEmail;
}

/** Separates the rows that are written from the others. */
export async function sortRows(
  db: D1Database,
  { importNumber, mapping, consentSource, source, externalSource, rows, hashEmail }: RowsToSort,
): Promise<{ rows: PreparedRow[]; issues: StoredIssue[] }> {
  const read = rows.map(({ line, cells }) => ({
    cells,
    row: readImportRow(mapping, cells, line, { consentSource, source }),
  }));
  const leads = read.flatMap(({ row: it }) => (it.kind === 'lead' ? [it.lead] : []));
  const known = await knownAddresses(
    db,
    importNumber,
    leads.map(({ email }) => email),
  );
  const owners = await ownersOf(
    db,
    importNumber,
    externalSource,
    leads.flatMap(({ externalId }) => externalId ?? []),
  );
  const addressLines = linesOf(known);
  const idLines = linesOf(owners);
  const sorted: { rows: PreparedRow[]; issues: StoredIssue[] } = { rows: [], issues: [] };
  for (const { cells, row: it } of read) {
    const refuse = (outcome: StoredIssue[1], reason: string): void => {
      sorted.issues.push([it.line, outcome, reason, cells]);
    };
    if (it.kind === 'rejected') {
      refuse('rejected', it.reason);
      continue;
    }
    const { email, externalId } = it.lead;
    const key = addressKey(email);
    const lead = known.get(key);
    const addressLine = addressLines.get(key);
    if (addressLine !== undefined) {
      refuse('duplicate_in_file', `the same address as in line ${addressLine}`);
      continue;
    }
    if (externalId !== undefined) {
      const idLine = idLines.get(externalId);
      if (idLine !== undefined) {
        refuse('duplicate_in_file', `the same external id as in line ${idLine}`);
        continue;
      }
      const owner = owners.get(externalId);
      if (owner !== undefined && owner.key !== key) {
        refuse('rejected', 'the external id belongs to a lead with another address');
        continue;
      }
      if (owner === undefined && lead?.hasExternalId === true) {
        refuse('rejected', 'the lead with this address has another external id');
        continue;
      }
      idLines.set(externalId, it.line);
    }
    addressLines.set(key, it.line);
    const prepared = { line: it.line, lead: it.lead, externalSource, isKnown: lead !== undefined };
    sorted.rows.push(prepareRow(prepared, hashEmail));
  }
  return sorted;
}

interface InFile {
  /** Where earlier rows of the file had it; null where none did. */
  line: number | null;
}

const linesOf = (found: ReadonlyMap<string, InFile>): Map<string, number> =>
  new Map([...found].flatMap(([key, { line }]) => (line === null ? [] : [[key, line] as const])));

// ?2 is the import. CROSS JOIN fixes the order: otherwise SQLite would compare every lead with every row. One row of
// JSON, because D1 takes longer to return thousands of rows than to find them.
const lineOfLeadSql = `(${spanWithSql('?2', 'l.id', `iif(l.id <= m.lead_id + m.more_count, ${lineSql}, NULL)`)})`;
const knownSql = `SELECT json_group_array(json_array(r.value, ${lineOfLeadSql}, l.external_id IS NOT NULL)) AS known
  FROM json_each(?1) AS r CROSS JOIN leads l ON l.email = r.value`;
const ownersSql = `SELECT json_group_array(json_array(r.value, ${lineOfLeadSql}, l.email)) AS known
  FROM json_each(?1) AS r CROSS JOIN leads l ON l.external_id = r.value AND l.external_source = ?3`;

/** The addresses of these that have a lead, by their keys. */
async function knownAddresses(
  db: D1Database,
  importNumber: number | null,
  emails: readonly string[],
): Promise<Map<string, InFile & { hasExternalId: boolean }>> {
  const found = await db
    .prepare(knownSql)
    .bind(JSON.stringify(emails), importNumber)
    .first<{ known: string }>();
  const known = JSON.parse(found?.known ?? '[]') as [email: string, line: number | null, has: 0 | 1][];
  return new Map(known.map(([email, line, has]) => [addressKey(email), { line, hasExternalId: has === 1 }]));
}

/** The external ids of these that a lead has, with the key of its address. */
async function ownersOf(
  db: D1Database,
  importNumber: number | null,
  externalSource: string,
  ids: readonly string[],
): Promise<Map<string, InFile & { key: string }>> {
  if (ids.length === 0) return new Map();
  const found = await db
    .prepare(ownersSql)
    .bind(JSON.stringify(ids), importNumber, externalSource)
    .first<{ known: string }>();
  const known = JSON.parse(found?.known ?? '[]') as [id: string, line: number | null, email: string][];
  return new Map(known.map(([id, line, email]) => [id, { line, key: addressKey(email) }]));
}
