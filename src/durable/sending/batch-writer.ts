/**
 * BatchWriter: turns what was decided of a batch into rows.
 *
 * Owns: that a batch, the batches made from it, the counters and `rev` are written together. Never: what is
 * decided (core/batch/settle.ts), whether the batch may still be written (the runner fences that).
 * Invariant: the counters stay the sum over the batches. Call inside a transaction of the store.
 *
 * @module
 */
import {
  countBatch,
  countDelta,
  countSum,
  proveTaken,
  type Batch,
  type BatchChange,
  type NewBatch,
} from '../../core/batch/batch.ts';
import { applySignal } from '../../core/limits/breaker.ts';
import { applyChange, type ProviderTraits } from '../../core/batch/doubt.ts';
import { applyCounts, noteDoubt } from '../../core/session/session.ts';
import type { SessionSignal } from '../../core/batch/settle.ts';
import { DeliveryReader } from '../session/delivery-events.ts';
import type { SliceContext } from '../session/slice-context.ts';

export type WriterContext = Pick<SliceContext, 'store' | 'now' | 'random' | 'log'> & {
  /** Of the provider that the session's mail leaves through. */
  traits(): ProviderTraits;
};

export class BatchWriter {
  readonly #context: WriterContext;

  constructor(context: WriterContext) {
    this.#context = context;
  }

  /**
   * Writes a change of a batch, and the parts of one that is split.
   *
   * @param before - the batch as it is on disk, where that is not `batch` itself
   */
  apply(batch: Batch, change: BatchChange, signal: SessionSignal, before: Batch = batch): void {
    const { batch: changed, added } = applyChange(batch, change, this.#context.now());
    // What becomes of a mail may be told before it is given up to wait for an answer.
    const deliveries = new DeliveryReader(this.#context.store);
    const proven =
      changed.state === 'unknown' ? proveTaken(changed, (leadId) => deliveries.of(leadId) !== 0) : null;
    this.write(before, proven ?? changed, signal, added);
  }

  /** Writes a batch as it becomes, the batches made from it, and the session's counters. */
  write(before: Batch, after: Batch, signal: SessionSignal, added: readonly NewBatch[] = []): void {
    const { store, now, random, log } = this.#context;
    const traits = this.#context.traits();
    const nowMs = now();
    store.batches.update(after);
    store.batches.append(added);
    let delta = countDelta(countBatch(before), countBatch(after));
    for (const batch of added) delta = countSum(delta, countBatch({ ...batch, skipped: [] }));
    const session = store.session();
    const isWaitOver =
      after.state === 'inflight' && session.waitingUntil !== null && session.state === 'running';
    const signalled = applySignal(isWaitOver ? { ...session, waitingUntil: null } : session, nowMs, signal, {
      random,
      traits,
    });
    store.save(applyCounts(noteDoubt(signalled, after, traits), nowMs, delta));
    if (signalled.state !== session.state) {
      log('session_state', { state: signalled.state, reason: signalled.reason });
    }
  }
}
