/**
 * What each outcome does to its batch: tables of outcome × provider with or without keys × in doubt or not ×
 * attempts made, and the limit of 23 hours.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchCountInBounds, countBatch } from '../../src/core/batch/batch.ts';
import { applySignal, outageMs } from '../../src/core/limits/breaker.ts';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import { newSession, type Session } from '../../src/core/session/session.ts';
import { isKeyAlive, mayRepeat } from '../../src/core/batch/doubt.ts';
import {
  decideInterrupted,
  decideOutcome,
  expire,
  maxAttempts,
  probeSplit,
  type OutcomeContext,
} from '../../src/core/batch/settle.ts';
import { batchOf, inflight, keyedTraits, keylessTraits, specOf } from '../support/batches.ts';

const hourMs = 3_600_000;
const nowMs = 100 * hourMs;
const context = (change: Partial<OutcomeContext> = {}): OutcomeContext => ({
  nowMs,
  random: () => 0.5,
  traits: keyedTraits,
  isProbe: false,
  ...change,
});

const fault = { code: 'c', message: 'm' };
const outcomes = {
  accepted: { kind: 'accepted', messageIds: ['a', 'b', 'c'], rejections: [] },
  keyConflict: { kind: 'keyConflict' },
  throttled: { kind: 'throttled', retryAfterMs: 3_000 },
  foreignThrottled: { kind: 'throttled', retryAfterMs: 3_000, isForeign: true },
  notSent: { kind: 'notSent' },
  concurrent: { kind: 'concurrent' },
  quota: { kind: 'quota', scope: 'daily', message: 'm' },
  auth: { kind: 'auth', ...fault },
  transient: { kind: 'transient', ...fault, retryAfterMs: null },
  unknown: { kind: 'unknown', ...fault },
} as const satisfies Record<string, Outcome>;

/** Each cell: the next state of the batch, and the attempts that it has then used. */
type Cell = 'done' | 'waiting' | 'unknown';
const last = maxAttempts;
const table: [
  keyof typeof outcomes,
  keyed: boolean,
  inDoubt: boolean,
  attempts: number,
  Cell,
  used: number | null,
  string,
][] = [
  ['accepted', true, false, 1, 'done', null, 'sss'],
  ['accepted', true, true, 1, 'done', null, 'sss'],
  ['accepted', false, false, last, 'done', null, 'sss'],
  ['keyConflict', true, false, 1, 'unknown', null, 'uuu'],
  ['keyConflict', true, true, last, 'unknown', null, 'uuu'],
  ['throttled', true, false, 1, 'waiting', 0, 'ppp'],
  ['throttled', true, false, last, 'waiting', last - 1, 'ppp'],
  ['throttled', true, true, last, 'waiting', last - 1, 'ppp'],
  ['throttled', false, false, last, 'waiting', last - 1, 'ppp'],
  ['foreignThrottled', true, false, last, 'waiting', last - 1, 'ppp'],
  ['foreignThrottled', false, false, 1, 'unknown', null, 'uuu'],
  ['notSent', true, false, 1, 'waiting', 0, 'ppp'],
  ['notSent', false, false, last, 'waiting', last - 1, 'ppp'],
  ['concurrent', true, false, 1, 'waiting', 0, 'ppp'],
  ['concurrent', true, true, last, 'waiting', last - 1, 'ppp'],
  ['concurrent', false, false, 1, 'unknown', null, 'uuu'],
  ['quota', true, false, last, 'waiting', last - 1, 'ppp'],
  ['quota', false, false, last, 'waiting', last - 1, 'ppp'],
  ['auth', true, false, last, 'waiting', last - 1, 'ppp'],
  ['auth', false, true, last, 'waiting', last - 1, 'ppp'],
  ['transient', true, false, 1, 'waiting', 1, 'ppp'],
  ['transient', true, false, last, 'done', null, 'fff'],
  ['transient', true, true, last, 'unknown', null, 'uuu'],
  ['transient', false, false, 1, 'waiting', 1, 'ppp'],
  ['transient', false, false, last, 'done', null, 'fff'],
  ['unknown', true, false, 1, 'waiting', 1, 'ppp'],
  ['unknown', true, true, 1, 'waiting', 1, 'ppp'],
  ['unknown', true, false, last, 'unknown', null, 'uuu'],
  ['unknown', false, false, 1, 'unknown', null, 'uuu'],
  ['unknown', false, false, last, 'unknown', null, 'uuu'],
];

describe('an outcome', () => {
  it.each(table)(
    '%s (keys: %s, in doubt: %s, attempt %i) makes the batch %s',
    (name, isKeyed, isInDoubt, attempts, becomes, used, recipientStates) => {
      const batch = inflight([1, 2, 3], {
        attempts,
        attemptAt: nowMs - 1_000,
        inDoubtSince: isInDoubt ? nowMs - hourMs : null,
      });
      const { change } = decideOutcome(
        batch,
        outcomes[name],
        context({ traits: isKeyed ? keyedTraits : keylessTraits }),
      );
      expect(change.kind).toBe(becomes);
      expect('recipientStates' in change ? change.recipientStates : batch.recipientStates).toBe(
        recipientStates,
      );
      if (change.kind === 'waiting') expect(change.attempts).toBe(used);
    },
  );

  it.each([
    ['accepted', 'healthy'],
    ['keyConflict', 'refused'],
    ['throttled', 'none'],
    ['concurrent', 'none'],
    ['notSent', 'none'],
    ['quota', 'pause'],
    ['auth', 'pause'],
    ['transient', 'fault'],
    ['unknown', 'fault'],
  ] as const)('%s tells the session: %s', (name, signal) => {
    expect(decideOutcome(inflight([1, 2, 3]), outcomes[name], context()).signal.kind).toBe(signal);
  });

  it('keeps the time since when a batch is in doubt, however often it is repeated', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(outcomes)),
        fc.integer({ min: 1, max: last - 1 }),
        (outcome, attempts) => {
          const since = nowMs - hourMs;
          const batch = inflight([1, 2, 3], { attempts, attemptAt: nowMs - 1, inDoubtSince: since });
          const { change } = decideOutcome(batch, outcome, context());
          if (change.kind === 'waiting' || change.kind === 'unknown') expect(change.inDoubtSince).toBe(since);
        },
      ),
    );
  });

  it('that is doubtful sets the start of the doubt to the moment when the call left', () => {
    const { change } = decideOutcome(
      inflight([1], { attemptAt: nowMs - 30_000 }),
      outcomes.unknown,
      context(),
    );
    expect(change).toMatchObject({ kind: 'waiting', inDoubtSince: nowMs - 30_000 });
  });

  it('that is throttled waits as long as the provider asked for', () => {
    const { change } = decideOutcome(inflight([1]), { kind: 'throttled', retryAfterMs: 90_000 }, context());
    expect(change).toMatchObject({ kind: 'waiting', nextAttemptAt: nowMs + 90_000 });
  });

  it('with a longer wait than that of the gate is repeated when the gate allows it', () => {
    const waits = { retryAfterMs: 24 * hourMs };
    for (const outcome of [
      { kind: 'throttled', ...waits },
      { ...outcomes.transient, ...waits },
    ] as const) {
      const { change } = decideOutcome(inflight([1]), outcome, context());
      expect(change).toMatchObject({ kind: 'waiting', nextAttemptAt: nowMs + hourMs });
    }
  });

  it('that refuses a batch in doubt makes it unknown: it is not split, and no lead fails', () => {
    const since = nowMs - hourMs;
    for (const leadIds of [[1], [1, 2, 3]]) {
      for (const index of [0, null]) {
        const refusal = { kind: 'rejected', code: 'validation_error', message: 'Invalid.', index } as const;
        const { change } = decideOutcome(inflight(leadIds, { inDoubtSince: since }), refusal, context());
        expect(change).toMatchObject({ kind: 'unknown', inDoubtSince: since, code: 'validation_error' });
        expect(decideOutcome(inflight(leadIds), refusal, context()).change.kind).not.toBe('unknown');
      }
    }
  });

  it('is in doubt and waits when a proxy throttles it', () => {
    const batch = inflight([1], { attemptAt: nowMs - 1_000 });
    expect(decideOutcome(batch, outcomes.foreignThrottled, context()).change).toMatchObject({
      kind: 'waiting',
      inDoubtSince: nowMs - 1_000,
      nextAttemptAt: nowMs + 3_000,
    });
  });

  it('of a probe uses no attempt: an outage of any length fails no lead', () => {
    for (const outcome of [outcomes.transient, outcomes.unknown]) {
      const { change } = decideOutcome(
        inflight([1], { attempts: last, attemptAt: nowMs - 1 }),
        outcome,
        context({ isProbe: true }),
      );
      expect(change).toMatchObject({ kind: 'waiting', attempts: last - 1 });
    }
  });

  it('keeps earlier decisions: recipients that could not be rendered stay failed, ids stay in place', () => {
    const batch = inflight([1, 2, 3], {
      recipientStates: 'pfp',
      failures: [{ index: 1, code: 'template', message: 'm' }],
    });
    const { change } = decideOutcome(
      batch,
      { kind: 'accepted', messageIds: ['a', 'c'], rejections: [] },
      context(),
    );
    expect(change).toEqual({
      kind: 'done',
      recipientStates: 'sfs',
      failures: [{ index: 1, code: 'template', message: 'm' }],
      messageIds: ['a', null, 'c'],
    });
  });

  it('of a provider that refuses single mails fails only these', () => {
    const { change } = decideOutcome(
      inflight([1, 2, 3]),
      {
        kind: 'accepted',
        messageIds: ['a', null, 'c'],
        rejections: [{ index: 1, code: '406', message: 'inactive' }],
      },
      context(),
    );
    expect(change).toMatchObject({ recipientStates: 'sfs', failures: [{ index: 1, code: '406' }] });
  });
});

describe('a batch that was taken in part, without a fault of the rest', () => {
  const taken = (because: 'throttled' | 'transient' | 'auth'): Outcome => ({
    kind: 'accepted',
    messageIds: ['a', null, null],
    rejections: [{ index: 1, code: '406', message: 'inactive' }],
    deferral: { indexes: [2], because: outcomes[because] },
  });

  it('keeps what was taken and what was refused, and sends the rest in a batch of its own', () => {
    const batch = { ...inflight([1, 2, 3, 4]), recipientStates: 'fppp' };
    expect(decideOutcome(batch, taken('transient'), context({ traits: keylessTraits })).change).toEqual({
      kind: 'split',
      recipientStates: 'fsfm',
      failures: [{ index: 2, code: '406', message: 'inactive' }],
      messageIds: [null, 'a', null, null],
      parts: [[3]],
    });
  });

  it.each([
    ['throttled', 'none'],
    ['transient', 'fault'],
    ['auth', 'pause'],
  ] as const)('tells the session why, as a whole batch would: %s', (because, signal) => {
    expect(decideOutcome(inflight([1, 2, 3]), taken(because), context()).signal.kind).toBe(signal);
  });
});

describe('a rejected batch', () => {
  const rejected = (index: number | null): Outcome => ({ kind: 'rejected', ...fault, index });

  it('of one mail has failed', () => {
    const { change } = decideOutcome(inflight([1]), rejected(null), context());
    expect(change).toMatchObject({ kind: 'done', recipientStates: 'f' });
  });

  it('whose bad recipient is named fails it, and sends to the others in one new batch', () => {
    const { change } = decideOutcome(inflight([1, 2, 3]), rejected(1), context());
    expect(change).toMatchObject({ kind: 'split', recipientStates: 'mfm', parts: [[0, 2]] });
  });

  it('is halved until the one bad recipient is alone, with no more calls than halving takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.nat(99), (size, badSeed) => {
        const bad = badSeed % size;
        let callCount = 0;
        const failed: number[] = [];
        const sent: number[] = [];
        const open = [Array.from({ length: size }, (_, index) => index)];
        for (let ids = open.pop(); ids !== undefined; ids = open.pop()) {
          const batch = inflight(ids);
          callCount++;
          const outcome: Outcome = ids.includes(bad)
            ? rejected(null)
            : { kind: 'accepted', messageIds: ids.map(String), rejections: [] };
          const { change } = decideOutcome(batch, outcome, context());
          if (change.kind === 'split')
            open.push(...change.parts.map((part) => part.map((index) => ids[index] ?? -1)));
          else if (change.kind === 'done')
            (change.recipientStates.includes('f') ? failed : sent).push(...ids);
        }
        expect(failed).toEqual([bad]);
        expect(sent).toHaveLength(size - 1);
        expect(callCount).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(size)));
      }),
    );
  });

  it('counts every recipient once, in the batch that it belongs to', () => {
    const batch = inflight([1, 2, 3, 4]);
    const { change } = decideOutcome(batch, rejected(null), context());
    if (change.kind !== 'split') throw new Error('not split');
    const after = countBatch({ ...batch, state: 'split', recipientStates: change.recipientStates });
    const parts = change.parts.map((part) => countBatch(inflight(part.map((index) => index + 1))));
    expect(after.activated + parts.reduce((sum, part) => sum + part.activated, 0)).toBe(4);
  });
});

describe('the time limit of a batch in doubt', () => {
  const cases: [string, number, boolean][] = [
    ['a moment', 1, true],
    ['22 h 59 min', 23 * hourMs - 60_000, true],
    ['1 ms less than 23 h', 23 * hourMs - 1, true],
    ['23 h', 23 * hourMs, false],
    ['a week', 168 * hourMs, false],
  ];

  it.each(cases)('after %s may be repeated automatically: %s', (_, ageMs, isAlive) => {
    const since = nowMs - ageMs;
    expect(isKeyAlive(since, nowMs, keyedTraits)).toBe(isAlive);
    expect(isKeyAlive(since, nowMs, keylessTraits)).toBe(false);
    const waiting = inflight([1], { state: 'waiting', inDoubtSince: since });
    expect(mayRepeat(waiting, nowMs, keyedTraits)).toBe(isAlive);
    // The same limit after a crash and after another doubtful answer.
    const found = inflight([1], { attemptAt: since });
    expect(decideInterrupted(found, context()).kind).toBe(isAlive ? 'waiting' : 'unknown');
    expect(
      decideOutcome(inflight([1], { inDoubtSince: since }), outcomes.unknown, context()).change.kind,
    ).toBe(isAlive ? 'waiting' : 'unknown');
  });

  it('does not apply to a batch that was certainly never taken, however old it is', () => {
    expect(mayRepeat(inflight([1], { state: 'waiting', attemptAt: 0 }), nowMs, keyedTraits)).toBe(true);
    expect(mayRepeat(inflight([1], { state: 'waiting', attemptAt: 0 }), nowMs, keylessTraits)).toBe(true);
  });

  it('makes a batch that waited past it unknown, with its reason', () => {
    const waiting = inflight([1, 2], {
      state: 'waiting',
      inDoubtSince: 5,
      code: 'timeout',
      message: 'No answer.',
    });
    expect(expire(waiting, nowMs)).toEqual({
      kind: 'unknown',
      recipientStates: 'uu',
      inDoubtSince: 5,
      code: 'timeout',
      message: 'No answer.',
    });
  });
});

describe('an intent found after a crash', () => {
  it('is repeated at once under its key, and uses no attempt', () => {
    expect(
      decideInterrupted(inflight([1], { attempts: 4, attemptAt: nowMs - 2_000 }), context()),
    ).toMatchObject({
      kind: 'waiting',
      nextAttemptAt: nowMs,
      attempts: 3,
      inDoubtSince: nowMs - 2_000,
    });
  });

  it('is unknown without a key', () => {
    const change = decideInterrupted(inflight([1, 2]), context({ traits: keylessTraits }));
    expect(change).toMatchObject({ kind: 'unknown', recipientStates: 'uu', code: 'interrupted' });
  });
});

describe('a probe and a batch that never left', () => {
  it('a probe of a provider without keys carries one mail', () => {
    expect(probeSplit(inflight([1, 2, 3]))).toMatchObject({
      kind: 'split',
      recipientStates: 'mmm',
      parts: [[0], [1, 2]],
    });
  });

  it('a batch that was never flipped counts by its leads', () => {
    expect(countBatch(batchOf([1, 2], { state: 'cancelled' })).skipped).toBe(2);
    expect(countBatch(batchOf([1, 2], { state: 'done' })).refused).toBe(2);
    expect(countBatch(batchOf([1, 2])).skipped).toBe(0);
  });
});

describe('the circuit breaker', () => {
  const running: Session = { ...newSession(specOf(10)), state: 'running' };
  const keyed = { random: () => 0.5, traits: keyedTraits };
  const faults = (session: Session, count: number, traits = keyedTraits): Session => {
    let after = session;
    for (let i = 0; i < count; i++) {
      after = applySignal(after, nowMs, { kind: 'fault', message: 'm' }, { random: () => 0.5, traits });
    }
    return after;
  };

  it('opens at the tenth fault in a row, and says when the provider is called again', () => {
    expect(faults(running, 9).state).toBe('running');
    const open = faults(running, 10);
    expect(open).toMatchObject({ state: 'paused', reason: 'mail_unreachable', waitingUntil: open.probeAt });
    expect(open.probeAt).toBeGreaterThan(nowMs);
  });

  it('opens at the first fault of a provider without keys, because each fault leaves a batch permanently in doubt', () => {
    expect(faults(running, 1, keylessTraits)).toMatchObject({ state: 'paused', reason: 'mail_unreachable' });
  });

  it('counts faults in a row only', () => {
    const closed = applySignal(faults(running, 9), nowMs, { kind: 'healthy' }, keyed);
    expect(faults(closed, 9).state).toBe('running');
  });

  it.each([
    [1, 1_000],
    [20, 5_000],
    [60, 15_000],
    [240, 60_000],
    [3_600, 60_000],
  ])('after %i s of outage calls again within %i ms, and not at once', (seconds, mostMs) => {
    const since: Session = { ...running, outageSince: nowMs - seconds * 1_000 };
    for (let count = 10; count < 60; count++) {
      const waitMs = (faults(since, count).probeAt ?? 0) - nowMs;
      expect(waitMs).toBeLessThanOrEqual(mostMs);
      expect(waitMs).toBeGreaterThanOrEqual(200);
    }
  });

  it('distinguishes an outage from one batch that fails alone', () => {
    const since: Session = { ...running, outageSince: nowMs - 8_000 };
    expect(outageMs({ ...since, faultStreak: 4 }, 2, nowMs)).toBe(8_000);
    expect(outageMs({ ...since, faultStreak: 4 }, 5, nowMs)).toBeNull();
    expect(outageMs({ ...since, faultStreak: 1 }, 1, nowMs)).toBeNull();
    // A clock that was set back.
    expect(outageMs({ ...since, faultStreak: 4 }, 2, nowMs - 20_000)).toBe(0);
  });

  it('knows since when the provider is down, until it is back', () => {
    const away = faults(running, 12);
    expect(away.outageSince).toBe(nowMs);
    expect(applySignal(away, nowMs + 5, { kind: 'healthy' }, keyed).outageSince).toBeNull();
  });

  it.each([
    ['three whole batches', [2, 2, 2]],
    ['five single recipients', [1, 1, 1, 1, 1]],
    ['two batches and a single recipient', [2, 2, 0, 0, 1]],
  ])('pauses when %s are refused and nothing was accepted, and not before', (_, weights) => {
    const refuse = (session: Session, weight: number): Session =>
      applySignal(session, nowMs, { kind: 'refused', weight, message: 'No.' }, keyed);
    const before = weights.slice(0, -1).reduce(refuse, running);
    expect(before.state).toBe('running');
    const after = refuse(before, weights.at(-1) ?? 0);
    expect(after).toMatchObject({ state: 'paused', reason: 'mail_refused' });
    expect(after.lastError).toContain('No.');
    // One accepted email shows that the fault is not in the content.
    const accepted: Session = { ...running, counts: { ...running.counts, sent: 1 } };
    expect(weights.reduce(refuse, accepted).state).toBe('running');
  });

  it('closes by itself at the first good answer', () => {
    const closed = applySignal(faults(running, 12), nowMs, { kind: 'healthy' }, keyed);
    expect(closed).toMatchObject({
      state: 'running',
      reason: null,
      probeAt: null,
      waitingUntil: null,
      faultStreak: 0,
    });
  });

  it('does not resume a session that a person paused or cancelled', () => {
    const paused: Session = { ...running, state: 'paused', reason: 'user' };
    expect(faults(paused, 20)).toMatchObject({ state: 'paused', reason: 'user' });
    expect(applySignal(faults(paused, 20), nowMs, { kind: 'healthy' }, keyed).state).toBe('paused');
    const cancelled: Session = { ...running, state: 'cancelled', cancelledAt: 1 };
    expect(faults(cancelled, 20).state).toBe('cancelled');
  });

  it('an exhausted quota pauses at once and stops the senders at work', () => {
    const paused = applySignal(running, nowMs, { kind: 'pause', reason: 'mail_quota', message: 'm' }, keyed);
    expect(paused).toMatchObject({
      state: 'paused',
      reason: 'mail_quota',
      generation: running.generation + 1,
    });
  });
});

describe('the leads of a batch', () => {
  it.each([
    ['an ordinary template with the provider of 100', 100, 12_000, 0, 100],
    ['one of 90 kB', 500, 90_000, 0, 35],
    ['one that prints twenty custom fields', 100, 12_000, 20, 59],
    ['one far beyond what is taken', 500, 100_000_000, 0, 1],
  ])('are as many as fit into memory and a row: %s', (_, maxBatch, templateLength, fieldCount, count) => {
    expect(batchCountInBounds({ maxBatch }, templateLength, fieldCount)).toBe(count);
  });

  it('are as many as the provider takes of one call', () => {
    const call = { maxBatch: 50, maxPayloadLength: 700_000 };
    expect(batchCountInBounds(call, 6_000, 0)).toBe(50);
    expect(batchCountInBounds(call, 30_000, 0)).toBe(17);
    expect(batchCountInBounds({ ...call, maxPayloadLength: 100_000_000 }, 90_000, 0)).toBe(35);
  });

  it('never make a call too large for the memory of eight senders, nor a row above 2 MB', () => {
    for (const templateLength of [0, 1_000, 30_000, 90_000, 300_000]) {
      const count = batchCountInBounds({ maxBatch: 500 }, templateLength, 20);
      expect(8 * count * templateLength).toBeLessThan(32_000_000);
      expect(count * 27_000).toBeLessThan(2_000_000);
    }
  });
});
