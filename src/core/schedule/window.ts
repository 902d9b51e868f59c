/**
 * A session outside of its sending window.
 *
 * That nothing leaves then is `workMode` (session/session.ts), when to wake session/wake.ts; here is what is shown.
 *
 * @module
 */
import { touch, waitOn, windowOpensAt, type Session } from '../session/session.ts';
import { isWatching } from '../session/wave-gate.ts';

/** The session, which waits until its window opens where that is closed; the same object where nothing changes. */
export function waitForWindow(session: Session, nowMs: number): Session {
  const isSending = session.state === 'queued' || session.state === 'running';
  const isDue = isSending && session.finishedAt === null && !isWatching(session);
  const opensAt = isDue ? windowOpensAt(session, nowMs) : null;
  if (opensAt === null) return session;
  if (session.waitingFor?.kind === 'window' && session.waitingUntil === opensAt) return session;
  return touch(session, nowMs, { waitingUntil: opensAt, waitingFor: waitOn(session, 'window', nowMs) });
}
