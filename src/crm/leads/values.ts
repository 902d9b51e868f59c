/**
 * The values that leads have in the fields that a filter offers, and the names of their custom fields.
 *
 * @module
 */
import { fieldsWith, leadFields, perField } from '../../shared/lead-fields.ts';
import { limits } from '../../shared/limits.ts';
import type { LeadValues } from '../../shared/schemas/leads.ts';
import { namesStatement } from './custom-fields.ts';

// A jump from each value to the next in the column's index: as many seeks as there are values, however
// many leads have them.
const valuesSql = (column: string): string => `
  WITH RECURSIVE known (value) AS (
    SELECT min(${column}) FROM leads
    UNION ALL
    SELECT (SELECT min(${column}) FROM leads WHERE ${column} > known.value) FROM known
    WHERE known.value IS NOT NULL
    LIMIT ?1 + 1
  )
  SELECT value FROM known WHERE value <> '' LIMIT ?1`;

const filterFields = fieldsWith('filter');

/** The values that leads have, in order; of each field the first hundred. */
export async function leadValues(db: D1Database): Promise<LeadValues> {
  const results = await db.batch<{ value: string }>([
    ...filterFields.map((field) =>
      db.prepare(valuesSql(leadFields[field].column)).bind(limits.maxLeadValueCount),
    ),
    namesStatement(db),
  ]);
  const values = results.map((result) => result.results.map((row) => row.value));
  return {
    ...perField(filterFields, (field) => values[filterFields.indexOf(field)] ?? []),
    custom: values.at(-1) ?? [],
  };
}
