/**
 * The values that leads have in the fields that a filter offers, and the names of their custom fields.
 *
 * @module
 */
import { limits } from '../../shared/limits.ts';
import type { LeadValues } from '../../shared/schemas/leads.ts';
import { namesStatement } from './custom-fields.ts';
import { type LabelField, labelFields, labelRange, valueOfLabel } from './labels.ts';

// Seeks from each label of the field to the next: one seek per value, however many leads have it. Without an upper
// bound in the inner query, for which the index would read every entry of the last label.
const labelsSql = `
  WITH RECURSIVE known (label) AS (
    SELECT ?1
    UNION ALL
    SELECT (SELECT w.term FROM leads_fts_words w WHERE w.term >= known.label || char(1) ORDER BY w.term LIMIT 1)
    FROM known WHERE known.label < ?2
    LIMIT ?3 + 2
  )
  SELECT label AS value FROM known WHERE label > ?1 AND label < ?2 LIMIT ?3`;

/** The values that leads have, in order; at most a hundred per field. */
export async function leadValues(db: D1Database): Promise<LeadValues> {
  const results = await db.batch<{ value: string }>([
    ...labelFields.map((field) => db.prepare(labelsSql).bind(...labelRange(field), limits.maxLeadValueCount)),
    namesStatement(db),
  ]);
  const values = results.map((result) => result.results.map((row) => row.value));
  const valuesOf = (field: LabelField): string[] =>
    (values[labelFields.indexOf(field)] ?? []).map(valueOfLabel);
  return {
    source: valuesOf('source'),
    stage: valuesOf('stage'),
    consentSource: valuesOf('consentSource'),
    tag: valuesOf('tag'),
    externalSource: valuesOf('externalSource'),
    custom: values.at(-1) ?? [],
  };
}
