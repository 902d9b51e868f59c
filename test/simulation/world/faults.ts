/**
 * What goes wrong in a world, and when.
 *
 * Owns the draw of each fault and each command, and numbers them: a failing world is shrunk by leaving numbers out.
 * Counts where which fault happened (places × faults). Invariant: what is left out draws the same numbers, so that the
 * faults before it stay the same.
 *
 * @module
 */
import type { Random } from '../platform/random.ts';
import type { Simulator } from '../platform/simulator.ts';

/** How much of each kind goes wrong; a factor on the usual probability, 0 for none. */
export interface Intensity {
  crashes: number;
  database: number;
  mail: number;
  alarms: number;
  storage: number;
  /** Of a flip. */
  lateFlips: number;
}

export interface InjectedFault {
  number: number;
  atMs: number;
  place: string;
  kind: string;
}

/** Where something may go wrong; a function is asked only when it does. */
type Place = string | (() => string);

export class Faults {
  readonly injected: InjectedFault[] = [];
  /** Faults by `place × kind`. */
  readonly coverage = new Map<string, number>();
  /** False once everything is well again. */
  isActive = true;
  onInjected: (place: string, kind: string) => void = () => {};
  readonly #sim: Simulator;
  readonly #random: Random;
  readonly #leftOut: ReadonlySet<number>;
  #number = 0;

  constructor(sim: Simulator, leftOut: ReadonlySet<number>) {
    this.#sim = sim;
    this.#random = sim.stream('faults');
    this.#leftOut = leftOut;
  }

  /** True when this happens here. `probability` of 0 draws nothing. */
  happens(place: Place, kind: string, probability: number): boolean {
    if (!this.isActive || probability === 0 || !this.#random.chance(probability)) return false;
    return this.#inject(place, kind);
  }

  /** One of these kinds, by weight, or null. */
  pick<Kind extends string>(
    place: Place,
    probability: number,
    kinds: readonly (readonly [Kind, number])[],
  ): Kind | null {
    if (!this.isActive || probability === 0 || !this.#random.chance(probability)) return null;
    let left = this.#random.next() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [kind, weight] of kinds) {
      left -= weight;
      if (left < 0) return this.#inject(place, kind) ? kind : null;
    }
    return null;
  }

  /** A number that belongs to a fault: how long, how late. */
  int(from: number, to: number): number {
    return this.#random.int(from, to);
  }

  #inject(at: Place, kind: string): boolean {
    const place = typeof at === 'string' ? at : at();
    const number = this.#number++;
    if (this.#leftOut.has(number)) return false;
    const atMs = this.#sim.nowMs - this.#sim.startedMs;
    this.injected.push({ number, atMs, place, kind });
    const name = `${place} × ${kind}`;
    this.coverage.set(name, (this.coverage.get(name) ?? 0) + 1);
    this.#sim.note(`fault ${number} ${name}`);
    this.onInjected(place, kind);
    return true;
  }
}
