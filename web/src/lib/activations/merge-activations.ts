/**
 * Activations as one list, the newest first: merged from pages, refreshes and the tracker. Pure.
 *
 * @module
 */
import { isTerminal, reduceProgress, type Progress } from '../../../../src/shared/progress.ts';
import type { ActivationView } from '../../../../src/shared/schemas/activation.ts';
import { stateMessages } from '../messages/states.ts';
import { isResting } from '../sync/progress-view.ts';
import { layersOf, needsAttention } from '../sync/layers.ts';

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

/** When an activation goes on that waits for its time; null where it waits for none. */
export function dueAt(session: Progress): number | null {
  if (isTerminal(session)) return null;
  if (session.state === 'scheduled') return session.schedule?.startAt ?? null;
  const kind = session.waitingFor?.kind;
  return kind === 'window' || kind === 'wave' ? session.waitingUntil : null;
}

/** True for an activation of this part of the list; the server's query says the same. */
export function isInView(session: Progress, view: ActivationView | ''): boolean {
  switch (view) {
    case '':
      return true;
    case 'open':
      return !isTerminal(session) && !isResting(session);
    case 'approval':
      return !isTerminal(session) && session.state === 'awaiting_approval';
    case 'scheduled':
      return dueAt(session) !== null;
    case 'attention':
      return (
        needsAttention(layersOf(session)) > 0 ||
        session.state === 'failed' ||
        session.state === 'wave_held' ||
        (session.state === 'paused' && session.reason !== 'user')
      );
    case 'completed':
    case 'cancelled':
      return session.state === view;
    default:
      return view satisfies never;
  }
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
