/**
 * ResultStore: the table `batch` as people are shown it.
 *
 * Reads results, issues (with the leads that are in no batch) and counts; writes nothing. Which batch is due is
 * batch-store.ts.
 *
 * @module
 */
import { countBatch, countSum, noCounts, type Batch, type BatchCounts } from '../../core/batch/batch.ts';
import type { Issue } from '../../shared/progress.ts';
import { readBatches, scanBatches } from './batch-row.ts';

/** Which batches a page of results needs to look at: those that may hold such a lead. */
export interface BatchFilter {
  recipientStates: string | null;
  hasSkipped: boolean;
  isUndecided: boolean;
}

export class ResultStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Batches that may hold this lead, the latest first. Reads every row. */
  seqsAround(leadId: number): number[] {
    return this.#sql
      .exec<{ seq: number }>(
        "SELECT seq FROM batch WHERE lead_ids ->> 0 <= ?1 AND lead_ids ->> '$[#-1]' >= ?1 ORDER BY seq DESC",
        leadId,
      )
      .toArray()
      .map((row) => row.seq);
  }

  /** The batches after `seq`, whatever they hold. */
  after(seq: number, limit: number): Batch[] {
    return readBatches(this.#sql, 'SELECT * FROM batch WHERE seq > ? ORDER BY seq LIMIT ?', seq, limit);
  }

  /** Batches from `seq` on that may hold a lead that fits. */
  page(fromSeq: number, filter: BatchFilter, limit: number): Batch[] {
    return readBatches(
      this.#sql,
      `SELECT * FROM batch WHERE seq >= ?1 AND (
         (?2 IS NOT NULL AND marks GLOB ?2) OR (?3 AND skipped <> '[]') OR (?4 AND recipients IS NULL)
       ) ORDER BY seq LIMIT ?5`,
      fromSeq,
      filter.recipientStates,
      filter.hasSkipped ? 1 : 0,
      filter.isUndecided ? 1 : 0,
      limit,
    );
  }

  /** Failures, unknowns and skips, counted by reason. */
  issues(maxCount: number): Issue[] {
    return this.#sql
      .exec<{ track: string; state: string; code: string; message: string; count: number }>(
        `SELECT 'email' AS track, 'failed' AS state, f.value ->> 'code' AS code,
                f.value ->> 'message' AS message, count(*) AS count
           FROM batch, json_each(batch.failures) AS f WHERE batch.failures <> '[]' GROUP BY 3, 4
         UNION ALL
         SELECT 'email', 'unknown', coalesce(code, 'unknown'), coalesce(message, ''),
                sum(length(marks) - length(replace(marks, 'u', '')))
           FROM batch WHERE state = 'unknown' GROUP BY 3, 4
         UNION ALL
         SELECT 'activation', 'skipped', s.value ->> 'reason', '', count(*)
           FROM batch, json_each(batch.skipped) AS s WHERE batch.skipped <> '[]' GROUP BY 3
         UNION ALL
         SELECT 'activation', iif(state = 'cancelled', 'skipped', 'failed'),
                iif(state = 'cancelled', 'cancelled', coalesce(code, 'crm_refused')),
                iif(state = 'cancelled', '', coalesce(message, '')), sum(json_array_length(lead_ids))
           FROM batch WHERE state IN ('cancelled', 'done') AND recipients IS NULL GROUP BY 2, 3, 4
         UNION ALL
         SELECT 'activation', 'skipped', 'unlisted',
                'Changed after the start, or cancelled before they were listed: these are no lines of the results.',
                plan ->> 'unlistedCount'
           FROM session WHERE plan ->> 'unlistedCount' > 0
         ORDER BY count DESC LIMIT ?`,
        maxCount,
      )
      .toArray()
      .map((row) => row as Issue);
  }

  /** The counters of all batches, counted again from their rows. Reads every row. */
  recount(): BatchCounts {
    let sum = noCounts;
    const all = 'SELECT * FROM batch WHERE ? AND seq > ? ORDER BY seq LIMIT 50';
    for (const batch of scanBatches(this.#sql, all, 1)) sum = countSum(sum, countBatch(batch));
    return sum;
  }
}
