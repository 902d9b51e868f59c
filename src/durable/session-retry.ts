/**
 * Retry of failed mail: the failed recipients of all batches go into new batches, under new keys.
 *
 * Only mail is repeated: the recipients are frozen, their leads stay as they are.
 *
 * @module
 */
import type { Batch } from '../core/batch.ts';
import type { Recipient } from '../shared/recipient.ts';
import { movedBatch } from './session-runner.ts';
import type { SessionStore } from './session-store.ts';

/**
 * Moves every failed recipient into batches of up to `batchLeadCount`. Call inside a transaction.
 *
 * @returns how many recipients were moved
 */
export function moveFailed(store: SessionStore, batchLeadCount: number, nowMs: number): number {
  let movedCount = 0;
  let waiting: Recipient[] = [];
  const flush = (originSeq: number, least: number): void => {
    while (waiting.length >= least && waiting.length > 0) {
      store.append([movedBatch(originSeq, waiting.slice(0, batchLeadCount), nowMs)]);
      waiting = waiting.slice(batchLeadCount);
    }
  };
  let originSeq = 0;
  for (const batch of store.withMark('f')) {
    const failed = failedRecipients(batch);
    store.update({ ...batch, marks: batch.marks.replaceAll('f', 'm'), failures: [] });
    waiting.push(...failed);
    movedCount += failed.length;
    originSeq = batch.seq;
    flush(originSeq, batchLeadCount);
  }
  flush(originSeq, 1);
  return movedCount;
}

function failedRecipients(batch: Batch): Recipient[] {
  return (batch.recipients ?? []).filter((_, index) => batch.marks[index] === 'f');
}
