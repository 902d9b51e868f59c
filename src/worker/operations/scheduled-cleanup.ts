/**
 * The work of the crons: deleting the personal data of old imports, fences that keep nothing out, old changes of leads and
 * old answers, writing the audit entries for hours in which leads were read, and a sweep over the sessions that have not
 * ended, which also gives sessions the unsubscribes that they have not noted.
 *
 * A session wakes by the alarm of its object. An alarm can be lost, after a long fault of the storage or when the
 * clock was set back; the sweep sets it again.
 * Invariant: a repeat and an interruption are safe, and no failure reaches a request.
 *
 * @module
 */
import {
  deleteActivation,
  listOpenSessions,
  listRestingSessions,
  listReturned,
} from '../../crm/activations.ts';
import { dropOldFences } from '../../crm/fence.ts';
import { dropOldAlerts } from '../../crm/health.ts';
import { dropOldCells } from '../../crm/imports/removal.ts';
import { dropOldChanges } from '../../crm/leads/changes.ts';
import { dropOldAnswers } from '../../crm/leads/idempotency.ts';
import { auditPastReads } from '../../crm/leads/read-log.ts';
import { mergeSearchIndex } from '../../crm/leads/search-index.ts';
import { faultText } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';
import { retentionDays } from '../../runtime/settings.ts';
import { sessionStub } from '../../durable/stubs.ts';
import type { SweepReport } from '../../shared/health.ts';
import { tellOpenUnsubscribes } from './unsubscribes.ts';

const dayMs = 86_400_000;
/** So long it is kept when alerts fired. */
const alertDays = 30;
/** Below the time that the platform gives a cron, and work after an answer (30 s). */
const maxMs = 20_000;

/** Does the work that is due, for at most 20 s; the next call continues. */
export async function runScheduledCleanup(env: Env, now: () => number = () => Date.now()): Promise<void> {
  const startedAt = now();
  try {
    await auditPastReads(env.DB, startedAt);
    await dropOldFences(env.DB, startedAt);
    await dropOldAnswers(env.DB, startedAt);
    await dropOldChanges(env.DB, startedAt);
    await dropOldAlerts(env.DB, startedAt - alertDays * dayMs);
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

/**
 * The cleanup of the night: it also calls sessions that have ended or wait for a time, which may have lost the alarm for
 * their last progress, for delivery events or for retention, and merges the search index, which takes the database seconds
 * with many leads.
 */
export async function runNightlyCleanup(env: Env, now: () => number = () => Date.now()): Promise<void> {
  await runScheduledCleanup(env, now);
  try {
    const nowMs = now();
    const sinceMs = nowMs - (retentionDays(env) + reportDays) * dayMs;
    const returnedIds = await listReturned(env.DB, maxPokeCount);
    const resting = await partOf(
      (offset) => listRestingSessions(env.DB, { offset, limit: maxPokeCount, sinceMs }),
      Math.floor(nowMs / dayMs),
    );
    for (const sessionId of [...returnedIds, ...resting.sessionIds].slice(0, maxPokeCount))
      await pokeSession(env, sessionId);
    const isMerged = await mergeSearchIndex(env.DB, { now, deadlineMs: now() + maxMs });
    if (!isMerged) logEvent('info', 'search_index_merging', {});
  } catch (error) {
    logEvent('error', 'cleanup_failed', { error: faultText(error) });
  }
}

/** What a sweep has found. */
export interface SweepFindings extends Pick<SweepReport, 'lateIds' | 'lostIds' | 'unreachedIds'> {
  /** Activations that have not ended and wait for no time. */
  openCount: number;
}

/** Objects that one sweep calls: an invocation may make 50 subrequests on the free plan. */
const maxPokeCount = 40;
const pokeConcurrency = 5;
/** Providers report on a mail for some days. */
const reportDays = 7;
/** The interval of the sweep's cron in wrangler.toml. */
const sweepIntervalMs = 60_000;

/**
 * Calls the sessions that have not ended in the list of activations and wait for no time; each makes sure that its alarm is set. Where there
 * are more than one sweep calls, consecutive sweeps take different parts. A line without a session is deleted.
 *
 * @returns what it has found; null when it could not be carried out
 */
export async function sweep(env: Env, now: () => number = () => Date.now()): Promise<SweepFindings | null> {
  try {
    const nowMs = now();
    const page = await partOf(
      (offset) => listOpenSessions(env.DB, { offset, limit: maxPokeCount, nowMs }),
      Math.floor(nowMs / sweepIntervalMs),
    );
    const rest = page.sessionIds[Symbol.iterator]();
    const found: SweepFindings = { openCount: page.totalCount, lateIds: [], lostIds: [], unreachedIds: [] };
    const poker = async (): Promise<void> => {
      for (const sessionId of rest) {
        const state = await pokeSession(env, sessionId);
        if (state === 'late') found.lateIds.push(sessionId);
        else if (state === 'lost') found.lostIds.push(sessionId);
        else if (state === 'unreached') found.unreachedIds.push(sessionId);
      }
    };
    await Promise.all(Array.from({ length: pokeConcurrency }, poker));
    await tellOpenUnsubscribes(env);
    return found;
  } catch (error) {
    logEvent('error', 'sweep_failed', { error: faultText(error) });
    return null;
  }
}

/** The sessions that one call of a cron takes. Where there are more, consecutive calls take different parts. */
async function partOf<Page extends { totalCount: number }>(
  list: (offset: number) => Promise<Page>,
  turn: number,
): Promise<Page> {
  const first = await list(0);
  const part = turn % Math.max(1, Math.ceil(first.totalCount / maxPokeCount));
  return part === 0 ? first : list(part * maxPokeCount);
}

async function pokeSession(
  env: Env,
  sessionId: string,
): Promise<'set' | 'late' | 'lost' | 'gone' | 'unreached'> {
  try {
    // A session of the version before answers true.
    const state = (await sessionStub(env, sessionId).poke()) as { alarm: 'set' | 'late' | 'lost' } | boolean;
    if (state === true) return 'set';
    if (state !== false) return state.alarm;
    await deleteActivation(env.DB, sessionId);
    logEvent('warn', 'line_without_session', { sessionId });
    return 'gone';
  } catch (error) {
    // The object or its storage is not available at the moment: the next sweep calls it again.
    logEvent('warn', 'poke_failed', { sessionId, error: faultText(error) });
    return 'unreached';
  }
}
