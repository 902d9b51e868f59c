/**
 * SessionSweep: the work on the batches of a paused or cancelled session that needs no mail API.
 *
 * It decides calls whose slice was killed, withdraws the batches of a cancelled session, makes leads new again in
 * the CRM that were set active and certainly not mailed, and makes mail unknown whose key expired during a pause. It
 * calls no mail provider and reads no mail settings, which may be broken. Invariants: a lead is given back in the
 * CRM before its batch says so, so a crash leaves the work in the rows; every part can be repeated; no part is
 * larger than a transaction should be.
 *
 * @module
 */
import { recipientState, type Batch } from '../../core/batch/batch.ts';
import { isInDoubt, keyLivesUntil } from '../../core/batch/doubt.ts';
import { nextFence } from '../../core/session/session.ts';
import { skipPending } from '../../core/session/waves.ts';
import { cancelBatch, decideInterrupted, expire } from '../../core/batch/settle.ts';
import { maxSenderCount } from '../../core/session/slice.ts';
import { recovered } from '../../core/session/timeline.ts';
import { unflipLeads } from '../../crm/flip.ts';
import { ownedRecords } from '../../crm/records.ts';
import { BatchWriter } from '../sending/batch-writer.ts';
import type { SessionContext } from './context.ts';

/** Of pending batches only the state is written. */
const pendingBatchCount = 2_000;
/** Of the others, the recipients are read and written. */
const openBatchCount = 100;
/** Leads of one statement to the CRM, which writes 2 rows for each. */
const givenBackLeadCount = 5_000;
/** A slice holds no more batches than it has senders. Twice as many, to be safe. */
const flippedBatchCount = 2 * maxSenderCount;

export class SessionSweep {
  readonly #context: SessionContext;
  readonly #writer: BatchWriter;

  constructor(context: SessionContext) {
    this.#context = context;
    this.#writer = new BatchWriter(context);
  }

  /** Decides batches whose slice died during their call. Only while no slice runs. */
  takeUpInterrupted(): void {
    const { store, now, random, traits } = this.#context;
    const interrupted = [...store.batches.inState('inflight')];
    if (interrupted.length === 0) return;
    const session = store.session();
    const isOver = session.state === 'cancelled' && !session.isChecking;
    store.transact(() => {
      store.timeline.note(recovered(interrupted.length, now()));
      for (const batch of interrupted) {
        const change = decideInterrupted(batch, { nowMs: now(), random, traits: traits() });
        const doubtful = { ...batch, inDoubtSince: batch.inDoubtSince ?? batch.attemptAt ?? now() };
        this.#writer.apply(batch, isOver ? cancelBatch(doubtful) : change, { kind: 'none' });
      }
    });
    this.#context.publish();
  }

  /**
   * Withdraws some batches of a cancelled session. Leads that were certainly not mailed are new again, the others are
   * unknown. Call it until it returns `none`, while no slice runs.
   *
   * @throws what D1 throws; a repeat is safe
   */
  async withdrawSome(): Promise<'more' | 'none'> {
    const { store, now, publish } = this.#context;
    const { leadCount } = store.transact(() => {
      const cancelled = store.batches.cancelPending(pendingBatchCount);
      if (cancelled.leadCount > 0) {
        store.save(skipPending(store.session(), now(), cancelled.leadCount));
      }
      return cancelled;
    });
    if (leadCount > 0) {
      publish();
      return 'more';
    }
    this.takeUpInterrupted();
    const batches = withinLeads(store.batches.waiting(openBatchCount));
    if (batches.length === 0) return 'none';
    const leadIds = batches.filter((batch) => !isInDoubt(batch)).flatMap(pendingLeadIds);
    if (leadIds.length > 0) await this.#giveBack(leadIds);
    store.transact(() => {
      for (const known of batches) {
        const batch = store.batches.current(known);
        if (batch?.state === 'waiting') this.#writer.apply(batch, cancelBatch(batch), { kind: 'none' });
      }
    });
    publish();
    return 'more';
  }

  /**
   * Gives back leads that a slice set active and did not mail: they are in the first batches that never left.
   *
   * @throws what D1 throws; a repeat is safe
   */
  async giveBackFlips(): Promise<void> {
    const { store } = this.#context;
    const { state, mayBeFlipped } = store.session();
    if (!mayBeFlipped) return;
    const leadIds = store.batches.firstUnsentLeadIds(
      state === 'cancelled' ? 'cancelled' : 'pending',
      flippedBatchCount,
    );
    // Without any lead it still keeps out a flip that is on its way.
    await this.#giveBack(leadIds);
    store.transact(() => store.save({ ...store.session(), mayBeFlipped: false }));
  }

  /**
   * Makes leads new again; flips that are still on their way change nothing then. First in the foreign CRM, while they are
   * still this session's, so that no other one sets them active there meanwhile.
   */
  async #giveBack(leadIds: readonly number[]): Promise<void> {
    const { store, env, now } = this.#context;
    const number = nextFence(store.session(), now());
    // On disk before the request leaves: what comes after must have a higher one.
    store.transact(() => store.save({ ...store.session(), fence: number }));
    await this.#undoInCrm(number, leadIds);
    await unflipLeads(env.DB, { sessionId: store.session().spec.sessionId, number, leadIds });
  }

  async #undoInCrm(number: number, leadIds: readonly number[]): Promise<void> {
    const { store, env, crm, log } = this.#context;
    const { spec } = store.session();
    if (spec.crm === undefined || leadIds.length === 0) return;
    const { sessionId } = spec;
    const records = await ownedRecords(env.DB, { sessionId, source: spec.crm.source, leadIds });
    if (records.length === 0) return;
    const fault = crm.connect(spec);
    // Nobody can reach that CRM any more, and a session must end without it.
    if (fault !== null) log('warn', 'crm_undo_left_out', { count: records.length });
    else await crm.undo(spec, number, records);
  }

  /** Makes waiting mail of a paused session unknown once its key has died: it cannot be repeated safely. */
  expireDoubts(): void {
    const { store, now, traits, publish } = this.#context;
    const livesForMs = keyLivesUntil(0, traits());
    const batches = store.batches.doubtsUntil(now() - (livesForMs ?? 0), openBatchCount);
    if (batches.length === 0) return;
    store.transact(() => {
      for (const batch of batches) this.#writer.apply(batch, expire(batch, now()), { kind: 'none' });
    });
    publish();
  }
}

function pendingLeadIds({ recipientStates, recipients }: Batch): number[] {
  return (recipients ?? []).flatMap(({ leadId }, index) =>
    recipientStates[index] === recipientState.pending ? [leadId] : [],
  );
}

/** The first batches that together hold no more leads than one statement; at least one. */
function withinLeads(batches: readonly Batch[]): Batch[] {
  let leadCount = 0;
  return batches.filter((batch, index) => {
    leadCount += batch.leadIds.length;
    return index === 0 || leadCount <= givenBackLeadCount;
  });
}
