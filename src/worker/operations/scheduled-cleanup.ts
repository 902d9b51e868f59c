/**
 * What has to be done without anybody asking: retention of what imports keep of people, entries of the audit
 * for hours in which leads were read, and a sweep over the sessions that have not ended. Sessions look after
 * themselves, by their objects' alarms; an alarm can be lost all the same, after storage was away for long, or
 * with a clock that was set back.
 *
 * Keeps true: doing it twice, or breaking off in the middle, is safe; no failure reaches whoever's request
 * came along with it.
 *
 * @module
 */
import { deleteActivation, listOpenSessions } from '../../crm/activations.ts';
import { dropOldCells } from '../../crm/imports/removal.ts';
import { auditPastReads } from '../../crm/leads/read-log.ts';
import { mergeSearchIndex } from '../../crm/leads/search-index.ts';
import { faultText } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';
import { retentionDays } from '../../runtime/settings.ts';
import { sessionStub } from '../../durable/stubs.ts';

const dayMs = 86_400_000;
/** Within the time that the platform gives a cron, and work after an answer. */
const maxMs = 20_000;

/** Does what is due, for some seconds; the rest is due the next time. */
export async function runScheduledCleanup(env: Env, now: () => number = () => Date.now()): Promise<void> {
  const startedAt = now();
  try {
    await auditPastReads(env.DB, startedAt);
    const importCount = await dropOldCells(env.DB, {
      untouchedSinceMs: startedAt - retentionDays(env) * dayMs,
      now,
      deadlineMs: startedAt + maxMs,
    });
    if (importCount > 0) logEvent('info', 'import_cells_dropped', { importCount });
  } catch (error) {
    logEvent('error', 'cleanup_failed', { error: faultText(error) });
  }
}

/** What is done at night as well: it keeps the database busy for seconds where there are many leads. */
export async function runNightlyCleanup(env: Env, now: () => number = () => Date.now()): Promise<void> {
  await runScheduledCleanup(env, now);
  try {
    const isMerged = await mergeSearchIndex(env.DB, { now, deadlineMs: now() + maxMs });
    if (!isMerged) logEvent('info', 'search_index_merging', {});
  } catch (error) {
    logEvent('error', 'cleanup_failed', { error: faultText(error) });
  }
}

/** As many objects as one sweep calls: an invocation may make 50 subrequests on the free plan. */
const maxPokeCount = 40;
const pokeConcurrency = 5;
/** How often wrangler.toml has it swept. */
const sweepIntervalMs = 60_000;

/**
 * Looks after the sessions whose last word is not their end: each makes sure that its alarm will fire. Where
 * there are more than one sweep takes, the sweeps take turns. A line without a session is taken off the list.
 */
export async function sweep(env: Env, now: () => number = () => Date.now()): Promise<void> {
  try {
    let page = await listOpenSessions(env.DB, { offset: 0, limit: maxPokeCount });
    const pageCount = Math.ceil(page.totalCount / maxPokeCount);
    const turn = pageCount > 1 ? Math.floor(now() / sweepIntervalMs) % pageCount : 0;
    if (turn > 0) page = await listOpenSessions(env.DB, { offset: turn * maxPokeCount, limit: maxPokeCount });
    const rest = page.sessionIds[Symbol.iterator]();
    const poker = async (): Promise<void> => {
      for (const sessionId of rest) await pokeSession(env, sessionId);
    };
    await Promise.all(Array.from({ length: pokeConcurrency }, poker));
  } catch (error) {
    logEvent('error', 'sweep_failed', { error: faultText(error) });
  }
}

async function pokeSession(env: Env, sessionId: string): Promise<void> {
  try {
    if (await sessionStub(env, sessionId).poke()) return;
    await deleteActivation(env.DB, sessionId);
    logEvent('warn', 'line_without_session', { sessionId });
  } catch (error) {
    // Its storage is away, or its object is being replaced: the next sweep asks it again.
    logEvent('warn', 'poke_failed', { sessionId, error: faultText(error) });
  }
}
