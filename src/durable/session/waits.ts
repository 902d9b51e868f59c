/**
 * Waits: what the running slice waits for at the moment.
 *
 * Owns which waits are open and since when, in memory: after a loss they are known again within seconds. What is shown
 * of them is core/session/progress-view.ts.
 *
 * @module
 */
import type { WaitingFor } from '../../shared/progress.ts';

type Kind = WaitingFor['kind'];

/** Of several waits, the first of these is shown: the others wait for it too. */
const order: readonly Kind[] = [
  ...(['provider_answer', 'rate_limit', 'daily_cap', 'crm_answer', 'crm_slot', 'crm'] as const),
  ...(['platform', 'mail_slot'] as const),
];

export class Waits {
  readonly #now: () => number;
  readonly #open = new Set<WaitingFor>();
  /** Since when every answer was a 429. */
  #throttledSince: number | null = null;

  /** @param now - epoch ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes a wait while `work` takes. */
  async during<T>(kind: Kind, work: () => Promise<T>): Promise<T> {
    const wait = { kind, since: this.#now() };
    this.#open.add(wait);
    try {
      return await work();
    } finally {
      this.#open.delete(wait);
    }
  }

  /** Notes whether an answer of the mail provider was a 429. */
  answered(isThrottled: boolean): void {
    this.#throttledSince = isThrottled ? (this.#throttledSince ?? this.#now()) : null;
  }

  /** True while the provider's last answer was a 429. */
  get isThrottled(): boolean {
    return this.#throttledSince !== null;
  }

  /** The wait that best explains why there was no result since `progressedAt`; null when nothing is waited for. */
  current(progressedAt: number): WaitingFor | null {
    const waits = [...this.#open];
    if (this.#throttledSince !== null) waits.push({ kind: 'rate_limit', since: this.#throttledSince });
    const [best] = waits.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.since - b.since);
    return best === undefined ? null : { kind: best.kind, since: Math.max(best.since, progressedAt) };
  }
}
