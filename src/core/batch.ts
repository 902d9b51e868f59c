/**
 * The batch machine: what an outcome does to the batch it belongs to and to its session.
 *
 * A batch holds up to 100 recipients. Each recipient has one mark; a mark `m` (moved) says that the
 * recipient went to another batch (a split or a retry), so that every lead has exactly one live mark.
 *
 * Owns: transitions `pending → inflight → done | waiting | unknown | split`, when to ask again, when a
 * recipient failed. Never: storage, clocks, providers.
 * Invariant: nothing that may have been taken is sent again except under the key it was sent with,
 * while the provider still remembers that key.
 *
 * @module
 */
import type { Recipient, SkippedLead } from '../shared/recipient.ts';
import { backoffMs, deliveryBackoff } from './backoff.ts';
import type { Outcome } from './outcome.ts';

export const batchStates = [
  'pending',
  'inflight',
  'waiting',
  'unknown',
  'done',
  'split',
  'cancelled',
] as const;
export type BatchState = (typeof batchStates)[number];

/** Recipient marks: pending, sent, failed, unknown, moved to another batch. */
export type Mark = 'p' | 's' | 'f' | 'u' | 'm';

/** Why a recipient's mail failed. `index` is into the batch's recipients. */
export interface Failure {
  index: number;
  code: string;
  message: string;
}

/** One row of the session. */
export interface Batch {
  seq: number;
  state: BatchState;
  /** The batch that this one's recipients came from (split, retry). */
  originSeq: number | null;
  leadIds: readonly number[];
  /** Null until the flip; then frozen for ever. */
  recipients: readonly Recipient[] | null;
  skipped: readonly SkippedLead[];
  /** One mark for each recipient. */
  marks: string;
  failures: readonly Failure[];
  /** By recipient index; null before the mail is taken. */
  messageIds: readonly (string | null)[] | null;
  /** Attempts that count against {@link maxAttempts}. */
  attempts: number;
  /** When the present or last attempt left. */
  attemptAt: number | null;
  /** Since when the provider may have taken this batch without our knowing. */
  inDoubtSince: number | null;
  nextAttemptAt: number | null;
  payloadHash: string | null;
  /** The last fault, for a person. */
  code: string | null;
  message: string | null;
}

/** Properties of the mail provider that decide what may be repeated. */
export interface ProviderTraits {
  /** How long the provider remembers a key; null: it has none. */
  idempotencyWindowMs: number | null;
}

/** A batch in doubt is not asked again in the last hour of its key's life: clocks and queues are not that exact. */
const keySafetyMs = 3_600_000;

/** With full jitter up to five minutes these span about half an hour of a provider that fails this batch only. */
export const maxAttempts = 10;

/** What the batch becomes. */
export type BatchChange =
  | {
      kind: 'done';
      marks: string;
      failures: readonly Failure[];
      messageIds: readonly (string | null)[] | null;
    }
  | {
      kind: 'waiting';
      nextAttemptAt: number;
      attempts: number;
      inDoubtSince: number | null;
      code: string;
      message: string;
    }
  | { kind: 'unknown'; marks: string; inDoubtSince: number; code: string; message: string }
  /** The recipients at `parts` go to new batches under new keys; those at `failures` are decided here. */
  | { kind: 'split'; marks: string; failures: readonly Failure[]; parts: readonly (readonly number[])[] };

/** The batch as a change leaves it; the parts of a split are batches of their own. */
export function changedBatch(batch: Batch, change: BatchChange): Batch {
  switch (change.kind) {
    case 'done': {
      const { marks, failures, messageIds } = change;
      return {
        ...batch,
        state: 'done',
        marks,
        failures,
        messageIds,
        inDoubtSince: null,
        nextAttemptAt: null,
      };
    }
    case 'waiting': {
      const { kind, ...wait } = change;
      return { ...batch, state: kind, ...wait };
    }
    case 'unknown': {
      const { kind, ...doubt } = change;
      return { ...batch, state: kind, ...doubt, nextAttemptAt: null };
    }
    case 'split': {
      const { marks, failures } = change;
      return { ...batch, state: 'split', marks, failures, nextAttemptAt: null };
    }
    default:
      return change satisfies never;
  }
}

/** What the session and the gate learn from it. */
export type SessionSignal =
  | { kind: 'healthy' }
  | { kind: 'fault'; message: string }
  | { kind: 'throttled'; retryAfterMs: number | null }
  | { kind: 'pause'; reason: 'mail_quota' | 'mail_auth'; message: string }
  | { kind: 'none' };

export interface OutcomeDecision {
  change: BatchChange;
  signal: SessionSignal;
}

export interface OutcomeContext {
  nowMs: number;
  random: () => number;
  traits: ProviderTraits;
  /** True while the provider is known to be down: attempts made then are probes and use nothing up. */
  isProbe: boolean;
}

/** Indexes of the recipients whose mail is not decided: the ones a call is made for, in this order. */
export function pendingIndexes(marks: string): number[] {
  const indexes: number[] = [];
  for (let index = 0; index < marks.length; index++) if (marks[index] === 'p') indexes.push(index);
  return indexes;
}

/** `marks` with every pending one replaced. */
function markPending(marks: string, mark: Mark): string {
  return marks.replaceAll('p', mark);
}

function setMarks(marks: string, indexes: Iterable<number>, mark: Mark): string {
  const list = [...marks];
  for (const index of indexes) list[index] = mark;
  return list.join('');
}

/** True while a provider with keys still answers a repeat of this batch with what it did the first time. */
export function isKeyAlive(inDoubtSince: number, nowMs: number, traits: ProviderTraits): boolean {
  return (
    traits.idempotencyWindowMs !== null && nowMs - inDoubtSince < traits.idempotencyWindowMs - keySafetyMs
  );
}

/**
 * Decides what one outcome does.
 *
 * @param batch - an inflight batch with its intent: recipients frozen, `attemptAt` set
 */
export function decideOutcome(batch: Batch, outcome: Outcome, context: OutcomeContext): OutcomeDecision {
  const pending = pendingIndexes(batch.marks);
  const failed = (code: string, message: string, indexes = pending): Failure[] => [
    ...batch.failures,
    ...indexes.map((index) => ({ index, code, message })),
  ];
  switch (outcome.kind) {
    case 'accepted': {
      const messageIds = Array.from<string | null>({ length: batch.marks.length }).fill(null);
      batch.messageIds?.forEach((id, index) => (messageIds[index] = id));
      pending.forEach((index, i) => (messageIds[index] = outcome.messageIds[i] ?? null));
      const rejections = outcome.rejections.flatMap((rejection) => {
        const index = pending[rejection.index];
        return index === undefined ? [] : [{ index, code: rejection.code, message: rejection.message }];
      });
      const marks = setMarks(
        markPending(batch.marks, 's'),
        rejections.map((rejection) => rejection.index),
        'f',
      );
      return {
        change: { kind: 'done', marks, failures: [...batch.failures, ...rejections], messageIds },
        signal: { kind: 'healthy' },
      };
    }
    case 'acceptedEarlier':
      return {
        change: {
          kind: 'done',
          marks: markPending(batch.marks, 's'),
          failures: batch.failures,
          messageIds: batch.messageIds,
        },
        signal: { kind: 'healthy' },
      };
    case 'rejected': {
      // A definite refusal of the content answers for every attempt under this key: a provider that had
      // taken an earlier one would have replayed that.
      const culprit = outcome.index === null ? undefined : pending[outcome.index];
      if (pending.length <= 1 || (culprit !== undefined && pending.length === 1)) {
        return {
          change: {
            kind: 'done',
            marks: markPending(batch.marks, 'f'),
            failures: failed(outcome.code, outcome.message),
            messageIds: batch.messageIds,
          },
          signal: { kind: 'healthy' },
        };
      }
      if (culprit !== undefined) {
        return {
          change: {
            kind: 'split',
            marks: setMarks(markPending(batch.marks, 'm'), [culprit], 'f'),
            failures: failed(outcome.code, outcome.message, [culprit]),
            parts: [pending.filter((index) => index !== culprit)],
          },
          signal: { kind: 'healthy' },
        };
      }
      const half = Math.ceil(pending.length / 2);
      return {
        change: {
          kind: 'split',
          marks: markPending(batch.marks, 'm'),
          failures: batch.failures,
          parts: [pending.slice(0, half), pending.slice(half)],
        },
        signal: { kind: 'healthy' },
      };
    }
    case 'throttled':
      return {
        // The gate decides when calls leave again; the batch itself is due at once, plus a little jitter.
        change: waiting(batch, context, {
          delayMs: Math.max(outcome.retryAfterMs ?? 1_000, 100),
          usesAttempt: false,
          code: 'throttled',
          message: 'The mail provider asked us to slow down.',
        }),
        signal: { kind: 'throttled', retryAfterMs: outcome.retryAfterMs },
      };
    case 'concurrent':
      return inDoubt(batch, context, {
        code: 'concurrent',
        message: 'The mail provider is still working on an earlier attempt.',
        usesAttempt: false,
        signal: { kind: 'none' },
      });
    case 'quota':
      return {
        change: waiting(batch, context, {
          delayMs: 0,
          usesAttempt: false,
          code: `${outcome.scope}_quota`,
          message: outcome.message,
        }),
        signal: { kind: 'pause', reason: 'mail_quota', message: outcome.message },
      };
    case 'auth':
      return {
        change: waiting(batch, context, {
          delayMs: 0,
          usesAttempt: false,
          code: outcome.code,
          message: outcome.message,
        }),
        signal: { kind: 'pause', reason: 'mail_auth', message: outcome.message },
      };
    case 'transient': {
      const signal: SessionSignal = { kind: 'fault', message: outcome.message };
      if (!context.isProbe && batch.attempts >= maxAttempts) {
        return batch.inDoubtSince === null
          ? {
              change: {
                kind: 'done',
                marks: markPending(batch.marks, 'f'),
                failures: failed(outcome.code, outcome.message),
                messageIds: batch.messageIds,
              },
              signal,
            }
          : { change: unknown(batch, batch.inDoubtSince, outcome), signal };
      }
      return {
        change: waiting(batch, context, {
          delayMs: Math.max(
            outcome.retryAfterMs ?? 0,
            backoffMs(deliveryBackoff, Math.max(1, batch.attempts), context.random),
          ),
          usesAttempt: true,
          code: outcome.code,
          message: outcome.message,
        }),
        signal,
      };
    }
    case 'unknown':
      return inDoubt(batch, context, {
        ...outcome,
        usesAttempt: true,
        signal: { kind: 'fault', message: outcome.message },
      });
    default:
      return outcome satisfies never;
  }
}

/**
 * What becomes of an intent whose slice died before the outcome was written. It may have been taken;
 * with a live key it is asked again at once, without it a person decides.
 */
export function decideInterrupted(batch: Batch, context: Omit<OutcomeContext, 'isProbe'>): BatchChange {
  const since = batch.inDoubtSince ?? batch.attemptAt ?? context.nowMs;
  const fault = { code: 'interrupted', message: 'The run was interrupted while this batch was on its way.' };
  if (!isKeyAlive(since, context.nowMs, context.traits)) return unknown(batch, since, fault);
  return {
    kind: 'waiting',
    nextAttemptAt: context.nowMs,
    attempts: Math.max(0, batch.attempts - 1),
    inDoubtSince: since,
    ...fault,
  };
}

/** True when a waiting batch may be sent: a batch in doubt only while its key lives. */
export function mayRepeat(batch: Batch, nowMs: number, traits: ProviderTraits): boolean {
  return batch.inDoubtSince === null || isKeyAlive(batch.inDoubtSince, nowMs, traits);
}

/** A batch in doubt whose key has died while it waited. */
export function expire(batch: Batch, nowMs: number): BatchChange {
  return unknown(batch, batch.inDoubtSince ?? nowMs, {
    code: batch.code ?? 'key_expired',
    message: batch.message ?? 'It could not be found out in time whether this mail was sent.',
  });
}

/**
 * Takes one recipient out of a batch, to ask a provider without keys whether it is back: what is lost
 * with a probe cannot be asked again, so a probe carries one mail.
 */
export function probeSplit(batch: Batch): BatchChange {
  const [first = 0, ...rest] = pendingIndexes(batch.marks);
  return {
    kind: 'split',
    marks: markPending(batch.marks, 'm'),
    failures: batch.failures,
    parts: [[first], rest],
  };
}

/** A batch of a cancelled session that certainly was not taken: its leads are active and get no mail. */
export function abandon(batch: Batch): BatchChange {
  const fault = { code: 'cancelled', message: 'The run was cancelled before this mail was sent.' };
  return {
    kind: 'done',
    marks: markPending(batch.marks, 'f'),
    failures: [...batch.failures, ...pendingIndexes(batch.marks).map((index) => ({ index, ...fault }))],
    messageIds: batch.messageIds,
  };
}

interface Fault {
  code: string;
  message: string;
}

function unknown(batch: Batch, inDoubtSince: number, fault: Fault): BatchChange {
  return {
    kind: 'unknown',
    marks: markPending(batch.marks, 'u'),
    inDoubtSince,
    code: fault.code,
    message: fault.message,
  };
}

function waiting(
  batch: Batch,
  context: OutcomeContext,
  wait: Fault & { delayMs: number; usesAttempt: boolean },
): BatchChange {
  return {
    kind: 'waiting',
    nextAttemptAt: context.nowMs + wait.delayMs,
    attempts: wait.usesAttempt && !context.isProbe ? batch.attempts : Math.max(0, batch.attempts - 1),
    inDoubtSince: batch.inDoubtSince,
    code: wait.code,
    message: wait.message,
  };
}

function inDoubt(
  batch: Batch,
  context: OutcomeContext,
  fault: Fault & { usesAttempt: boolean; signal: SessionSignal },
): OutcomeDecision {
  const since = batch.inDoubtSince ?? batch.attemptAt ?? context.nowMs;
  const isSpent = fault.usesAttempt && !context.isProbe && batch.attempts >= maxAttempts;
  if (isSpent || !isKeyAlive(since, context.nowMs, context.traits)) {
    return { change: unknown(batch, since, fault), signal: fault.signal };
  }
  const attempt = Math.max(1, batch.attempts);
  const change = waiting({ ...batch, inDoubtSince: since }, context, {
    ...fault,
    delayMs: fault.usesAttempt ? backoffMs(deliveryBackoff, attempt, context.random) : deliveryBackoff.baseMs,
  });
  return { change, signal: fault.signal };
}

/** Leads by result, of one batch or of all: the counters of a session are the sum over its batches. */
export interface BatchCounts {
  activated: number;
  skipped: number;
  /** Leads that the CRM refused to set active. */
  refused: number;
  sent: number;
  failed: number;
  unknown: number;
}

/** Counts a batch by its marks; a batch that never came to its flip counts by its leads. */
export function countBatch(
  batch: Pick<Batch, 'state' | 'leadIds' | 'recipients' | 'marks' | 'skipped'>,
): BatchCounts {
  const counts = { activated: 0, skipped: batch.skipped.length, refused: 0, sent: 0, failed: 0, unknown: 0 };
  if (batch.recipients === null) {
    if (batch.state === 'cancelled') counts.skipped = batch.leadIds.length;
    else if (batch.state === 'done') counts.refused = batch.leadIds.length;
    return counts;
  }
  for (const mark of batch.marks) {
    if (mark !== 'm') counts.activated++;
    if (mark === 's') counts.sent++;
    else if (mark === 'f') counts.failed++;
    else if (mark === 'u') counts.unknown++;
  }
  return counts;
}

/** What a change of a batch adds to the counters. */
export function countDelta(before: BatchCounts, after: BatchCounts): BatchCounts {
  return {
    activated: after.activated - before.activated,
    skipped: after.skipped - before.skipped,
    refused: after.refused - before.refused,
    sent: after.sent - before.sent,
    failed: after.failed - before.failed,
    unknown: after.unknown - before.unknown,
  };
}
