/**
 * Suppressions: who must not be mailed, by keyed hash of the address.
 *
 * Owns the table. Stores no address but for a display form where a person typed one; the list names the lead
 * behind a hash as long as there is one.
 * Invariant: the first reason stays (who complained stays a complainer, whatever comes later), adding
 * twice changes nothing, and everything that mails looks here in the same transaction as its flip.
 *
 * @module
 */
import type {
  Suppression,
  SuppressionImport,
  SuppressionPage,
  SuppressionReason,
} from '../shared/schemas/mail.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { HashEmail } from './email-hash.ts';
import { isUsableEmail, normalizeEmail } from './email.ts';

interface SuppressionRow {
  email_hash: string;
  reason: SuppressionReason;
  created_at: number;
  label: string | null;
  added_by: string | null;
  note: string;
  session_id: string | null;
  /** JSON of {@link LeadCells}; null where no lead has this address. */
  lead: string | null;
}

type LeadCells = [id: number, email: string, firstName: string, lastName: string];

// A lookup per shown row. Two leads can share a hash: addresses are unique by ASCII case, hashes by Unicode's.
const columns = `email_hash, reason, created_at, label, added_by, note, session_id,
  (SELECT json_array(l.id, l.email, l.first_name, l.last_name) FROM leads l
   WHERE l.email_hash = suppressions.email_hash LIMIT 1) AS lead`;

function toSuppression(row: SuppressionRow): Suppression {
  return {
    id: row.email_hash,
    reason: row.reason,
    createdAt: row.created_at,
    label: row.label,
    addedBy: row.added_by,
    note: row.note,
    sessionId: row.session_id,
    lead: row.lead === null ? null : toLead(JSON.parse(row.lead) as LeadCells),
  };
}

function toLead([id, email, firstName, lastName]: LeadCells): Suppression['lead'] {
  return { id, email, name: `${firstName} ${lastName}`.trim() };
}

/**
 * Suppresses one address for a reason that no person typed: a webhook or an unsubscribe link.
 *
 * @returns false when it was suppressed before
 */
export async function suppressHash(
  db: D1Database,
  entry: { emailHash: string; reason: SuppressionReason; nowMs: number; sessionId: string | null },
): Promise<boolean> {
  const result = await db
    .prepare(
      `INSERT INTO suppressions (email_hash, reason, created_at, session_id) VALUES (?, ?, ?, ?)
       ON CONFLICT (email_hash) DO NOTHING`,
    )
    .bind(entry.emailHash, entry.reason, entry.nowMs, entry.sessionId)
    .run();
  return result.meta.changes > 0;
}

/** Rows of one statement: its JSON parameter stays far below D1's 2 MB. */
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
        `INSERT INTO suppressions (email_hash, reason, created_at, label, added_by, note)
         SELECT value ->> 'hash', ?2, ?3, value ->> 'label', ?4, ?5 FROM json_each(?1) WHERE true
         ON CONFLICT (email_hash) DO NOTHING`,
      )
      .bind(
        JSON.stringify(rows.slice(start, start + maxChunkCount)),
        entry.reason,
        entry.nowMs,
        entry.addedBy,
        entry.note,
      )
      .run();
    addedCount += result.meta.changes;
  }
  return { addedCount, knownCount: rows.length - addedCount, invalidLines };
}

/** Takes a suppression away, for a reason that is kept; false when there was none. */
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
 * @param query.emailHash - only this one: a search by address is a look-up by its hash
 * @returns `invalid_cursor` for a cursor that this list did not give out
 */
export async function listSuppressions(
  db: D1Database,
  query: { emailHash: string | null; reason: SuppressionReason | null; cursor: string | null; limit: number },
): Promise<{ kind: 'ok'; page: SuppressionPage } | { kind: 'invalid_cursor' }> {
  const conditions = ['1'];
  const params: (string | number)[] = [];
  if (query.emailHash !== null) {
    conditions.push('email_hash = ?');
    params.push(query.emailHash);
  }
  if (query.reason !== null) {
    conditions.push('reason = ?');
    params.push(query.reason);
  }
  const filter = conditions.join(' AND ');
  const filterParams = [...params];
  if (query.cursor !== null) {
    const [createdAt, emailHash, ...rest] = decodeCursor(query.cursor) ?? [];
    if (typeof createdAt !== 'number' || typeof emailHash !== 'string' || rest.length > 0) {
      return { kind: 'invalid_cursor' };
    }
    conditions.push('(created_at, email_hash) < (?, ?)');
    params.push(createdAt, emailHash);
  }
  const [rows, count] = await db.batch<SuppressionRow & { n: number }>([
    db
      .prepare(
        `SELECT ${columns} FROM suppressions WHERE ${conditions.join(' AND ')}
         ORDER BY created_at DESC, email_hash DESC LIMIT ?`,
      )
      .bind(...params, query.limit + 1),
    db.prepare(`SELECT count(*) AS n FROM suppressions WHERE ${filter}`).bind(...filterParams),
  ]);
  const found = (rows?.results ?? []).map(toSuppression);
  const suppressions = found.slice(0, query.limit);
  const last = suppressions.at(-1);
  return {
    kind: 'ok',
    page: {
      suppressions,
      nextCursor:
        found.length > query.limit && last !== undefined ? encodeCursor([last.createdAt, last.id]) : null,
      total: count?.results[0]?.n ?? 0,
    },
  };
}

/** Which of these hashes are suppressed. */
export async function suppressedAmong(
  db: D1Database,
  emailHashes: readonly string[],
): Promise<ReadonlySet<string>> {
  const { results } = await db
    .prepare('SELECT email_hash FROM suppressions WHERE email_hash IN (SELECT value FROM json_each(?))')
    .bind(JSON.stringify(emailHashes))
    .all<{ email_hash: string }>();
  return new Set(results.map((row) => row.email_hash));
}
