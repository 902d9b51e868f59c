/**
 * Event endpoints in D1: where events go, and unsubscribes that wait for their session.
 *
 * Owns the tables `event_endpoints` and `unsubscribe_events`. Secrets, deliveries and their log are in the endpoint's
 * object (durable/webhook-endpoint.ts).
 *
 * @module
 */
import type { EndpointKind, EventType } from '../shared/events.ts';
import type { ExternalId } from '../shared/schemas/leads.ts';

/** Why an endpoint gets no events. */
export type DisabledReason = 'person' | 'gone' | 'failing';

export interface EndpointRow {
  endpointId: string;
  kind: EndpointKind;
  /** An https address, or a mailbox. */
  target: string;
  description: string;
  types: EventType[];
  createdAt: number;
  createdBy: string;
  disabledAt: number | null;
  disabledReason: DisabledReason | null;
}

type StoredRow = Omit<EndpointRow, 'types'> & { types: string };

const columns = `endpoint_id AS endpointId, kind, target, description, types, created_at AS createdAt,
  created_by AS createdBy, disabled_at AS disabledAt, disabled_reason AS disabledReason`;

function toEndpoint(row: StoredRow): EndpointRow {
  // Written here only.
  return { ...row, types: JSON.parse(row.types) as EventType[] };
}

/** All endpoints, oldest first; there are few. */
export async function listEndpoints(db: D1Database): Promise<EndpointRow[]> {
  const { results } = await db
    .prepare(`SELECT ${columns} FROM event_endpoints ORDER BY created_at, endpoint_id`)
    .all<StoredRow>();
  return results.map(toEndpoint);
}

/** The ids of all endpoints, also of those that are switched off: they go on where they were. */
export async function endpointIds(db: D1Database): Promise<string[]> {
  const { results } = await db.prepare('SELECT endpoint_id AS id FROM event_endpoints').all<{ id: string }>();
  return results.map(({ id }) => id);
}

/** How many endpoints were switched off because they took nothing, or wanted no more. */
export async function countFailedEndpoints(db: D1Database): Promise<number> {
  const count = await db
    .prepare("SELECT count(*) AS count FROM event_endpoints WHERE disabled_reason IN ('gone', 'failing')")
    .first<number>('count');
  return count ?? 0;
}

export async function findEndpoint(db: D1Database, endpointId: string): Promise<EndpointRow | null> {
  const row = await db
    .prepare(`SELECT ${columns} FROM event_endpoints WHERE endpoint_id = ?`)
    .bind(endpointId)
    .first<StoredRow>();
  return row === null ? null : toEndpoint(row);
}

/** Adds an endpoint. @returns false where there are as many as there may be */
export async function addEndpoint(db: D1Database, row: EndpointRow, maxCount: number): Promise<boolean> {
  const result = await db
    .prepare(
      `INSERT INTO event_endpoints (endpoint_id, kind, target, description, types, created_at, created_by)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE (SELECT count(*) FROM event_endpoints) < ?8`,
    )
    .bind(
      row.endpointId,
      row.kind,
      row.target,
      row.description,
      JSON.stringify(row.types),
      row.createdAt,
      row.createdBy,
      maxCount,
    )
    .run();
  return result.meta.changes > 0;
}

/** What a person changes of an endpoint; null: it stays as it is. */
export interface EndpointChange {
  target: string | null;
  description: string | null;
  types: readonly EventType[] | null;
  isEnabled: boolean | null;
}

/**
 * Changes what is given of an endpoint, so that two people who change different things at the same time both do.
 *
 * @returns the endpoint as it is then; null: there is none
 */
export async function changeEndpoint(
  db: D1Database,
  endpointId: string,
  { target, description, types, isEnabled }: EndpointChange,
  nowMs: number,
): Promise<EndpointRow | null> {
  const row = await db
    .prepare(
      `UPDATE event_endpoints SET target = coalesce(?2, target), description = coalesce(?3, description),
         types = coalesce(?4, types),
         disabled_at = CASE ?5 WHEN 1 THEN NULL WHEN 0 THEN coalesce(disabled_at, ?6) ELSE disabled_at END,
         disabled_reason = CASE ?5 WHEN 1 THEN NULL WHEN 0 THEN coalesce(disabled_reason, 'person')
           ELSE disabled_reason END
       WHERE endpoint_id = ?1 RETURNING ${columns}`,
    )
    .bind(
      endpointId,
      target,
      description,
      types === null ? null : JSON.stringify(types),
      isEnabled === null ? null : Number(isEnabled),
      nowMs,
    )
    .first<StoredRow>();
  return row === null ? null : toEndpoint(row);
}

/**
 * Switches an endpoint off that cannot be reached at its address.
 *
 * @returns false where it was off already, has another address, or is there no more
 */
export async function disableEndpoint(
  db: D1Database,
  { endpointId, target }: Pick<EndpointRow, 'endpointId' | 'target'>,
  reason: DisabledReason,
  nowMs: number,
): Promise<boolean> {
  const result = await db
    .prepare(
      `UPDATE event_endpoints SET disabled_at = ?2, disabled_reason = ?3
       WHERE endpoint_id = ?1 AND disabled_at IS NULL AND target = ?4`,
    )
    .bind(endpointId, nowMs, reason, target)
    .run();
  return result.meta.changes > 0;
}

/** @returns false when there was none */
export async function removeEndpoint(db: D1Database, endpointId: string): Promise<boolean> {
  const result = await db.prepare('DELETE FROM event_endpoints WHERE endpoint_id = ?').bind(endpointId).run();
  return result.meta.changes > 0;
}

// ── unsubscribes ─────────────────────────────────────────────────────────────────────────────────

/** A lead that has unsubscribed by the link in a mail of a session. */
export interface UnsubscribedLead {
  sessionId: string;
  leadId: number;
}

/** Notes an unsubscribe for its session, while there is an endpoint; for a batch with the suppression itself. */
export function noteUnsubscribe(
  db: D1Database,
  { sessionId, leadId }: UnsubscribedLead,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT OR IGNORE INTO unsubscribe_events (session_id, lead_id)
       SELECT ?, ? WHERE EXISTS (SELECT 1 FROM event_endpoints)`,
    )
    .bind(sessionId, leadId);
}

/** Whether endpoints are to be told of this unsubscribe. */
export async function hasOpenUnsubscribe(
  db: D1Database,
  { sessionId, leadId }: UnsubscribedLead,
): Promise<boolean> {
  const row = await db
    .prepare('SELECT 1 FROM unsubscribe_events WHERE session_id = ? AND lead_id = ?')
    .bind(sessionId, leadId)
    .first();
  return row !== null;
}

/** Unsubscribes that their sessions may not have noted. */
export async function openUnsubscribes(db: D1Database, limit: number): Promise<UnsubscribedLead[]> {
  const { results } = await db
    .prepare('SELECT session_id AS sessionId, lead_id AS leadId FROM unsubscribe_events LIMIT ?')
    .bind(limit)
    .all<UnsubscribedLead>();
  return results;
}

/** Their session has noted it. */
export async function dropUnsubscribes(db: D1Database, leads: readonly UnsubscribedLead[]): Promise<void> {
  if (leads.length === 0) return;
  const drop = db.prepare('DELETE FROM unsubscribe_events WHERE session_id = ? AND lead_id = ?');
  await db.batch(leads.map(({ sessionId, leadId }) => drop.bind(sessionId, leadId)));
}

/** What other systems call these leads; those without an external id, and those that are gone, are not in it. */
export async function externalIdsOf(
  db: D1Database,
  leadIds: readonly number[],
): Promise<Map<number, ExternalId>> {
  const { results } = await db
    .prepare(
      `SELECT l.id AS leadId, l.external_source AS source, l.external_id AS id
       FROM json_each(?) AS r CROSS JOIN leads l ON l.id = r.value WHERE l.external_id IS NOT NULL`,
    )
    .bind(JSON.stringify(leadIds))
    .all<ExternalId & { leadId: number }>();
  return new Map(results.map(({ leadId, source, id }) => [leadId, { source, id }]));
}
