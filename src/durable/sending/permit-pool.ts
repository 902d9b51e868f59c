/**
 * PermitPool: the permits that one session has leased from the MailGate and not used yet.
 *
 * Holds a few slots in memory and makes one request to the gate at a time. Losing it (eviction) costs at most one lease
 * of slots on the time line, and never allows a call too many.
 *
 * @module
 */
import {
  leaseSpanMs,
  maxLatenessMs,
  maxWaitMs,
  type LateCall,
  type Lease,
} from '../../core/limits/rate-limit.ts';
import type { Permit } from '../../core/session/slice.ts';

/** Asks the gate for up to `wantedCount` permits. */
export type RequestLease = (wantedCount: number) => Promise<Lease>;

/** At this rate a few calls too close together do not matter, and a session that cannot keep up is never early. */
const fastIntervalMs = 10;
const maxFastLatenessMs = 1_000;

/** From so many answers comes what is usual. */
const usualOfCount = 32;
/** Fewer answers than this say nothing. */
const minAnswerCount = 2;
/** A call that left longer ago says nothing to the slots that are granted now. */
const lateReportMs = 900;

/** A provider whose answers usually take longer than its quickest by more than this says nothing about when calls came. */
const maxVaryMs = 20;

/** A call that has left. */
interface LeftCall {
  /** Its slot by the session's clock, epoch ms. */
  slotAt: number;
  /** Its last byte left so long after its slot; the first one, before that. */
  leftLateMs: number;
  /** From then to its answer; null: it has none yet. */
  wayMs: number | null;
  /** By how much too late the gate knows it to have come. */
  reportedMs: number;
}

/** No lease reaches further ahead; a slot beyond it was granted before the clock was set back. */
const maxAheadMs = maxWaitMs + leaseSpanMs;

export class PermitPool {
  readonly #requestLease: RequestLease;
  readonly #now: () => number;
  readonly #wantedCount: (waitingCount: number) => number;
  #maxLatenessMs = maxLatenessMs;
  /** The session's clock minus the gate's; null before the first lease. */
  #clockAheadMs: number | null = null;
  #reportLateMs: number | null = null;
  readonly #left = new WeakMap<Permit, LeftCall>();
  /** The last calls that were answered, the newest last. */
  #answered: LeftCall[] = [];
  #waitingCount = 0;
  #slots: number[] = [];
  /** Granted since the last 429; earlier permits are void, also those that senders hold. */
  #valid = new WeakSet<Permit>();
  #request: Promise<number> | null = null;
  #knownLimitCount: number | null = null;

  /**
   * @param requestLease - one round trip to the gate
   * @param now - epoch ms
   * @param wantedCount - how many calls could leave soon, given how many wait; more slots would expire
   */
  constructor(requestLease: RequestLease, now: () => number, wantedCount: (waitingCount: number) => number) {
    this.#requestLease = requestLease;
    this.#now = now;
    this.#wantedCount = wantedCount;
  }

  /** A permit, or when to ask again. */
  async permit(): Promise<Permit> {
    this.#waitingCount++;
    try {
      for (;;) {
        const oldest = this.#now() - this.#maxLatenessMs;
        const latest = this.#now() + maxAheadMs;
        while (this.#slots[0] !== undefined && (this.#slots[0] < oldest || this.#slots[0] > latest))
          this.#slots.shift();
        const at = this.#slots.shift();
        if (at !== undefined) {
          const permit: Permit = { kind: 'granted', at };
          this.#valid.add(permit);
          return permit;
        }
        this.#request ??= this.#refill().finally(() => (this.#request = null));
        const retryAt = await this.#request;
        if (this.#slots.length === 0 && retryAt > this.#now()) return { kind: 'later', at: retryAt };
      }
    } finally {
      this.#waitingCount--;
    }
  }

  /** True while a slot is leased that nobody has and nobody waits for. */
  get hasSlot(): boolean {
    return this.#waitingCount === 0 && this.#slots.some((at) => at >= this.#now() - this.#maxLatenessMs);
  }

  /** False if its slot is over, a 429 came since, or the clock was set back. */
  isUsable(permit: Permit): boolean {
    const nowMs = this.#now();
    return (
      permit.kind === 'granted' &&
      this.#valid.has(permit) &&
      permit.at >= nowMs - this.#maxLatenessMs &&
      permit.at <= nowMs + maxAheadMs
    );
  }

  /** The provider's limit a second that the gate knew at the last lease; null when it knew none. */
  get knownLimitCount(): number | null {
    return this.#knownLimitCount;
  }

  /**
   * Notes that a call leaves now.
   *
   * @returns the call, if it leaves so late that the gate must know
   */
  left(permit: Permit): LateCall[] {
    const leftLateMs = Math.max(0, this.#now() - permit.at);
    const call: LeftCall = { slotAt: permit.at, leftLateMs, wayMs: null, reportedMs: 0 };
    this.#left.set(permit, call);
    return this.#late(call, leftLateMs);
  }

  /** True at the limit: the gate wants to know when calls have left. */
  get wantsLateCalls(): boolean {
    return this.#reportLateMs !== null;
  }

  /**
   * Notes that the body of a call has left, or most of it. A provider counts a call when it has it: on a busy machine that
   * is long after its first byte.
   *
   * @returns the call, if it is so late that the gate must know
   */
  sent(permit: Permit): LateCall[] {
    const call = this.#left.get(permit);
    // After its answer it says when the call ended.
    if (call === undefined || call.wayMs !== null) return [];
    call.leftLateMs = Math.max(0, this.#now() - call.slotAt);
    return this.#late(call, call.leftLateMs);
  }

  /**
   * Notes the answer to a call.
   *
   * @returns calls that came to the provider so late that the gate must know
   */
  answered(permit: Permit): LateCall[] {
    const nowMs = this.#now();
    const answered = this.#left.get(permit);
    if (answered === undefined) return [];
    answered.wayMs = nowMs - answered.slotAt - answered.leftLateMs;
    this.#answered.push(answered);
    if (this.#answered.length > usualOfCount) this.#answered.shift();
    // Below the limit the gate wants to know of none: nothing is computed for each answer.
    if (this.#reportLateMs === null || this.#answered.length < minAnswerCount) return [];
    const ways = this.#answered.map(({ wayMs }) => wayMs ?? 0).sort((a, b) => a - b);
    const [quickMs = 0] = ways;
    const usualMs = ways[(ways.length - 1) >> 1] ?? 0;
    if (usualMs - quickMs > maxVaryMs) return [];
    return this.#answered
      .filter(({ slotAt }) => slotAt >= nowMs - lateReportMs)
      .flatMap((call) => this.#late(call, call.leftLateMs + Math.max(0, (call.wayMs ?? 0) - quickMs)));
  }

  /** The call, by the gate's clock, if it came later than the gate knows by more than the margin. */
  #late(call: LeftCall, lateMs: number): LateCall[] {
    const { slotAt, reportedMs } = call;
    const moreMs = lateMs - reportedMs;
    if (this.#reportLateMs === null || this.#clockAheadMs === null || moreMs <= this.#reportLateMs) return [];
    call.reportedMs = lateMs;
    return [{ slotAt: slotAt + reportedMs - this.#clockAheadMs, lateMs: moreMs }];
  }

  /** Takes back a permit that was not used. */
  giveBack(permit: Permit): void {
    if (permit.kind === 'granted' && this.#valid.has(permit)) this.#slots.unshift(permit.at);
  }

  /** A 429 came: all leased permits are void. */
  clear(): void {
    this.#slots = [];
    this.#valid = new WeakSet();
  }

  /** Leases more slots; returns when to ask again, if none was granted. */
  async #refill(): Promise<number> {
    const valid = this.#valid;
    const askedAt = this.#now();
    const lease = await this.#requestLease(Math.max(1, this.#wantedCount(this.#waitingCount)));
    const nowMs = this.#now();
    // A 429 came during the request: what was granted is void.
    if (valid !== this.#valid) return nowMs;
    const gateNowMs = lease.nowMs ?? nowMs;
    // The gate answered between the two. An estimate that stays the same keeps slots of two leases evenly apart.
    const mostAheadMs = nowMs - gateNowMs;
    const aheadMs = Math.min(this.#clockAheadMs ?? mostAheadMs, mostAheadMs);
    this.#clockAheadMs = Math.max(askedAt - gateNowMs, aheadMs);
    this.#maxLatenessMs =
      lease.intervalMs < fastIntervalMs ? maxFastLatenessMs : (lease.maxLatenessMs ?? maxLatenessMs);
    this.#reportLateMs = lease.reportLateMs ?? null;
    this.#knownLimitCount = lease.limitCount ?? null;
    const { delaysMs = evenDelays(lease) } = lease;
    for (const delayMs of delaysMs) this.#slots.push(gateNowMs + this.#clockAheadMs + delayMs);
    return lease.permitCount > 0 ? nowMs : nowMs + lease.retryInMs;
  }
}

/** As a gate of an earlier version grants them. */
function evenDelays({ permitCount, delayMs, intervalMs }: Lease): number[] {
  return Array.from({ length: permitCount }, (_, index) => delayMs + index * intervalMs);
}
