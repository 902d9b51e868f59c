/**
 * Which refusals are worth another attempt. How often and how long apart is the caller's decision.
 *
 * @module
 */
import type { Refusal } from './client.ts';

/** True when the same request can succeed later: the server failed or throttles, and nobody refused the request. */
export function isWorthAnotherTry(refusal: Exclude<Refusal, { kind: 'signed_out' }>): boolean {
  return refusal.kind === 'unreachable' || refusal.problem.status >= 500 || refusal.problem.status === 429;
}
