/**
 * Finds and erases the data about a person that the CRM database has outside of the lead.
 *
 * Owns every table that may hold an address or a name, except the lead itself (leads/lead.ts) and the session
 * objects. Invariant: after an erasure only ids that name nobody remain, and the keyed hash of a suppression, so
 * that the person is not mailed after a later import.
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
import { placesOfLeadSql, type PlaceOfLead } from './imports/import.ts';
import { eraseFromIssues, issuesAbout, type Mention } from './imports/issues.ts';
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
 * The texts by which other records may mention a lead: its present address and name, its earlier addresses, and
 * those that a session froze.
 *
 * @param frozen - the lead as its session mailed it; null when no session did
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
    ...(lead.externalId === null ? {} : { externalId: lead.externalId }),
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

/** Those of these addresses that no other lead has now. Data with the others belongs to somebody else. */
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
 * Removes a person from all data outside of the leads; the hash of a suppression stays. A repeat changes nothing.
 */
export async function eraseTraces(
  db: D1Database,
  person: ForgottenPerson,
  hashEmail: HashEmail,
): Promise<void> {
  await forgetInSuppressions(db, person, hashEmail);
  for (const mention of mentionsInFiles(person)) await eraseFromIssues(db, mention);
  await forgetInImports(db, person);
  await forgetViews(db, await viewsAbout(db, person));
  await forgetInHistory(db, person);
  // The lead's own addresses are deleted with the lead. These belong to a lead that has another address now.
  await db
    .prepare('DELETE FROM former_emails WHERE email IN (SELECT value FROM json_each(?))')
    .bind(JSON.stringify(person.emails))
    .run();
}

/** What rows of imported files may name the person by. */
const mentionsInFiles = ({ emails, externalId }: ForgottenPerson): Mention[] => [
  ...emails.filter(isSearchableEmail).map((email) => ({ email })),
  ...(externalId === undefined ? [] : [{ externalId }]),
];

/** Tables with notes about suppressions, each with the column that its rows are paged by. */
const noteTables = [
  { table: 'suppressions', key: 'email_hash' },
  { table: 'suppression_removals', key: 'id' },
] as const;

/** Notes read by one statement. */
const notePageCount = 1_000;

/** Removes the label and all notes of a suppression of the person, and mentions of the person in other notes. */
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

/** Imports read by one statement. */
const importPageCount = 200;

/**
 * Removes a person from file names and column names. When the first row of a file was wrongly read as a header, its
 * column names are data of a person.
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

/** The data of the database about a person, except the lead itself. */
export async function tracesOf(
  db: D1Database,
  about: { person: ForgottenPerson; emailHash: string },
): Promise<Pick<PersonExport, 'imports' | 'suppression' | 'views' | 'formerEmails'>> {
  const { person, emailHash } = about;
  const [members, suppression, issues, views, former] = await Promise.all([
    db
      .prepare(placesOfLeadSql('i.created_at AS createdAt'))
      .bind(person.leadId)
      .all<PlaceOfLead & { createdAt: number }>(),
    db
      .prepare(
        `SELECT email_hash AS id, reason, created_at AS createdAt, label, note, session_id AS sessionId
         FROM suppressions WHERE email_hash = ?`,
      )
      .bind(emailHash)
      .first(),
    issuesAbout(db, mentionsInFiles(person)),
    viewsAbout(db, person),
    person.leadId === null ? [] : formerEmails(db, person.leadId),
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
    formerEmails: former,
  };
}
