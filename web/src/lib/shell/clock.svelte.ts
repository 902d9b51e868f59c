/**
 * The time, updated once a second while something on the screen reads it.
 *
 * @module
 */
import { createSubscriber } from 'svelte/reactivity';

export class Clock {
  readonly #subscribe = createSubscriber((update) => {
    const handle = setInterval(update, 1_000);
    return () => clearInterval(handle);
  });

  get now(): number {
    this.#subscribe();
    return Date.now();
  }
}
