/**
 * Who edited a lead, when, and which fields: read from the audit, which has no values of fields.
 *
 * @module
 */

export interface LeadEdit {
  at: number;
  by: string;
  fields: string[];
}

/** The last edits of a lead by people, the newest first. */
export async function leadEdits(db: D1Database, leadId: number, limit: number): Promise<LeadEdit[]> {
  const { results } = await db
    .prepare(
      `SELECT at, actor AS by, detail ->> 'fields' AS fields FROM audit
       WHERE target = ? AND +action = 'lead.edit' ORDER BY at DESC LIMIT ?`,
    )
    .bind(`lead:${leadId}`, limit)
    .all<{ at: number; by: string; fields: string | null }>();
  return results.map(({ at, by, fields }) => ({
    at,
    by,
    fields: fields === null ? [] : (JSON.parse(fields) as string[]),
  }));
}
