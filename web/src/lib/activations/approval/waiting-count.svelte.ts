/**
 * How many activations wait for an approval, for the navigation of who may approve.
 *
 * @module
 */
import { api } from '../../api/client.ts';

/** A colleague who waits is seen within a minute. */
const askIntervalMs = 60_000;
/** More are shown as so many. */
const maxCount = 50;

export class WaitingCount {
  #count = $state(0);

  get count(): number {
    return this.#count;
  }

  async ask(): Promise<void> {
    const answer = await api.activations({ view: 'approval', limit: maxCount });
    if (answer.ok) this.#count = answer.value.activations.length;
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
