/**
 * CapReservations: what a slice has reserved of the day's mails for the batches that it holds.
 *
 * Owns one reservation for each held batch, in memory: losing them wastes some of a day and never exceeds it. How many
 * mails a day has is decided in core/limits/reservation.ts (the daily cap and the warm-up) and stored by the MailGate, for
 * each domain that mails come from.
 *
 * @module
 */
import { pendingIndexes, type Batch } from '../../core/batch/batch.ts';
import { dayStart } from '../../core/limits/daily-cap.ts';
import type { Permit } from '../../core/session/slice.ts';
import { domainOf } from '../../mail/templates/render.ts';
import { callGate } from '../../runtime/faults.ts';
import type { WarmUpWait } from '../../shared/warm-up.ts';
import type { SliceContext } from '../session/context.ts';

/** A flip takes some milliseconds, its permit up to a few hundred. */
const refundWaitMs = 250;
/** A repeat that is due is sent by another sender, or by this session's next slice. */
const repeatWaitMs = 5_000;

/** True for a repeat whose mails are counted already, or may have left. */
function isCounted({ payloadHash, inDoubtSince, attemptAt }: Batch, nowMs: number): boolean {
  return payloadHash !== null && (inDoubtSince !== null || (attemptAt ?? 0) >= dayStart(nowMs));
}

export class CapReservations {
  readonly #context: Pick<SliceContext, 'mail' | 'store' | 'now' | 'waitUntil'>;
  readonly #domain: string;
  /** By the `seq` of a held batch. */
  readonly #reserved = new Map<number, { day: number; count: number }>();

  /** Why the last batch that asked got nothing; null: it got its mails, or the daily cap is reached. */
  warmUp: WarmUpWait | null = null;

  constructor(context: Pick<SliceContext, 'mail' | 'store' | 'now' | 'waitUntil'>) {
    this.#context = context;
    this.#domain = domainOf(context.store.session().spec.mail.from);
  }

  /**
   * Reserves the mails of a batch that leaves for the first time; null when it may leave. A repeat was counted on the day
   * of its last call. On another day it is counted again, unless the provider may have taken it then.
   */
  async reserve(batch: Batch): Promise<Permit | null> {
    const { gate, hasDailyLimit } = this.#context.mail;
    if (!hasDailyLimit || isCounted(batch, this.#context.now()) || this.#reserved.has(batch.seq)) return null;
    const count =
      batch.recipients === null ? batch.leadIds.length : pendingIndexes(batch.recipientStates).length;
    const reservation = await callGate(async () => gate.reserveMails(this.#domain, count));
    if (reservation.kind === 'granted') {
      this.warmUp = null;
      this.#reserved.set(batch.seq, { day: reservation.day, count });
      return null;
    }
    this.warmUp = reservation.warmUp;
    const nowMs = this.#context.now();
    // Other senders give back some of their reservations, when some of their leads get no mail.
    if (this.#reserved.size > 0) return { kind: 'later', at: nowMs + refundWaitMs };
    // A repeat takes nothing of the cap, so it can be sent today.
    const nextRepeatAt = this.#context.store.batches.nextRepeatAt(dayStart(nowMs)) ?? Infinity;
    const repeatAt = Math.max(nextRepeatAt, nowMs + repeatWaitMs);
    return { kind: 'later', at: Math.min(reservation.retryAt, repeatAt) };
  }

  /** The day of which a batch's mails are; null where days have no limit. */
  dayOf(seq: number): number | null {
    return this.#reserved.get(seq)?.day ?? null;
  }

  /** Gives back the part of a batch's reservation that its mails do not use. */
  refund(seq: number, usedCount: number): void {
    const reserved = this.#reserved.get(seq);
    if (reserved === undefined) return;
    this.#reserved.delete(seq);
    const unusedCount = reserved.count - usedCount;
    const { mail, waitUntil } = this.#context;
    if (unusedCount > 0) waitUntil(mail.gate.refund(this.#domain, reserved.day, unusedCount));
  }
}
