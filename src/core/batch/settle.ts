/**
 * What an outcome does to its batch, and what it tells the session.
 *
 * Owns which change a batch takes (done, waiting, unknown, split), when it is repeated and when a recipient has failed.
 * The doubt is kept by doubt.ts, the change is counted by settle-batch.ts. No storage, no clock, no providers.
 * Invariant: nothing that may have been taken is sent again except under the key it was sent with, while the provider
 * still remembers that key.
 *
 * @module
 */
import { deliveryBackoff } from '../limits/backoff.ts';
import { backoffMs } from '../../shared/backoff.ts';
import {
  recipientState,
  resolvePending,
  pendingIndexes,
  setRecipientStates,
  type Batch,
  type BatchChange,
  type Failure,
} from './batch.ts';
import { isInDoubt, isKeyAlive, type ProviderTraits } from './doubt.ts';
import type { Outcome } from './outcome.ts';
import { maxThrottleMs } from '../limits/rate-limit.ts';

/** After an outage, sending continues within a quarter of the outage's length. */
export const outageShare = 0.25;

/** With full jitter up to five minutes these span about half an hour of a provider that fails this batch only. */
export const maxAttempts = 10;

/** What the session and the gate learn from it. */
export type SessionSignal =
  | { kind: 'healthy' }
  | { kind: 'fault'; message: string }
  /** The provider is there and refused the content; see `refusalWeight`. */
  | { kind: 'refused'; weight: number; message: string }
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
  /** How long several calls have had only faults; null when only this batch has. */
  outageMs?: number | null;
}

/**
 * Decides what one outcome does.
 *
 * @param batch - an inflight batch with its intent: recipients frozen, `attemptAt` set
 */
export function decideOutcome(batch: Batch, outcome: Outcome, context: OutcomeContext): OutcomeDecision {
  const pending = pendingIndexes(batch.recipientStates);
  switch (outcome.kind) {
    case 'accepted': {
      const messageIds = Array.from<string | null>({ length: batch.recipientStates.length }).fill(null);
      batch.messageIds?.forEach((id, index) => (messageIds[index] = id));
      pending.forEach((index, i) => (messageIds[index] = outcome.messageIds[i] ?? null));
      const rejections = outcome.rejections.flatMap((rejection) => {
        const index = pending[rejection.index];
        return index === undefined ? [] : [{ index, code: rejection.code, message: rejection.message }];
      });
      const recipientStates = setRecipientStates(
        resolvePending(batch.recipientStates, recipientState.sent),
        rejections.map((rejection) => rejection.index),
        recipientState.failed,
      );
      if (outcome.deferral !== undefined) {
        const deferred = outcome.deferral.indexes.flatMap((index) => pending[index] ?? []);
        return {
          change: {
            kind: 'split',
            recipientStates: setRecipientStates(recipientStates, deferred, recipientState.moved),
            failures: [...batch.failures, ...rejections],
            messageIds,
            parts: [deferred],
          },
          signal: decideOutcome(batch, outcome.deferral.because, context).signal,
        };
      }
      const isAllRefused = rejections.length === pending.length;
      return {
        change: done(batch, recipientStates, { failures: [...batch.failures, ...rejections], messageIds }),
        signal: isAllRefused
          ? refusal(batch, rejections[0]?.message ?? 'The mail provider refused every mail of a call.')
          : { kind: 'healthy' },
      };
    }
    case 'keyConflict': {
      // Another repeat would have the same answer.
      const message =
        'The mail provider knows this batch with other content, and does not say whether it took that.';
      const fault = { code: 'key_conflict', message };
      return {
        change: unknown(batch, batch.inDoubtSince ?? batch.attemptAt ?? context.nowMs, fault),
        // Says nothing about the audience.
        signal: { kind: 'refused', weight: 0, message },
      };
    }
    case 'rejected': {
      const signal = refusal(batch, outcome.message);
      // Resend's pages do not say that it looks at a key before it looks at the content, so a refusal does not
      // answer for an earlier attempt; and the same bytes would be refused again.
      // https://resend.com/docs/dashboard/emails/idempotency-keys
      if (batch.inDoubtSince !== null) return { change: unknown(batch, batch.inDoubtSince, outcome), signal };
      const culprit = outcome.index === null ? undefined : pending[outcome.index];
      if (pending.length <= 1) return { change: failedAll(batch, outcome), signal };
      if (culprit !== undefined) {
        return {
          change: {
            kind: 'split',
            recipientStates: setRecipientStates(
              resolvePending(batch.recipientStates, recipientState.moved),
              [culprit],
              recipientState.failed,
            ),
            failures: [...batch.failures, { index: culprit, code: outcome.code, message: outcome.message }],
            parts: [pending.filter((index) => index !== culprit)],
          },
          signal,
        };
      }
      const half = Math.ceil(pending.length / 2);
      return {
        change: {
          kind: 'split',
          recipientStates: resolvePending(batch.recipientStates, recipientState.moved),
          failures: batch.failures,
          parts: [pending.slice(0, half), pending.slice(half)],
        },
        signal,
      };
    }
    case 'throttled': {
      // The gate slows the account down (durable/mail-gate.ts); the session does not change.
      const signal: SessionSignal = { kind: 'none' };
      const wait = {
        delayMs: Math.min(Math.max(outcome.retryAfterMs ?? 1_000, 100), maxThrottleMs),
        usesAttempt: false,
        code: 'throttled',
        message: 'The mail provider asked us to slow down.',
      };
      if (outcome.isForeign === true) return inDoubt(batch, context, { ...wait, signal });
      return { change: waiting(batch, context, wait), signal };
    }
    case 'notSent':
      return {
        change: waiting(batch, context, {
          delayMs: 0,
          usesAttempt: false,
          code: 'not_sent',
          message: 'The activation was stopped before this mail was sent.',
        }),
        signal: { kind: 'none' },
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
        return isInDoubt(batch)
          ? { change: unknown(batch, batch.inDoubtSince, outcome), signal }
          : { change: failedAll(batch, outcome), signal };
      }
      return {
        change: waiting(batch, context, {
          delayMs: Math.max(
            Math.min(outcome.retryAfterMs ?? 0, maxThrottleMs),
            repeatDelayMs(batch, context),
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
 * The result of an intent whose slice was killed before the outcome was written. It may have been taken: with a
 * valid key it is repeated at once, without one a person decides.
 */
export function decideInterrupted(batch: Batch, context: Omit<OutcomeContext, 'isProbe'>): BatchChange {
  const since = batch.inDoubtSince ?? batch.attemptAt ?? context.nowMs;
  const fault = {
    code: 'interrupted',
    message: 'The activation was interrupted while this batch was on its way.',
  };
  if (!isKeyAlive(since, context.nowMs, context.traits)) return unknown(batch, since, fault);
  return {
    kind: 'waiting',
    nextAttemptAt: context.nowMs,
    attempts: Math.max(0, batch.attempts - 1),
    inDoubtSince: since,
    ...fault,
  };
}

/** A batch in doubt whose key has expired while it waited. */
export function expire(batch: Batch, nowMs: number): BatchChange {
  return unknown(batch, batch.inDoubtSince ?? nowMs, {
    code: batch.code ?? 'key_expired',
    message: batch.message ?? 'It could not be found out in time whether this mail was sent.',
  });
}

/** What an open batch becomes when its session is cancelled: it is not repeated by itself. */
export function cancelBatch(batch: Batch): BatchChange {
  if (!isInDoubt(batch)) return { kind: 'withdrawn' };
  return unknown(batch, batch.inDoubtSince, {
    code: batch.code ?? 'cancelled',
    message: batch.message ?? 'The activation was cancelled before it was known whether this mail was sent.',
  });
}

/**
 * What an answer does to a batch of a cancelled session, or of a check: mail that it leaves in doubt is not repeated
 * by itself. A batch that the provider told to come back later is.
 */
export function withoutRepeat(batch: Batch, outcome: Outcome, decision: OutcomeDecision): OutcomeDecision {
  const { change, signal } = decision;
  const isLater = outcome.kind === 'throttled' || outcome.kind === 'concurrent' || outcome.kind === 'notSent';
  if (change.kind !== 'waiting' || isLater) return decision;
  const since = batch.inDoubtSince ?? change.inDoubtSince;
  if (!isInDoubt({ ...batch, inDoubtSince: since })) return decision;
  return { change: unknown(batch, since, change), signal };
}

/**
 * Takes one recipient out of a batch, to probe a provider without keys: a lost probe cannot be repeated, so it
 * carries one mail.
 */
export function probeSplit(batch: Batch): BatchChange {
  const [first = 0, ...rest] = pendingIndexes(batch.recipientStates);
  return {
    kind: 'split',
    recipientStates: resolvePending(batch.recipientStates, recipientState.moved),
    failures: batch.failures,
    parts: [[first], rest],
  };
}

/** A provider that is down for all batches comes back for all, so no batch waits much longer than the outage. */
function repeatDelayMs(batch: Batch, { outageMs, random }: OutcomeContext): number {
  const delayMs = backoffMs(deliveryBackoff, Math.max(1, batch.attempts), random);
  const longestMs = outageMs == null ? Infinity : Math.max(deliveryBackoff.baseMs, outageShare * outageMs);
  return Math.round(Math.min(delayMs, longestMs));
}

interface Fault {
  code: string;
  message: string;
}

function done(
  { failures, messageIds }: Batch,
  recipientStates: string,
  decided: Partial<Pick<Batch, 'failures' | 'messageIds'>> = {},
): BatchChange {
  return { kind: 'done', recipientStates, failures, messageIds, ...decided };
}

/**
 * How much a refusal says about the whole audience. A planned batch that is refused as a whole counts more than a
 * single recipient; parts of a batch that is being halved count nothing.
 */
function refusal(batch: Batch, message: string): SessionSignal {
  const isSingle = pendingIndexes(batch.recipientStates).length <= 1;
  return { kind: 'refused', weight: isSingle ? 1 : batch.originSeq === null ? 2 : 0, message };
}

/** Every recipient who was not decided has failed. */
function failedAll(batch: Batch, { code, message }: Fault): BatchChange {
  const added = pendingIndexes(batch.recipientStates).map((index): Failure => ({ index, code, message }));
  return done(batch, resolvePending(batch.recipientStates, recipientState.failed), {
    failures: [...batch.failures, ...added],
  });
}

function unknown(batch: Batch, inDoubtSince: number | null, fault: Fault): BatchChange {
  return {
    kind: 'unknown',
    recipientStates: resolvePending(batch.recipientStates, recipientState.unknown),
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
  fault: Fault & { usesAttempt: boolean; signal: SessionSignal; delayMs?: number },
): OutcomeDecision {
  const since = batch.inDoubtSince ?? batch.attemptAt ?? context.nowMs;
  const isSpent = fault.usesAttempt && !context.isProbe && batch.attempts >= maxAttempts;
  if (isSpent || !isKeyAlive(since, context.nowMs, context.traits)) {
    return { change: unknown(batch, since, fault), signal: fault.signal };
  }
  const change = waiting({ ...batch, inDoubtSince: since }, context, {
    ...fault,
    delayMs: fault.delayMs ?? (fault.usesAttempt ? repeatDelayMs(batch, context) : deliveryBackoff.baseMs),
  });
  return { change, signal: fault.signal };
}
