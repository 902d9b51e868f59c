/**
 * The random source of a simulation: one seed, the same numbers on every machine.
 *
 * Owns the generator (mulberry32, 32-bit integer arithmetic only). Independent streams are made from a seed and a
 * name, so that leaving out a fault does not change what the other streams draw.
 *
 * @module
 */
export class Random {
  #state: number;

  /** @param seed - any integer; only its lowest 32 bits count */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** An integer from `from` to `to`, both included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[Math.floor(this.next() * items.length)] ?? items[0];
  }
}

/** FNV-1a over UTF-16 code units, continued from `hash`. */
export function mix(hash: number, text: string): number {
  let mixed = hash;
  for (let i = 0; i < text.length; i++) mixed = Math.imul(mixed ^ text.charCodeAt(i), 0x01000193);
  return mixed >>> 0;
}

export const emptyHash = 0x811c9dc5;

/** The seed of a named stream. */
export function streamSeed(seed: number, name: string): number {
  return mix(mix(emptyHash, String(seed)), name);
}
