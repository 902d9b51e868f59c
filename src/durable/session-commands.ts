/**
 * Commands on disk: what a person's command does to the rows of a session.
 *
 * Owns: the one transaction in which the session and the batches that a command speaks of change. Never:
 * whether it is legal (core/command.ts).
 *
 * @module
 */
import { movedBatch, type Batch } from '../core/batch.ts';
import { decideCommand, type Command } from '../core/command.ts';
import { applyCounts, type Session } from '../core/session.ts';
import type { Recipient } from '../shared/recipient.ts';
import type { SessionStore } from './session-store.ts';

/** What became of a command. */
export type CommandResult =
  { kind: 'ok'; session: Session } | { kind: 'refused'; detail: string } | { kind: 'unknown_session' };

/**
 * Carries out a command; the same command again changes nothing.
 *
 * @param by - who gives it; for the timeline
 */
export function carryOut(
  store: SessionStore,
  command: Command,
  by: string | null,
  nowMs: number,
): CommandResult {
  return store.transact((): CommandResult => {
    const session = store.load();
    if (session === null) return { kind: 'unknown_session' };
    const decision = decideCommand(session, command, nowMs);
    if (decision.kind === 'refused') return decision;
    if (decision.kind === 'unchanged') return { kind: 'ok', session };
    const changed = changeBatches(store, decision.session, command, nowMs);
    store.save(changed, by);
    return { kind: 'ok', session: changed };
  });
}

/** What a command does to the batches, beside the session itself. */
function changeBatches(store: SessionStore, session: Session, command: Command, nowMs: number): Session {
  const { batches } = store;
  switch (command.kind) {
    case 'pause':
    case 'resume':
      return session;
    case 'cancel':
      batches.hurryWaiting(nowMs);
      return applyCounts(session, nowMs, { skipped: batches.cancelPending() });
    case 'retry':
      return command.outcome === 'unknown'
        ? applyCounts(session, nowMs, { unknown: -batches.retryUnknown(nowMs) })
        : applyCounts(session, nowMs, { failed: -moveFailed(store, session.spec.batchLeadCount, nowMs) });
    case 'assumeSent': {
      const leads = batches.assumeSent();
      return applyCounts(session, nowMs, { unknown: -leads, sent: leads });
    }
    default:
      return command satisfies never;
  }
}

/**
 * Moves every failed recipient into batches of up to `batchLeadCount`, under new keys. Only mail is repeated:
 * the recipients are frozen, their leads stay as they are.
 *
 * @returns how many recipients were moved
 */
function moveFailed({ batches }: SessionStore, batchLeadCount: number, nowMs: number): number {
  let movedCount = 0;
  let waiting: Recipient[] = [];
  const flush = (originSeq: number, least: number): void => {
    while (waiting.length >= least && waiting.length > 0) {
      batches.append([movedBatch(originSeq, waiting.slice(0, batchLeadCount), nowMs)]);
      waiting = waiting.slice(batchLeadCount);
    }
  };
  let originSeq = 0;
  for (const batch of batches.withMark('f')) {
    const failed = failedRecipients(batch);
    batches.update({ ...batch, marks: batch.marks.replaceAll('f', 'm'), failures: [] });
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
