/**
 * Clock steps: how the stored times of a session follow a host clock that was set back.
 *
 * A session knows that the old clock had reached `updatedAt`. If the clock is earlier now, it was set back by at
 * least the difference, and every stored time is too late by as much. Steps forward need no correction: waits end
 * early, and a key counts as expired too soon.
 *
 * Owns the bounds and the arithmetic of a session. The times of the mail gate are in limits/rate-limit.ts.
 *
 * @module
 */
import { maxThrottleMs } from './limits/rate-limit.ts';
import { isHalted, windowOpensAt, type Session } from './session/session.ts';
import { gateAt } from './session/wave-gate.ts';
import { setBackWaves } from './session/waves.ts';

/** Clocks of two machines that an object moves between differ by this much without a step. */
export const clockToleranceMs = 5_000;

/** A day's cap on mails is the longest that a session waits for, until the next UTC day; a key lives no longer. */
const dayMs = 86_400_000;

/**
 * The longest time ahead, in ms, at which anything of a session that has not ended can be due. Times further ahead
 * were written under another clock.
 */
export function longestWaitMs(
  session: Pick<Session, 'spec' | 'state' | 'waitingUntil' | 'probeAt' | 'waves' | 'plan' | 'finishedAt'>,
  nowMs: number,
): number {
  const { spec, state, waitingUntil, probeAt } = session;
  if (state === 'awaiting_approval') return Math.max(0, (spec.approval?.expiresAt ?? nowMs) - nowMs);
  if (state === 'scheduled') return Math.max(0, (spec.schedule?.startAt ?? nowMs) - nowMs);
  // A pause ends by a person; until then, what is in doubt waits for the end of its key.
  const isForKeys = isHalted(session) && probeAt === null;
  const isWaiting = waitingUntil !== null && waitingUntil > nowMs;
  const waitMs = isWaiting || isForKeys ? dayMs : maxThrottleMs;
  // The hours of a window are those of the present clock.
  return Math.max(
    waitMs,
    (windowOpensAt(session, nowMs) ?? nowMs) - nowMs,
    (gateAt(session) ?? nowMs) - nowMs,
  );
}

/** By how many ms the clock has been set back since the session was written; 0 when it has not. */
export function stepBackMs(session: Pick<Session, 'updatedAt'>, nowMs: number): number {
  const backMs = session.updatedAt - nowMs;
  return backMs > clockToleranceMs ? backMs : 0;
}

/**
 * The session with its times moved to the present clock: every wait is as far ahead as it was.
 *
 * @param areKeysDead - the age of what is in doubt is not known: the provider is not asked about it any more
 */
export function setBack(session: Session, nowMs: number, backMs: number, areKeysDead: boolean): Session {
  const earlier = (at: number | null): number | null => (at === null ? null : at - backMs);
  return {
    ...session,
    rev: session.rev + 1,
    updatedAt: nowMs,
    progressedAt: Math.min(nowMs, session.progressedAt - backMs),
    waitingUntil: earlier(session.waitingUntil),
    waitingFor: null,
    lateFrom: earlier(session.lateFrom),
    probeAt: earlier(session.probeAt),
    // The version before numbered by the clock and kept no number: a flip of it may be on its way with one of the old clock.
    fence: Math.max(session.fence, session.updatedAt),
    outageSince: earlier(session.outageSince),
    waves: setBackWaves(session.waves, backMs),
    checkableUntil: areKeysDead ? null : earlier(session.checkableUntil),
    samples: [],
  };
}
