/**
 * What one conversation has previewed. A start is possible for these and for nothing else.
 *
 * Invariants: a start sends the request that was previewed, held to its hash, under one id however often it is asked
 * for; what another conversation previewed is unknown here.
 *
 * @module
 */
import type { ActivationRequest } from '../../client/src/index.ts';

interface Previewed {
  request: ActivationRequest;
  sessionId: string;
}

/** More than a person can keep in mind; the oldest is forgotten. */
const maxPreviewCount = 20;

export class Previews {
  readonly #newSessionId: () => string;
  readonly #byHash = new Map<string, Previewed>();

  constructor(newSessionId: () => string) {
    this.#newSessionId = newSessionId;
  }

  /** Remembers what a preview was of. The same again keeps its id: it is the same start. */
  add(hash: string, request: ActivationRequest): void {
    const sessionId = this.#byHash.get(hash)?.sessionId ?? this.#newSessionId();
    this.#byHash.delete(hash);
    this.#byHash.set(hash, { request, sessionId });
    const [oldest] = this.#byHash.keys();
    if (this.#byHash.size > maxPreviewCount && oldest !== undefined) this.#byHash.delete(oldest);
  }

  /** The start of a preview; null where this conversation has not previewed it. */
  startOf(hash: string): (ActivationRequest & { sessionId: string; manifestHash: string }) | null {
    const previewed = this.#byHash.get(hash);
    if (previewed === undefined) return null;
    return { ...previewed.request, sessionId: previewed.sessionId, manifestHash: hash };
  }
}
