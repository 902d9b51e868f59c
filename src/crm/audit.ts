/**
 * The audit trail in D1: append and read.
 *
 * Keeps true: entries are never changed or deleted; the database itself refuses it (migrations).
 *
 * @module
 */
import type { AuditEntry, AuditPage } from '../shared/schemas/audit.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';

interface AuditRow {
  id: number;
  at: number;
  actor: string;
  role: AuditEntry['role'];
  action: string;
  target: string | null;
  country: string | null;
  request_id: string;
  detail: string | null;
}

export interface AuditFilter {
  actor?: string;
  /** An action, or with a dot at its end all that begin so: `activation.`. */
  action?: string;
  target?: string;
  fromAt?: number;
  toAt?: number;
}

/** Appends one entry. @throws what D1 throws; nothing was written then */
export async function appendAudit(db: D1Database, entry: Omit<AuditEntry, 'id'>): Promise<void> {
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
  const conditions = ['1'];
  const params: (string | number)[] = [];
  const add = (condition: string, ...values: (string | number)[]): void => {
    conditions.push(condition);
    params.push(...values);
  };
  if (query.cursor !== null) {
    const [at, id, ...rest] = decodeCursor(query.cursor) ?? [];
    if (!isCount(at) || !isCount(id) || rest.length > 0) return { kind: 'invalid_cursor' };
    add('(at, id) < (?, ?)', at, id);
  }
  if (actor !== undefined) add('actor = ?', actor);
  if (action !== undefined) {
    if (action.endsWith('.')) add('action >= ? AND action < ?', action, `${action.slice(0, -1)}/`);
    else add('action = ?', action);
  }
  if (target !== undefined) add('target = ?', target);
  if (fromAt !== undefined) add('at >= ?', fromAt);
  if (toAt !== undefined) add('at <= ?', toAt);
  const { results } = await db
    .prepare(`SELECT * FROM audit WHERE ${conditions.join(' AND ')} ORDER BY at DESC, id DESC LIMIT ?`)
    .bind(...params, query.limit + 1)
    .all<AuditRow>();
  const rows = results.slice(0, query.limit);
  const last = rows.at(-1);
  const hasMore = results.length > query.limit && last !== undefined;
  return {
    kind: 'ok',
    page: { entries: rows.map(toEntry), nextCursor: hasMore ? encodeCursor([last.at, last.id]) : null },
  };
}

function isCount(part: unknown): part is number {
  return Number.isSafeInteger(part);
}

function toEntry(row: AuditRow): AuditEntry {
  const { request_id, detail, ...same } = row;
  return {
    ...same,
    requestId: request_id,
    // Written by appendAudit only.
    detail: detail === null ? null : (JSON.parse(detail) as Record<string, unknown>),
  };
}
