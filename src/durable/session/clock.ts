/**
 * The session's times on disk follow a clock that was set back.
 *
 * Owns: the one transaction in which all of them move. Never: by how much (core/clock.ts).
 *
 * @module
 */
import { setBack, stepBackMs } from '../../core/clock.ts';
import { keyStepToleranceMs } from '../../core/batch/doubt.ts';
import type { SessionContext } from './context.ts';

/**
 * Looks whether the clock was set back since the session was written. Harmless where there is no session.
 *
 * @returns true when it was: the alarm that is set may be of the clock before
 */
export function followClock({ store, now, log }: Pick<SessionContext, 'store' | 'now' | 'log'>): boolean {
  const session = store.load();
  if (session === null) return false;
  const nowMs = now();
  const backMs = stepBackMs(session, nowMs);
  if (backMs === 0) return false;
  // How long it stood still before it was set back, nobody knows: a key may be older than it looks.
  const areKeysDead = backMs > keyStepToleranceMs;
  store.transact(() => {
    store.batches.setBack(backMs, areKeysDead);
    store.save(setBack(session, nowMs, backMs, areKeysDead));
  });
  log('warn', 'clock_set_back', { backMs });
  return true;
}
