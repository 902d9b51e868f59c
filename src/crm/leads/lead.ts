/**
 * One lead: reading, editing, erasing it; and how many there are. Lists of leads are in list.ts.
 *
 * @module
 */
import { leadFieldNames, leadFields } from '../../shared/lead-fields.ts';
import type { ExternalId, Lead, LeadCreate, LeadDetail, LeadPatch } from '../../shared/schemas/leads.ts';
import { logChange, raiseRevision } from './changes.ts';
import { customJson, rememberNames } from './custom-fields.ts';
import { type HashEmail, isUsableEmail, normalizeEmail } from '../email.ts';
import type { SqlValue } from './filter.ts';
import { tagLabels } from './labels.ts';
import {
  leadColumns,
  nextRevisionSql,
  toFoundLead,
  toLead,
  unmailableSql,
  type FoundLeadRow,
  type LeadRow,
} from './row.ts';
import { upsertLeads } from './upsert.ts';

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

/** A lead cannot have what another lead has. */
export interface Taken {
  kind: 'email_taken' | 'external_id_taken';
  /** The lead that has it. */
  leadId: number;
}

/**
 * Adds a lead by hand.
 *
 * @returns its id; `external_id_taken` or `email_taken` when a lead has the external id or the address, whatever its
 *   case; `busy` when others changed the same leads again and again
 */
export async function createLead(
  db: D1Database,
  create: { lead: LeadCreate; nowMs: number; hashEmail: HashEmail },
): Promise<{ kind: 'ok'; leadId: number } | Taken | { kind: 'busy' }> {
  const { externalId, ...fields } = create.lead;
  const lead = externalId == null ? fields : { ...fields, externalId };
  const { nowMs, hashEmail } = create;
  const answer = await upsertLeads(db, { items: [{ lead }], nowMs, hashEmail, onlyNew: true });
  const result = answer.kind === 'ok' ? answer.results[0] : undefined;
  if (result === undefined) return { kind: 'busy' };
  if (result.outcome === 'created' && result.leadId !== null) return { kind: 'ok', leadId: result.leadId };
  if (externalId != null) {
    const owner = await leadWith(db, externalId);
    if (owner !== null) return { kind: 'external_id_taken', leadId: owner };
  }
  const owner = result.leadId ?? result.problem?.leadId ?? null;
  // Custom fields of a new lead are bounded by the schema, so an address is all that can be in the way.
  return owner === null ? { kind: 'busy' } : { kind: 'email_taken', leadId: owner };
}

/** The id of the lead with this external id, or null. */
async function leadWith(db: D1Database, { source, id }: ExternalId): Promise<number | null> {
  return db
    .prepare('SELECT id FROM leads WHERE external_id = ? AND external_source = ?')
    .bind(id, source)
    .first<number>('id');
}

/** The columns of a patch with their values. */
function columnsOf({ externalId, custom, tags, ...patch }: LeadPatch): [column: string, value: SqlValue][] {
  const values: [column: string, value: SqlValue][] = [];
  for (const field of leadFieldNames) {
    const value = patch[field];
    if (value === undefined) continue;
    values.push([leadFields[field].column, field === 'email' ? normalizeEmail(value) : value.trim()]);
  }
  if (custom !== undefined) values.push(['custom', customJson(custom)]);
  if (tags !== undefined) values.push(['tags', tagLabels(tags)]);
  if (externalId !== undefined) {
    values.push(['external_source', externalId?.source ?? null], ['external_id', externalId?.id ?? null]);
  }
  return values;
}

/** The columns that follow from an address. */
const addressColumns = (email: string, hashEmail: HashEmail): [column: string, value: SqlValue][] => [
  ['email_hash', hashEmail(email)],
  ['email_valid', isUsableEmail(email) ? 1 : 0],
];

/**
 * Changes the given fields of a lead. A patch that changes nothing leaves `updatedAt` alone, so that
 * running sessions keep the lead.
 *
 * @param update.ifTags - changes only a lead that has one of these entity tags; null: whatever it has
 * @returns `email_taken` when another lead has the address, whatever its case; `external_id_taken` when another lead has
 *   the external id
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
): Promise<{ kind: 'ok'; lead: Lead } | { kind: 'not_found' } | Taken | { kind: 'changed' }> {
  const { leadId, patch, ifTags = null } = update;
  const tags = ifTags === null ? null : JSON.stringify(ifTags);
  const values = columnsOf(patch);
  const email = patch.email === undefined ? null : normalizeEmail(patch.email);
  // Parameters from ?at on: the lead, and what it asks for. The owners are other leads that have it, or null.
  const about = [leadId, email, patch.externalId?.id ?? null, patch.externalId?.source ?? null, tags];
  const emailOwner = (at: number): string =>
    `(SELECT o.id FROM leads o WHERE o.email = ?${at + 1} AND o.id <> ?${at})`;
  const externalOwner = (at: number): string =>
    `(SELECT o.id FROM leads o WHERE o.external_id = ?${at + 2} AND o.external_source = ?${at + 3} AND o.id <> ?${at})`;
  const isOpen = (at: number): string =>
    `l.id = ?${at} AND ${emailOwner(at)} IS NULL AND ${externalOwner(at)} IS NULL
     AND (?${at + 4} IS NULL OR ${tagSql} IN (SELECT value FROM json_each(?${at + 4})))`;
  const statements = rememberNames(db, Object.keys(patch.custom ?? {}), {
    sql: `EXISTS (SELECT 1 FROM leads l WHERE ${isOpen(2)})`,
    params: about,
  });
  // In the same transaction as the change, and before it.
  statements.push(db.prepare(`SELECT ${tagSql} AS tag FROM leads l WHERE l.id = ?`).bind(leadId));
  const tagAt = statements.length - 1;
  if (values.length > 0) {
    const columns = email === null ? values : [...values, ...addressColumns(email, update.hashEmail)];
    const mark = (index: number): string => `?${about.length + 2 + index}`;
    const assignments = columns.map(([column], index) => `${column} = ${mark(index)}`);
    const isOther = values.map(([column], index) => `l.${column} COLLATE BINARY IS NOT ${mark(index)}`);
    statements.push(
      db
        .prepare(
          `UPDATE leads AS l SET ${assignments.join(', ')}, updated_at = ?${about.length + 1},
             revision = ${nextRevisionSql}
           WHERE ${isOpen(1)} AND (${isOther.join(' OR ')})`,
        )
        .bind(...about, update.nowMs, ...columns.map(([, value]) => value)),
      raiseRevision(db),
      logChange(db, [leadId]),
    );
  }
  statements.push(
    db
      .prepare(
        `SELECT ${leadColumns}, ${emailOwner(1)} AS emailOwner, ${externalOwner(1)} AS externalOwner
         FROM leads l WHERE l.id = ?1`,
      )
      .bind(...about.slice(0, 4)),
  );
  const results = await db.batch<
    LeadRow & { emailOwner: number | null; externalOwner: number | null; tag: string }
  >(statements);
  const row = results.at(-1)?.results[0];
  if (row === undefined) return { kind: 'not_found' };
  const tag = results[tagAt]?.results[0]?.tag ?? '';
  if (ifTags !== null && !ifTags.includes(tag)) return { kind: 'changed' };
  const { emailOwner: byAddress, externalOwner: byExternalId, ...lead } = row;
  if (byAddress !== null) return { kind: 'email_taken', leadId: byAddress };
  if (byExternalId !== null) return { kind: 'external_id_taken', leadId: byExternalId };
  return { kind: 'ok', lead: toLead(lead) };
}

/** A number that grows whenever a session activates the lead or gives it back; null when there is no such lead. */
export async function activatedRevision(db: D1Database, leadId: number): Promise<number | null> {
  return db
    .prepare('SELECT activated_revision AS at FROM leads WHERE id = ?')
    .bind(leadId)
    .first<number>('at');
}

/**
 * Erases a lead and its words in the search index. Its suppression stays: it contains no address, and it prevents
 * mail to the person after a later import.
 *
 * @param activatedAt - erases only while this is its {@link activatedRevision}: no session has learned of it since
 * @returns false when there was no such lead
 */
export async function eraseLead(db: D1Database, leadId: number, activatedAt?: number): Promise<boolean> {
  const isIt = activatedAt === undefined ? 'id = ?1' : 'id = ?1 AND activated_revision = ?2';
  const params = activatedAt === undefined ? [leadId] : [leadId, activatedAt];
  const results = await db.batch([
    db
      .prepare(
        `UPDATE lead_counts SET revision = revision + 1,
           new_count = new_count - (SELECT count(*) FROM leads WHERE id = ?1 AND +status = 'new'),
           active_count = active_count - (SELECT count(*) FROM leads WHERE id = ?1 AND +status = 'active')
         WHERE EXISTS (SELECT 1 FROM leads WHERE ${isIt})`,
      )
      .bind(...params),
    logChange(db, [leadId]),
    db.prepare(`DELETE FROM leads WHERE ${isIt}`).bind(...params),
  ]);
  return (results[2]?.meta.changes ?? 0) > 0;
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
