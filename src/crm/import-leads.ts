/**
 * Writes the rows of an import into the CRM, in bulk: one transaction of four
 * statements, each with one JSON parameter, for some hundreds of rows.
 *
 * Keeps true: an import never changes what a lead's status is, an empty cell never erases what is
 * there, and importing the same file again changes nothing.
 *
 * @module
 */
import type { HashEmail } from './email-hash.ts';
import { isUsableEmail } from './email.ts';
import type { ImportedLead, ImportRow } from './import-rows.ts';

/** What became of one row of a file. `unmailable`: kept, but no mail provider would take its address. */
export type ImportRowResult =
  | { line: number; outcome: 'created' | 'updated' | 'unchanged'; unmailable: boolean }
  | { line: number; outcome: 'duplicate_in_file'; firstLine: number }
  | { line: number; outcome: 'rejected'; reason: string };

/** Rows of one transaction, and characters of its JSON parameter: D1 takes values of up to 2 MB. */
const maxChunkRowCount = 500;
const maxChunkLength = 500_000;

/** Fields that a later import may change, by column. The address itself is how a lead is found. */
const mergedColumns = {
  firstName: 'first_name',
  lastName: 'last_name',
  company: 'company',
  phone: 'phone',
  source: 'source',
  stage: 'stage',
  notes: 'notes',
  consentSource: 'consent_source',
} as const satisfies Record<Exclude<keyof ImportedLead, 'email'>, string>;
const merged = Object.values(mergedColumns);

const cell = (column: string): string => `(r.value ->> '${column}')`;
const isChangedSql = merged
  .map((column) => `(${cell(column)} <> '' AND ${cell(column)} IS NOT l.${column} COLLATE BINARY)`)
  .join(' OR ');

const classifySql = `SELECT r.key AS row_index, l.id IS NULL AS is_new, (${isChangedSql}) AS is_changed
  FROM json_each(?1) AS r LEFT JOIN leads l ON l.email = ${cell('email')} ORDER BY r.key`;

const updateSql = `UPDATE leads AS l SET
    ${merged.map((column) => `${column} = CASE ${cell(column)} WHEN '' THEN l.${column} ELSE ${cell(column)} END`).join(', ')},
    import_id = ?2, updated_at = ?3
  FROM json_each(?1) AS r WHERE l.email = ${cell('email')} AND (${isChangedSql})`;

const inserted = ['email', 'email_valid', 'email_hash', ...merged] as const;
const isNewSql = `NOT EXISTS (SELECT 1 FROM leads l WHERE l.email = ${cell('email')})`;
// Before the insert, in its transaction; `changes()` after it would be those of the full-text index.
const countNewSql = `UPDATE lead_counts
  SET new_count = new_count + (SELECT count(*) FROM json_each(?1) AS r WHERE ${isNewSql})`;
// Not `ON CONFLICT DO NOTHING`: that uses up an id for every lead that is there already.
const insertSql = `INSERT INTO leads (${inserted.join(', ')}, import_id, created_at, updated_at)
  SELECT ${inserted.map(cell).join(', ')}, ?2, ?3, ?3 FROM json_each(?1) AS r WHERE ${isNewSql} ORDER BY r.key`;

interface ClassifiedRow {
  row_index: number;
  is_new: number;
  is_changed: number | null;
}

interface PreparedRow {
  line: number;
  unmailable: boolean;
  json: string;
}

/**
 * Imports rows: leads with a new address are created, those whose filled-in cells differ from what is
 * there are updated and belong to this import from then on, the rest is left as it is. Of several rows
 * with one address, in any case, the first counts.
 *
 * @param seenLines - addresses of earlier calls of the same import, lower-cased, with their lines; it is
 *   added to. For files that are read in parts.
 * @returns a result for each row, in the order of the rows
 * @throws what D1 throws; rows of earlier transactions are in then, and a repeat finds them unchanged
 */
export async function importLeads(
  db: D1Database,
  options: {
    rows: readonly ImportRow[];
    importId: string;
    nowMs: number;
    hashEmail: HashEmail;
    seenLines?: Map<string, number>;
  },
): Promise<ImportRowResult[]> {
  const { importId, nowMs, hashEmail, seenLines = new Map<string, number>() } = options;
  const results: ImportRowResult[] = [];
  // Results keep the order of the rows, so a row that is written leaves its place open.
  const places: number[] = [];
  let chunk: PreparedRow[] = [];
  let chunkLength = 0;

  const writeChunk = async (): Promise<void> => {
    if (chunk.length === 0) return;
    const rowsJson = `[${chunk.map((row) => row.json).join(',')}]`;
    const answers = await db.batch<ClassifiedRow>([
      // A write first: a transaction that begins by reading fails where another has written meanwhile.
      db.prepare(countNewSql).bind(rowsJson),
      db.prepare(classifySql).bind(rowsJson),
      db.prepare(updateSql).bind(rowsJson, importId, nowMs),
      db.prepare(insertSql).bind(rowsJson, importId, nowMs),
    ]);
    const classified = answers[1]?.results ?? [];
    chunk.forEach(({ line, unmailable }, index) => {
      const row = classified[index];
      const place = places[index];
      if (row === undefined || place === undefined) throw new Error('An imported row has no answer.');
      const outcome = row.is_new === 1 ? 'created' : row.is_changed === 1 ? 'updated' : 'unchanged';
      results[place] = { line, outcome, unmailable };
    });
    chunk = [];
    chunkLength = 0;
    places.length = 0;
  };

  for (const [place, row] of options.rows.entries()) {
    if (row.kind === 'rejected') {
      results[place] = { line: row.line, outcome: 'rejected', reason: row.reason };
      continue;
    }
    const key = row.lead.email.toLowerCase();
    const firstLine = seenLines.get(key);
    if (firstLine !== undefined) {
      results[place] = { line: row.line, outcome: 'duplicate_in_file', firstLine };
      continue;
    }
    seenLines.set(key, row.line);
    const prepared = prepareRow(row.line, row.lead, hashEmail);
    if (chunk.length === maxChunkRowCount || chunkLength + prepared.json.length > maxChunkLength)
      await writeChunk();
    chunk.push(prepared);
    places.push(place);
    chunkLength += prepared.json.length;
  }
  await writeChunk();
  return results;
}

function prepareRow(line: number, lead: ImportedLead, hashEmail: HashEmail): PreparedRow {
  const isUsable = isUsableEmail(lead.email);
  const columns: Record<(typeof inserted)[number], string | number> = {
    email: lead.email,
    email_valid: isUsable ? 1 : 0,
    email_hash: hashEmail(lead.email),
    first_name: lead.firstName,
    last_name: lead.lastName,
    company: lead.company,
    phone: lead.phone,
    source: lead.source,
    stage: lead.stage,
    notes: lead.notes,
    consent_source: lead.consentSource,
  };
  return { line, unmailable: !isUsable, json: JSON.stringify(columns) };
}
