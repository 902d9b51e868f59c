/**
 * Activations as one list, the newest first: merged from pages, refreshes and the tracker. Pure.
 *
 * @module
 */
import { reduceProgress, type Progress } from '../../../../src/shared/progress.ts';
import { stateMessages } from '../messages/states.ts';

/** Lays newer progress over a list, and adds sessions that it does not have. */
export function mergeActivations(
  known: readonly Progress[],
  incoming: readonly Progress[],
): readonly Progress[] {
  const sessions = new Map(known.map((session) => [session.sessionId, session]));
  for (const session of incoming)
    sessions.set(session.sessionId, reduceProgress(sessions.get(session.sessionId) ?? null, session));
  return [...sessions.values()].sort(
    (a, b) => b.createdAt - a.createdAt || b.sessionId.localeCompare(a.sessionId),
  );
}

/** True when every word is in the name, owner, state or id. */
export function matchesActivation(session: Progress, search: string): boolean {
  const text =
    `${session.name} ${session.owner} ${stateMessages.states[session.state]} ${session.sessionId}`.toLocaleLowerCase();
  return search
    .toLocaleLowerCase()
    .trim()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
