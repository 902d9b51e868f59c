/**
 * Doubt: the one rule about mail that may have been taken.
 *
 * A mail that may have been taken is unknown until a delivery event, the provider under the same key, or a person
 * settles it. So `failed` means "certainly not taken", everywhere.
 *
 * Owns when a batch is in doubt, how long its key lives, and {@link applyChange}, the only way in which a decision
 * becomes a batch: it restores the doubt that a decision leaves out. What an answer means is settle.ts. No storage and
 * no clock.
 * Invariants: a recipient in doubt never becomes failed; a batch that may have been taken under its key is never split
 * into new keys; only a result clears `inDoubtSince`.
 *
 * @module
 */
import {
  indexesOf,
  recipientState,
  resolvePending,
  movedBatch,
  setRecipientStates,
  type Batch,
  type BatchChange,
  type NewBatch,
} from './batch.ts';

/** Properties of the mail provider that decide what may be repeated. */
export interface ProviderTraits {
  /** How long the provider remembers a key; null: it has none. */
  idempotencyWindowMs: number | null;
}

/** A batch in doubt is not repeated in the last hour of its key's life: clocks and queues are not that exact. */
const keySafetyMs = 3_600_000;
/**
 * A clock that was set back by more may hide that a key has expired. The other half of the safety margin is for
 * everything else.
 */
export const keyStepToleranceMs = keySafetyMs / 2;

type Doubt = Pick<Batch, 'inDoubtSince' | 'retried'>;

/** True when a mail of the batch may have been taken: under its own key, or under an earlier one. */
export function isInDoubt(batch: Doubt): boolean {
  return batch.inDoubtSince !== null || batch.retried === 'risked';
}

/** Until when a provider still answers a repeat with what it did the first time; null when it has no keys. */
export function keyLivesUntil(inDoubtSince: number, traits: ProviderTraits): number | null {
  return traits.idempotencyWindowMs === null ? null : inDoubtSince + traits.idempotencyWindowMs - keySafetyMs;
}

/**
 * True while a provider with keys still answers a repeat with what it did the first time. False for a doubt in the
 * future: it began under another clock, and its age is not known.
 */
export function isKeyAlive(inDoubtSince: number, nowMs: number, traits: ProviderTraits): boolean {
  const livesUntil = keyLivesUntil(inDoubtSince, traits) ?? -Infinity;
  return nowMs < livesUntil && inDoubtSince - nowMs <= keyStepToleranceMs;
}

/** True when a waiting batch may be sent: one that may have been taken under its key only while that lives. */
export function mayRepeat(batch: Doubt, nowMs: number, traits: ProviderTraits): boolean {
  return batch.inDoubtSince === null || isKeyAlive(batch.inDoubtSince, nowMs, traits);
}

/**
 * True when the provider can be asked about an unknown batch without a risk of sending it twice. False for a batch
 * that a person had sent under a new key: there the earlier key is in doubt.
 */
export function isCheckable(batch: Doubt, nowMs: number, traits: ProviderTraits): boolean {
  return (
    batch.retried !== 'risked' && batch.inDoubtSince !== null && isKeyAlive(batch.inDoubtSince, nowMs, traits)
  );
}

/**
 * How a person's *retry* sends an unknown batch. Under its own key while the key is valid, which mails nobody twice.
 * Under a new key when the key has expired, or when a repeat under it has left the batch unknown (a provider that
 * keeps errors under the key would give the same answer for a day); that may mail twice.
 */
export function retryWay(batch: Doubt, nowMs: number, traits: ProviderTraits): 'ownKey' | 'newKey' {
  return batch.retried === null && isCheckable(batch, nowMs, traits) ? 'ownKey' : 'newKey';
}

/** The result of a refusal for a recipient: failed when no mail can have been taken, otherwise unknown. */
export function refusedState(batch: Doubt): typeof recipientState.failed | typeof recipientState.unknown {
  return isInDoubt(batch) ? recipientState.unknown : recipientState.failed;
}

/**
 * Applies a change to a batch and keeps its doubt in every case.
 *
 * @returns the changed batch, and the batches made from it
 */
export function applyChange(
  batch: Batch,
  change: BatchChange,
  nowMs: number,
): { batch: Batch; added: NewBatch[] } {
  const kept = isInDoubt(batch) ? keepDoubt(batch, change) : change;
  const parts = kept.kind === 'split' ? kept.parts : [];
  const added = parts.map((indexes): NewBatch => {
    const moved = movedBatch(
      batch.seq,
      indexes.flatMap((index) => batch.recipients?.[index] ?? []),
      nowMs,
      batch.retried === 'risked' ? 'risked' : null,
    );
    const isUnknown = indexes.every((index) => batch.recipientStates[index] === recipientState.unknown);
    if (!isUnknown) return moved;
    const recipientStates = recipientState.unknown.repeat(indexes.length);
    const { kind: state, code, message } = unknownOf(batch, recipientStates, null);
    return { ...moved, state, nextAttemptAt: null, recipientStates, code, message };
  });
  return { batch: changed(batch, kept), added };
}

function keepDoubt(batch: Batch, change: BatchChange): BatchChange {
  const inDoubtSince = batch.inDoubtSince;
  switch (change.kind) {
    case 'waiting':
      return { ...change, inDoubtSince: inDoubtSince ?? change.inDoubtSince };
    case 'unknown':
      return { ...change, inDoubtSince: inDoubtSince ?? change.inDoubtSince };
    case 'withdrawn':
      return unknownOf(batch, resolvePending(batch.recipientStates, recipientState.unknown), null);
    case 'done': {
      const refused = newlyFailed(batch, change.recipientStates);
      const recipientStates = setRecipientStates(change.recipientStates, refused, recipientState.unknown);
      if (!recipientStates.includes(recipientState.unknown)) return change;
      const fault = change.failures.find(({ index }) => refused.includes(index)) ?? null;
      return { ...unknownOf(batch, recipientStates, fault), messageIds: change.messageIds };
    }
    case 'split': {
      const refused = newlyFailed(batch, change.recipientStates);
      // It may have been taken under its own key, so none of it may leave under another.
      if (inDoubtSince !== null) {
        const undecided = [...change.parts.flat(), ...refused];
        const fault = change.failures.find(({ index }) => refused.includes(index)) ?? change.because ?? null;
        return {
          ...unknownOf(
            batch,
            setRecipientStates(change.recipientStates, undecided, recipientState.unknown),
            fault,
          ),
          ...(change.messageIds === undefined ? {} : { messageIds: change.messageIds }),
        };
      }
      // Sent again at a person's risk: a refused recipient stays in doubt, in a batch that is marked `risked`. Who was
      // erased meanwhile is unknown and stays so, in a batch that is not sent.
      const unknown = indexesOf(change.recipientStates, recipientState.unknown);
      const apart = [refused, unknown].filter(({ length }) => length > 0);
      return {
        ...change,
        recipientStates: setRecipientStates(change.recipientStates, apart.flat(), recipientState.moved),
        failures: change.failures.filter(({ index }) => !refused.includes(index)),
        parts: [...change.parts, ...apart],
      };
    }
    default:
      return change satisfies never;
  }
}

/** Recipients whom a change calls failed, and who were not before. */
function newlyFailed(batch: Batch, recipientStates: string): number[] {
  return [...recipientStates].flatMap((state, index) =>
    state === recipientState.failed && batch.recipientStates[index] !== recipientState.failed ? [index] : [],
  );
}

function unknownOf(
  batch: Batch,
  recipientStates: string,
  fault: { code: string; message: string } | null,
): Extract<BatchChange, { kind: 'unknown' }> {
  return {
    kind: 'unknown',
    recipientStates,
    inDoubtSince: batch.inDoubtSince,
    code: fault?.code ?? batch.code ?? 'unknown',
    message: fault?.message ?? batch.message ?? 'It is not known whether this mail was sent.',
  };
}

function changed(batch: Batch, change: BatchChange): Batch {
  switch (change.kind) {
    case 'done': {
      const { recipientStates, failures, messageIds } = change;
      const state = 'done';
      return {
        ...batch,
        state,
        recipientStates,
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
      const { recipientStates, failures, messageIds = batch.messageIds } = change;
      return { ...batch, state: 'split', recipientStates, failures, messageIds, nextAttemptAt: null };
    }
    case 'withdrawn': {
      const leadIds = [...batch.recipientStates].flatMap((state, index) =>
        state === recipientState.pending ? (batch.recipients?.[index]?.leadId ?? []) : [],
      );
      return {
        ...batch,
        state: 'done',
        recipientStates: resolvePending(batch.recipientStates, recipientState.moved),
        skipped: [...batch.skipped, ...leadIds.map((leadId) => ({ leadId, reason: 'cancelled' as const }))],
        nextAttemptAt: null,
        code: null,
        message: null,
      };
    }
    default:
      return change satisfies never;
  }
}
