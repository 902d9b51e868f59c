/**
 * What is said aloud to those who do not look: a log to which sentences are added, so that two that come
 * in the same moment are both read, one after the other.
 *
 * @module
 */

/** Far more than come at once; a reader who walks the page meets no history. */
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
