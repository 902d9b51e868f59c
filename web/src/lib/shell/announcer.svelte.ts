/**
 * Sentences for screen readers: a log that sentences are added to, so that two that come at the same moment
 * are both read, one after the other.
 *
 * @module
 */

/** Far more than come at once, and few enough that the page holds no long history. */
const maxKeptCount = 12;

interface Saying {
  id: number;
  text: string;
}

export class Announcer {
  #sayings = $state.raw<readonly Saying[]>([]);
  #nextId = 1;

  get sayings(): readonly Saying[] {
    return this.#sayings;
  }

  say(text: string): void {
    this.#sayings = [...this.#sayings, { id: this.#nextId++, text }].slice(-maxKeptCount);
  }
}
