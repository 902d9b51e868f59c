/**
 * Rate limit and backoff under a fake clock: the edges of windows, bursts of 429, headers, several sessions.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crmBackoff, deliveryBackoff, probeBackoff } from '../../src/core/limits/backoff.ts';
import { backoffMs } from '../../src/shared/backoff.ts';
import {
  initialGate,
  isRateNews,
  leasePermits,
  noteLateCalls,
  maxWaitMs,
  observeRate,
  throttle,
  type GateConfig,
  type GateState,
  type LateCall,
} from '../../src/core/limits/rate-limit.ts';

const config: GateConfig = { maxRatePerSecond: 8 };

/** A gate with its own clock, which records every slot that it grants. */
class Gate {
  nowMs = 10_000;
  state: GateState;
  readonly slots: number[] = [];
  readonly #config: GateConfig;

  constructor(gateConfig: GateConfig = config) {
    this.#config = gateConfig;
    this.state = initialGate(gateConfig, this.nowMs);
  }

  lease(wantedCount: number) {
    const { state, lease } = leasePermits(this.state, this.#config, this.nowMs, wantedCount);
    this.state = state;
    const { delaysMs = [] } = lease;
    for (const delayMs of delaysMs) this.slots.push(this.nowMs + delayMs);
    return lease;
  }

  throttle(retryAfterMs: number | null, limitCount: number | null = null): void {
    const rate = limitCount === null ? null : { limitCount, remainingCount: 0, resetMs: 1_000 };
    this.state = throttle(this.state, this.#config, this.nowMs, retryAfterMs, rate);
  }

  late(...calls: readonly LateCall[]): void {
    this.state = noteLateCalls(this.state, calls);
  }

  observe(limitCount: number | null, remainingCount: number | null, resetMs: number | null): void {
    this.state = observeRate(this.state, this.#config, this.nowMs, { limitCount, remainingCount, resetMs });
  }
}

type Event =
  | { kind: 'pass'; ms: number }
  | { kind: 'lease'; wantedCount: number }
  | { kind: 'throttle'; retryAfterMs: number | null }
  | { kind: 'observe'; limitCount: number | null; remainingCount: number | null; resetMs: number | null };

const maybe = (max: number) => fc.option(fc.integer({ min: 0, max }), { nil: null });
const otherEvents = [
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 20_000 }) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 300 }) }),
  fc.record({ kind: fc.constant('lease' as const), wantedCount: fc.integer({ min: 0, max: 50 }) }),
  fc.record({ kind: fc.constant('throttle' as const), retryAfterMs: maybe(100_000_000) }),
];
const eventOf = (events: fc.Arbitrary<Event>[]): fc.Arbitrary<Event> => fc.oneof(...events);
const event = eventOf([
  ...otherEvents,
  fc.record({
    kind: fc.constant('observe' as const),
    limitCount: maybe(20),
    remainingCount: maybe(20),
    resetMs: fc.oneof(maybe(1_000), maybe(100_000_000)),
  }),
]);

/** The shortest time between two slots. */
const closest = (slots: readonly number[]): number =>
  Math.min(Infinity, ...slots.slice(1).map((slot, index) => slot - (slots[index] ?? 0)));

function play(gate: Gate, next: Event): void {
  if (next.kind === 'pass') gate.nowMs += next.ms;
  else if (next.kind === 'lease') gate.lease(next.wantedCount);
  else if (next.kind === 'throttle') gate.throttle(next.retryAfterMs);
  else gate.observe(next.limitCount, next.remainingCount, next.resetMs);
}

describe('the gate', () => {
  it('never grants two slots closer together than the rate allows, in any history without a known limit', () => {
    fc.assert(
      fc.property(fc.array(eventOf(otherEvents), { maxLength: 80 }), (events) => {
        const gate = new Gate();
        for (const next of events) play(gate, next);
        expect(closest(gate.slots)).toBeGreaterThan(125 - 0.001);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never grants more slots in a second than the rate, nor two within half an interval, in any history', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (events) => {
        const gate = new Gate();
        for (const next of events) play(gate, next);
        expect(closest(gate.slots)).toBeGreaterThan(62.5 - 0.001);
        for (const [index, slot] of gate.slots.entries()) {
          const ninth = gate.slots[index + config.maxRatePerSecond];
          if (ninth !== undefined) expect(ninth - slot).toBeGreaterThan(1_000 - 0.001);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('grants no slot in the past and none further away than a slice would wait', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (events) => {
        const gate = new Gate();
        for (const next of events) {
          const slotCount = gate.slots.length;
          play(gate, next);
          for (const slot of gate.slots.slice(slotCount)) {
            expect(slot).toBeGreaterThanOrEqual(gate.nowMs);
            expect(slot).toBeLessThanOrEqual(gate.nowMs + maxWaitMs + 500 + 5_000);
          }
        }
      }),
    );
  });

  it('serves every session within an hour if it returns at the time that it was given', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (events) => {
        const gate = new Gate();
        for (const next of events) play(gate, next);
        const askedAt = gate.nowMs;
        for (let lease = gate.lease(1); lease.permitCount === 0; lease = gate.lease(1)) {
          expect(lease.retryInMs).toBeGreaterThan(0);
          gate.nowMs += lease.retryInMs;
        }
        expect(gate.nowMs - askedAt).toBeLessThanOrEqual(3_600_000 + maxWaitMs);
      }),
      { numRuns: 1_000 },
    );
  });

  it('keeps to the rate in every window of a second, also across its edges', () => {
    const gate = new Gate();
    // Greedy sessions that ask at irregular moments.
    for (let i = 0; i < 400; i++) {
      gate.lease(5);
      gate.nowMs += 137;
    }
    for (const start of gate.slots) {
      const inWindow = gate.slots.filter((slot) => slot >= start && slot < start + 1_000 - 0.001);
      expect(inWindow.length).toBeLessThanOrEqual(8);
    }
    expect(gate.slots.length).toBeGreaterThan(400);
  });

  it('allows no burst after an idle time', () => {
    const gate = new Gate();
    gate.lease(1);
    gate.nowMs += 3_600_000;
    const lease = gate.lease(100);
    expect(lease.delayMs).toBe(0);
    expect(lease.intervalMs).toBe(125);
    expect(lease.permitCount).toBe(4);
  });

  it.each([
    // nextSlotAt in, delay. A slot exactly at the limit is still granted, one a millisecond later is not.
    [maxWaitMs - 1, 1],
    [maxWaitMs, 1],
    [maxWaitMs + 1, 0],
  ])('asked %i ms before its next slot grants %i permits', (delayMs, permitCount) => {
    const gate = new Gate();
    gate.state = { ...gate.state, nextSlotAt: gate.nowMs + delayMs };
    const lease = gate.lease(1);
    expect(lease.permitCount).toBe(permitCount);
    expect(lease.retryInMs).toBe(permitCount === 1 ? 0 : delayMs);
  });

  it('grants nothing to a session that wants none, and uses no slot for it', () => {
    const gate = new Gate();
    const before = gate.state.nextSlotAt;
    expect(gate.lease(0).permitCount).toBe(0);
    expect(gate.state.nextSlotAt).toBe(before);
  });

  it('gives a permit that counts for several mails as much of the time line as they take', () => {
    const perMail = { maxRatePerSecond: 20 };
    const first = leasePermits(initialGate(perMail, 0), perMail, 0, 5, 20);
    expect(first.lease).toMatchObject({ permitCount: 1, delayMs: 0, intervalMs: 1_000 });
    const second = leasePermits(first.state, perMail, 0, 5, 5);
    expect(second.lease).toMatchObject({ permitCount: 2, delayMs: 1_000, intervalMs: 250 });
    expect(leasePermits(second.state, perMail, 0, 1).lease).toMatchObject({ delayMs: 1_500, intervalMs: 50 });
  });

  it('serves sessions in the order in which they ask: none gets more than one lease ahead', () => {
    const gate = new Gate();
    const got = [0, 0, 0];
    let waits: { session: number; at: number }[] = [0, 1, 2].map((session) => ({ session, at: gate.nowMs }));
    while (gate.nowMs < 70_000) {
      waits.sort((a, b) => a.at - b.at);
      const next = waits[0];
      if (next === undefined) break;
      gate.nowMs = Math.max(gate.nowMs, next.at);
      const lease = gate.lease(5);
      got[next.session] = (got[next.session] ?? 0) + lease.permitCount;
      const usedAt = gate.nowMs + lease.delayMs + lease.permitCount * lease.intervalMs;
      waits = [
        ...waits.slice(1),
        { session: next.session, at: lease.permitCount > 0 ? usedAt : gate.nowMs + lease.retryInMs },
      ];
    }
    expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(4);
    expect(got.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(440);
  });
});

describe('a clock that is set back by a day', () => {
  const nowMs = 10 * 86_400_000;
  const earlierMs = nowMs - 86_400_000;

  it('keeps every slot as far ahead as before, and grants them in turn', () => {
    const { state } = leasePermits(initialGate(config, nowMs), config, nowMs, 4);
    const next = leasePermits(state, config, earlierMs, 1);
    expect(next.lease).toMatchObject({ permitCount: 1, delayMs: 500 });
    expect(leasePermits(next.state, config, earlierMs, 1).lease.delayMs).toBe(625);
  });

  it('neither shortens nor lengthens a pause that the provider asked for', () => {
    const state = throttle(initialGate(config, nowMs), config, nowMs, 600_000);
    const waiting = leasePermits(state, config, earlierMs, 1);
    expect(waiting.lease).toMatchObject({ permitCount: 0, retryInMs: 600_000 });
    expect(leasePermits(waiting.state, config, earlierMs + 600_000, 1).lease.permitCount).toBe(1);
  });

  it('is handled by a gate that has no stored time', () => {
    const state: GateState = { ...initialGate(config, nowMs), nextSlotAt: nowMs + 10, seenAt: 0 };
    expect(leasePermits(state, config, earlierMs, 1).lease.retryInMs).toBeLessThanOrEqual(3_600_000);
  });
});

describe('a 429', () => {
  it('stops all sessions for as long as the provider said', () => {
    const gate = new Gate();
    gate.throttle(3_000);
    expect(gate.lease(1)).toMatchObject({ permitCount: 1, delayMs: 3_000 });
  });

  it('without a retry-after stops all sessions for one window', () => {
    const gate = new Gate();
    gate.throttle(null);
    expect(gate.lease(1).delayMs).toBe(1_000);
  });

  it('with a pause longer than a slice waits grants nothing and says when to come back', () => {
    const gate = new Gate();
    gate.throttle(60_000);
    expect(gate.lease(5)).toMatchObject({ permitCount: 0, retryInMs: 60_000 });
    gate.nowMs += 60_000;
    expect(gate.lease(5).permitCount).toBeGreaterThan(0);
  });

  it('of a burst lowers the rate once, however many calls were refused together', () => {
    const [one, five] = [new Gate(), new Gate()];
    one.throttle(1_000);
    for (let i = 0; i < 5; i++) {
      five.throttle(1_000);
      five.nowMs += 10;
    }
    expect(one.state.ratePerSecond).toBeCloseTo(6.4);
    expect(five.state.ratePerSecond).toBeCloseTo(6.4);
    // There is one pause too; the last refusal of the burst began it a little later.
    expect(five.state.nextSlotAt - one.state.nextSlotAt).toBe(40);
  });

  it('that repeats lowers the rate further, but never to zero', () => {
    const gate = new Gate();
    for (let i = 0; i < 200; i++) {
      gate.nowMs = gate.state.rateChangedAt;
      gate.throttle(0);
      gate.throttle(1);
    }
    expect(gate.state.ratePerSecond).toBeGreaterThanOrEqual(0.2);
    expect(gate.lease(1).permitCount).toBe(1);
  });

  it('ends: the full rate returns after half a minute without another one', () => {
    const gate = new Gate();
    for (let i = 0; i < 10; i++) {
      gate.nowMs = gate.state.rateChangedAt;
      gate.throttle(1_000);
    }
    expect(gate.state.ratePerSecond).toBeLessThan(2);
    gate.nowMs += 31_000;
    expect(gate.lease(1).intervalMs).toBe(125);
  });

  it('at exactly the limit costs a margin in each second instead of a fifth of the rate', () => {
    const gate = new Gate();
    gate.throttle(1_000, 8);
    gate.nowMs += 2_000;
    expect(gate.lease(1).intervalMs).toBeCloseTo(126.25);
  });

  it('at the limit, just after the margin began, is about slots that were leased before: nothing changes', () => {
    const gate = new Gate();
    gate.observe(8, 3, 1_000);
    gate.nowMs += 1_000;
    gate.throttle(1_000, 8);
    gate.nowMs += 1_000;
    expect(gate.lease(1).intervalMs).toBeCloseTo(126.25);
  });

  it('again and again at the limit widens the margin, up to one slot', () => {
    const gate = new Gate();
    const intervals: number[] = [];
    for (let i = 0; i < 20; i++) {
      gate.throttle(1_000, 8);
      gate.nowMs += 4_000;
      intervals.push(gate.lease(1).intervalMs);
    }
    expect(intervals[0]).toBeCloseTo(125 * 1.01);
    for (const [index, intervalMs] of intervals.entries())
      if (index > 0) expect(intervalMs).toBeGreaterThan(intervals[index - 1] ?? 0);
    // As wide as one slot would be, less what has halved since the last 429.
    expect(Math.max(...intervals)).toBeLessThanOrEqual(125 * 1.125);
    expect(intervals.at(-1)).toBeGreaterThan(125 * 1.06);
  });

  it('below the limit says that others call too: a fifth of the rate goes', () => {
    const gate = new Gate();
    gate.throttle(1_000, 20);
    expect(gate.state.ratePerSecond).toBeCloseTo(6.4);
  });

  it('at the limit is forgotten: what it has added to the margin halves in a minute', () => {
    const gate = new Gate();
    gate.throttle(1_000, 8);
    gate.nowMs += 20 * 60_000;
    gate.observe(8, 3, 1_000);
    expect(gate.lease(1).intervalMs).toBeCloseTo(126.25);
    gate.throttle(1_000, 8);
    gate.nowMs += 60_000;
    gate.observe(8, 3, 1_000);
    expect(gate.lease(1).intervalMs).toBeCloseTo(125 * 1.0125);
    gate.nowMs += 20 * 60_000;
    gate.observe(8, 3, 1_000);
    expect(gate.lease(1).intervalMs).toBeCloseTo(126.25);
  });

  it('with an absurd retry-after stops sessions for at most an hour', () => {
    const gate = new Gate();
    gate.throttle(10 * 86_400_000);
    expect(gate.lease(1).retryInMs).toBe(3_600_000);
  });
});

describe('a call at the limit that came late', () => {
  const atLimit = (): Gate => {
    const gate = new Gate();
    gate.observe(8, 3, 1_000);
    return gate;
  };
  /** Leases one slot after the other for three seconds. */
  const slotsOf = (gate: Gate): number[] => {
    const untilMs = gate.nowMs + 3_000;
    while (gate.nowMs < untilMs) gate.nowMs += gate.lease(1).permitCount === 1 ? 100 : 10;
    return gate.slots;
  };

  it('moves the slot that takes its place a second later, and no other', () => {
    const [plain, gate] = [atLimit(), atLimit()];
    const first = gate.lease(1);
    plain.lease(1);
    const slotAt = gate.nowMs + first.delayMs;
    gate.nowMs = plain.nowMs += 100;
    gate.late({ slotAt, lateMs: 40 });
    const moved = slotsOf(gate);
    const even = slotsOf(plain);
    // A second after its arrival, and the margin; so does the next call of its place.
    expect(moved[8]).toBeCloseTo(slotAt + 1_000 + 40 + 10);
    expect(moved[16]).toBeCloseTo((even[16] ?? 0) + 40);
    const others = (slots: number[]): number[] => slots.filter((_, index) => index % 8 !== 0).map(Math.round);
    expect(others(moved)).toEqual(others(even));
  });

  it('may be said twice: when it leaves, and when its answer says that it came later still', () => {
    const gate = atLimit();
    const first = gate.lease(1);
    const slotAt = gate.nowMs + first.delayMs;
    gate.nowMs += 50;
    gate.late({ slotAt, lateMs: 30 });
    gate.nowMs += 50;
    gate.late({ slotAt: slotAt + 30, lateMs: 20 });
    expect(slotsOf(gate)[8]).toBeCloseTo(slotAt + 1_000 + 50 + 10);
  });

  it('costs a tenth of a slot where every call comes 60 ms late, and no second has too many', () => {
    const gate = atLimit();
    const slotCount = 8 * 60;
    const arrivals: number[] = [];
    while (arrivals.length < slotCount) {
      const lease = gate.lease(1);
      if (lease.permitCount === 0) gate.nowMs += lease.retryInMs;
      else {
        const slotAt = gate.nowMs + lease.delayMs;
        arrivals.push(slotAt + 60);
        gate.nowMs = slotAt + 60;
        gate.late({ slotAt, lateMs: 60 });
      }
    }
    const tookMs = (arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0);
    expect(tookMs / ((slotCount - 1) * 126.25)).toBeLessThan(1.06);
    for (const [index, at] of arrivals.entries())
      expect((arrivals[index + 8] ?? Infinity) - at).toBeGreaterThanOrEqual(1_000);
  });

  it('of an hour ago, or of a clock ahead, is ignored', () => {
    const gate = atLimit();
    gate.lease(1);
    const { places } = gate.state;
    gate.late({ slotAt: gate.nowMs - 3_600_000, lateMs: 100 }, { slotAt: gate.nowMs + 5_000, lateMs: 100 });
    expect(gate.state.places).toEqual(places);
  });

  it('that leaves late may do so for a quarter of a second, because its place waits for it', () => {
    expect(atLimit().lease(1).maxLatenessMs).toBe(250);
  });

  it('is known before the slot is granted: at the limit none is given out further ahead than half a second', () => {
    const gate = atLimit();
    for (let i = 0; i < 20; i++) {
      const lease = gate.lease(5);
      if (lease.permitCount > 0)
        expect(lease.delayMs + (lease.permitCount - 1) * lease.intervalMs).toBeLessThanOrEqual(500);
      else expect(lease.retryInMs).toBeLessThanOrEqual(130);
      gate.nowMs += 20;
    }
  });
});

describe('rate headers', () => {
  it('of a lower limit per second are followed at once, with the margin', () => {
    const gate = new Gate();
    gate.observe(2, 1, 1_000);
    expect(gate.lease(1).intervalMs).toBeCloseTo(505);
  });

  it('of a lower limit are held between answers, and for a minute after the last', () => {
    const gate = new Gate();
    gate.observe(2, 1, 1_000);
    for (let call = 0; call < 20; call++) {
      gate.nowMs += 1_000;
      expect(gate.lease(1).intervalMs).toBeCloseTo(505);
    }
    gate.nowMs += 61_000;
    expect(gate.lease(1).intervalMs).toBe(125);
  });

  it('of just the limit that we allow ourselves begin the margin, before any call is refused', () => {
    const gate = new Gate();
    expect(gate.lease(1)).toMatchObject({ intervalMs: 125, maxLatenessMs: 50, limitCount: null });
    gate.observe(8, 3, 1_000);
    expect(gate.lease(1)).toMatchObject({ intervalMs: 126.25, reportLateMs: 7.5, limitCount: 8 });
  });

  it('of a higher limit let calls leave late by what our slower second has to spare', () => {
    const gate = new Gate();
    gate.observe(9, 3, 1_000);
    // Nine slots of 125 ms are 1,125 ms.
    expect(gate.lease(1)).toMatchObject({ intervalMs: 125, maxLatenessMs: 115, reportLateMs: null });
    gate.observe(100, 90, 1_000);
    expect(gate.lease(1)).toMatchObject({ intervalMs: 125, maxLatenessMs: 250, limitCount: 100 });
  });

  it('of a higher limit raise no rate: the setting is the maximum', () => {
    const gate = new Gate();
    gate.observe(100, 99, 1_000);
    expect(gate.lease(1).intervalMs).toBe(125);
  });

  it('of an exhausted window stop all sessions until the next one', () => {
    const gate = new Gate();
    gate.observe(10, 0, 900);
    expect(gate.lease(1).delayMs).toBe(900);
  });

  it('of a second that our own calls have filled evenly delay no session', () => {
    const gate = new Gate();
    gate.observe(8, 0, 1_000);
    expect(gate.lease(1).delayMs).toBe(0);
  });

  it('are reported only when they say something new, or show other callers', () => {
    const isNews = (limitCount: number | null, remainingCount: number | null, resetMs: number | null) =>
      isRateNews({ limitCount, remainingCount, resetMs }, config, null);
    expect(isNews(5, 3, 1_000)).toBe(true);
    expect(isNews(10, 0, 1_000)).toBe(true);
    expect(isNews(8, 0, 60_000)).toBe(true);
    expect(isNews(null, 0, 1_000)).toBe(true);
    expect(isNews(10, 3, 1_000)).toBe(true);
    expect(isNews(1_000, 3, 60_000)).toBe(false);
    expect(isRateNews({ limitCount: 10, remainingCount: 3, resetMs: 1_000 }, config, 10)).toBe(false);
    // The gate knows the limit already, and our own even calls have used the second up.
    expect(isRateNews({ limitCount: 8, remainingCount: 0, resetMs: 1_000 }, config, 8)).toBe(false);
    expect(isRateNews({ limitCount: 5, remainingCount: 3, resetMs: 1_000 }, config, 5)).toBe(false);
  });

  it('of a longer window are not taken for a rate per second', () => {
    const gate = new Gate();
    gate.observe(5, 3, 60_000);
    expect(gate.lease(1).intervalMs).toBe(125);
  });

  it('without values change nothing', () => {
    const gate = new Gate();
    gate.observe(null, null, null);
    gate.observe(null, 0, null);
    gate.observe(null, 0, 0);
    expect(gate.lease(1)).toMatchObject({ delayMs: 0, intervalMs: 125 });
  });
});

describe('backoff', () => {
  it('stays between a tenth of its base and its maximum, for every attempt and every draw', () => {
    for (const policy of [deliveryBackoff, probeBackoff, crmBackoff]) {
      fc.assert(
        fc.property(
          fc.integer({ min: -5, max: 2_000 }),
          fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
          (attempt, draw) => {
            const waitMs = backoffMs(policy, attempt, () => draw);
            expect(waitMs).toBeGreaterThanOrEqual(policy.baseMs / 10);
            expect(waitMs).toBeLessThanOrEqual(policy.maxMs);
            expect(Number.isInteger(waitMs)).toBe(true);
          },
        ),
      );
    }
  });

  it('doubles its ceiling with each attempt', () => {
    const ceiling = (attempt: number) => backoffMs(deliveryBackoff, attempt, () => 0.999_999);
    expect([1, 2, 3, 4, 5].map(ceiling)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
    expect(ceiling(20)).toBe(300_000);
  });

  it('spreads batches that failed together over the whole range', () => {
    const waits = [0, 0.25, 0.5, 0.75].map((draw) => backoffMs(deliveryBackoff, 6, () => draw));
    expect(waits).toEqual([100, 8_000, 16_000, 24_000]);
  });
});
