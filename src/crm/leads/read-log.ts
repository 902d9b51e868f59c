/**
 * How many leads each person was shown, by hour. When the hour is over, the count becomes one entry of the audit.
 *
 * The audit is append-only, so a count that still rises is kept in a table beside it. Invariant: an hour becomes an
 * entry once, because the entry and the removal are one transaction.
 *
 * @module
 */

const hourMs = 3_600_000;

/** Somebody was shown leads by one request. */
export interface LeadRead {
  at: number;
  actor: string;
  role: string | null;
  country: string | null;
  requestId: string;
  leadCount: number;
}

/**
 * Counts a request that showed leads.
 *
 * @throws what D1 throws; nothing was counted then
 */
export async function countLeadRead(db: D1Database, read: LeadRead): Promise<void> {
  const counted = await db
    .prepare(
      `INSERT INTO lead_reads (actor, hour_at, role, country, request_id, request_count, lead_count, last_at)
       VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7)
       ON CONFLICT (actor, hour_at) DO UPDATE SET role = excluded.role, country = excluded.country,
         request_id = excluded.request_id, request_count = request_count + 1,
         lead_count = lead_count + excluded.lead_count, last_at = max(last_at, excluded.last_at)
       RETURNING request_count`,
    )
    .bind(
      read.actor,
      Math.floor(read.at / hourMs) * hourMs,
      read.role,
      read.country,
      read.requestId,
      read.leadCount,
      read.at,
    )
    .first<number>('request_count');
  // The first of an hour: the hours before it are over.
  if (counted === 1) await auditPastReads(db, read.at);
}

/** Makes an entry of the audit of every hour that is over. Doing it twice changes nothing. */
export async function auditPastReads(db: D1Database, nowMs: number): Promise<void> {
  const hourAt = Math.floor(nowMs / hourMs) * hourMs;
  await db.batch([
    db
      .prepare(
        `INSERT INTO audit (at, actor, role, action, target, country, request_id, detail)
         SELECT last_at, actor, role, 'lead.read', NULL, country, request_id,
           json_object('leadCount', lead_count, 'requestCount', request_count)
         FROM lead_reads WHERE hour_at < ? ORDER BY last_at`,
      )
      .bind(hourAt),
    db.prepare('DELETE FROM lead_reads WHERE hour_at < ?').bind(hourAt),
  ]);
}
