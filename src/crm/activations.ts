/**
 * The list of all activations, newest first.
 *
 * Owns the table. The session object is the source of truth; the list has the last Progress that the object sent.
 * Invariant: an older Progress never replaces a newer one.
 *
 * @module
 */
import { mentions, withoutMentions, type ForgottenPerson } from '../shared/forgotten.ts';
import { statesIn, type Progress } from '../shared/progress.ts';
import type { ActivationList, ActivationView } from '../shared/schemas/activation.ts';
import { readPage, type Condition, type PagedList } from './cursor.ts';

interface ActivationRow {
  sessionId: string;
  createdAt: number;
  /** JSON. */
  progress: string;
}

const list: PagedList<ActivationRow> = {
  select: 'SELECT session_id AS sessionId, created_at AS createdAt, progress FROM activations',
  key: [
    { column: 'created_at', type: 'integer', of: (row) => row.createdAt },
    { column: 'session_id', type: 'text', of: (row) => row.sessionId },
  ],
};

interface UpcomingRow extends ActivationRow {
  /** The negative time: a list is in descending order, and here the soonest is the first. */
  nearness: number;
}

/** Activations that wait for their time, the soonest first. */
const upcoming = (): PagedList<UpcomingRow> => ({
  select: `SELECT session_id AS sessionId, created_at AS createdAt, progress, -(${dueSql}) AS nearness
    FROM activations INDEXED BY activations_open`,
  key: [
    { column: `-(${dueSql})`, type: 'integer', of: (row) => row.nearness },
    { column: 'session_id', type: 'text', of: (row) => row.sessionId },
  ],
});

function toProgress(row: Pick<ActivationRow, 'progress'>): Progress {
  // Written by recordActivation only, from a Progress. Earlier versions did not store the reason of a wait.
  const known = JSON.parse(row.progress) as Omit<Progress, 'waitingFor'> & Partial<Progress>;
  return { ...known, waitingFor: known.waitingFor ?? null };
}

/**
 * Stores a session's progress, unless a later one is stored already.
 *
 * @returns false when the stored one is as new
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
  OR state = 'wave_held' OR (state = 'paused' AND progress ->> '$.reason' <> 'user'))`;

/** When an activation that waits for its time goes on: its start, its sending window, or the end of a wave's watch. */
const dueSql = `CASE WHEN state = 'scheduled' THEN progress ->> '$.schedule.startAt'
  WHEN progress ->> '$.waitingFor.kind' IN ('window', 'wave') THEN progress ->> '$.waitingUntil' END`;
/** When a session that waits has to be looked at again. */
const wakeSql = `CASE WHEN state = 'awaiting_approval' THEN progress ->> '$.approval.expiresAt' ELSE ${dueSql} END`;
/** Names of ours, as SQL. */
const listSql = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ');
const isOpenSql = "(progress ->> 'finishedAt') IS NULL";

const viewSql: Record<ActivationView, string> = {
  open: `(${isOpenSql} AND state NOT IN (${listSql(statesIn('ahead'))}))`,
  approval: `(${isOpenSql} AND state = 'awaiting_approval')`,
  scheduled: `(${isOpenSql} AND ${dueSql} IS NOT NULL)`,
  attention: attentionSql,
  completed: `state = 'completed'`,
  cancelled: `state = 'cancelled'`,
};

/**
 * One page of activations, newest first (those that wait for their time: soonest first), of those whose name or owner contains `search`.
 *
 * @param query - `owner`: only those that this person started
 *
 * @returns `invalid_cursor` for a cursor that this list did not give out
 */
export async function listActivations(
  db: D1Database,
  query: { cursor: string | null; limit: number; search?: string; view?: ActivationView; owner?: string },
): Promise<{ kind: 'ok'; list: ActivationList } | { kind: 'invalid_cursor' }> {
  const search = query.search?.trim() ?? '';
  const where: Condition[] =
    search === ''
      ? []
      : [['(instr(lower(name), lower(?)) > 0 OR instr(lower(owner), lower(?)) > 0)', search, search]];
  if (query.view !== undefined) where.push([viewSql[query.view]]);
  if (query.owner !== undefined) where.push(['owner = ?', query.owner]);
  const page =
    query.view === 'scheduled'
      ? await readPage(db, upcoming(), { ...query, where })
      : await readPage(db, list, { ...query, where });
  if (page.kind !== 'ok') return page;
  return { kind: 'ok', list: { activations: page.rows.map(toProgress), nextCursor: page.nextCursor } };
}

/** Sessions, and how many there are in all. */
interface SessionPage {
  sessionIds: string[];
  totalCount: number;
}

/**
 * One page of the sessions that should move by the list, and their number. Those that have not ended are among them,
 * but for those that wait for a time which has not come: a call would wake them for nothing.
 */
export function listOpenSessions(
  db: D1Database,
  page: { offset: number; limit: number; nowMs: number },
): Promise<SessionPage> {
  // The partial index contains exactly the rows of sessions that have not ended.
  const open = `activations INDEXED BY activations_open WHERE ${isOpenSql} AND coalesce(${wakeSql}, 0) <= ?`;
  return readSessions(db, open, page.nowMs, page);
}

/**
 * One page of the sessions that nobody else calls, and their number: those that have ended since a time, whose mail may still
 * be reported on, and those that wait for a time by the list, whose line may be out of date.
 */
export function listRestingSessions(
  db: D1Database,
  page: { offset: number; limit: number; sinceMs: number },
): Promise<SessionPage> {
  const resting = `activations WHERE CASE WHEN ${isOpenSql} THEN ${wakeSql} IS NOT NULL
    ELSE progress ->> 'finishedAt' >= ? END`;
  return readSessions(db, resting, page.sinceMs, page);
}

async function readSessions(
  db: D1Database,
  from: string,
  atMs: number,
  { offset, limit }: { offset: number; limit: number },
): Promise<SessionPage> {
  const [rows, count] = await db.batch<{ sessionId: string; n: number }>([
    db
      .prepare(`SELECT session_id AS sessionId FROM ${from} ORDER BY session_id LIMIT ? OFFSET ?`)
      .bind(atMs, limit, offset),
    db.prepare(`SELECT count(*) AS n FROM ${from}`).bind(atMs),
  ]);
  return {
    sessionIds: (rows?.results ?? []).map((row) => row.sessionId),
    totalCount: count?.results[0]?.n ?? 0,
  };
}

/** Lines of sessions that were erased: a record that was on its way then may have put them back. */
export async function listReturned(db: D1Database, limit: number): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT session_id AS sessionId FROM activations
       WHERE session_id IN (SELECT session_id FROM erased_sessions) ORDER BY session_id LIMIT ?`,
    )
    .bind(limit)
    .all<{ sessionId: string }>();
  return results.map(({ sessionId }) => sessionId);
}

/** The last Progress of one session, or null when it is not on the list. */
export async function getActivation(db: D1Database, sessionId: string): Promise<Progress | null> {
  const row = await db
    .prepare('SELECT progress FROM activations WHERE session_id = ?')
    .bind(sessionId)
    .first<{ progress: string }>();
  return row === null ? null : toProgress(row);
}

/** Activations that had begun before this one, those of the same name first, then the newest. */
export async function listBegunBefore(
  db: D1Database,
  { sessionId, name, createdAt }: Pick<Progress, 'sessionId' | 'name' | 'createdAt'>,
  limit: number,
): Promise<Progress[]> {
  const { results } = await db
    .prepare(
      `SELECT progress FROM activations
       WHERE created_at <= ? AND session_id <> ? AND progress ->> '$.startedAt' IS NOT NULL
       ORDER BY name = ? DESC, created_at DESC LIMIT ?`,
    )
    .bind(createdAt, sessionId, name, limit)
    .all<{ progress: string }>();
  return results.map(toProgress);
}

/** The number of activations of one person that have not ended by the list. */
export async function countRunning(db: D1Database, owner: string): Promise<number> {
  const row = await db
    .prepare(
      `SELECT count(*) AS n FROM activations WHERE owner = ? AND state IN (${listSql(statesIn('ahead', 'going', 'halted'))})`,
    )
    .bind(owner)
    .first<{ n: number }>();
  return row?.n ?? 0;
}

/** Notes that a session is being erased: its id is not started again. */
export async function noteErased(db: D1Database, sessionId: string): Promise<void> {
  await noteErasedStatement(db, sessionId).run();
}

const noteErasedStatement = (db: D1Database, sessionId: string): D1PreparedStatement =>
  db.prepare('INSERT OR IGNORE INTO erased_sessions (session_id) VALUES (?)').bind(sessionId);

/**
 * Removes an activation from the list, for ever.
 *
 * @returns false when it was not in the list
 */
export async function deleteActivation(db: D1Database, sessionId: string): Promise<boolean> {
  const [, deleted] = await db.batch([
    noteErasedStatement(db, sessionId),
    db.prepare('DELETE FROM activations WHERE session_id = ?').bind(sessionId),
  ]);
  return (deleted?.meta.changes ?? 0) > 0;
}

/** True for a session whose erasure has begun. One that was set going again meanwhile exists all the same. */
export async function wasDeleted(db: D1Database, sessionId: string): Promise<boolean> {
  const found = await db
    .prepare('SELECT 1 FROM erased_sessions WHERE session_id = ?')
    .bind(sessionId)
    .first();
  return found !== null;
}

/** Notes that a session no longer knows whom it mailed, so that an erasure need not ask it. */
export async function markAnonymized(db: D1Database, sessionId: string, nowMs: number): Promise<void> {
  await db.prepare('UPDATE activations SET reduced_at = ? WHERE session_id = ?').bind(nowMs, sessionId).run();
}

interface NamedActivation {
  sessionId: string;
  name: string;
  anonymizedAt: number | null;
}

/** Activations read by one statement. */
const namePageCount = 500;

/**
 * All activations with their names. People type names in any script, so they are compared here: SQL's lower() knows
 * ASCII only.
 */
async function* namedActivations(db: D1Database): AsyncGenerator<NamedActivation, void> {
  for (let after = ''; ;) {
    const { results } = await db
      .prepare(
        `SELECT session_id AS sessionId, name, reduced_at AS anonymizedAt FROM activations
         WHERE session_id > ? ORDER BY session_id LIMIT ?`,
      )
      .bind(after, namePageCount)
      .all<NamedActivation>();
    yield* results;
    const last = results.at(-1);
    if (last === undefined || results.length < namePageCount) return;
    after = last.sessionId;
  }
}

/** The activations that may have data of a person: mails, the search of the audience, the name. */
export async function activationsThatMayKnow(db: D1Database, person: ForgottenPerson): Promise<string[]> {
  const sessionIds: string[] = [];
  for await (const { sessionId, name, anonymizedAt } of namedActivations(db)) {
    if (anonymizedAt === null || mentions(name, person)) sessionIds.push(sessionId);
  }
  return sessionIds;
}

/** Removes a person from the names in the list. The objects have done so before, so their next Progress agrees. */
export async function forgetInHistory(db: D1Database, person: ForgottenPerson): Promise<void> {
  for await (const { sessionId, name } of namedActivations(db)) {
    if (!mentions(name, person)) continue;
    await db
      .prepare(
        `UPDATE activations SET name = ?1, progress = json_set(progress, '$.name', ?1) WHERE session_id = ?2`,
      )
      .bind(withoutMentions(name, person), sessionId)
      .run();
  }
}
