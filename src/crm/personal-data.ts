/**
 * What the CRM database holds about a person beside the lead: finding it and erasing it.
 *
 * Owns every table that may hold an address or a name, except the lead itself (leads/lead.ts) and the session objects.
 * Invariant: what remains is a keyed hash in the suppressions, if there was one, so that the person is not mailed
 * when a later import brings them back; and ids that name nobody.
 *
 * @module
 */
import {
  fullNames,
  isSearchableEmail,
  mentions,
  withoutMentions,
  type ForgottenPerson,
} from '../shared/forgotten.ts';
import type { Recipient } from '../shared/recipient.ts';
import type { Lead } from '../shared/schemas/leads.ts';
import type { PersonExport } from '../shared/schemas/audit.ts';
import { type HashEmail, normalizeEmail } from './email.ts';
import { forgetInHistory } from './activations.ts';
import { eraseFromIssues, issuesAbout } from './imports/issues.ts';
import { forgetViews, viewsAbout } from './saved-views.ts';
import { leadColumns, toLead, type LeadRow } from './leads/row.ts';

/** The lead with this address, whatever its case. */
export async function findLeadByEmail(db: D1Database, email: string): Promise<Lead | null> {
  const row = await db
    .prepare(`SELECT ${leadColumns} FROM leads l WHERE l.email = ?`)
    .bind(normalizeEmail(email))
    .first<LeadRow>();
  return row === null ? null : toLead(row);
}

/**
 * A lead as other records may mention it: under the address and name of now, under addresses of before, and as
 * a session froze them.
 *
 * @param frozen - the lead as its session mailed it; null where no session did
 */
export async function personOf(
  db: D1Database,
  lead: Lead,
  frozen: Recipient | null,
): Promise<ForgottenPerson> {
  const former = await formerEmails(db, lead.id);
  const known = [lead.email, ...former, ...(frozen === null ? [] : [frozen.email])]
    .map((email) => email.toLowerCase())
    .filter((email) => email !== '');
  return {
    leadId: lead.id,
    emails: await emailsOfNobodyElse(db, lead.id, [...new Set(known)]),
    names: [...new Set([...fullNames(lead), ...(frozen === null ? [] : fullNames(frozen))])],
  };
}

/** The addresses that a lead had before it was edited. */
async function formerEmails(db: D1Database, leadId: number): Promise<string[]> {
  const { results } = await db
    .prepare('SELECT email FROM former_emails WHERE lead_id = ?')
    .bind(leadId)
    .all<{ email: string }>();
  return results.map(({ email }) => email);
}

/** Those of these addresses that are no other lead's now: what is kept of the others is about somebody else. */
async function emailsOfNobodyElse(
  db: D1Database,
  leadId: number,
  emails: readonly string[],
): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT value AS email FROM json_each(?1)
       WHERE NOT EXISTS (SELECT 1 FROM leads WHERE leads.email = value AND leads.id <> ?2)`,
    )
    .bind(JSON.stringify(emails), leadId)
    .all<{ email: string }>();
  return results.map(({ email }) => email);
}

/**
 * Removes a person from what is kept beside the leads; the hash of a suppression stays. Repeating it changes
 * nothing.
 */
export async function eraseTraces(
  db: D1Database,
  person: ForgottenPerson,
  hashEmail: HashEmail,
): Promise<void> {
  await forgetInSuppressions(db, person, hashEmail);
  for (const email of person.emails.filter(isSearchableEmail)) await eraseFromIssues(db, email);
  await forgetInImports(db, person);
  await forgetViews(db, await viewsAbout(db, person));
  await forgetInHistory(db, person);
  // The lead's own go with the lead. These are of one that has another address now, which was asked for by this.
  await db
    .prepare('DELETE FROM former_emails WHERE email IN (SELECT value FROM json_each(?))')
    .bind(JSON.stringify(person.emails))
    .run();
}

/** Tables with notes about suppressions, each with the column that its rows are paged by. */
const noteTables = [
  { table: 'suppressions', key: 'email_hash' },
  { table: 'suppression_removals', key: 'id' },
] as const;

/** Notes that are read at once. */
const notePageCount = 1_000;

/** The label and every word about the suppression of an address, and words about others that mention the person. */
async function forgetInSuppressions(
  db: D1Database,
  person: ForgottenPerson,
  hashEmail: HashEmail,
): Promise<void> {
  const hashes = JSON.stringify(person.emails.map(hashEmail));
  const isTheirs = 'email_hash IN (SELECT value FROM json_each(?))';
  await db.batch([
    db.prepare(`UPDATE suppressions SET label = NULL WHERE ${isTheirs} AND label IS NOT NULL`).bind(hashes),
    ...noteTables.map(({ table }) =>
      db.prepare(`UPDATE ${table} SET note = '' WHERE ${isTheirs} AND note <> ''`).bind(hashes),
    ),
  ]);
  for (const { table, key } of noteTables) {
    for (let after: string | number = ''; ;) {
      const { results }: D1Result<{ key: string | number; note: string }> = await db
        .prepare(
          `SELECT ${key} AS key, note FROM ${table} WHERE note <> '' AND (?1 = '' OR ${key} > ?1)
           ORDER BY ${key} LIMIT ${notePageCount}`,
        )
        .bind(after)
        .all<{ key: string | number; note: string }>();
      const found = results.filter(({ note }) => mentions(note, person));
      if (found.length > 0) {
        const change = db.prepare(`UPDATE ${table} SET note = ? WHERE ${key} = ?`);
        await db.batch(found.map((row) => change.bind(withoutMentions(row.note, person), row.key)));
      }
      const last = results.at(-1);
      if (last === undefined || results.length < notePageCount) break;
      after = last.key;
    }
  }
}

/** Imports that are read at once. */
const importPageCount = 200;

/**
 * The name of a file, and the names of its columns: a file that was read as if its first row were a header has
 * a person there.
 */
async function forgetInImports(db: D1Database, person: ForgottenPerson): Promise<void> {
  for (let after = 0; ;) {
    const { results } = await db
      .prepare('SELECT number, file_name, spec FROM imports WHERE number > ? ORDER BY number LIMIT ?')
      .bind(after, importPageCount)
      .all<{ number: number; file_name: string; spec: string }>();
    for (const row of results) {
      const fileName = withoutMentions(row.file_name, person);
      const spec = withoutMentions(row.spec, person);
      if (fileName === row.file_name && spec === row.spec) continue;
      await db
        .prepare('UPDATE imports SET file_name = ?, spec = ? WHERE number = ?')
        .bind(fileName, spec, row.number)
        .run();
    }
    const last = results.at(-1);
    if (last === undefined || results.length < importPageCount) return;
    after = last.number;
  }
}

/** What the database holds about a person beside the lead itself. */
export async function tracesOf(
  db: D1Database,
  about: { person: ForgottenPerson; emailHash: string },
): Promise<Pick<PersonExport, 'imports' | 'suppression' | 'views' | 'formerEmails'>> {
  const { person, emailHash } = about;
  const [members, suppression, issues, views, former] = await Promise.all([
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
      .bind(emailHash)
      .first(),
    Promise.all(person.emails.filter(isSearchableEmail).map((email) => issuesAbout(db, email))),
    viewsAbout(db, person),
    person.leadId === null ? [] : formerEmails(db, person.leadId),
  ]);
  const rejected = issues.flat().map(({ issue: [line, outcome, , cells], ...file }) => ({
    ...file,
    line,
    outcome,
    cells: [...cells],
  }));
  return {
    imports: [...members.results.map((row) => ({ ...row, cells: null })), ...rejected],
    suppression,
    views,
    formerEmails: former,
  };
}
