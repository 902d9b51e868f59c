/**
 * The statements that bring rows of a file into the leads table: a few for some hundreds of rows, with the rows as one
 * JSON parameter. They only make sense together, in one transaction (chunks.ts).
 *
 * Invariants: an import never changes a lead's status; an empty cell never erases what is there; a lead's import_id is
 * the import that created it; each row's lead is in `import_leads` with what became of it.
 *
 * @module
 */
import type { ImportedLead } from '../../shared/imports/import-file.ts';
import { leadFieldNames, leadFields } from '../../shared/lead-fields.ts';
import { limits } from '../../shared/limits.ts';
import { customJson } from '../leads/custom-fields.ts';
import { type HashEmail, isUsableEmail } from '../email.ts';
import { nextRevisionSql } from '../leads/row.ts';

/** Characters of one JSON parameter: D1 takes values of 2 MB, and a character has up to three bytes. */
const maxGroupLength = 500_000;

/** Fields that a later import may change. The address itself is how a lead is found. */
const mergedFields = leadFieldNames.filter((field) => field !== 'email');
const merged = mergedFields.map((field) => leadFields[field].column);

/** The columns of a new lead, in the order in which a row has them. */
const inserted = ['email', 'email_valid', 'email_hash', ...merged, 'custom'] as const;
type Column = (typeof inserted)[number];

// A row is an array, not an object: half the bytes.
const cell = (column: Column | 'line'): string =>
  `(r.value ->> ${column === 'line' ? inserted.length : inserted.indexOf(column)})`;
const isFieldChangedSql = merged
  .map((column) => `(${cell(column)} <> '' AND ${cell(column)} IS NOT l.${column} COLLATE BINARY)`)
  .join(' OR ');
// A file's fields over those that are there, unless that would be more than a lead may have.
const mergedCustomSql = `CASE ${cell('custom')} WHEN '{}' THEN l.custom ELSE (
    SELECT CASE WHEN count(*) <= ${limits.maxCustomFieldCount} THEN json_patch(l.custom, ${cell('custom')}) ELSE l.custom END
    FROM json_each(json_patch(l.custom, ${cell('custom')}))) END`;
const isChangedSql = `${isFieldChangedSql} OR (${cell('custom')} <> '{}' AND l.custom IS NOT ${mergedCustomSql})`;

// ?1 rows, ?2 import number, ?3 now. `WHERE` before `ON CONFLICT`, or it would be read as a join.
const addMember = (outcome: string, condition: string): string =>
  `INSERT INTO import_leads (import_number, lead_id, line, outcome, added_at, added_revision)
   SELECT ?2, l.id, ${cell('line')}, '${outcome}', ?3, ${nextRevisionSql}
   FROM json_each(?1) AS r CROSS JOIN leads l ON l.email = ${cell('email')}
   WHERE ${condition} ON CONFLICT DO NOTHING`;
// Right after the statement that it counts; none of them has a trigger, which would spoil changes().
const countMembers = (column: string): string =>
  `UPDATE import_chunks SET ${column} = ${column} + changes() WHERE import_number = ?1 AND seq = ?2`;

const updateSql = `UPDATE leads AS l SET
    ${merged.map((column) => `${column} = CASE ${cell(column)} WHEN '' THEN l.${column} ELSE ${cell(column)} END`).join(', ')},
    custom = ${mergedCustomSql}, updated_at = ?2, revision = ${nextRevisionSql}
  FROM json_each(?1) AS r WHERE l.email = ${cell('email')} AND (${isChangedSql})`;

// Not `ON CONFLICT DO NOTHING`: that uses up an id for every lead that is there already.
const insertSql = `INSERT INTO leads (${inserted.join(', ')}, import_id, created_at, updated_at, revision)
  SELECT ${inserted.map(cell).join(', ')}, ?2, ?3, ?3, ${nextRevisionSql} FROM json_each(?1) AS r
  WHERE NOT EXISTS (SELECT 1 FROM leads l WHERE l.email = ${cell('email')}) ORDER BY r.key`;

export interface PreparedRow {
  unmailable: boolean;
  json: string;
}

/** A row as its statements want it. */
export function prepareRow(line: number, lead: ImportedLead, hashEmail: HashEmail): PreparedRow {
  const isUsable = isUsableEmail(lead.email);
  const values = [
    ...[lead.email, isUsable ? 1 : 0, hashEmail(lead.email)],
    ...mergedFields.map((field) => lead[field]),
    customJson(lead.custom ?? {}),
    line,
  ];
  return { unmailable: !isUsable, json: JSON.stringify(values) };
}

/**
 * The statements for the rows of one chunk, of which no two may have one address. Its row of
 * `import_chunks` must be there already; they count into it.
 */
export function importStatements(
  db: D1Database,
  chunk: { importNumber: number; importId: string; seq: number; rows: readonly PreparedRow[]; nowMs: number },
): D1PreparedStatement[] {
  const { importNumber, importId, seq, nowMs } = chunk;
  return groups(chunk.rows).flatMap((rowsJson) => {
    const member = (outcome: string, condition: string) =>
      db.prepare(addMember(outcome, condition)).bind(rowsJson, importNumber, nowMs);
    const count = (column: string) => db.prepare(countMembers(column)).bind(importNumber, seq);
    return [
      // What a row changes is known before the change only.
      member('updated', isChangedSql),
      count('updated_count'),
      member('unchanged', 'true'),
      count('unchanged_count'),
      db.prepare(updateSql).bind(rowsJson, nowMs),
      db.prepare(insertSql).bind(rowsJson, importId, nowMs),
      // Those that were there are members by now.
      member('created', 'true'),
      count('created_count'),
    ];
  });
}

function groups(rows: readonly PreparedRow[]): string[] {
  const all: string[] = [];
  let group: string[] = [];
  let length = 0;
  for (const { json } of rows) {
    if (group.length > 0 && length + json.length > maxGroupLength) {
      all.push(`[${group.join(',')}]`);
      group = [];
      length = 0;
    }
    group.push(json);
    length += json.length;
  }
  if (group.length > 0) all.push(`[${group.join(',')}]`);
  return all;
}
