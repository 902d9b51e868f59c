/**
 * The statements that bring rows of a file into the leads table: a few for some hundreds of rows, with the rows as one
 * JSON parameter. They only make sense together, in one transaction (chunks.ts).
 *
 * Invariants: an import never changes a lead's status; an empty cell never erases a value; a lead's import_id is the
 * import that created it; the lead of each row is in a span of `import_leads` with the row's outcome.
 *
 * @module
 */
import type { ImportedLead } from '../../shared/imports/import-file.ts';
import { leadFieldNames, leadFields } from '../../shared/lead-fields.ts';
import { limits } from '../../shared/limits.ts';
import { jsonRows } from '../json-rows.ts';
import { customJson } from '../leads/custom-fields.ts';
import { type HashEmail, isUsableEmail } from '../email.ts';
import { logChangeOf } from '../leads/changes.ts';
import { labelsIn, tagLabels } from '../leads/labels.ts';
import { spanWithSql } from '../leads/filter.ts';
import { nextRevisionSql } from '../leads/row.ts';

/** Fields that a later import may change. The address is not one of them: it identifies the lead. */
const mergedFields = leadFieldNames.filter((field) => field !== 'email');
const merged = mergedFields.map((field) => leadFields[field].column);

/** The columns of a new lead, in the order in which a row has them. */
const inserted = [
  'email',
  'email_valid',
  'email_hash',
  ...merged,
  'custom',
  'tags',
  'import_line',
  // Only the rows that have an external id have these two cells.
  'external_source',
  'external_id',
] as const;
type Column = (typeof inserted)[number];

// A row is an array, not an object: half the bytes.
const cell = (column: Column): string => `(r.value ->> ${inserted.indexOf(column)})`;
const isFieldChangedSql = merged
  .map((column) => `(${cell(column)} <> '' AND ${cell(column)} IS NOT l.${column} COLLATE BINARY)`)
  .join(' OR ');
// The custom fields of the file over the existing ones, unless the lead would have too many.
const mergedCustomSql = `CASE ${cell('custom')} WHEN '{}' THEN l.custom ELSE (
    SELECT CASE WHEN count(*) <= ${limits.maxCustomFieldCount} THEN json_patch(l.custom, ${cell('custom')}) ELSE l.custom END
    FROM json_each(json_patch(l.custom, ${cell('custom')}))) END`;
// The tags of the file and the existing ones, unless the lead would have too many.
const mergedTagsSql = `CASE ${cell('tags')} WHEN '' THEN l.tags ELSE (
    SELECT CASE WHEN count(*) <= ${limits.maxTagCount} THEN group_concat(value, ' ') ELSE l.tags END FROM (
      SELECT value FROM (SELECT value FROM ${labelsIn('l.tags')} UNION SELECT value FROM ${labelsIn(cell('tags'))})
      WHERE value <> '' ORDER BY value)) END`;
const isChangedSql = `${isFieldChangedSql} OR (${cell('custom')} <> '{}' AND l.custom IS NOT ${mergedCustomSql})
  OR (${cell('tags')} <> '' AND l.tags IS NOT ${mergedTagsSql})
  OR (${cell('external_id')} IS NOT NULL AND (l.external_source, l.external_id)
    IS NOT (${cell('external_source')}, ${cell('external_id')}))`;

// ?1 rows, ?2 import number, ?3 now. A lead that is in the import already stays as it is in it.
const addMember = (outcome: string, condition: string): string =>
  `INSERT INTO import_leads (import_number, lead_id, line, outcome, added_at, added_revision)
   SELECT ?2, l.id, ${cell('import_line')}, '${outcome}', ?3, ${nextRevisionSql}
   FROM json_each(?1) AS r CROSS JOIN leads l ON l.email = ${cell('email')}
   WHERE (${condition})
     AND coalesce((${spanWithSql('?2', 'l.id', 'm.lead_id + m.more_count < l.id')}), true)`;
// Directly after the statement that it counts. Those fire no trigger, which would change the value of changes().
const countMembers = (column: string): string =>
  `UPDATE import_chunks SET ${column} = ${column} + changes() WHERE import_number = ?1 AND seq = ?2`;

const updateSql = (more = ''): string => `UPDATE leads AS l SET
    ${merged.map((column) => `${column} = CASE ${cell(column)} WHEN '' THEN l.${column} ELSE ${cell(column)} END`).join(', ')},
    custom = ${mergedCustomSql}, tags = ${mergedTagsSql},${more} updated_at = ?2, revision = ${nextRevisionSql}
  FROM json_each(?1) AS r WHERE l.email = ${cell('email')} AND (${isChangedSql})`;

const plainUpdateSql = updateSql();
// Only a lead without an external id gets one. One that has got another since the rows were sorted would have an id
// without a system here, which the table refuses.
const updateWithIdsSql = updateSql(`
    external_source = CASE
      WHEN ${cell('external_id')} IS NULL THEN l.external_source
      WHEN coalesce(l.external_id, ${cell('external_id')}) = ${cell('external_id')}
        AND coalesce(l.external_source, ${cell('external_source')}) = ${cell('external_source')}
      THEN ${cell('external_source')} END,
    external_id = coalesce(${cell('external_id')}, l.external_id),`);

const insertSql = `INSERT INTO leads (${inserted.join(', ')}, import_id, created_at, updated_at, revision)
  SELECT ${inserted.map(cell).join(', ')}, ?2, ?3, ?3, ${nextRevisionSql} FROM json_each(?1) AS r`;
// Not `ON CONFLICT DO NOTHING`, which uses an id for every existing lead.
const insertMissingSql = `${insertSql}
  WHERE NOT EXISTS (SELECT 1 FROM leads l WHERE l.email = ${cell('email')}) ORDER BY r.key`;

// The leads that this chunk created have the ids above all earlier ones, without gaps, since nothing else writes during
// a transaction: they are one span. As long as there are indexes of a version before 0020, that version may read the
// import, and it knows only spans of one lead.
const isContractedSql = "NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'leads_created_at')";
const createdSql = `FROM import_chunks k CROSS JOIN leads l ON l.id > k.after_lead_id
  WHERE k.import_number = ?1 AND k.seq = ?2`;
const addCreatedSql = `INSERT INTO import_leads
    (import_number, lead_id, more_count, line, outcome, added_at, added_revision)
  SELECT ?1, min(l.id), max(l.id) - min(l.id), min(l.import_line), 'created', ?3, ${nextRevisionSql}
  ${createdSql} GROUP BY CASE WHEN ${isContractedSql} THEN 0 ELSE l.id END`;
const countCreatedSql = `UPDATE import_chunks SET created_count = (SELECT count(*) ${createdSql})
  WHERE import_number = ?1 AND seq = ?2`;

/**
 * Of the rows in ?1, how many have a lead and how many would change it. Reads only; a change is what
 * {@link importStatements} would update.
 */
const countKnownSql = `SELECT count(*) AS known, coalesce(sum(${isChangedSql}), 0) AS changed
  FROM json_each(?1) AS r CROSS JOIN leads l ON l.email = ${cell('email')}`;

export interface PreparedRow {
  /** A lead had the address when the row was read. */
  isKnown: boolean;
  unmailable: boolean;
  hasExternalId: boolean;
  json: string;
}

/**
 * A row in the form for the statements.
 *
 * @param row.externalSource - the system of its external id
 */
export function prepareRow(
  row: { line: number; lead: ImportedLead; externalSource: string; isKnown: boolean },
  hashEmail: HashEmail,
): PreparedRow {
  const { line, lead, externalSource, isKnown } = row;
  const isUsable = isUsableEmail(lead.email);
  const values = [
    ...[lead.email, isUsable ? 1 : 0, hashEmail(lead.email)],
    ...mergedFields.map((field) => lead[field]),
    customJson(lead.custom ?? {}),
    tagLabels(lead.tags ?? []),
    line,
    ...(lead.externalId === undefined ? [] : [externalSource, lead.externalId]),
  ];
  const hasExternalId = lead.externalId !== undefined;
  return { isKnown, unmailable: !isUsable, hasExternalId, json: JSON.stringify(values) };
}

/**
 * The statements for the rows of one chunk, of which no two may have one address. The row of the chunk in
 * `import_chunks` must exist, because they write their counts to it.
 *
 * Rows without a known lead take one statement. It fails, and so does the transaction, if a lead has got the address or
 * the external id in the meantime ({@link isTaken}); then the caller sorts the rows anew, and says that each may be known.
 */
export function importStatements(
  db: D1Database,
  chunk: { importNumber: number; importId: string; seq: number; rows: readonly PreparedRow[]; nowMs: number },
): D1PreparedStatement[] {
  const { importNumber, importId, seq, rows, nowMs } = chunk;
  // Each column that an update names costs its index and its words, changed or not.
  const update = rows.some(({ hasExternalId }) => hasExternalId) ? updateWithIdsSql : plainUpdateSql;
  const known = groups(rows.filter(({ isKnown }) => isKnown)).flatMap((rowsJson) => {
    const member = (outcome: string, condition: string) =>
      db.prepare(addMember(outcome, condition)).bind(rowsJson, importNumber, nowMs);
    const count = (column: string) => db.prepare(countMembers(column)).bind(importNumber, seq);
    return [
      // The difference between row and lead can be read only before the change.
      member('updated', isChangedSql),
      count('updated_count'),
      member('unchanged', 'true'),
      count('unchanged_count'),
      db.prepare(update).bind(rowsJson, nowMs),
      db.prepare(insertMissingSql).bind(rowsJson, importId, nowMs),
    ];
  });
  return [
    ...known,
    ...groups(rows.filter(({ isKnown }) => !isKnown)).map((rowsJson) =>
      db.prepare(insertSql).bind(rowsJson, importId, nowMs),
    ),
    db.prepare(addCreatedSql).bind(importNumber, seq, nowMs),
    db.prepare(countCreatedSql).bind(importNumber, seq),
  ];
}

// The leads of the rows that this chunk changed or created: they have its revision.
const addChangedSql = `UPDATE lead_changes AS c SET lead_ids = c.lead_ids || coalesce(',' || (
    SELECT group_concat(l.id) FROM json_each(?1) AS r CROSS JOIN leads l ON l.email = ${cell('email')}
    WHERE l.revision = c.revision), '')
  WHERE c.revision = (SELECT revision FROM lead_counts)`;
const createdSpanSql = `(SELECT min(l.id) || '-' || max(l.id) ${createdSql})`;

/**
 * The statements that log a chunk as a change of the CRM, directly after the one that raised the revision. One row: what
 * the chunk created is one span of ids.
 */
export function logImported(
  db: D1Database,
  chunk: { importNumber: number; seq: number; rows: readonly PreparedRow[] },
): D1PreparedStatement[] {
  const known = groups(chunk.rows.filter(({ isKnown }) => isKnown));
  return [
    logChangeOf(db, createdSpanSql, chunk.importNumber, chunk.seq),
    ...known.map((rowsJson) => db.prepare(addChangedSql).bind(rowsJson)),
  ];
}

/** True when {@link importStatements} failed because a lead got an address or external id since the rows were read. */
export const isTaken = (error: unknown): boolean =>
  error instanceof Error &&
  /UNIQUE constraint failed: leads\.|CHECK constraint failed: .*external_id/.test(error.message);

/** What the rows would do to the leads that are there. Writes nothing. */
export async function countKnownLeads(
  db: D1Database,
  rows: readonly PreparedRow[],
): Promise<{ known: number; changed: number }> {
  const statements = groups(rows).map((rowsJson) => db.prepare(countKnownSql).bind(rowsJson));
  if (statements.length === 0) return { known: 0, changed: 0 };
  const results = await db.batch<{ known: number; changed: number }>(statements);
  const found = results.flatMap((result) => result.results);
  return {
    known: found.reduce((sum, { known }) => sum + known, 0),
    changed: found.reduce((sum, { changed }) => sum + changed, 0),
  };
}

const groups = (rows: readonly PreparedRow[]): string[] => jsonRows(rows.map(({ json }) => json));
