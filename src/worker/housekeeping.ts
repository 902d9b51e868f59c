/**
 * What has to be done in the CRM without anybody asking: retention of what imports keep of people, and
 * entries of the audit for hours in which leads were read. Runs look after themselves, by their objects'
 * alarms.
 *
 * Keeps true: doing it twice, or breaking off in the middle, is safe; no failure reaches whoever's request
 * came along with it.
 *
 * @module
 */
import { dropOldCells } from '../crm/import-removal.ts';
import { auditPastReads } from '../crm/lead-reads.ts';
import { mergeSearchIndex } from '../crm/search-index.ts';
import { faultText } from '../durable/faults.ts';
import { logEvent } from '../durable/log.ts';
import { retentionDays } from '../durable/retention.ts';

const dayMs = 86_400_000;
/** Within the time that the platform gives a cron, and work after an answer. */
const maxMs = 20_000;

/** Does what is due, for some seconds; the rest is due the next time. */
export async function keepHouse(env: Env, now: () => number = () => Date.now()): Promise<void> {
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
    logEvent('error', 'housekeeping_failed', { error: faultText(error) });
  }
}

/** What is done at night as well: it keeps the database busy for seconds where there are many leads. */
export async function keepHouseAtNight(env: Env, now: () => number = () => Date.now()): Promise<void> {
  await keepHouse(env, now);
  try {
    const isMerged = await mergeSearchIndex(env.DB, { now, deadlineMs: now() + maxMs });
    if (!isMerged) logEvent('info', 'search_index_merging', {});
  } catch (error) {
    logEvent('error', 'housekeeping_failed', { error: faultText(error) });
  }
}
