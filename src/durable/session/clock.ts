/**
 * Moves the stored times of a session when the clock was set back.
 *
 * Owns the one transaction in which all of them move. By how much is core/clock.ts.
 *
 * @module
 */
import { setBack, stepBackMs } from '../../core/clock.ts';
import { keyStepToleranceMs } from '../../core/batch/doubt.ts';
import type { SessionContext } from './context.ts';

/**
 * Checks whether the clock was set back since the session was last written, and moves its times. Does nothing where
 * there is no session.
 *
 * @returns true when it was set back; the alarm may then be set by the old clock
 */
export function followClock({ store, now, log }: Pick<SessionContext, 'store' | 'now' | 'log'>): boolean {
  const session = store.load();
  if (session === null) return false;
  const nowMs = now();
  const backMs = stepBackMs(session, nowMs);
  if (backMs === 0) return false;
  // It is not known for how long the clock was wrong, so a key may be older than it looks.
  const areKeysDead = backMs > keyStepToleranceMs;
  store.transact(() => {
    store.batches.setBack(backMs, areKeysDead);
    store.save(setBack(session, nowMs, backMs, areKeysDead));
  });
  log('warn', 'clock_set_back', { backMs });
  return true;
}
