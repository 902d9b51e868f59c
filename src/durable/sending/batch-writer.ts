/**
 * BatchWriter: writes a changed batch, the batches made from it and the session.
 *
 * The arithmetic is core/batch/settle-batch.ts. Does not decide a change (core/batch/settle.ts) and does not check
 * whether the batch may still be written; the runner does.
 * Invariant: a batch, its parts, the counters and `rev` are written together. Call it in a transaction.
 *
 * @module
 */
import type { Batch, BatchChange } from '../../core/batch/batch.ts';
import { changeBatch, settleBatch, type ChangedBatch } from '../../core/batch/settle-batch.ts';
import type { SessionSignal } from '../../core/batch/settle.ts';
import type { SessionContext } from '../session/context.ts';
import { DeliveryReader } from '../session/delivery-events.ts';

export type WriterContext = Pick<SessionContext, 'store' | 'now' | 'random' | 'log' | 'traits'>;

export class BatchWriter {
  readonly #context: WriterContext;

  constructor(context: WriterContext) {
    this.#context = context;
  }

  /**
   * Writes a change of a batch, and the parts of a batch that is split.
   *
   * @param before - the batch as it is on disk, where that differs from `batch`
   */
  apply(batch: Batch, change: BatchChange, signal: SessionSignal, before: Batch = batch): void {
    const deliveries = new DeliveryReader(this.#context.store);
    const isTaken = (leadId: number): boolean => deliveries.of(leadId) !== 0;
    this.write(before, changeBatch(batch, change, this.#context.now(), isTaken), signal);
  }

  /** Writes a batch as it becomes, the batches made from it, and the session. */
  write(before: Batch, changed: ChangedBatch, signal: SessionSignal): void {
    const { store, now, random, log, traits } = this.#context;
    store.changeBatch(before, changed.batch, now());
    store.batches.append(changed.added);
    const session = store.session();
    const settled = settleBatch(session, before, changed, signal, { nowMs: now(), random, traits: traits() });
    store.save(settled);
    if (settled.state !== session.state) {
      log('info', 'session_state', { state: settled.state, reason: settled.reason });
    }
  }
}
