/**
 * Rows of the table `batch` as batches: the mapping, and reading lists of batches.
 *
 * Which batches are read is batch-store.ts and result-store.ts.
 *
 * @module
 */
import type { Batch, BatchState, Failure, Retried } from '../../core/batch/batch.ts';

type BatchRow = {
  seq: number;
  state: BatchState;
  attempts: number;
  attempt_at: number | null;
  in_doubt_since: number | null;
  next_attempt_at: number | null;
  origin_seq: number | null;
  marks: string;
  code: string | null;
  message: string | null;
  payload_hash: string | null;
  skipped: string;
  failures: string;
  lead_ids: string;
  recipients: string | null;
  message_ids: string | null;
  retried: Retried | null;
};

/** The batches that a `SELECT *` finds. */
export function readBatches(sql: SqlStorage, query: string, ...bindings: SqlStorageValue[]): Batch[] {
  return sql
    .exec<BatchRow>(query, ...bindings)
    .toArray()
    .map(toBatch);
}

/**
 * Walks a large result in pages: no cursor stays open while the caller writes.
 *
 * @param query - its second parameter is the `seq` after which a page begins
 */
export function* scanBatches(sql: SqlStorage, query: string, binding: SqlStorageValue): Generator<Batch> {
  let after = 0;
  for (;;) {
    const page = readBatches(sql, query, binding, after);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.seq;
  }
}

function toBatch(row: BatchRow): Batch {
  return {
    seq: row.seq,
    state: row.state,
    originSeq: row.origin_seq,
    leadIds: JSON.parse(row.lead_ids) as number[],
    recipients: row.recipients === null ? null : (JSON.parse(row.recipients) as Batch['recipients']),
    skipped: JSON.parse(row.skipped) as Batch['skipped'],
    recipientStates: row.marks,
    failures: JSON.parse(row.failures) as Failure[],
    messageIds: row.message_ids === null ? null : (JSON.parse(row.message_ids) as (string | null)[]),
    attempts: row.attempts,
    attemptAt: row.attempt_at,
    inDoubtSince: row.in_doubt_since,
    retried: row.retried,
    nextAttemptAt: row.next_attempt_at,
    payloadHash: row.payload_hash,
    code: row.code,
    message: row.message,
  };
}
