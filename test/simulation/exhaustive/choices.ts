/**
 * The choices of one path: what was decided from outside, from a state at rest on.
 *
 * The first ones are given, so that a path can be walked again; at all later ones nothing goes wrong.
 *
 * @module
 */

/** What there is to decide; the first option is the one at which nothing goes wrong. */
export type Options = readonly [string, ...string[]];

/** A decision; of a given one only what was taken is known. */
export interface Choice {
  options: Options | null;
  taken: string;
}

export class Choices {
  readonly made: Choice[] = [];
  readonly #given: readonly string[];
  readonly #onTaken: (taken: string) => void;

  /** @param onTaken - gets each decision before it has an effect */
  constructor(given: readonly string[], onTaken: (taken: string) => void) {
    this.#given = given;
    this.#onTaken = onTaken;
  }

  /** True while decisions are given: what happens meanwhile was seen before. */
  get isGiven(): boolean {
    return this.made.length < this.#given.length;
  }

  /** Takes one of the options. */
  take(optionsNow: () => Options): string {
    const given = this.#given[this.made.length];
    const options = given === undefined ? optionsNow() : null;
    const taken = given ?? options?.[0] ?? '';
    this.made.push({ options, taken });
    this.#onTaken(taken);
    return taken;
  }
}
