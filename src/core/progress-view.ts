/**
 * The Progress view: a session as everybody sees it.
 *
 * Owns: what is shown at a moment, with rate, estimate and `stalledSince`. Never: changes of the session.
 *
 * @module
 */
import type { Progress } from '../shared/progress.ts';
import { estimate } from './eta.ts';
import { processedCount, undoUntil, type Session } from './session.ts';

/** A running session without a result for this long says so. A slow mail API answers within 30 s. */
export const stalledAfterMs = 45_000;

/** Progress as everybody sees it, at `nowMs`. */
export function toProgress(session: Session, nowMs: number): Progress {
  const { spec, counts } = session;
  const processed = processedCount(counts);
  const isMoving = session.state === 'running' && session.waitingUntil === null;
  const { ratePerSecond, etaSeconds } = estimate(
    session.samples,
    nowMs,
    processed,
    session.total - processed,
    isMoving && session.finishedAt === null,
  );
  const startsAt = undoUntil(session, nowMs);
  const isStalled =
    startsAt === null &&
    session.finishedAt === null &&
    (session.state === 'running' || session.state === 'queued') &&
    (session.waitingUntil === null || session.waitingUntil < nowMs - stalledAfterMs) &&
    nowMs - session.progressedAt > stalledAfterMs;
  return {
    sessionId: spec.sessionId,
    name: spec.name,
    owner: spec.owner,
    state: session.state,
    reason: session.reason,
    rev: session.rev,
    total: session.total,
    processed,
    activation: { activated: counts.activated, skipped: counts.skipped, failed: counts.refused },
    email: {
      sent: counts.sent,
      failed: counts.failed,
      unknown: counts.unknown,
      delivered: session.delivered,
      bounced: session.bounced,
      complained: session.complained,
    },
    ratePerSecond,
    etaSeconds,
    createdAt: spec.createdAt,
    ...(startsAt === null ? {} : { startsAt }),
    startedAt: session.startedAt,
    updatedAt: session.updatedAt,
    finishedAt: session.finishedAt,
    waitingUntil: session.waitingUntil,
    // A paused session may hold mail in doubt that is not called unknown yet.
    checkableUntil: counts.unknown > 0 || session.state === 'paused' ? session.checkableUntil : null,
    stalledSince: isStalled ? session.progressedAt : null,
    lastError: session.lastError,
  };
}
