/**
 * What an outcome does to the batch it belongs to and to its session.
 *
 * Owns: which change a batch takes (done, waiting, unknown, split), when it is asked again, when a recipient
 * failed, what the session learns from it. Never: storage, clocks, providers.
 * Invariant: nothing that may have been taken is sent again except under the key it was sent with,
 * while the provider still remembers that key.
 *
 * @module
 */
import { backoffMs, deliveryBackoff } from './backoff.ts';
import {
  markPending,
  pendingIndexes,
  setMarks,
  type Batch,
  type BatchChange,
  type Failure,
} from './batch.ts';
import type { Outcome } from './outcome.ts';
import { maxThrottleMs } from './permits.ts';

/** Properties of the mail provider that decide what may be repeated. */
export interface ProviderTraits {
  /** How long the provider remembers a key; null: it has none. */
  idempotencyWindowMs: number | null;
}

/** A batch in doubt is not asked again in the last hour of its key's life: clocks and queues are not that exact. */
const keySafetyMs = 3_600_000;

/** With full jitter up to five minutes these span about half an hour of a provider that fails this batch only. */
export const maxAttempts = 10;

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
      if (outcome.deferral !== undefined) {
        const deferred = outcome.deferral.indexes.flatMap((index) => pending[index] ?? []);
        return {
          change: {
            kind: 'split',
            marks: setMarks(marks, deferred, 'm'),
            failures: [...batch.failures, ...rejections],
            messageIds,
            parts: [deferred],
          },
          signal: decideOutcome(batch, outcome.deferral.because, context).signal,
        };
      }
      return {
        change: done(batch, marks, { failures: [...batch.failures, ...rejections], messageIds }),
        signal: { kind: 'healthy' },
      };
    }
    case 'acceptedEarlier':
      return { change: done(batch, markPending(batch.marks, 's')), signal: { kind: 'healthy' } };
    case 'rejected': {
      // Not the provider's own words but those of something before it: they say nothing of an earlier attempt.
      if (batch.inDoubtSince !== null && outcome.code.startsWith('http_')) {
        return inDoubt(batch, context, {
          code: outcome.code,
          message: outcome.message,
          usesAttempt: true,
          signal: { kind: 'fault', message: outcome.message },
        });
      }
      // A definite refusal of the content answers for every attempt under this key: a provider that had
      // taken an earlier one would have replayed that.
      const culprit = outcome.index === null ? undefined : pending[outcome.index];
      if (pending.length <= 1) {
        return { change: failedAll(batch, outcome), signal: { kind: 'healthy' } };
      }
      if (culprit !== undefined) {
        return {
          change: {
            kind: 'split',
            marks: setMarks(markPending(batch.marks, 'm'), [culprit], 'f'),
            failures: [...batch.failures, { index: culprit, code: outcome.code, message: outcome.message }],
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
        change: waiting(batch, context, {
          delayMs: Math.min(Math.max(outcome.retryAfterMs ?? 1_000, 100), maxThrottleMs),
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
          ? { change: failedAll(batch, outcome), signal }
          : { change: unknown(batch, batch.inDoubtSince, outcome), signal };
      }
      return {
        change: waiting(batch, context, {
          delayMs: Math.max(
            Math.min(outcome.retryAfterMs ?? 0, maxThrottleMs),
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
  return failedAll(batch, {
    code: 'cancelled',
    message: 'The run was cancelled before this mail was sent.',
  });
}

interface Fault {
  code: string;
  message: string;
}

function done(
  { failures, messageIds }: Batch,
  marks: string,
  decided: Partial<Pick<Batch, 'failures' | 'messageIds'>> = {},
): BatchChange {
  return { kind: 'done', marks, failures, messageIds, ...decided };
}

/** Every recipient who was not decided has failed. */
function failedAll(batch: Batch, { code, message }: Fault): BatchChange {
  const added = pendingIndexes(batch.marks).map((index): Failure => ({ index, code, message }));
  return done(batch, markPending(batch.marks, 'f'), { failures: [...batch.failures, ...added] });
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
