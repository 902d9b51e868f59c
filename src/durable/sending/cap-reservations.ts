/**
 * CapShare: what a slice has taken out of the day's cap for the batches that it holds.
 *
 * Owns: one reservation for each held batch, in memory: losing it wastes some of a day and never exceeds it.
 * Never: the cap itself (core/limits/daily-cap.ts, kept by the MailGate).
 *
 * @module
 */
import { pendingIndexes, type Batch } from '../../core/batch/batch.ts';
import type { Permit } from '../../core/session/slice.ts';
import type { MailCap, SliceContext } from '../session/slice-context.ts';

/** A flip takes some milliseconds, its permit up to a few hundred. */
const refundWaitMs = 250;
/** A repeat that is due is another sender's, or this slice's next. */
const repeatWaitMs = 5_000;

export class CapShare {
  readonly #cap: MailCap | null;
  readonly #context: Pick<SliceContext, 'store' | 'now'>;
  /** By the `seq` of a held batch. */
  readonly #reserved = new Map<number, { day: number; count: number }>();

  constructor(context: Pick<SliceContext, 'cap' | 'store' | 'now'>) {
    this.#cap = context.cap;
    this.#context = context;
  }

  /** Takes a batch that leaves for the first time out of the day's cap; null when it may leave. */
  async reserve(batch: Batch): Promise<Permit | null> {
    if (this.#cap === null || batch.payloadHash !== null || this.#reserved.has(batch.seq)) return null;
    const count =
      batch.recipients === null ? batch.leadIds.length : pendingIndexes(batch.recipientStates).length;
    const allowance = await this.#cap.reserve(count);
    if (allowance.kind === 'granted') {
      this.#reserved.set(batch.seq, { day: allowance.day, count });
      return null;
    }
    const nowMs = this.#context.now();
    // Some of what other senders have reserved comes back, when leads of theirs get no mail.
    if (this.#reserved.size > 0) return { kind: 'later', at: nowMs + refundWaitMs };
    // What left before goes on also today.
    const repeatAt = Math.max(this.#context.store.batches.nextRepeatAt() ?? Infinity, nowMs + repeatWaitMs);
    return { kind: 'later', at: Math.min(allowance.retryAt, repeatAt) };
  }

  /** Gives back what was reserved for a batch and is not used by the mails that left. */
  refund(seq: number, usedCount: number): void {
    const reserved = this.#reserved.get(seq);
    if (reserved === undefined) return;
    this.#reserved.delete(seq);
    const unusedCount = reserved.count - usedCount;
    if (unusedCount > 0) this.#cap?.refund(reserved.day, unusedCount);
  }
}
