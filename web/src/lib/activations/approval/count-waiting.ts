/**
 * How many activations still wait for an approval. Pure.
 *
 * @module
 */
import { reduceProgress, type Progress } from '../../../../../src/shared/progress.ts';

/**
 * Counts those of a list that wait by the newer of two views.
 *
 * @param listed - as the server has last listed them
 * @param seen - by session, what this tab has seen of any; it may be newer than a list that was asked for before
 */
export function countWaiting(listed: readonly Progress[], seen: ReadonlyMap<string, Progress>): number {
  return listed.filter((one) => {
    const { state } = reduceProgress(seen.get(one.sessionId) ?? null, one);
    return state === 'awaiting_approval';
  }).length;
}
