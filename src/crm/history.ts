/**
 * The list of all activations, newest first. A session's object holds the truth; what is kept here is
 * the last word that it sent, and an older word never replaces a newer one.
 *
 * @module
 */
import type { Progress } from '../shared/progress.ts';
import type { ActivationList } from '../shared/schemas.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';

interface ActivationRow {
  session_id: string;
  created_at: number;
  progress: string;
}

function toProgress(row: ActivationRow): Progress {
  // Written by recordActivation only, from a Progress.
  return JSON.parse(row.progress) as Progress;
}

/**
 * Keeps a session's progress, unless a later one is known.
 *
 * @returns false when what was known is as new
 */
export async function recordActivation(db: D1Database, progress: Progress): Promise<boolean> {
  const result = await db
    .prepare(
      `INSERT INTO activations (session_id, name, owner, state, rev, created_at, progress)
       VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (session_id) DO UPDATE SET name = excluded.name, owner = excluded.owner,
         state = excluded.state, rev = excluded.rev, progress = excluded.progress
       WHERE excluded.rev > activations.rev`,
    )
    .bind(
      progress.sessionId,
      progress.name,
      progress.owner,
      progress.state,
      progress.rev,
      progress.createdAt,
      JSON.stringify(progress),
    )
    .run();
  return result.meta.changes > 0;
}

/**
 * One page of activations, newest first, of those whose name or owner contains `search`.
 *
 * @returns `invalid_cursor` for a cursor that this list did not give out
 */
export async function listActivations(
  db: D1Database,
  query: { cursor: string | null; limit: number; search?: string },
): Promise<{ kind: 'ok'; list: ActivationList } | { kind: 'invalid_cursor' }> {
  const conditions = ['1'];
  const params: (string | number)[] = [];
  if (query.cursor !== null) {
    const [createdAt, sessionId, ...rest] = decodeCursor(query.cursor) ?? [];
    if (typeof createdAt !== 'number' || typeof sessionId !== 'string' || rest.length > 0) {
      return { kind: 'invalid_cursor' };
    }
    conditions.push('(created_at, session_id) < (?, ?)');
    params.push(createdAt, sessionId);
  }
  const search = query.search?.trim() ?? '';
  if (search !== '') {
    conditions.push('(instr(lower(name), lower(?)) > 0 OR instr(lower(owner), lower(?)) > 0)');
    params.push(search, search);
  }
  const { results } = await db
    .prepare(
      `SELECT session_id, created_at, progress FROM activations WHERE ${conditions.join(' AND ')}
       ORDER BY created_at DESC, session_id DESC LIMIT ?`,
    )
    .bind(...params, query.limit + 1)
    .all<ActivationRow>();
  const rows = results.slice(0, query.limit);
  const last = rows.at(-1);
  return {
    kind: 'ok',
    list: {
      activations: rows.map(toProgress),
      nextCursor:
        results.length > query.limit && last !== undefined
          ? encodeCursor([last.created_at, last.session_id])
          : null,
    },
  };
}

/** The last word of one session, or null when it is not on the list. */
export async function getActivation(db: D1Database, sessionId: string): Promise<Progress | null> {
  const row = await db
    .prepare('SELECT session_id, created_at, progress FROM activations WHERE session_id = ?')
    .bind(sessionId)
    .first<ActivationRow>();
  return row === null ? null : toProgress(row);
}

/** How many runs of one person have not ended, as far as the list has heard. */
export async function countRunning(db: D1Database, owner: string): Promise<number> {
  const row = await db
    .prepare(
      "SELECT count(*) AS n FROM activations WHERE owner = ? AND state IN ('queued', 'running', 'paused')",
    )
    .bind(owner)
    .first<{ n: number }>();
  return row?.n ?? 0;
}

/** Takes an activation off the list. @returns false when it was not on it */
export async function deleteActivation(db: D1Database, sessionId: string): Promise<boolean> {
  const result = await db.prepare('DELETE FROM activations WHERE session_id = ?').bind(sessionId).run();
  return result.meta.changes > 0;
}
