/**
 * The rule about mail in doubt: every way to `failed` is certain, and no decision makes a recipient in doubt failed
 * or sends to one under a new key.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Batch, BatchChange } from '../../src/core/batch/batch.ts';
import { applyChange, isInDoubt, refusedState, retryWay } from '../../src/core/batch/doubt.ts';
import type { Outcome, OutcomeKind } from '../../src/core/batch/outcome.ts';
import { askAgain, retryUnknown, takeFailed } from '../../src/core/batch/retry.ts';
import { changeBatch } from '../../src/core/batch/settle-batch.ts';
import {
  cancelBatch,
  decideInterrupted,
  decideOutcome,
  expire,
  maxAttempts,
  probeSplit,
  withoutRepeat,
} from '../../src/core/batch/settle.ts';
import { inflight, keyedTraits, keylessTraits } from '../support/batches.ts';

const nowMs = 100 * 3_600_000;
const fault = { code: 'c', message: 'm' };
const context = { nowMs, random: () => 0.5, traits: keyedTraits, isProbe: false };

const outcomes: Record<string, Outcome> = {
  accepted: { kind: 'accepted', messageIds: ['a', 'b'], rejections: [] },
  'accepted in part': { kind: 'accepted', messageIds: ['a', null], rejections: [{ index: 1, ...fault }] },
  'accepted in part, the rest later': {
    kind: 'accepted',
    messageIds: ['a', null],
    rejections: [],
    deferral: { indexes: [1], because: { kind: 'auth', ...fault } },
  },
  keyConflict: { kind: 'keyConflict' },
  'rejected, one is named': { kind: 'rejected', ...fault, index: 1 },
  'rejected, nobody is named': { kind: 'rejected', ...fault, index: null },
  throttled: { kind: 'throttled', retryAfterMs: null },
  'throttled by something else': { kind: 'throttled', retryAfterMs: null, isForeign: true },
  notSent: { kind: 'notSent' },
  concurrent: { kind: 'concurrent' },
  quota: { kind: 'quota', scope: 'daily', message: 'm' },
  auth: { kind: 'auth', ...fault },
  transient: { kind: 'transient', ...fault, retryAfterMs: null },
  unknown: { kind: 'unknown', ...fault },
} satisfies Record<string, Outcome>;

/** Every way to `failed` of an answer, and why it is certain that the mail was not taken. */
const whyFailed: Record<string, string> = {
  'accepted in part': 'the provider refused this mail, in its own words, in the answer that took the others',
  'rejected, one is named': 'the provider refused the only attempt that there was, and says which mail it is',
  'rejected, nobody is named': 'the provider refused the only attempt that there was, of one mail alone',
  transient: 'none of ten attempts reached the provider, or it said of each that it took nothing',
};

const failedOf = (batch: Batch): number =>
  [...batch.recipientStates].filter((recipientState) => recipientState === 'f').length;

describe('a mail fails only when it certainly was not taken', () => {
  it.each(Object.keys(outcomes))('after the answer %s', (name) => {
    const outcome = outcomes[name];
    if (outcome === undefined) throw new Error(name);
    const ways = [[1, 2], [1]].flatMap((leadIds) =>
      [1, maxAttempts].map((attempts) => {
        const batch = inflight(leadIds, { attempts });
        return applyChange(batch, decideOutcome(batch, outcome, context).change, nowMs).batch;
      }),
    );
    expect(ways.some((batch) => failedOf(batch) > 0)).toBe(name in whyFailed);
  });

  it('knows every kind of answer', () => {
    const kinds: Record<OutcomeKind, true> = {
      accepted: true,
      keyConflict: true,
      rejected: true,
      throttled: true,
      notSent: true,
      concurrent: true,
      quota: true,
      auth: true,
      transient: true,
      unknown: true,
    };
    const tried = new Set(Object.values(outcomes).map(({ kind }) => kind));
    expect([...tried].sort()).toEqual(Object.keys(kinds).sort());
  });

  it('and never because of a crash, an expired key, a probe, a cancellation or a retry', () => {
    const batch = inflight([1, 2], { attempts: maxAttempts });
    const changes: BatchChange[] = [
      decideInterrupted(batch, context),
      decideInterrupted(batch, { ...context, traits: keylessTraits }),
      expire(batch, nowMs),
      probeSplit(batch),
      cancelBatch(batch),
      cancelBatch({ ...batch, inDoubtSince: 5 }),
    ];
    for (const change of changes) expect(failedOf(applyChange(batch, change, nowMs).batch)).toBe(0);
    const unknown = inflight([1, 2], { state: 'unknown', recipientStates: 'uu', inDoubtSince: 5 });
    expect(failedOf(retryUnknown(unknown, nowMs, keyedTraits).batch)).toBe(0);
    expect(failedOf(askAgain(unknown, nowMs).batch)).toBe(0);
  });

  it('and not when a mail in doubt cannot be rendered: an erased or suppressed lead is unknown', () => {
    expect(refusedState({ inDoubtSince: null, retried: null })).toBe('f');
    expect(refusedState({ inDoubtSince: 5, retried: null })).toBe('u');
    expect(refusedState({ inDoubtSince: null, retried: 'risked' })).toBe('u');
    expect(refusedState({ inDoubtSince: null, retried: 'asked' })).toBe('f');
  });
});

describe('a batch in doubt', () => {
  const recipientStates = fc.array(fc.constantFrom('p', 's', 'f', 'u', 'm'), { minLength: 3, maxLength: 3 });
  const change: fc.Arbitrary<BatchChange> = fc.oneof(
    fc.record({
      kind: fc.constant('done' as const),
      recipientStates: recipientStates.map((list) => list.join('').replaceAll('p', 'f')),
      failures: fc.constant([{ index: 0, ...fault }]),
      messageIds: fc.constant(null),
    }),
    fc.record({
      kind: fc.constant('waiting' as const),
      nextAttemptAt: fc.constant(nowMs),
      attempts: fc.constant(0),
      inDoubtSince: fc.constantFrom(null, 7),
      code: fc.constant('c'),
      message: fc.constant('m'),
    }),
    fc.record({
      kind: fc.constant('split' as const),
      recipientStates: fc.constant('mfm'),
      failures: fc.constant([{ index: 1, ...fault }]),
      parts: fc.constant([[0, 2]]),
    }),
    fc.constant<BatchChange>({ kind: 'withdrawn' }),
  );

  it('keeps its doubt, its recipients and its key in every decision', () => {
    fc.assert(
      fc.property(change, fc.constantFrom(null, 'asked' as const, 'risked' as const), (decided, retried) => {
        const inDoubtSince = retried === 'risked' ? null : 5;
        const batch = inflight([1, 2, 3], { inDoubtSince, retried });
        const { batch: after, added } = applyChange(batch, decided, nowMs);
        expect(after.recipientStates).not.toContain('f');
        // A new key only after a person's command, which the batch keeps.
        if (retried !== 'risked') expect(added).toEqual([]);
        for (const part of added) expect(part.retried).toBe('risked');
        if (after.state === 'waiting' || after.state === 'unknown') expect(isInDoubt(after)).toBe(true);
        if (after.recipientStates.includes('u')) expect(after.state).toBe('unknown');
        if (inDoubtSince !== null && after.state !== 'done') expect(after.inDoubtSince).toBe(5);
        expect(after.skipped).toEqual([]);
      }),
    );
  });

  it('of a cancelled session is unknown; a batch that was certainly not taken leaves its leads new', () => {
    const doubtful = inflight([1, 2], { state: 'waiting', inDoubtSince: 5 });
    expect(applyChange(doubtful, cancelBatch(doubtful), nowMs).batch).toMatchObject({
      state: 'unknown',
      recipientStates: 'uu',
      inDoubtSince: 5,
    });
    const certain = inflight([1, 2], { state: 'waiting', recipientStates: 'pf' });
    expect(applyChange(certain, cancelBatch(certain), nowMs).batch).toMatchObject({
      state: 'done',
      recipientStates: 'mf',
      skipped: [{ leadId: 1, reason: 'cancelled' }],
    });
  });

  it('is retried under its own key while that is valid, and under a new one when that did not help', () => {
    const since = nowMs - 3_600_000;
    expect(retryWay({ inDoubtSince: since, retried: null }, nowMs, keyedTraits)).toBe('ownKey');
    expect(retryWay({ inDoubtSince: since, retried: 'asked' }, nowMs, keyedTraits)).toBe('newKey');
    expect(retryWay({ inDoubtSince: since, retried: null }, nowMs, keylessTraits)).toBe('newKey');
    expect(retryWay({ inDoubtSince: 5, retried: null }, nowMs, keyedTraits)).toBe('newKey');
  });

  it('that was sent again at a person\u2019s risk is unknown again when it is cancelled or refused', () => {
    const unknown = inflight([1, 2], { state: 'unknown', recipientStates: 'uu', inDoubtSince: 5 });
    const [anew] = retryUnknown(unknown, nowMs, keyedTraits).added;
    if (anew === undefined) throw new Error('Nothing was sent anew.');
    const waiting: Batch = { ...inflight([1, 2]), ...anew, seq: 2 };
    expect(applyChange(waiting, cancelBatch(waiting), nowMs).batch).toMatchObject({
      state: 'unknown',
      recipientStates: 'uu',
    });
    const single = { ...waiting, ...inflight([1], { retried: 'risked' }) };
    const refused = decideOutcome(single, { kind: 'rejected', ...fault, index: 0 }, context).change;
    expect(applyChange(single, refused, nowMs).batch).toMatchObject({
      state: 'unknown',
      recipientStates: 'u',
    });
  });

  it('that is split at a risk keeps who was erased meanwhile unknown, in a batch that is not sent', () => {
    const batch = inflight([1, 2, 3, 4], { recipientStates: 'pppu', retried: 'risked' });
    const split = decideOutcome(batch, { kind: 'rejected', ...fault, index: 0 }, context).change;
    const { batch: after, added } = applyChange(batch, split, nowMs);
    expect(after).toMatchObject({ state: 'split', recipientStates: 'mmmm', failures: [] });
    expect(added).toMatchObject([
      { state: 'waiting', leadIds: [2, 3], recipientStates: 'pp', retried: 'risked' },
      { state: 'waiting', leadIds: [1], recipientStates: 'p', retried: 'risked' },
      { state: 'unknown', leadIds: [4], recipientStates: 'u', retried: 'risked', nextAttemptAt: null },
    ]);
    expect(added[2]?.message).not.toBeNull();
    // Mail that the provider has reported on meanwhile was sent.
    const proven = changeBatch(batch, split, nowMs, (leadId) => leadId === 4);
    expect(proven.batch.recipientStates).toBe('mmms');
    expect(proven.added.flatMap(({ leadIds }) => leadIds)).toEqual([2, 3, 1]);
  });

  it('is not repeated automatically after a check, unless the provider asked to repeat later', () => {
    const batch = inflight([1], { inDoubtSince: nowMs - 5_000, retried: 'asked' });
    for (const [name, outcome] of Object.entries(outcomes)) {
      const { change: after } = withoutRepeat(batch, outcome, decideOutcome(batch, outcome, context));
      const isLater = ['throttled', 'throttled by something else', 'concurrent', 'notSent'].includes(name);
      expect(after.kind === 'waiting', name).toBe(isLater);
    }
  });
});

describe('retry failed', () => {
  it('does not mail recipients with a delivery event again: their mail was sent', () => {
    const batch = inflight([1, 2, 3], { state: 'done', recipientStates: 'sff' });
    const { batch: after, recipients, delta } = takeFailed(batch, (leadId) => leadId === 2);
    expect(after.recipientStates).toBe('ssm');
    expect(recipients.map(({ leadId }) => leadId)).toEqual([3]);
    expect(delta).toEqual({ failed: -2, sent: 1 });
  });
});
