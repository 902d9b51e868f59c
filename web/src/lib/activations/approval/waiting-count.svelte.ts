/**
 * How many activations wait for an approval, for the navigation of who may approve.
 *
 * @module
 */
import type { Progress } from '../../../../../src/shared/progress.ts';
import { api } from '../../api/client.ts';
import { countWaiting } from './count-waiting.ts';

/** A colleague who waits is seen within a minute. */
const askIntervalMs = 60_000;
/** More are shown as so many. */
const maxCount = 50;

export class WaitingCount {
  #count = $state(0);
  #listed: readonly Progress[] = [];
  readonly #seen = new Map<string, Progress>();

  get count(): number {
    return this.#count;
  }

  async ask(): Promise<void> {
    const answer = await api.activations({ view: 'approval', limit: maxCount });
    if (!answer.ok) return;
    this.#listed = answer.value.activations;
    this.#update();
  }

  /** A view that this tab has got: one that was decided is not counted any more, without asking. */
  see(progress: Progress): void {
    this.#seen.set(progress.sessionId, progress);
    this.#update();
  }

  #update(): void {
    this.#count = countWaiting(this.#listed, this.#seen);
  }

  /** Asks now and each minute while the page is seen. @returns stops asking */
  connect(): () => void {
    void this.ask();
    const handle = setInterval(() => {
      if (document.visibilityState === 'visible') void this.ask();
    }, askIntervalMs);
    return () => {
      clearInterval(handle);
    };
  }
}
