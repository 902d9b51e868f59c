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
import { leadColumns, toLead, type LeadRow } from './lead-row.ts';

/** The row of an import that was not taken, as import_chunks keeps it. */
type StoredIssue = [line: number, outcome: string, reason: string, cells: string[]];

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
  for (const chunk of await chunksWith(db, email)) {
    // Line, outcome and reason stay, so that the counts of the import still add up with its list.
    const issues = chunk.issues.map((issue): StoredIssue =>
      isAbout(issue, email) ? [issue[0], issue[1], issue[2], []] : issue,
    );
    await db
      .prepare('UPDATE import_chunks SET issues = ? WHERE import_number = ? AND seq = ?')
      .bind(JSON.stringify(issues), chunk.number, chunk.seq)
      .run();
  }
}

interface ChunkWithIssues {
  number: number;
  seq: number;
  importId: string;
  fileName: string;
  createdAt: number;
  issues: StoredIssue[];
}

/** Chunks whose rejected rows mention the address; looks at each row that was not taken. */
async function chunksWith(db: D1Database, email: string): Promise<ChunkWithIssues[]> {
  const { results } = await db
    .prepare(
      `SELECT c.import_number AS number, c.seq, c.issues, i.import_id AS importId, i.file_name AS fileName,
              i.created_at AS createdAt
       FROM import_chunks c JOIN imports i ON i.number = c.import_number
       WHERE instr(lower(c.issues), lower(?)) > 0`,
    )
    // As it is within JSON.
    .bind(JSON.stringify(email).slice(1, -1))
    .all<Omit<ChunkWithIssues, 'issues'> & { issues: string }>();
  return results.map((row) => ({ ...row, issues: JSON.parse(row.issues) as StoredIssue[] }));
}

function isAbout([, , , cells]: StoredIssue, email: string): boolean {
  const address = email.toLowerCase();
  return cells.some((cell) => cell.toLowerCase().includes(address));
}

/** What the database holds about an address beside the lead itself. */
export async function tracesOf(
  db: D1Database,
  person: { email: string; emailHash: string; leadId: number | null },
): Promise<Pick<PersonExport, 'imports' | 'suppression'>> {
  const [members, suppression, chunks] = await Promise.all([
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
    chunksWith(db, person.email),
  ]);
  const rejected = chunks.flatMap(({ importId, fileName, createdAt, issues }) =>
    issues
      .filter((issue) => isAbout(issue, person.email))
      .map(([line, outcome, , cells]) => ({ importId, fileName, line, outcome, createdAt, cells })),
  );
  return {
    imports: [...members.results.map((row) => ({ ...row, cells: null })), ...rejected],
    suppression,
  };
}
