/**
 * Commands on disk: what a person's command does to the rows of a session.
 *
 * Owns: the transaction in which the session and the batches that a command speaks of change. One that speaks
 * of many is carried out in parts, each a transaction of bounded size: the first with the command's answer,
 * the rest by the alarm. Never: whether it is legal (core/command.ts); the batches of a cancelled session
 * (session-sweep.ts).
 *
 * @module
 */
import { movedBatch, setMarks, type Batch } from '../core/batch.ts';
import { choreOf, decideCommand, type Command } from '../core/command.ts';
import { keyLivesUntil, retryWay, type ProviderTraits } from '../core/doubt.ts';
import { applyCounts, type Chore, type Session } from '../core/session.ts';
import type { NewEvent } from '../core/timeline.ts';
import type { Recipient } from '../shared/recipient.ts';
import { FateReader } from './fates.ts';
import type { SessionStore } from './session-store.ts';

/** What became of a command. */
export type CommandResult =
  { kind: 'ok'; session: Session } | { kind: 'refused'; detail: string } | { kind: 'unknown_session' };

/** Batches that one transaction reads and writes with all their recipients: some 10 MB, some 100 ms. */
const choreBatchCount = 200;
/** Pending batches are only marked: they are small. */
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
export function carryOut(
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
    // What a paused session has in doubt waits for its key to be asked under, too.
    const withWaiting = session.state === 'paused' && !session.isChecking;
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

/** What a command does to the batches, beside the session itself. */
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
      return session;
    case 'cancel': {
      if (before.state === 'cancelled') return session;
      const { leadCount } = store.batches.cancelPending(pendingBatchCount);
      return applyCounts(session, nowMs, { skipped: leadCount });
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
 * @param traits - as for {@link carryOut}
 */
export function continueChore(store: SessionStore, nowMs: number, traits: ProviderTraits): void {
  store.transact(() => {
    const session = store.session();
    const { chore } = session;
    if (chore === null) return;
    store.save(doChore({ store, nowMs, traits }, session, chore, session.state === 'paused'), chore.by);
  });
}

function doChore(step: Step, session: Session, chore: Chore, withWaiting: boolean): Session {
  const { store, nowMs } = step;
  const { afterSeq, untilSeq } = chore;
  const { batches } = store;
  const { isDone, lastSeq, delta } = ((): Part => {
    switch (chore.kind) {
      case 'retryFailed':
        return retryFailed(step, session, batches.failedBetween(afterSeq, untilSeq, choreBatchCount));
      case 'retryUnknown':
        return retryUnknown(step, batches.unknownBetween(afterSeq, untilSeq, choreBatchCount));
      case 'assumeSent':
        return assumeSent(step, batches.unknownBetween(afterSeq, untilSeq, choreBatchCount));
      case 'check':
        return check(step, checkable(step, chore, withWaiting, choreBatchCount));
      default:
        return chore.kind satisfies never;
    }
  })();
  return applyCounts({ ...session, chore: isDone ? null : { ...chore, afterSeq: lastSeq } }, nowMs, delta);
}

/** What one transaction of a chore came to. */
interface Part {
  isDone: boolean;
  lastSeq: number;
  delta: Parameters<typeof applyCounts>[2];
}

function partOf(batches: readonly Batch[], delta: Part['delta']): Part {
  return { isDone: batches.length < choreBatchCount, lastSeq: batches.at(-1)?.seq ?? 0, delta };
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
 * Moves failed recipients into batches under new keys. Only mail is repeated: the recipients are frozen, their
 * leads stay as they are. Whom the provider has told of was mailed, whatever its answer was: that is `sent`.
 */
function retryFailed({ store, nowMs }: Step, session: Session, batches: readonly Batch[]): Part {
  const fates = new FateReader(store);
  let failed = 0;
  let sent = 0;
  let waiting: Recipient[] = [];
  for (const batch of batches) {
    const indexes = marked(batch, 'f');
    const proven = indexes.filter((index) => fates.of(batch.recipients?.[index]?.leadId ?? 0) !== 0);
    const retried = indexes.filter((index) => !proven.includes(index));
    store.batches.update({
      ...batch,
      marks: setMarks(setMarks(batch.marks, proven, 's'), retried, 'm'),
      failures: [],
    });
    failed += indexes.length;
    sent += proven.length;
    waiting.push(...recipientsAt(batch, retried));
    waiting = move(store, batch.seq, waiting, session.spec.batchLeadCount, nowMs);
  }
  const last = batches.at(-1);
  if (last !== undefined && waiting.length > 0) {
    store.batches.append([movedBatch(last.seq, waiting, nowMs)]);
  }
  return partOf(batches, { failed: -failed, sent });
}

/** Makes whole batches of those who wait; returns who is left over. */
function move(
  store: SessionStore,
  originSeq: number,
  waiting: readonly Recipient[],
  batchLeadCount: number,
  nowMs: number,
): Recipient[] {
  let at = 0;
  for (; waiting.length - at >= batchLeadCount; at += batchLeadCount) {
    store.batches.append([movedBatch(originSeq, waiting.slice(at, at + batchLeadCount), nowMs)]);
  }
  return waiting.slice(at);
}

/** Sends unknown mail again, as a person wants: under its own key while that can help, else under a new one. */
function retryUnknown({ store, nowMs, traits }: Step, batches: readonly Batch[]): Part {
  let unknown = 0;
  for (const batch of batches) {
    const indexes = marked(batch, 'u');
    unknown += indexes.length;
    if (retryWay(batch, nowMs, traits) === 'ownKey') {
      store.batches.update(askedAgain(batch, nowMs));
      continue;
    }
    store.batches.update({ ...batch, state: 'done', marks: setMarks(batch.marks, indexes, 'm') });
    store.batches.append([movedBatch(batch.seq, recipientsAt(batch, indexes), nowMs, 'risked')]);
  }
  return partOf(batches, { unknown: -unknown });
}

/** Has the provider asked about mail in doubt, under the key that it was sent with. */
function check({ store, nowMs }: Step, batches: readonly Batch[]): Part {
  let unknown = 0;
  for (const batch of batches) {
    unknown += marked(batch, 'u').length;
    store.batches.update(askedAgain(batch, nowMs));
  }
  return partOf(batches, { unknown: -unknown });
}

/** Takes unknown mail for sent, as a person says. */
function assumeSent({ store }: Step, batches: readonly Batch[]): Part {
  let leads = 0;
  for (const batch of batches) {
    const indexes = marked(batch, 'u');
    leads += indexes.length;
    store.batches.update({
      ...batch,
      state: 'done',
      marks: setMarks(batch.marks, indexes, 's'),
      code: 'assumed_sent',
    });
  }
  return partOf(batches, { unknown: -leads, sent: leads });
}

/** The doubt stays: `inDoubtSince` is not touched. */
function askedAgain(batch: Batch, nowMs: number): Batch {
  return {
    ...batch,
    state: 'waiting',
    retried: 'asked',
    marks: batch.marks.replaceAll('u', 'p'),
    attempts: 0,
    nextAttemptAt: nowMs,
  };
}

function marked(batch: Batch, mark: 'f' | 'u'): number[] {
  return [...batch.marks].flatMap((each, index) => (each === mark ? [index] : []));
}

function recipientsAt(batch: Batch, indexes: readonly number[]): Recipient[] {
  return indexes.flatMap((index) => batch.recipients?.[index] ?? []);
}
