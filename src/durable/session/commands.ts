/**
 * Commands on disk: what a person's command does to the rows of a session.
 *
 * Owns the transaction that changes the session and the batches a command concerns. A command that concerns many
 * batches is carried out in parts of bounded size: the first with the command's answer, the others by the alarm.
 * Whether a command is legal is core/session/command.ts; the batches of a cancelled session are sweep.ts.
 *
 * @module
 */
import { countSum, movedBatch, noCounts, type Batch, type BatchCounts } from '../../core/batch/batch.ts';
import { choreOf, decideCommand, type Command } from '../../core/session/command.ts';
import { keyLivesUntil, type ProviderTraits } from '../../core/batch/doubt.ts';
import { askAgain, assumeSent, retryUnknown, takeFailed, type Retried } from '../../core/batch/retry.ts';
import { voidApproval } from '../../core/session/approval.ts';
import { applyCounts, isHalted, type Chore, type Session } from '../../core/session/session.ts';
import { anyLeadOf, countInWave, skipPending, waveIndexOf } from '../../core/session/waves.ts';
import type { NewEvent } from '../../core/session/timeline.ts';
import type { Recipient } from '../../shared/recipient.ts';
import { DeliveryReader } from './delivery-events.ts';
import { withTimesInManifest } from './manifest.ts';
import type { SessionStore } from '../store/session-store.ts';

/** The result of a command. */
export type CommandResult =
  { kind: 'ok'; session: Session } | { kind: 'refused'; detail: string } | { kind: 'unknown_session' };

/** Batches that one transaction reads and writes with all their recipients: some 10 MB, some 100 ms. */
const choreBatchCount = 200;
/** Of pending batches only the state is written. */
const pendingBatchCount = 2_000;

interface Step {
  store: SessionStore;
  nowMs: number;
  /** Of the provider that the session was started with, if the settings still name it. */
  traits: ProviderTraits;
}

/**
 * Carries out a command; the same command again changes nothing.
 *
 * @param by - who gives it; for the timeline
 * @param traits - of the provider that the session was started with; without keys where that is not set up
 */
export function applyCommand(
  store: SessionStore,
  command: Command,
  by: string | null,
  nowMs: number,
  traits: ProviderTraits,
): CommandResult {
  return store.transact((): CommandResult => {
    const session = store.load();
    if (session === null) return { kind: 'unknown_session' };
    const step: Step = { store, nowMs, traits };
    const isAsked = command.kind === 'check';
    // A check of a halted session also asks about batches that wait with mail in doubt.
    const withWaiting = isHalted(session) && !session.isChecking;
    const all = { afterSeq: 0, untilSeq: Number.MAX_SAFE_INTEGER };
    const mayCheck = isAsked && checkable(step, all, withWaiting, 1).length > 0;
    const decision = decideCommand(session, command, nowMs, mayCheck);
    if (decision.kind === 'refused') return decision;
    if (decision.kind === 'unchanged') return { kind: 'ok', session };
    const changed = changeBatches(step, session, decision.session, command, { by, withWaiting });
    if (isAsked) store.timeline.note(checked(changed, by, session.counts.unknown - changed.counts.unknown));
    store.save(changed, isAsked ? null : by);
    return { kind: 'ok', session: changed };
  });
}

/** Changes the batches that a command concerns; returns the session with its counters. */
function changeBatches(
  step: Step,
  before: Session,
  session: Session,
  command: Command,
  { by, withWaiting }: { by: string | null; withWaiting: boolean },
): Session {
  const { store, nowMs } = step;
  switch (command.kind) {
    case 'pause':
    case 'resume':
    case 'nextWave':
    case 'startNow':
      return session;
    case 'reschedule':
      return voidApproval(before, withTimesInManifest(session), nowMs);
    case 'cancel': {
      // An undo may have gone back to the schedule.
      if (before.state === 'cancelled' || session.state !== 'cancelled') return session;
      const { leadCount } = store.batches.cancelPending(pendingBatchCount);
      return skipPending(session, nowMs, leadCount);
    }
    case 'retry':
    case 'check':
    case 'assumeSent': {
      const chore: Chore = {
        kind: choreOf(command),
        afterSeq: 0,
        untilSeq: store.batches.lastSeq(),
        by: command.kind === 'check' ? null : by,
      };
      return doChore(step, { ...session, chore }, chore, withWaiting);
    }
    default:
      return command satisfies never;
  }
}

/**
 * Carries out the next part of a session's command; call until its `chore` is null.
 *
 * @param traits - as for {@link applyCommand}
 */
export function continueChore(store: SessionStore, nowMs: number, traits: ProviderTraits): void {
  store.transact(() => {
    const session = store.session();
    const { chore } = session;
    if (chore === null) return;
    store.save(doChore({ store, nowMs, traits }, session, chore, isHalted(session)), chore.by);
  });
}

function doChore(step: Step, session: Session, chore: Chore, withWaiting: boolean): Session {
  const { store, nowMs } = step;
  const { afterSeq, untilSeq } = chore;
  const { batches } = store;
  const { isDone, lastSeq, deltas } = ((): Part => {
    switch (chore.kind) {
      case 'retryFailed':
        return retryFailed(step, session, batches.failedBetween(afterSeq, untilSeq, choreBatchCount));
      case 'retryUnknown':
        return change(step, batches.unknownBetween(afterSeq, untilSeq, choreBatchCount), (batch) =>
          retryUnknown(batch, nowMs, step.traits),
        );
      case 'assumeSent':
        return change(step, batches.unknownBetween(afterSeq, untilSeq, choreBatchCount), assumeSent);
      case 'check':
        return change(step, checkable(step, chore, withWaiting, choreBatchCount), (batch) =>
          askAgain(batch, nowMs),
        );
      default:
        return chore.kind satisfies never;
    }
  })();
  const delta = deltas.reduce((sum, { counts }) => countSum(sum, counts), noCounts);
  const counted = deltas.reduce(
    (known, { batch, counts }) => countInWave(known, anyLeadOf(batch), counts),
    session,
  );
  return applyCounts({ ...counted, chore: isDone ? null : { ...chore, afterSeq: lastSeq } }, nowMs, delta);
}

/** What one transaction of a chore came to. */
interface Part {
  isDone: boolean;
  lastSeq: number;
  /** What each batch adds to the counters. */
  deltas: readonly { batch: Batch; counts: BatchCounts }[];
}

function partOf(batches: readonly Batch[], deltas: Part['deltas']): Part {
  return { isDone: batches.length < choreBatchCount, lastSeq: batches.at(-1)?.seq ?? 0, deltas };
}

/** Batches in doubt that the provider can be asked about. */
function checkable(
  { store, nowMs, traits }: Step,
  { afterSeq, untilSeq }: Pick<Chore, 'afterSeq' | 'untilSeq'>,
  withWaiting: boolean,
  limit: number,
): Batch[] {
  const livesForMs = keyLivesUntil(0, traits);
  if (livesForMs === null) return [];
  return store.batches.checkableBetween(afterSeq, untilSeq, nowMs - livesForMs, withWaiting, limit);
}

function checked({ updatedAt }: Session, by: string | null, count: number): NewEvent {
  return { kind: 'checked', at: updatedAt, until: updatedAt, by, reason: null, message: null, count };
}

/**
 * Moves failed recipients into batches under new keys. Only the mail is repeated: recipients are frozen, and their
 * leads do not change.
 */
function retryFailed({ store, nowMs }: Step, { spec, waves }: Session, batches: readonly Batch[]): Part {
  const deliveries = new DeliveryReader(store);
  const size = spec.batchLeadCount;
  const deltas: { batch: Batch; counts: BatchCounts }[] = [];
  const waveOf = (batch: Batch | undefined): number | null =>
    waves === null || batch === undefined ? null : waveIndexOf(waves, anyLeadOf(batch) ?? 0);
  let waiting: Recipient[] = [];
  for (const [index, known] of batches.entries()) {
    const { batch, recipients, delta: added } = takeFailed(known, (leadId) => deliveries.of(leadId) !== 0);
    store.changeBatch(known, batch, nowMs);
    deltas.push({ batch, counts: { ...noCounts, ...added } });
    waiting.push(...recipients);
    // A batch has leads of one wave.
    const isLast = index === batches.length - 1 || waveOf(known) !== waveOf(batches[index + 1]);
    while (waiting.length >= size || (isLast && waiting.length > 0)) {
      store.batches.append([movedBatch(batch.seq, waiting.slice(0, size), nowMs)]);
      waiting = waiting.slice(size);
    }
  }
  return partOf(batches, deltas);
}

/** Applies the command to each batch. */
function change({ store, nowMs }: Step, batches: readonly Batch[], by: (batch: Batch) => Retried): Part {
  const deltas: { batch: Batch; counts: BatchCounts }[] = [];
  for (const known of batches) {
    const { batch, added, delta } = by(known);
    store.changeBatch(known, batch, nowMs);
    store.batches.append(added);
    deltas.push({ batch, counts: { ...noCounts, ...delta } });
  }
  return partOf(batches, deltas);
}
