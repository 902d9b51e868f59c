/**
 * The audit trail in D1: append and read.
 *
 * Invariant: an entry is never changed or deleted; triggers of the database refuse it (migrations).
 *
 * @module
 */
import type { AuditEntry, AuditPage } from '../shared/schemas/audit.ts';
import { readPage, type Condition, type PagedList } from './cursor.ts';

/** A row of the table; `detail` is JSON. */
type AuditRow = Omit<AuditEntry, 'detail'> & { detail: string | null };

const trail: PagedList<AuditRow> = {
  // Names are looked up and not stored: an erased activation leaves none behind.
  select: `SELECT id, at, actor, role, action, target, country, request_id AS requestId, detail,
      coalesce(
        (SELECT s.progress ->> 'name' FROM activations s WHERE s.session_id = audit.target),
        (SELECT i.file_name FROM imports i WHERE i.import_id = audit.target),
        (SELECT v.name FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.version = t.version
         WHERE t.id = substr(audit.target, 10) AND audit.target LIKE 'template:%')
      ) AS targetName
    FROM audit`,
  key: [
    { column: 'at', type: 'integer', of: (row) => row.at },
    { column: 'id', type: 'integer', of: (row) => row.id },
  ],
};

export interface AuditFilter {
  actor?: string;
  /** An action, or with a dot at its end (`activation.`) all actions that begin so. */
  action?: string;
  target?: string;
  fromAt?: number;
  toAt?: number;
}

/** Appends one entry. @throws what D1 throws; nothing was written then */
export async function appendAudit(
  db: D1Database,
  entry: Omit<AuditEntry, 'id' | 'targetName'>,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO audit (at, actor, role, action, target, country, request_id, detail)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .bind(
      entry.at,
      entry.actor,
      entry.role,
      entry.action,
      entry.target,
      entry.country,
      entry.requestId,
      entry.detail === null ? null : JSON.stringify(entry.detail),
    )
    .run();
}

/**
 * One page of entries, newest first.
 *
 * @returns `invalid_cursor` for a cursor that this list did not give out
 */
export async function listAudit(
  db: D1Database,
  query: { filter: AuditFilter; cursor: string | null; limit: number },
): Promise<{ kind: 'ok'; page: AuditPage } | { kind: 'invalid_cursor' }> {
  const { actor, action, target, fromAt, toAt } = query.filter;
  const where: Condition[] = [];
  if (actor !== undefined) where.push(['actor = ?', actor]);
  if (action?.endsWith('.') === true) {
    // All texts that begin so: `/` is the character after `.`.
    where.push(['action >= ? AND action < ?', action, `${action.slice(0, -1)}/`]);
  } else if (action !== undefined) where.push(['action = ?', action]);
  if (target !== undefined) where.push(['target = ?', target]);
  if (fromAt !== undefined) where.push(['at >= ?', fromAt]);
  if (toAt !== undefined) where.push(['at <= ?', toAt]);
  const page = await readPage(db, trail, { where, cursor: query.cursor, limit: query.limit });
  if (page.kind !== 'ok') return page;
  return { kind: 'ok', page: { entries: page.rows.map(toEntry), nextCursor: page.nextCursor } };
}

function toEntry(row: AuditRow): AuditEntry {
  // Written by appendAudit only.
  const detail = row.detail === null ? null : (JSON.parse(row.detail) as Record<string, unknown>);
  return { ...row, detail };
}
