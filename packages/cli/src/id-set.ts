/**
 * A set of lead ids in few bytes: a million ids that lie close together are 125 kB.
 *
 * @module
 */

/** Ids of one page. A page of an audience that is spread over many ids is half empty, and small. */
const pageIdCount = 4_096;

export class IdSet {
  readonly #pages = new Map<number, Uint8Array>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @returns false when the set had it */
  add(id: number): boolean {
    const number = Math.floor(id / pageIdCount);
    let page = this.#pages.get(number);
    if (page === undefined) this.#pages.set(number, (page = new Uint8Array(pageIdCount / 8)));
    const at = id - number * pageIdCount;
    const bits = page[at >> 3] ?? 0;
    const bit = 1 << (at & 7);
    if ((bits & bit) !== 0) return false;
    page[at >> 3] = bits | bit;
    this.#size++;
    return true;
  }

  has(id: number): boolean {
    const number = Math.floor(id / pageIdCount);
    const at = id - number * pageIdCount;
    return ((this.#pages.get(number)?.[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  *[Symbol.iterator](): Generator<number> {
    for (const [number, page] of this.#pages) {
      for (let at = 0; at < pageIdCount; at++) {
        if (((page[at >> 3] ?? 0) & (1 << (at & 7))) !== 0) yield number * pageIdCount + at;
      }
    }
  }
}
