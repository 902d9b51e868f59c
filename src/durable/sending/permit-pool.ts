/**
 * PermitPool: the permits that one session has leased from the MailGate and not yet used.
 *
 * Owns: a few slots in memory and one request to the gate at a time. Losing it (eviction) costs at most a
 * lease of slots on the time line, never a call too many.
 *
 * @module
 */
import { leaseSpanMs, maxWaitMs, type Lease } from '../../core/limits/rate-limit.ts';
import type { Permit } from '../../core/session/slice.ts';

/** Asks the gate for up to `wantedCount` permits. */
export type RequestLease = (wantedCount: number) => Promise<Lease>;

/** A slot that was not used in time is gone: using it later would put two calls into one interval. */
const maxLatenessMs = 50;
/** Of a limit this fast a few calls are no part that shows, and a run that cannot keep up with it is never early. */
const fastIntervalMs = 10;
const maxFastLatenessMs = 1_000;

/** No lease reaches further ahead; a slot that lies there was given out under another clock. */
const maxAheadMs = maxWaitMs + leaseSpanMs;

export class PermitPool {
  readonly #requestLease: RequestLease;
  readonly #now: () => number;
  readonly #wantedCount: (waitingCount: number) => number;
  #maxLatenessMs = maxLatenessMs;
  #waitingCount = 0;
  #slots: number[] = [];
  /** Granted since the gate last closed; those before it are void, also in the hands of senders. */
  #valid = new WeakSet<Permit>();
  #request: Promise<number> | null = null;

  /**
   * @param requestLease - one round trip to the gate
   * @param now - epoch ms
   * @param wantedCount - how many calls could leave soon, given how many wait; more slots would be wasted
   */
  constructor(requestLease: RequestLease, now: () => number, wantedCount: (waitingCount: number) => number) {
    this.#requestLease = requestLease;
    this.#now = now;
    this.#wantedCount = wantedCount;
  }

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

  /** False once its slot has passed by too much, the gate has closed since, or the clock was set back. */
  isUsable(permit: Permit): boolean {
    const nowMs = this.#now();
    return (
      permit.kind === 'granted' &&
      this.#valid.has(permit) &&
      permit.at >= nowMs - this.#maxLatenessMs &&
      permit.at <= nowMs + maxAheadMs
    );
  }

  /** A permit that was not used after all. */
  giveBack(permit: Permit): void {
    if (permit.kind === 'granted' && this.#valid.has(permit)) this.#slots.unshift(permit.at);
  }

  /** The gate has closed: what was leased before is void. */
  clear(): void {
    this.#slots = [];
    this.#valid = new WeakSet();
  }

  /** Returns when to ask again, if nothing was granted. */
  async #refill(): Promise<number> {
    const valid = this.#valid;
    const lease = await this.#requestLease(Math.max(1, this.#wantedCount(this.#waitingCount)));
    const nowMs = this.#now();
    // Closed while it was asked: what it granted before is void.
    if (valid !== this.#valid) return nowMs;
    this.#maxLatenessMs = lease.intervalMs < fastIntervalMs ? maxFastLatenessMs : maxLatenessMs;
    for (let i = 0; i < lease.permitCount; i++)
      this.#slots.push(nowMs + lease.delayMs + i * lease.intervalMs);
    return lease.permitCount > 0 ? nowMs : nowMs + lease.retryInMs;
  }
}
