/**
 * Suppressions: who must not be mailed, by the keyed hash of the address.
 *
 * Owns the table. Keeps no address, except as a label where a person typed one; the list names the lead behind
 * a hash as long as there is one. Invariants: the first reason
 * stays (a complaint stays a complaint, whatever comes later); adding twice changes nothing; whatever mails
 * looks here in the transaction of its flip.
 *
 * @module
 */
import type {
  Suppression,
  SuppressionImport,
  SuppressionPage,
  SuppressionReason,
} from '../shared/schemas/mail.ts';
import { allOf, cursorBehind, pageStatement, takePage, type Condition, type PagedList } from './cursor.ts';
import { noteUnsubscribe } from './event-endpoints.ts';
import { type HashEmail, isUsableEmail, normalizeEmail } from './email.ts';

/** An entry as it is read; `lead` is JSON of {@link LeadCells}. */
type SuppressionRow = Omit<Suppression, 'lead'> & { lead: string | null };
type LeadCells = [id: number, email: string, firstName: string, lastName: string];

const list: PagedList<SuppressionRow> = {
  // A lookup per shown row. `lead_id` counts only while that lead has this address. Two leads can share a hash:
  // addresses are unique by the case of ASCII, hashes by that of Unicode.
  select: `SELECT email_hash AS id, reason, created_at AS createdAt, label, added_by AS addedBy, note,
      session_id AS sessionId,
      (SELECT json_array(l.id, l.email, l.first_name, l.last_name) FROM leads l
       WHERE l.id = suppressions.lead_id AND l.email_hash = suppressions.email_hash) AS lead
    FROM suppressions`,
  key: [
    { column: 'created_at', type: 'integer', of: (row) => row.createdAt },
    { column: 'email_hash', type: 'text', of: (row) => row.id },
  ],
};

function toSuppression({ lead, ...entry }: SuppressionRow): Suppression {
  if (lead === null) return { ...entry, lead: null };
  // Made by the query.
  const [id, email, firstName, lastName] = JSON.parse(lead) as LeadCells;
  return { ...entry, lead: { id, email, name: `${firstName} ${lastName}`.trim() } };
}

/**
 * Suppresses one address because of a webhook or an unsubscribe link.
 *
 * @param entry.leadId - the lead that was mailed, which may have another address by now
 * @param entry.address - finds the lead otherwise; it is not stored
 * @param entry.isLink - the recipient used the link in a mail: endpoints are told of it, in the same transaction
 * @returns false when it was suppressed already
 */
export async function suppressHash(
  db: D1Database,
  entry: {
    emailHash: string;
    leadId: number | null;
    address: string | null;
    reason: SuppressionReason;
    nowMs: number;
    sessionId: string | null;
    isLink?: true;
  },
): Promise<boolean> {
  const { sessionId, leadId, isLink } = entry;
  const suppress = db
    .prepare(
      `INSERT INTO suppressions (email_hash, lead_id, reason, created_at, session_id)
       VALUES (?1, coalesce((SELECT id FROM leads WHERE id = ?2 AND email_hash = ?1),
         (SELECT id FROM leads WHERE email = ?3)), ?4, ?5, ?6)
       ON CONFLICT (email_hash) DO NOTHING`,
    )
    .bind(entry.emailHash, leadId, entry.address, entry.reason, entry.nowMs, sessionId);
  const told =
    isLink && sessionId !== null && leadId !== null ? [noteUnsubscribe(db, { sessionId, leadId })] : [];
  const [result] = await db.batch([suppress, ...told]);
  return (result?.meta.changes ?? 0) > 0;
}

/** Rows of one statement; its JSON parameter stays far below D1's limit of 2 MB. */
const maxChunkCount = 1_000;

/** Suppresses addresses that a person typed, pasted or uploaded. */
export async function addSuppressions(
  db: D1Database,
  entry: {
    addresses: readonly string[];
    reason: SuppressionReason;
    note: string;
    addedBy: string;
    nowMs: number;
    hashEmail: HashEmail;
  },
): Promise<SuppressionImport> {
  const invalidLines: number[] = [];
  const labels = new Map<string, string>();
  entry.addresses.forEach((text, index) => {
    const address = normalizeEmail(text);
    if (!isUsableEmail(address)) invalidLines.push(index + 1);
    else labels.set(entry.hashEmail(address), address);
  });
  const rows = [...labels].map(([hash, label]) => ({ hash, label }));
  let addedCount = 0;
  for (let start = 0; start < rows.length; start += maxChunkCount) {
    const result = await db
      .prepare(
        `INSERT INTO suppressions (email_hash, lead_id, reason, created_at, label, added_by, note)
         SELECT value ->> 'hash', (SELECT l.id FROM leads l WHERE l.email = value ->> 'label'), ?2, ?3,
           value ->> 'label', ?4, ?5
         FROM json_each(?1) WHERE true ON CONFLICT (email_hash) DO NOTHING RETURNING 1`,
      )
      .bind(
        JSON.stringify(rows.slice(start, start + maxChunkCount)),
        entry.reason,
        entry.nowMs,
        entry.addedBy,
        entry.note,
      )
      .run();
    // D1's count of changes has those of triggers in it.
    addedCount += result.results.length;
  }
  return { addedCount, knownCount: rows.length - addedCount, invalidLines };
}

/** Removes a suppression and stores who did it and why. @returns false when there was none */
export async function removeSuppression(
  db: D1Database,
  removal: { emailHash: string; removedBy: string; note: string; nowMs: number },
): Promise<boolean> {
  const { emailHash, removedBy, note, nowMs } = removal;
  const results = await db.batch([
    db
      .prepare(
        `INSERT INTO suppression_removals (email_hash, reason, created_at, removed_at, removed_by, note)
         SELECT email_hash, reason, created_at, ?2, ?3, ?4 FROM suppressions WHERE email_hash = ?1`,
      )
      .bind(emailHash, nowMs, removedBy, note),
    db.prepare('DELETE FROM suppressions WHERE email_hash = ?').bind(emailHash),
  ]);
  return (results[1]?.meta.changes ?? 0) > 0;
}

/**
 * One page, newest first.
 *
 * @param query.emailHash - only the entry with this hash: a search by address is a look-up by its hash
 * @returns `invalid_cursor` for a cursor that this list did not give out
 */
export async function listSuppressions(
  db: D1Database,
  query: { emailHash: string | null; reason: SuppressionReason | null; cursor: string | null; limit: number },
): Promise<{ kind: 'ok'; page: SuppressionPage } | { kind: 'invalid_cursor' }> {
  const { emailHash, reason, cursor, limit } = query;
  const where: Condition[] = [];
  if (emailHash !== null) where.push(['email_hash = ?', emailHash]);
  if (reason !== null) where.push(['reason = ?', reason]);
  const statement = pageStatement(db, list, { where, cursor, limit });
  if (statement === null) return { kind: 'invalid_cursor' };
  const { sql, params } = allOf(where);
  const [found, count] = await db.batch<SuppressionRow & { n: number }>([
    statement,
    db.prepare(`SELECT count(*) AS n FROM suppressions WHERE ${sql}`).bind(...params),
  ]);
  const { rows, nextCursor } = takePage(found?.results ?? [], limit, cursorBehind(list));
  return {
    kind: 'ok',
    page: { suppressions: rows.map(toSuppression), nextCursor, total: count?.results[0]?.n ?? 0 },
  };
}

/** Which of these hashes are suppressed. */
export async function suppressedAmong(
  db: D1Database,
  emailHashes: readonly string[],
): Promise<ReadonlySet<string>> {
  const { results } = await db
    .prepare(
      'SELECT email_hash AS emailHash FROM suppressions WHERE email_hash IN (SELECT value FROM json_each(?))',
    )
    .bind(JSON.stringify(emailHashes))
    .all<{ emailHash: string }>();
  return new Set(results.map((row) => row.emailHash));
}
