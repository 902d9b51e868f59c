/**
 * Work that several requests wait for, and that is done once.
 *
 * Requests do not share a promise: in workerd one of another request may never settle, when that request is
 * given up, and a request with nothing of its own to wait for is taken for hung. So each looks by its own timer.
 *
 * @see https://developers.cloudflare.com/workers/observability/errors/
 * @module
 */

/** What is not computed. */
export interface WorkClock {
  /** Epoch milliseconds. In a Worker it stands still between one I/O and the next. */
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** Keeps work going when the request that began it is given up. */
export type WaitUntil = (work: Promise<unknown>) => void;

/** How often a request looks whether another's work has ended. */
const lookMs = 20;

export class SharedWork {
  readonly #clock: WorkClock;
  readonly #maxMs: number;
  #startedAt: number | null = null;

  /** @param maxMs - work of a request that was torn down never says that it ended: after so long it has */
  constructor(clock: WorkClock, maxMs: number) {
    this.#clock = clock;
    this.#maxMs = maxMs;
  }

  isUnderWay(): boolean {
    return this.#startedAt !== null && this.#clock.now() - this.#startedAt < this.#maxMs;
  }

  /** Waits for the work that is under way, or does it. */
  async join(work: () => Promise<void>, waitUntil: WaitUntil): Promise<void> {
    if (this.isUnderWay()) {
      while (this.isUnderWay()) await this.#clock.sleep(lookMs);
      return;
    }
    const startedAt = this.#clock.now();
    this.#startedAt = startedAt;
    const done = work().finally(() => {
      if (this.#startedAt === startedAt) this.#startedAt = null;
    });
    waitUntil(done);
    await done;
  }
}
