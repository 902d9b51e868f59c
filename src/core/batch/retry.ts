/**
 * Retry, check and *take as sent*: the effect of a person's command on a batch whose mail failed or is unknown.
 *
 * One batch at a time; which batches a command concerns is durable/session/commands.ts.
 * Invariants: *retry failed* mails nobody who may have been mailed. Only a retry of unknown mail can, and the batch
 * that it makes is marked `risked`.
 *
 * @module
 */
import {
  indexesOf,
  movedBatch,
  recipientState,
  setRecipientStates,
  type Batch,
  type BatchCounts,
  type NewBatch,
} from './batch.ts';
import { retryWay, type ProviderTraits } from './doubt.ts';
import type { Recipient } from '../../shared/recipient.ts';

/** A batch as the command leaves it. */
export interface Retried {
  batch: Batch;
  added: readonly NewBatch[];
  /** What it adds to the counters. */
  delta: Partial<BatchCounts>;
}

/**
 * Takes the failed recipients out of a batch; they go into batches of their own.
 *
 * @param isTaken - whether the provider has sent an event about a lead's mail: then it was mailed, in spite of the answer
 */
export function takeFailed(
  batch: Batch,
  isTaken: (leadId: number) => boolean,
): { batch: Batch; recipients: Recipient[]; delta: Partial<BatchCounts> } {
  const failed = indexesOf(batch.recipientStates, recipientState.failed);
  const proven = failed.filter((index) => isTaken(batch.recipients?.[index]?.leadId ?? 0));
  const retried = failed.filter((index) => !proven.includes(index));
  return {
    batch: {
      ...batch,
      recipientStates: setRecipientStates(
        setRecipientStates(batch.recipientStates, proven, recipientState.sent),
        retried,
        recipientState.moved,
      ),
      failures: [],
    },
    recipients: recipientsAt(batch, retried),
    delta: { failed: -failed.length, sent: proven.length },
  };
}

/** Sends unknown mail again: under its own key while that can help, else under a new one. */
export function retryUnknown(batch: Batch, nowMs: number, traits: ProviderTraits): Retried {
  if (retryWay(batch, nowMs, traits) === 'ownKey') return askAgain(batch, nowMs);
  const unknown = indexesOf(batch.recipientStates, recipientState.unknown);
  return {
    batch: {
      ...batch,
      state: 'done',
      recipientStates: setRecipientStates(batch.recipientStates, unknown, recipientState.moved),
    },
    added: [movedBatch(batch.seq, recipientsAt(batch, unknown), nowMs, 'risked')],
    delta: { unknown: -unknown.length },
  };
}

/** Lets the call be repeated under the key that the batch was sent with. The doubt stays. */
export function askAgain(batch: Batch, nowMs: number): Retried {
  return {
    batch: {
      ...batch,
      state: 'waiting',
      retried: 'asked',
      recipientStates: batch.recipientStates.replaceAll(recipientState.unknown, recipientState.pending),
      attempts: 0,
      nextAttemptAt: nowMs,
    },
    added: [],
    delta: { unknown: -indexesOf(batch.recipientStates, recipientState.unknown).length },
  };
}

/** Takes unknown mail for sent. */
export function assumeSent(batch: Batch): Retried {
  const unknown = indexesOf(batch.recipientStates, recipientState.unknown);
  return {
    batch: {
      ...batch,
      state: 'done',
      recipientStates: setRecipientStates(batch.recipientStates, unknown, recipientState.sent),
      code: 'assumed_sent',
    },
    added: [],
    delta: { unknown: -unknown.length, sent: unknown.length },
  };
}

function recipientsAt(batch: Batch, indexes: readonly number[]): Recipient[] {
  return indexes.flatMap((index) => batch.recipients?.[index] ?? []);
}
