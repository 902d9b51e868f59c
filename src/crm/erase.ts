/**
 * What the CRM database holds about one address beside the lead itself: finding it and erasing it.
 *
 * Owns: every table that may hold an address. Never: the lead (leads.ts), session objects.
 * Keeps true: what remains afterwards is a keyed hash in the suppressions, if there was one, so that the
 * person is not mailed when a later import brings them back; and ids that mean nobody.
 *
 * @module
 */
import type { Lead } from '../shared/schemas.ts';
import type { PersonExport } from '../shared/audit-schemas.ts';
import { normalizeEmail } from './email.ts';
import { eraseFromIssues, issuesAbout } from './import-issues.ts';
import { forgetViews, viewsAbout } from './views.ts';
import { leadColumns, toLead, type LeadRow } from './lead-row.ts';

/** The lead with this address, whatever its case. */
export async function findLeadByEmail(db: D1Database, email: string): Promise<Lead | null> {
  const row = await db
    .prepare(`SELECT ${leadColumns} FROM leads l WHERE l.email = ?`)
    .bind(normalizeEmail(email))
    .first<LeadRow>();
  return row === null ? null : toLead(row);
}

/** Removes an address from what is kept beside the leads; the hash of a suppression stays. Repeating it changes nothing. */
export async function eraseTraces(db: D1Database, email: string, emailHash: string): Promise<void> {
  await db
    .prepare('UPDATE suppressions SET label = NULL WHERE email_hash = ? AND label IS NOT NULL')
    .bind(emailHash)
    .run();
  await eraseFromIssues(db, email);
  await forgetViews(db, await viewsAbout(db, email));
}

/** What the database holds about an address beside the lead itself. */
export async function tracesOf(
  db: D1Database,
  person: { email: string; emailHash: string; leadId: number | null },
): Promise<Pick<PersonExport, 'imports' | 'suppression' | 'views'>> {
  const [members, suppression, issues, views] = await Promise.all([
    db
      .prepare(
        `SELECT i.import_id AS importId, i.file_name AS fileName, m.line, m.outcome, i.created_at AS createdAt
         FROM imports i JOIN import_leads m ON m.import_number = i.number AND m.lead_id = ?`,
      )
      .bind(person.leadId)
      .all<{ importId: string; fileName: string; line: number; outcome: string; createdAt: number }>(),
    db
      .prepare(
        `SELECT email_hash AS id, reason, created_at AS createdAt, label, note, session_id AS sessionId
         FROM suppressions WHERE email_hash = ?`,
      )
      .bind(person.emailHash)
      .first(),
    issuesAbout(db, person.email),
    viewsAbout(db, person.email),
  ]);
  const rejected = issues.map(({ issue: [line, outcome, , cells], ...file }) => ({
    ...file,
    line,
    outcome,
    cells: [...cells],
  }));
  return {
    imports: [...members.results.map((row) => ({ ...row, cells: null })), ...rejected],
    suppression,
    views,
  };
}
