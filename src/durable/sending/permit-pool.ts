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

/** A call that was answered. */
interface AnsweredCall {
  /** Its slot by the session's clock, epoch ms. */
  slotAt: number;
  /** From its slot to its answer. */
  tookMs: number;
  isReported: boolean;
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
  /** The last calls that were answered, the newest last. */
  #answered: AnsweredCall[] = [];
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
   * Notes the answer to a call.
   *
   * @returns calls that came to the provider so late that the gate must know
   */
  answered(permit: Permit): LateCall[] {
    const nowMs = this.#now();
    this.#answered.push({ slotAt: permit.at, tookMs: nowMs - permit.at, isReported: false });
    if (this.#answered.length > usualOfCount) this.#answered.shift();
    const reportMs = this.#reportLateMs;
    const aheadMs = this.#clockAheadMs;
    if (reportMs === null || aheadMs === null || this.#answered.length < minAnswerCount) return [];
    const sorted = this.#answered.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
    const share = (of: number): number => sorted[Math.floor(of * (sorted.length - 1))] ?? 0;
    const usualMs = share(0.5);
    // A provider whose answers vary by more says nothing about when calls came.
    if (share(0.9) - usualMs > reportMs) return [];
    return this.#answered.flatMap((call) => {
      const lateMs = call.tookMs - usualMs;
      if (call.isReported || lateMs <= reportMs || call.slotAt < nowMs - lateReportMs) return [];
      call.isReported = true;
      return [{ slotAt: call.slotAt - aheadMs, lateMs }];
    });
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
    const firstAt = gateNowMs + this.#clockAheadMs + lease.delayMs;
    for (let i = 0; i < lease.permitCount; i++) this.#slots.push(firstAt + i * lease.intervalMs);
    return lease.permitCount > 0 ? nowMs : nowMs + lease.retryInMs;
  }
}
