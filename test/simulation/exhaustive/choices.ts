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

  constructor(given: readonly string[]) {
    this.#given = given;
  }

  /** True while decisions are given: what happens meanwhile was seen before. */
  get isGiven(): boolean {
    return this.made.length < this.#given.length;
  }

  /** Takes one of the options. */
  take(optionsNow: () => Options): string {
    const given = this.#given[this.made.length];
    if (given !== undefined) {
      this.made.push({ options: null, taken: given });
      return given;
    }
    const options = optionsNow();
    this.made.push({ options, taken: options[0] });
    return options[0];
  }
}
