/**
 * The history of runs as a list: merged from pages, refreshes and the tracker, newest first. Pure.
 *
 * @module
 */
import { reduceProgress, type Progress } from '../../../../src/shared/progress.ts';
import { stateMessages } from '../messages/states.ts';

/** Lays newer views of runs over a list, and adds those that it does not have. */
export function mergeActivations(
  known: readonly Progress[],
  incoming: readonly Progress[],
): readonly Progress[] {
  const runs = new Map(known.map((run) => [run.sessionId, run]));
  for (const run of incoming) runs.set(run.sessionId, reduceProgress(runs.get(run.sessionId) ?? null, run));
  return [...runs.values()].sort(
    (a, b) => b.createdAt - a.createdAt || b.sessionId.localeCompare(a.sessionId),
  );
}

/** True when every word is in the run's name, owner, state or id. */
export function matchesActivation(run: Progress, search: string): boolean {
  const text =
    `${run.name} ${run.owner} ${stateMessages.states[run.state]} ${run.sessionId}`.toLocaleLowerCase();
  return search
    .toLocaleLowerCase()
    .trim()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
