/**
 * The circuit breaker: what the provider's answers mean for the session.
 *
 * Owns: counting faults in a row, opening (the session pauses itself rather than burn through its audience),
 * when to probe, closing; pausing when the provider refuses the first batches one after the other. Never: what
 * becomes of the batch (settle.ts).
 *
 * @module
 */
import { backoffMs, probeBackoff } from './backoff.ts';
import { pauseFor, type Session } from '../session/session.ts';
import type { ProviderTraits } from '../batch/doubt.ts';
import { outageShare, type SessionSignal } from '../batch/settle.ts';

/** Five senders may fail in the same moment; twice that is the provider and not a moment. */
const faultStreakLimit = 10;
/** Without keys each fault leaves a batch in doubt for good: the first one is enough. */
const keylessFaultStreakLimit = 1;

/**
 * Three whole batches, or five single recipients, refused while nothing was accepted: it is the mail that is
 * wrong, and not they. A batch with one or two bad addresses in it is accepted in part before that.
 */
const refusalLimit = 5;
const minProbeMs = 1_000;

/** What the provider's answer means for the session: circuit breaker, pauses. */
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
        : // What a person had checked is not asked on where nothing will be taken.
          { ...session, lastError: signal.message, isChecking: false };
    case 'none':
      return session;
    default:
      return signal satisfies never;
  }
}

/** The provider has answered in its own words. */
function reached(session: Session, nowMs: number): Session {
  const wasUnreachable = session.state === 'paused' && session.reason === 'mail_unreachable';
  if (session.faultStreak === 0 && !wasUnreachable && session.lastError === null) return session;
  return {
    ...session,
    faultStreak: 0,
    outageSince: null,
    probeAt: null,
    // A paused session keeps the words that say why; mail that was on its way still comes to its end.
    lastError: session.state === 'paused' && !wasUnreachable ? session.lastError : null,
    waitingUntil: null,
    ...(wasUnreachable ? { state: 'running' as const, reason: null, progressedAt: nowMs } : {}),
  };
}

/**
 * For how long nothing but faults has come; null while it may be one batch alone, which is asked ever more rarely
 * over half an hour before it is given up.
 *
 * @param attempts - that batch's own
 */
export function outageMs(
  { faultStreak, outageSince }: Session,
  attempts: number,
  nowMs: number,
): number | null {
  if (faultStreak < Math.max(2, attempts) || outageSince === null) return null;
  return Math.max(0, nowMs - outageSince);
}
