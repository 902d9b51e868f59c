/**
 * Simulated sending: sessions that send through one account, minutes of it in a second of real time.
 *
 * The slices, the pools of permits and the gate are the product's; the clock, the database and the mail API are
 * stand-ins. Does not store anything: what a crash leaves behind is tested in workerd.
 *
 * @module
 */
import type { Batch } from '../../src/core/batch/batch.ts';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import {
  initialGate,
  isRateNews,
  leasePermits,
  noteLateCalls,
  observeRate,
  throttle,
  type GateState,
  type Lease,
} from '../../src/core/limits/rate-limit.ts';
import type { WorkMode } from '../../src/core/session/session.ts';
import {
  runSlice,
  sliceLimits,
  type Intent,
  type Permit,
  type Prepared,
  type SliceVerbs,
} from '../../src/core/session/slice.ts';
import { PermitPool } from '../../src/durable/sending/permit-pool.ts';
import { seededRandom } from './random.ts';
import { batchOf, inflight } from './batches.ts';

export interface Simulation {
  /** `MAIL_RATE`, calls a second. */
  mailRate: number;
  sessionCount: number;
  seconds: number;
  /** What the mail API allows a second, and how it counts; null: as much as is asked. */
  limit: { callCount: number; window: 'fixed' | 'sliding'; hasHeaders: boolean } | null;
  /** From a call's arrival to its answer. */
  latencyMs: number;
  /** An answer may take this much longer, evenly distributed, for the provider's own reasons. */
  answerJitterMs: number;
  /** A call arrives up to this much late, evenly distributed. */
  jitterMs: number;
  /** So many of the calls arrive this much later still; null: none. */
  tail: { share: number; ms: number } | null;
  /**
   * A busy machine: the thread of sessions and gate stands still again and again, after `everyMs` on average and for up
   * to `ms`; not set: never.
   */
  stalls?: { everyMs: number; ms: number };
  /** From the end of a slice to the begin of the next: its record, the alarm. */
  boundaryMs: number;
  /** A foreign CRM with so many calls a second, each of which takes so long; not set: none. */
  crm?: { rate: number; latencyMs: number };
}

export interface SimulatedRun {
  ms: number;
  /** One call each `1 / mailRate`, from the first to the last. */
  leastMs: number;
  callCount: number;
  throttledCount: number;
  sliceCount: number;
  /** When the calls to the CRM arrived. */
  pushedAt: number[];
}

/** A clock that jumps to the next moment at which somebody wakes. */
class SimulatedClock {
  nowMs = 1_000_000;
  readonly #sleepers: { at: number; wake: () => void }[] = [];

  sleepUntil(at: number): Promise<void> {
    return at <= this.nowMs
      ? Promise.resolve()
      : new Promise((wake) => {
          const index = this.#sleepers.findIndex((sleeper) => sleeper.at > at);
          this.#sleepers.splice(index === -1 ? this.#sleepers.length : index, 0, { at, wake });
        });
  }

  sleep(ms: number): Promise<void> {
    return this.sleepUntil(this.nowMs + ms);
  }

  /** Moves on until `work` has ended. */
  async run(work: Promise<unknown>): Promise<void> {
    const state = { isOver: false };
    const end = work.finally(() => (state.isOver = true));
    for (;;) {
      // All that can be done at this moment is done first.
      await new Promise((resolve) => setImmediate(resolve));
      if (state.isOver) return void (await end);
      const next = this.#sleepers.shift();
      if (next === undefined) throw new Error('Everybody waits for ever.');
      this.nowMs = next.at;
      next.wake();
    }
  }
}

/** A thread that stands still now and then: who wakes meanwhile goes on afterwards. */
class Thread {
  readonly #clock: SimulatedClock;
  readonly #stalls: Simulation['stalls'];
  readonly #random: () => number;
  #stall: { from: number; to: number };

  constructor(clock: SimulatedClock, stalls: Simulation['stalls'], random: () => number) {
    this.#clock = clock;
    this.#stalls = stalls;
    this.#random = random;
    this.#stall = { from: clock.nowMs, to: clock.nowMs };
  }

  /** Goes on at once, or when the thread does. */
  async turn(): Promise<void> {
    if (this.#stalls === undefined) return;
    const { everyMs, ms } = this.#stalls;
    while (this.#stall.to < this.#clock.nowMs) {
      const from = this.#stall.to - everyMs * Math.log(1 - this.#random());
      this.#stall = { from, to: from + ms * this.#random() };
    }
    if (this.#clock.nowMs >= this.#stall.from) await this.#clock.sleepUntil(this.#stall.to);
  }

  async sleepUntil(at: number): Promise<void> {
    await this.#clock.sleepUntil(at);
    await this.turn();
  }
}

/** A mail API that counts calls by the second, and says so. */
class LimitedMailApi {
  readonly #limit: Simulation['limit'];
  #calls: number[] = [];
  callCount = 0;
  throttledCount = 0;

  constructor(limit: Simulation['limit']) {
    this.#limit = limit;
  }

  call(nowMs: number) {
    this.callCount++;
    if (this.#limit === null) return { isTaken: true, rate: null };
    const { callCount, window, hasHeaders } = this.#limit;
    const windowStart = window === 'fixed' ? Math.floor(nowMs / 1_000) * 1_000 : nowMs - 999.999;
    this.#calls = this.#calls.filter((at) => at >= windowStart);
    const isTaken = this.#calls.length < callCount;
    if (isTaken) this.#calls.push(nowMs);
    else this.throttledCount++;
    // Whole seconds, as Resend says them.
    const rate = {
      limitCount: callCount,
      remainingCount: callCount - this.#calls.length,
      resetMs: 1_000,
    };
    return { isTaken, rate: hasHeaders ? rate : null };
  }
}

/** Runs sessions to their end. @returns how long they took, over the least time that the rate allows */
export async function simulateSending(simulation: Simulation): Promise<SimulatedRun> {
  const { mailRate, sessionCount, seconds, latencyMs, answerJitterMs, jitterMs, tail, boundaryMs } =
    simulation;
  const clock = new SimulatedClock();
  const random = seededRandom(7);
  const thread = new Thread(clock, simulation.stalls, seededRandom(11));
  const api = new LimitedMailApi(simulation.limit);
  const config = { maxRatePerSecond: mailRate };
  let gate: GateState = initialGate(config, clock.nowMs);
  const { crm = null } = simulation;
  const crmConfig = { maxRatePerSecond: crm?.rate ?? 1 };
  let crmGate: GateState = initialGate(crmConfig, clock.nowMs);
  const pushedAt: number[] = [];
  const beganAt = clock.nowMs;
  const leftAt: number[] = [];
  let sliceCount = 0;

  async function session(batchCount: number): Promise<void> {
    const due = Array.from({ length: batchCount }, (_, index) => batchOf([index + 1], { seq: index + 1 }));
    let settledCount = 0;
    let heldCount = 0;
    let waitingUntil = 0;
    const lease = async (wantedCount: number): Promise<Lease> => {
      await thread.sleepUntil(clock.nowMs + 2);
      const granted = leasePermits(gate, config, clock.nowMs, wantedCount);
      gate = granted.state;
      return granted.lease;
    };
    const limits = sliceLimits(mailRate, false, crm !== null);
    const pushPool = new PermitPool(
      async (wantedCount) => {
        await clock.sleep(2);
        const granted = leasePermits(crmGate, crmConfig, clock.nowMs, wantedCount);
        crmGate = granted.state;
        return granted.lease;
      },
      () => clock.nowMs,
      (waitingCount) => waitingCount,
    );
    const pool = new PermitPool(
      lease,
      () => clock.nowMs,
      (waitingCount) => Math.min(limits.senderCount, waitingCount + Math.max(0, due.length)),
    );
    const verbs: SliceVerbs = {
      now: () => clock.nowMs,
      sleepUntil: (at) => thread.sleepUntil(at),
      mode: (): WorkMode => 'run',
      isPlanning: () => false,
      plan: () => Promise.resolve(),
      take: () => {
        const batch = due.shift() ?? null;
        if (batch !== null) heldCount++;
        return batch;
      },
      release: (batch: Batch) => {
        heldCount--;
        if (!settled.has(batch.seq)) due.unshift(batch);
      },
      flip: async () => {
        await thread.sleepUntil(clock.nowMs + 20);
        return { activated: [], skipped: [], emailHashes: new Map(), ownedElsewhere: new Set() };
      },
      settleFlip: (batch) => inflight(batch.leadIds, { seq: batch.seq }),
      permit: () => pool.permit(),
      pushes: () => (crm === null ? null : crm.rate < mailRate ? 'crm' : 'mail'),
      reserve: () => Promise.resolve(null),
      pushPermit: () => pushPool.permit(),
      push: async (batch, permit) => {
        // As session/crm.ts does it.
        let slot = permit;
        while (!pushPool.isUsable(slot)) {
          slot = await pushPool.permit();
          await clock.sleepUntil(slot.at);
        }
        await clock.sleep(random() * jitterMs);
        pushedAt.push(clock.nowMs);
        await clock.sleep(crm?.latencyMs ?? 0);
        return batch;
      },
      isUsable: (permit) => pool.isUsable(permit),
      renewPermit: () => pool.permit(),
      hasSlot: () => pool.hasSlot,
      returnPermit: (permit: Permit) => pool.giveBack(permit),
      prepare: (batch): Promise<Prepared> =>
        Promise.resolve({ batch, recipients: [], payload: '', payloadHash: '', mailCount: 1 }),
      intend: ({ batch }): Intent => ({ batch, key: '', payload: '', mailCount: 1 }),
      deliver: async ({ batch }, permit): Promise<Outcome> => {
        gate = noteLateCalls(gate, pool.left(permit));
        const isInTail = tail !== null && random() < tail.share;
        await clock.sleep(random() * jitterMs + (isInTail ? tail.ms : 0));
        const { isTaken, rate } = api.call(clock.nowMs);
        if (isTaken) leftAt.push(clock.nowMs);
        await thread.sleepUntil(clock.nowMs + latencyMs + random() * answerJitterMs);
        if (rate !== null && isRateNews(rate, config, pool.knownLimitCount))
          gate = observeRate(gate, config, clock.nowMs, rate);
        if (isTaken) {
          settled.add(batch.seq);
          const lateCalls = pool.answered(permit);
          if (lateCalls.length > 0) gate = noteLateCalls(gate, lateCalls);
          return { kind: 'accepted', messageIds: [], rejections: [] };
        }
        pool.clear();
        gate = throttle(gate, config, clock.nowMs, 1_000, rate);
        return { kind: 'throttled', retryAfterMs: 1_000 };
      },
      settle: (_, outcome) => {
        if (outcome.kind === 'accepted') settledCount++;
      },
      waitUntil: (at) => (waitingUntil = at),
    };
    const settled = new Set<number>();
    while (settledCount < batchCount) {
      sliceCount++;
      await runSlice(verbs, limits);
      if (heldCount !== 0) throw new Error('A batch was not released.');
      await clock.sleep(boundaryMs);
      await clock.sleepUntil(waitingUntil);
    }
  }

  const callCount = Math.floor(Math.min(mailRate, crm?.rate ?? mailRate) * seconds);
  const sessions = Array.from({ length: sessionCount }, () => session(callCount / sessionCount));
  await clock.run(Promise.all(sessions));
  return {
    pushedAt,
    ms: Math.max(...leftAt) - beganAt,
    leastMs: (1_000 * (callCount - 1)) / mailRate,
    callCount: api.callCount,
    throttledCount: api.throttledCount,
    sliceCount,
  };
}
