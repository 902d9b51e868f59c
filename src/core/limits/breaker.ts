/**
 * The circuit breaker: what the provider's answers mean for the session.
 *
 * Owns counting faults in a row, opening (the session pauses itself instead of failing its audience), when to probe,
 * and closing. It also pauses a session whose first batches are all refused. What becomes of a batch is decided in
 * batch/settle.ts.
 *
 * @module
 */
import { backoffMs } from '../../shared/backoff.ts';
import { probeBackoff } from './backoff.ts';
import { isHalted, pauseFor, type Session } from '../session/session.ts';
import type { ProviderTraits } from '../batch/doubt.ts';
import { outageShare, type SessionSignal } from '../batch/settle.ts';

/** Five senders may fail in one moment. Twice as many faults in a row mean that the provider is down. */
const faultStreakLimit = 10;
/** Without keys each fault leaves a batch in doubt for good, so the first one opens the breaker. */
const keylessFaultStreakLimit = 1;

/**
 * Three whole batches or five single recipients, refused while nothing was accepted: then the mail itself is
 * wrong, not the addresses. A batch with one or two bad addresses is accepted in part before that.
 */
const refusalLimit = 5;
const minProbeMs = 1_000;

/**
 * Applies what an answer says about the provider to the session.
 *
 * @param nowMs - epoch ms
 */
export function applySignal(
  session: Session,
  nowMs: number,
  signal: SessionSignal,
  context: { random: () => number; traits: ProviderTraits },
): Session {
  switch (signal.kind) {
    case 'healthy':
      return { ...reached(session, nowMs), refusalScore: 0 };
    case 'refused': {
      const back = reached(session, nowMs);
      if (session.counts.sent > 0) return back;
      const refusalScore = back.refusalScore + signal.weight;
      const isHopeless = refusalScore >= refusalLimit && back.state === 'running';
      if (!isHopeless) return { ...back, refusalScore };
      const words = `The mail provider refused the first emails, and has taken none yet. It said: ${signal.message}`;
      return { ...pauseFor(back, 'mail_refused', words), refusalScore };
    }
    case 'fault': {
      const faultStreak = session.faultStreak + 1;
      const limit = context.traits.idempotencyWindowMs === null ? keylessFaultStreakLimit : faultStreakLimit;
      const isOpen = faultStreak >= limit;
      const outageSince = session.outageSince ?? nowMs;
      const mayPause = session.state === 'running' || session.reason === 'mail_unreachable';
      if (!isOpen || !mayPause || session.finishedAt !== null || session.state === 'cancelled') {
        return { ...session, faultStreak, outageSince, lastError: signal.message };
      }
      const longestMs = Math.max(minProbeMs, outageShare * (nowMs - outageSince));
      const backedOffMs = backoffMs(probeBackoff, faultStreak - limit + 1, context.random);
      const probeAt = nowMs + Math.round(Math.min(backedOffMs, longestMs));
      return {
        ...session,
        faultStreak,
        outageSince,
        lastError: signal.message,
        state: 'paused',
        reason: 'mail_unreachable',
        probeAt,
        waitingUntil: probeAt,
        samples: [],
      };
    }
    case 'pause':
      return session.state === 'running' || session.reason === 'mail_unreachable'
        ? pauseFor(session, signal.reason, signal.message)
        : // A check ends here: the provider will take nothing.
          { ...session, lastError: signal.message, isChecking: false };
    case 'none':
      return session;
    default:
      return signal satisfies never;
  }
}

/** The session after an answer that is certainly the provider's. */
function reached(session: Session, nowMs: number): Session {
  const wasUnreachable = session.state === 'paused' && session.reason === 'mail_unreachable';
  if (session.faultStreak === 0 && !wasUnreachable && session.lastError === null) return session;
  return {
    ...session,
    faultStreak: 0,
    outageSince: null,
    probeAt: null,
    // A halted session keeps the message of its pause, also when a call that was on its way is answered.
    lastError: isHalted(session) && !wasUnreachable ? session.lastError : null,
    waitingUntil: null,
    ...(wasUnreachable ? { state: 'running' as const, reason: null, progressedAt: nowMs } : {}),
  };
}

/**
 * For how long, in ms, nothing but faults has come. Null while only one batch may be at fault: that one is repeated
 * ever more rarely over half an hour before it is given up.
 *
 * @param attempts - of the batch that was answered
 */
export function outageMs(
  { faultStreak, outageSince }: Session,
  attempts: number,
  nowMs: number,
): number | null {
  if (faultStreak < Math.max(2, attempts) || outageSince === null) return null;
  return Math.max(0, nowMs - outageSince);
}
