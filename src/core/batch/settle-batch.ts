/**
 * Settling a batch: the effect of a change of one batch on its session.
 *
 * Owns the arithmetic: the changed batch, the batches that are made from it, the counters of the session and of its wave,
 * the circuit breaker and the date until which the provider can be asked about mail in doubt. Does not decide the change (settle.ts) and
 * does not write rows (durable/sending/batch-writer.ts). Invariant: the counters of the session stay the sum over
 * its batches.
 *
 * @module
 */
import { applySignal } from '../limits/breaker.ts';
import { applyCounts, noteDoubt, type Session } from '../session/session.ts';
import { anyLeadOf, countInWave, holdBrokenWave } from '../session/waves.ts';
import {
  countBatch,
  countDelta,
  countInCrm,
  countSum,
  proveStates,
  proveTaken,
  type Batch,
  type BatchChange,
  type NewBatch,
} from './batch.ts';
import { applyChange, type ProviderTraits } from './doubt.ts';
import type { SessionSignal } from './settle.ts';

/** A batch as a change leaves it, and the batches that its recipients were moved to. */
export interface ChangedBatch {
  batch: Batch;
  added: readonly NewBatch[];
}

/**
 * Applies a change to a batch. A mail that the provider has reported on was taken: its recipient is sent and not
 * unknown, also when the report came before the answer to the call was given up.
 *
 * @param isTaken - whether the provider has reported on the mail of a lead
 */
export function changeBatch(
  batch: Batch,
  change: BatchChange,
  nowMs: number,
  isTaken: (leadId: number) => boolean,
): ChangedBatch {
  // Before its parts are made: a recipient that is sent moves to none of them.
  const decided =
    change.kind === 'split'
      ? { ...change, recipientStates: proveStates(change.recipientStates, batch.recipients, isTaken) }
      : change;
  const { batch: changed, added } = applyChange(batch, decided, nowMs);
  const proven = changed.state === 'unknown' ? proveTaken(changed, isTaken) : null;
  return { batch: proven ?? changed, added };
}

export interface SettleContext {
  /** Epoch ms. */
  nowMs: number;
  /** Uniform in [0, 1). */
  random: () => number;
  traits: ProviderTraits;
}

/**
 * The session after one of its batches has changed.
 *
 * @param before - the batch as the counters of the session include it
 * @param after - the changed batch, and the batches made from it
 * @param signal - what the answer of the provider says about the provider itself
 */
export function settleBatch(
  session: Session,
  before: Batch,
  { batch: after, added }: ChangedBatch,
  signal: SessionSignal,
  { nowMs, random, traits }: SettleContext,
): Session {
  let delta = countDelta(countBatch(before), countBatch(after));
  for (const batch of added) delta = countSum(delta, countBatch({ ...batch, skipped: [] }));
  const isWaitOver =
    after.state === 'inflight' && session.waitingUntil !== null && session.state === 'running';
  const awake = isWaitOver ? { ...session, waitingUntil: null } : session;
  const signalled = applySignal(awake, nowMs, signal, { random, traits });
  const { crm } = signalled;
  const inCrm =
    crm === null
      ? 0
      : countInCrm(after) - countInCrm(before) + added.reduce((sum, batch) => sum + countInCrm(batch), 0);
  const pushed =
    crm === null || inCrm === 0 ? signalled : { ...signalled, crm: { ...crm, inCrm: crm.inCrm + inCrm } };
  const counted = applyCounts(noteDoubt(pushed, after, traits), nowMs, delta);
  return holdBrokenWave(countInWave(counted, anyLeadOf(after), delta), nowMs);
}
