/**
 * Waits: what the running slice waits for, at any moment.
 *
 * Owns: which waits are open and since when, in memory: losing it costs a few seconds until it is known again.
 * Never: what is shown (core/session/progress-view.ts).
 *
 * @module
 */
import type { WaitingFor } from '../../shared/progress.ts';

type Kind = WaitingFor['kind'];

/** Of several, what the others wait for too comes first. */
const order: readonly Kind[] = ['provider_answer', 'rate_limit', 'daily_cap', 'crm', 'platform', 'mail_slot'];

export class Waits {
  readonly #now: () => number;
  readonly #open = new Set<WaitingFor>();
  /** Since the first 429 that no accepted call has followed. */
  #throttledSince: number | null = null;

  /** @param now - epoch ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes that `work` is waited for, until it ends. */
  async during<T>(kind: Kind, work: () => Promise<T>): Promise<T> {
    const wait = { kind, since: this.#now() };
    this.#open.add(wait);
    try {
      return await work();
    } finally {
      this.#open.delete(wait);
    }
  }

  /** What an answer of the mail provider said of its rate limit. */
  answered(isThrottled: boolean): void {
    this.#throttledSince = isThrottled ? (this.#throttledSince ?? this.#now()) : null;
  }

  /** True while the provider's last word was that we are too fast. */
  get isThrottled(): boolean {
    return this.#throttledSince !== null;
  }

  /** The wait that explains best why nothing has come to a result since `progressedAt`; null when nothing is waited for. */
  current(progressedAt: number): WaitingFor | null {
    const waits = [...this.#open];
    if (this.#throttledSince !== null) waits.push({ kind: 'rate_limit', since: this.#throttledSince });
    const [best] = waits.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.since - b.since);
    return best === undefined ? null : { kind: best.kind, since: Math.max(best.since, progressedAt) };
  }
}
