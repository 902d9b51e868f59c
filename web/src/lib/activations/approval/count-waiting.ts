/**
 * How many activations still wait for an approval. Pure.
 *
 * @module
 */
import type { Progress } from '../../../../../src/shared/progress.ts';

/**
 * Counts those of a list that were not decided since.
 *
 * @param listed - those that waited when the server listed them
 * @param seen - by session, what this tab has seen of any; it may be newer than a list that was asked for before
 */
export function countWaiting(listed: readonly Progress[], seen: ReadonlyMap<string, Progress>): number {
  return listed.filter(({ sessionId, rev }) => {
    const known = seen.get(sessionId);
    return known === undefined || known.rev <= rev || known.state === 'awaiting_approval';
  }).length;
}
