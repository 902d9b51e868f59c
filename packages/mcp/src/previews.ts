/**
 * What one conversation has previewed. It can do these things and nothing else.
 *
 * Invariants: what is done is the request that was previewed, held to its hash; what another conversation previewed is
 * unknown here.
 *
 * @module
 */

/** More than a person can keep in mind; the oldest is forgotten. */
const maxPreviewCount = 20;

export class Previews<Request> {
  readonly #byHash = new Map<string, Request>();

  /**
   * Remembers what a preview was of.
   *
   * @param request - gets what was remembered under this hash before
   */
  add(hash: string, request: (earlier: Request | undefined) => Request): void {
    const remembered = request(this.#byHash.get(hash));
    this.#byHash.delete(hash);
    this.#byHash.set(hash, remembered);
    const [oldest] = this.#byHash.keys();
    if (this.#byHash.size > maxPreviewCount && oldest !== undefined) this.#byHash.delete(oldest);
  }

  /** The request of a preview; null where this conversation has not previewed it. */
  requestOf(hash: string): Request | null {
    return this.#byHash.get(hash) ?? null;
  }
}
