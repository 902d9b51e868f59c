/**
 * The list of all activations, newest first. A session's object holds the truth; what is kept here is
 * the last word that it sent, and an older word never replaces a newer one.
 *
 * @module
 */
import { mentions, withoutMentions, type ForgottenPerson } from '../shared/forgotten.ts';
import type { Progress } from '../shared/progress.ts';
import type { ActivationList, ActivationView } from '../shared/schemas/activation.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';

interface ActivationRow {
  session_id: string;
  created_at: number;
  progress: string;
}

function toProgress(row: ActivationRow): Progress {
  // Written by recordActivation only, from a Progress; earlier versions did not know what is waited for.
  const known = JSON.parse(row.progress) as Omit<Progress, 'waitingFor'> & Partial<Progress>;
  return { ...known, waitingFor: known.waitingFor ?? null };
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

/** Results that a person should look at, and activations that stopped by themselves. */
const attentionSql = `(progress ->> '$.email.failed' + progress ->> '$.email.unknown'
  + progress ->> '$.activation.failed' > 0 OR state = 'failed'
  OR (state = 'paused' AND progress ->> '$.reason' <> 'user'))`;

const viewSql: Record<ActivationView, string> = {
  open: `(progress ->> 'finishedAt') IS NULL`,
  attention: attentionSql,
  completed: `state = 'completed'`,
  cancelled: `state = 'cancelled'`,
};

/**
 * One page of activations, newest first, of those whose name or owner contains `search`.
 *
 * @param query - `owner`: only those that this person started
 *
 * @returns `invalid_cursor` for a cursor that this list did not give out
 */
export async function listActivations(
  db: D1Database,
  query: { cursor: string | null; limit: number; search?: string; view?: ActivationView; owner?: string },
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
  if (query.view !== undefined) conditions.push(viewSql[query.view]);
  if (query.owner !== undefined) {
    conditions.push('owner = ?');
    params.push(query.owner);
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

/** One page of the sessions that have not ended, as far as the list has heard; and how many there are. */
export async function listOpenSessions(
  db: D1Database,
  page: { offset: number; limit: number },
): Promise<{ sessionIds: string[]; totalCount: number }> {
  // The partial index has them all, and little else is read.
  const open = "FROM activations INDEXED BY activations_open WHERE (progress ->> 'finishedAt') IS NULL";
  const [rows, count] = await db.batch<{ session_id: string; n: number }>([
    db
      .prepare(`SELECT session_id ${open} ORDER BY session_id LIMIT ? OFFSET ?`)
      .bind(page.limit, page.offset),
    db.prepare(`SELECT count(*) AS n ${open}`),
  ]);
  return {
    sessionIds: (rows?.results ?? []).map((row) => row.session_id),
    totalCount: count?.results[0]?.n ?? 0,
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

/** Notes that a run no longer knows whom it mailed, so that an erasure need not ask it. */
export async function markAnonymized(db: D1Database, sessionId: string, nowMs: number): Promise<void> {
  await db.prepare('UPDATE activations SET reduced_at = ? WHERE session_id = ?').bind(nowMs, sessionId).run();
}

interface NamedActivation {
  session_id: string;
  name: string;
  reduced_at: number | null;
}

/** Activations that are read at once. */
const namePageCount = 500;

/** All activations with their names: those are words of a person, in any script, and compared here. */
async function* namedActivations(db: D1Database): AsyncGenerator<NamedActivation, void> {
  for (let after = ''; ;) {
    const { results } = await db
      .prepare(
        'SELECT session_id, name, reduced_at FROM activations WHERE session_id > ? ORDER BY session_id LIMIT ?',
      )
      .bind(after, namePageCount)
      .all<NamedActivation>();
    yield* results;
    const last = results.at(-1);
    if (last === undefined || results.length < namePageCount) return;
    after = last.session_id;
  }
}

/** The runs that may hold something of a person: their mails, the words that they were searched by, a name. */
export async function activationsThatMayKnow(db: D1Database, person: ForgottenPerson): Promise<string[]> {
  const sessionIds: string[] = [];
  for await (const { session_id: sessionId, name, reduced_at: reducedAt } of namedActivations(db)) {
    if (reducedAt === null || mentions(name, person)) sessionIds.push(sessionId);
  }
  return sessionIds;
}

/** Takes a person out of the names on the list. The objects have done so before: what they tell next is the same. */
export async function forgetInHistory(db: D1Database, person: ForgottenPerson): Promise<void> {
  for await (const { session_id: sessionId, name } of namedActivations(db)) {
    if (!mentions(name, person)) continue;
    await db
      .prepare(
        `UPDATE activations SET name = ?1, progress = json_set(progress, '$.name', ?1) WHERE session_id = ?2`,
      )
      .bind(withoutMentions(name, person), sessionId)
      .run();
  }
}
