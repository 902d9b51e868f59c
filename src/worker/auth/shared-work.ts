/**
 * Work that is done once while several requests wait for it.
 *
 * Requests do not share a promise. In workerd, the promise of another request may never settle when that request is
 * aborted, and a request that waits for nothing of its own is taken for hung. So each request polls with its own timer.
 *
 * @see https://developers.cloudflare.com/workers/observability/errors/
 * @module
 */

/** The effects that tests replace. */
export interface WorkClock {
  /** Epoch milliseconds. In a Worker it stands still between one I/O and the next. */
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** Keeps work going after the request that began it was aborted. */
export type WaitUntil = (work: Promise<unknown>) => void;

/** Time between two checks whether the work of another request has ended. */
const pollMs = 20;

export class SharedWork {
  readonly #clock: WorkClock;
  readonly #maxMs: number;
  #startedAt: number | null = null;

  /** @param maxMs - after this time the work counts as ended: that of an aborted request may never report its end */
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
      while (this.isUnderWay()) await this.#clock.sleep(pollMs);
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
