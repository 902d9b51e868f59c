/**
 * PermitPool: the permits that one session has leased from the MailGate and not used yet.
 *
 * Holds a few slots in memory and makes one request to the gate at a time. Losing it (eviction) costs at most one lease
 * of slots on the time line, and never allows a call too many.
 *
 * @module
 */
import { leaseSpanMs, maxLatenessMs, maxWaitMs, type Lease } from '../../core/limits/rate-limit.ts';
import type { Permit } from '../../core/session/slice.ts';

/** Asks the gate for up to `wantedCount` permits. */
export type RequestLease = (wantedCount: number) => Promise<Lease>;

/** At this rate a few calls too close together do not matter, and a session that cannot keep up is never early. */
const fastIntervalMs = 10;
const maxFastLatenessMs = 1_000;

/** No lease reaches further ahead; a slot beyond it was granted before the clock was set back. */
const maxAheadMs = maxWaitMs + leaseSpanMs;

export class PermitPool {
  readonly #requestLease: RequestLease;
  readonly #now: () => number;
  readonly #wantedCount: (waitingCount: number) => number;
  #maxLatenessMs = maxLatenessMs;
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
    const lease = await this.#requestLease(Math.max(1, this.#wantedCount(this.#waitingCount)));
    const nowMs = this.#now();
    // A 429 came during the request: what was granted is void.
    if (valid !== this.#valid) return nowMs;
    this.#maxLatenessMs =
      lease.intervalMs < fastIntervalMs ? maxFastLatenessMs : (lease.maxLatenessMs ?? maxLatenessMs);
    this.#knownLimitCount = lease.limitCount ?? null;
    for (let i = 0; i < lease.permitCount; i++)
      this.#slots.push(nowMs + lease.delayMs + i * lease.intervalMs);
    return lease.permitCount > 0 ? nowMs : nowMs + lease.retryInMs;
  }
}
