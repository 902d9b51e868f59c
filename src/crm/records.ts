/**
 * The records that leads have in the connected CRM.
 *
 * Reads only; one look-up by id for each lead. Invariant: a record is returned only for a lead that has the state that
 * was asked for, so that nothing is written for a lead that belongs to another session.
 *
 * @module
 */
import type { CrmRecord } from './port.ts';

const recordsSql = (
  condition: string,
): string => `SELECT l.id AS leadId, l.external_id AS recordId FROM leads l
  WHERE l.id IN (SELECT value FROM json_each(?1)) AND +l.external_source = ?2 AND l.external_id IS NOT NULL
  AND +l.status = 'active' ${condition} ORDER BY l.id`;

/** Records of those of these leads that the session has set active. */
export async function ownedRecords(
  db: D1Database,
  { sessionId, source, leadIds }: { sessionId: string; source: string; leadIds: readonly number[] },
): Promise<CrmRecord[]> {
  const statement = db.prepare(recordsSql('AND +l.activated_by = ?3'));
  const { results } = await statement.bind(JSON.stringify(leadIds), source, sessionId).all<CrmRecord>();
  return results;
}

/** Records of those of these leads that are active, whoever has set them so. */
export async function activeRecords(
  db: D1Database,
  { source, leadIds }: { source: string; leadIds: readonly number[] },
): Promise<CrmRecord[]> {
  const { results } = await db.prepare(recordsSql('')).bind(JSON.stringify(leadIds), source).all<CrmRecord>();
  return results;
}
