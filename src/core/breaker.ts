/**
 * The circuit breaker: what the provider's answers mean for the session.
 *
 * Owns: counting faults in a row, opening (the session pauses itself rather than burn through its audience),
 * when to probe, closing. Never: what becomes of the batch (settle.ts).
 *
 * @module
 */
import { backoffMs, probeBackoff } from './backoff.ts';
import { pauseFor, type Session } from './session.ts';
import type { ProviderTraits, SessionSignal } from './settle.ts';

/** Five senders may fail in the same moment; twice that is the provider and not a moment. */
const faultStreakLimit = 10;
/** Without keys each fault leaves a batch in doubt for good: the first one is enough. */
const keylessFaultStreakLimit = 1;

/** What the provider's answer means for the session: circuit breaker, pauses. */
export function applySignal(
  session: Session,
  nowMs: number,
  signal: SessionSignal,
  context: { random: () => number; traits: ProviderTraits },
): Session {
  switch (signal.kind) {
    case 'healthy': {
      const wasUnreachable = session.state === 'paused' && session.reason === 'mail_unreachable';
      if (session.faultStreak === 0 && !wasUnreachable && session.lastError === null) return session;
      return {
        ...session,
        faultStreak: 0,
        probeAt: null,
        // A paused session keeps the words that say why; mail that was on its way still comes to its end.
        lastError: session.state === 'paused' && !wasUnreachable ? session.lastError : null,
        waitingUntil: null,
        ...(wasUnreachable ? { state: 'running' as const, reason: null, progressedAt: nowMs } : {}),
      };
    }
    case 'fault': {
      const faultStreak = session.faultStreak + 1;
      const limit = context.traits.idempotencyWindowMs === null ? keylessFaultStreakLimit : faultStreakLimit;
      const isOpen = faultStreak >= limit;
      const mayPause = session.state === 'running' || session.reason === 'mail_unreachable';
      if (!isOpen || !mayPause || session.finishedAt !== null || session.state === 'cancelled') {
        return { ...session, faultStreak, lastError: signal.message };
      }
      const probeAt = nowMs + backoffMs(probeBackoff, faultStreak - limit + 1, context.random);
      return {
        ...session,
        faultStreak,
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
        : { ...session, lastError: signal.message };
    case 'throttled':
    case 'none':
      return session;
    default:
      return signal satisfies never;
  }
}
