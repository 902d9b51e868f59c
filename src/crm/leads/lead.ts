/**
 * One lead: reading, editing, erasing it; and how many there are. Lists of leads are in list.ts.
 *
 * @module
 */
import { leadFieldNames, leadFields } from '../../shared/lead-fields.ts';
import type { Lead, LeadCreate, LeadDetail, LeadPatch } from '../../shared/schemas/leads.ts';
import { customJson, rememberNames } from './custom-fields.ts';
import { type HashEmail, isUsableEmail, normalizeEmail } from '../email.ts';
import type { SqlValue } from './filter.ts';
import {
  leadColumns,
  nextRevisionSql,
  toFoundLead,
  toLead,
  unmailableSql,
  type FoundLeadRow,
  type LeadRow,
} from './row.ts';

/** The number of leads of one status or of both. Reads one row. */
export async function countLeads(db: D1Database): Promise<number> {
  const counts = await db
    .prepare('SELECT new_count AS newCount, active_count AS activeCount FROM lead_counts')
    .first<{ newCount: number; activeCount: number }>();
  if (counts === null) throw new Error('The lead counts are missing.');
  return counts.newCount + counts.activeCount;
}

/** The lead with this id, or null. */
export async function getLead(db: D1Database, leadId: number): Promise<Lead | null> {
  const row = await db
    .prepare(`SELECT ${leadColumns} FROM leads l WHERE l.id = ?`)
    .bind(leadId)
    .first<LeadRow>();
  return row === null ? null : toLead(row);
}

/**
 * SQL of the entity tag of a lead `l`: another one whenever its detail is another. Edits and imports count the
 * revision; a flip and a suppression do not.
 */
const tagSql = `l.revision || '-' || coalesce(l.activated_at, '') || '-' ||
  coalesce((SELECT t.created_at FROM suppressions t WHERE t.email_hash = l.email_hash), '')`;

/** The lead with this id, why it gets no email, and its entity tag; or null. */
export async function getLeadDetail(
  db: D1Database,
  leadId: number,
): Promise<{ lead: LeadDetail; tag: string } | null> {
  const row = await db
    .prepare(
      `SELECT ${leadColumns}, ${tagSql} AS tag, ${unmailableSql} AS unmailable, (
         SELECT json_object('reason', s.reason, 'createdAt', s.created_at, 'addedBy', s.added_by, 'note', s.note,
           'sessionId', s.session_id)
         FROM suppressions s WHERE s.email_hash = l.email_hash) AS suppression
       FROM leads l WHERE l.id = ?`,
    )
    .bind(leadId)
    .first<FoundLeadRow & { suppression: string | null; tag: string }>();
  if (row === null) return null;
  const { suppression, tag, ...lead } = row;
  return {
    lead: {
      ...toFoundLead(lead),
      suppression: suppression === null ? null : (JSON.parse(suppression) as LeadDetail['suppression']),
    },
    tag,
  };
}

/**
 * Adds a lead by hand.
 *
 * @returns its id; `email_taken` when a lead has the address, whatever its case
 */
export async function createLead(
  db: D1Database,
  create: { lead: LeadCreate; nowMs: number; hashEmail: HashEmail },
): Promise<{ kind: 'ok'; leadId: number } | { kind: 'email_taken' }> {
  const { lead, nowMs } = create;
  const email = normalizeEmail(lead.email);
  const others = leadFieldNames.filter((field) => field !== 'email');
  const columns = ['email', 'email_valid', 'email_hash', ...others.map(columnOf), 'custom'];
  const values: SqlValue[] = [
    email,
    isUsableEmail(email) ? 1 : 0,
    create.hashEmail(email),
    ...others.map((field) => lead[field]?.trim() ?? ''),
    customJson(lead.custom ?? {}),
  ];
  const isFree = 'NOT EXISTS (SELECT 1 FROM leads WHERE email = ?1)';
  const marks = columns.map((_, at) => `?${at + 1}`);
  const now = `?${columns.length + 1}`;
  const results = await db.batch<{ id: number }>([
    ...rememberNames(db, Object.keys(lead.custom ?? {}), {
      // Its own parameters begin at the second.
      sql: 'NOT EXISTS (SELECT 1 FROM leads WHERE email = ?2)',
      params: [email],
    }),
    db.prepare(`UPDATE lead_counts SET new_count = new_count + 1 WHERE ${isFree}`).bind(email),
    db
      .prepare(
        `INSERT INTO leads (${columns.join(', ')}, created_at, updated_at, revision)
         SELECT ${marks.join(', ')}, ${now}, ${now}, ${nextRevisionSql} WHERE ${isFree} RETURNING id`,
      )
      .bind(...values, nowMs),
    // Nothing is written when the address is taken.
    db.prepare('UPDATE lead_counts SET revision = revision + 1 WHERE changes() > 0'),
  ]);
  const leadId = results.at(-2)?.results[0]?.id;
  return leadId === undefined ? { kind: 'email_taken' } : { kind: 'ok', leadId };
}

const columnOf = (field: keyof LeadPatch): string => (field === 'custom' ? field : leadFields[field].column);
const patchedFields: readonly (keyof LeadPatch)[] = [...leadFieldNames, 'custom'];

/**
 * Changes the given fields of a lead. A patch that changes nothing leaves `updatedAt` alone, so that
 * running sessions keep the lead.
 *
 * @param update.ifTags - changes only a lead that has one of these entity tags; null: whatever it has
 * @returns `email_taken` when another lead has the address, whatever its case
 */
export async function updateLead(
  db: D1Database,
  update: {
    leadId: number;
    patch: LeadPatch;
    nowMs: number;
    hashEmail: HashEmail;
    ifTags?: readonly string[] | null;
  },
): Promise<
  { kind: 'ok'; lead: Lead } | { kind: 'not_found' } | { kind: 'email_taken' } | { kind: 'changed' }
> {
  const { leadId, patch, ifTags = null } = update;
  const tags = ifTags === null ? null : JSON.stringify(ifTags);
  const values: [column: string, value: SqlValue][] = [];
  for (const field of patchedFields) {
    const value = patch[field];
    if (value === undefined) continue;
    const stored =
      typeof value !== 'string'
        ? customJson(value)
        : field === 'email'
          ? normalizeEmail(value)
          : value.trim();
    values.push([columnOf(field), stored]);
  }
  const email = patch.email === undefined ? null : normalizeEmail(patch.email);
  const isTaken = '(SELECT count(*) FROM leads o WHERE o.email = ? AND o.id <> ?)';
  const statements = rememberNames(db, Object.keys(patch.custom ?? {}), {
    sql: `EXISTS (SELECT 1 FROM leads l WHERE l.id = ?2 AND (?4 IS NULL OR ${tagSql} IN (SELECT value FROM json_each(?4))))
      AND NOT EXISTS (SELECT 1 FROM leads WHERE email = ?3 AND id <> ?2)`,
    params: [leadId, email, tags],
  });
  // In the same transaction as the change, and before it.
  statements.push(db.prepare(`SELECT ${tagSql} AS tag FROM leads l WHERE l.id = ?`).bind(leadId));
  const tagAt = statements.length - 1;
  if (values.length > 0) {
    const assignments = values.map(([column]) => `${column} = ?`);
    const params = values.map(([, value]) => value);
    if (email !== null) {
      assignments.push('email_hash = ?', 'email_valid = ?');
      params.push(update.hashEmail(email), isUsableEmail(email) ? 1 : 0);
    }
    const changed = values.map(([column]) => `${column} COLLATE BINARY IS NOT ?`).join(' OR ');
    statements.push(
      db
        .prepare(
          `UPDATE leads AS l SET ${assignments.join(', ')}, updated_at = ?, revision = ${nextRevisionSql}
           WHERE id = ? AND ${isTaken} = 0 AND (${changed})
             AND (? IS NULL OR ${tagSql} IN (SELECT value FROM json_each(?)))`,
        )
        .bind(
          ...params,
          update.nowMs,
          leadId,
          email,
          leadId,
          ...values.map(([, value]) => value),
          tags,
          tags,
        ),
      db.prepare('UPDATE lead_counts SET revision = revision + 1 WHERE changes() > 0'),
    );
  }
  statements.push(
    db
      .prepare(`SELECT ${leadColumns}, ${isTaken} AS takenCount FROM leads l WHERE l.id = ?`)
      .bind(email, leadId, leadId),
  );
  const results = await db.batch<LeadRow & { takenCount: number; tag: string }>(statements);
  const row = results.at(-1)?.results[0];
  if (row === undefined) return { kind: 'not_found' };
  const tag = results[tagAt]?.results[0]?.tag ?? '';
  if (ifTags !== null && !ifTags.includes(tag)) return { kind: 'changed' };
  const { takenCount, ...lead } = row;
  return takenCount > 0 ? { kind: 'email_taken' } : { kind: 'ok', lead: toLead(lead) };
}

/**
 * Erases a lead and its words in the search index. Its suppression stays: it contains no address, and it prevents
 * mail to the person after a later import.
 *
 * @param ownedBy - erases only while this session is the owner; null: only while there is none
 * @returns false when there was no such lead
 */
export async function eraseLead(db: D1Database, leadId: number, ownedBy?: string | null): Promise<boolean> {
  const isIt = ownedBy === undefined ? 'id = ?1' : 'id = ?1 AND +activated_by IS ?2';
  const params = ownedBy === undefined ? [leadId] : [leadId, ownedBy];
  const results = await db.batch([
    db
      .prepare(
        `UPDATE lead_counts SET
           new_count = new_count - (SELECT count(*) FROM leads WHERE id = ?1 AND +status = 'new'),
           active_count = active_count - (SELECT count(*) FROM leads WHERE id = ?1 AND +status = 'active')
         WHERE EXISTS (SELECT 1 FROM leads WHERE ${isIt})`,
      )
      .bind(...params),
    db.prepare(`DELETE FROM leads WHERE ${isIt}`).bind(...params),
  ]);
  return (results[1]?.meta.changes ?? 0) > 0;
}

/** Address and full name of each lead that still exists. */
export async function leadNames(
  db: D1Database,
  leadIds: readonly number[],
): Promise<Map<number, { email: string; name: string }>> {
  const { results } = await db
    .prepare(
      `SELECT id, email, trim(first_name || ' ' || last_name) AS name FROM leads
       WHERE id IN (SELECT value FROM json_each(?))`,
    )
    .bind(JSON.stringify(leadIds))
    .all<{ id: number; email: string; name: string }>();
  return new Map(results.map(({ id, email, name }) => [id, { email, name }]));
}
