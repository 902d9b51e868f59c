/**
 * The CRM database of a workerd test: emptied, and filled with leads of which a test gives only the properties that
 * matter.
 *
 * @module
 */
import { env } from 'cloudflare:workers';
import { deletingMany } from '../../src/crm/leads/search-index.ts';
import { emailHash } from '../../src/crm/email.ts';

/** Hashed as the Worker does it. */
export const hashEmail = (email: string): string => emailHash(env.ADDRESS_HASH_KEY, email);

/** The database of this test file, with nothing in it. */
export async function emptyCrm(): Promise<D1Database> {
  const { DB } = env;
  await DB.batch([
    ...deletingMany(DB, [DB.prepare('DELETE FROM leads')]),
    DB.prepare('DELETE FROM imports'),
    DB.prepare('DELETE FROM import_chunks'),
    DB.prepare('DELETE FROM import_leads'),
    DB.prepare('DELETE FROM lead_blocks'),
    DB.prepare('DELETE FROM views'),
    DB.prepare('DELETE FROM custom_fields'),
    DB.prepare('DELETE FROM suppression_removals'),
    DB.prepare('DELETE FROM lead_reads'),
    DB.prepare("DELETE FROM sqlite_sequence WHERE name = 'leads'"),
    DB.prepare('DELETE FROM suppressions'),
    DB.prepare('DELETE FROM activations'),
    DB.prepare('DELETE FROM flip_fences'),
    DB.prepare('DELETE FROM erased_sessions'),
    DB.prepare('DELETE FROM idempotency_keys'),
    DB.prepare('DELETE FROM sweep_report'),
    DB.prepare('DELETE FROM alert_events'),
    DB.prepare('DELETE FROM crm_connections'),
    DB.prepare('UPDATE lead_counts SET new_count = 0, active_count = 0'),
    // The log of changes begins anew, at the present revision.
    DB.prepare("UPDATE lead_changes SET lead_ids = ''"),
    DB.prepare('DELETE FROM lead_changes WHERE revision < (SELECT revision FROM lead_counts)'),
  ]);
  return DB;
}

export interface TestLead {
  id?: number;
  email?: string;
  emailValid?: boolean;
  firstName?: string;
  lastName?: string;
  company?: string;
  source?: string;
  stage?: string;
  status?: 'new' | 'active';
  activatedAt?: number;
  activatedBy?: string;
  importId?: string;
  /** When an activation of ours last was to mail it. */
  mailedAt?: number;
  createdAt?: number;
  updatedAt?: number;
}

/** Inserts the described leads; ids are 1, 2, 3 … where none is given. */
export async function addLeads(db: D1Database, leads: readonly TestLead[]): Promise<void> {
  const rows = leads.map((lead, index) => {
    const id = lead.id ?? index + 1;
    const email = lead.email ?? `lead${id}@example.com`;
    const status = lead.status ?? 'new';
    return {
      id,
      email,
      email_valid: (lead.emailValid ?? true) ? 1 : 0,
      email_hash: hashEmail(email),
      first_name: lead.firstName ?? 'Ann',
      last_name: lead.lastName ?? `Name${id}`,
      company: lead.company ?? 'Example Ltd',
      source: lead.source ?? '',
      stage: lead.stage ?? '',
      status,
      activated_at: status === 'active' ? (lead.activatedAt ?? 500) : null,
      activated_by: status === 'active' ? (lead.activatedBy ?? 'activation_0000000000001_other0000') : null,
      import_id: lead.importId ?? null,
      mailed_at: lead.mailedAt ?? null,
      created_at: lead.createdAt ?? 0,
      updated_at: lead.updatedAt ?? lead.createdAt ?? 0,
    };
  });
  const columns = Object.keys(rows[0] ?? {});
  await db.batch([
    db
      .prepare(
        `INSERT INTO leads (${columns.join(', ')})
         SELECT ${columns.map((column) => `value ->> '${column}'`).join(', ')} FROM json_each(?)`,
      )
      .bind(JSON.stringify(rows)),
    db.prepare(
      `INSERT INTO imports (import_id, owner, file_name, state, spec, created_at, updated_at)
       SELECT DISTINCT import_id, 'ana@example.com', import_id || '.csv', 'done', '{}', 0, 0 FROM leads
       WHERE import_id IS NOT NULL ON CONFLICT DO NOTHING`,
    ),
    db.prepare(
      `INSERT INTO import_leads (import_number, lead_id, line, outcome, added_at)
       SELECT i.number, l.id, l.id + 1, 'created', l.created_at FROM leads l
       JOIN imports i ON i.import_id = l.import_id WHERE true ON CONFLICT DO NOTHING`,
    ),
    db.prepare(
      `UPDATE imports SET member_count =
         (SELECT count(*) FROM import_leads WHERE import_number = imports.number)`,
    ),
    db.prepare(
      `UPDATE lead_counts SET new_count = (SELECT count(*) FROM leads WHERE status = 'new'),
         active_count = (SELECT count(*) FROM leads WHERE status = 'active')`,
    ),
  ]);
}

/** Suppresses an address. */
export async function suppress(db: D1Database, email: string): Promise<void> {
  await db
    .prepare(
      `INSERT INTO suppressions (email_hash, lead_id, reason, created_at)
       VALUES (?, (SELECT id FROM leads WHERE email = ?), 'unsubscribed', 0)`,
    )
    .bind(hashEmail(email), email)
    .run();
}

/** The id, status and owner of every lead, in the order of ids. */
export async function statuses(
  db: D1Database,
): Promise<{ id: number; status: string; activated_by: string | null; updated_at: number }[]> {
  const { results } = await db
    .prepare('SELECT id, status, activated_by, updated_at FROM leads ORDER BY id')
    .all<{ id: number; status: string; activated_by: string | null; updated_at: number }>();
  return results;
}

/** The stored counts and a recount of the rows; equal when the stored counts are correct. */
export async function countsAndRecount(db: D1Database): Promise<{ kept: unknown; recount: unknown }> {
  const kept = await db.prepare('SELECT new_count AS new, active_count AS active FROM lead_counts').first();
  const recount = await db
    .prepare(
      "SELECT count(*) FILTER (WHERE status = 'new') AS new, count(*) FILTER (WHERE status = 'active') AS active FROM leads",
    )
    .first();
  return { kept, recount };
}
