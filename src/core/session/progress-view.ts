/**
 * The progress view: a session as it is shown at a moment, with rate, estimate and `stalledSince`.
 *
 * Changes nothing of the session.
 *
 * @module
 */
import { approvalFacts } from '../../shared/approval.ts';
import type { Progress, WaitingFor } from '../../shared/progress.ts';
import type { ResolvedSchedule } from '../../shared/schedule/schedule.ts';
import { clockToleranceMs, longestWaitMs } from '../clock.ts';
import { estimate } from './eta.ts';
import { isHalted, processedCount, undoUntil, windowOpensAt, type Session } from './session.ts';
import { shownTakeBack } from './take-back.ts';
import { etaWithWaves, shownWaves } from './wave-view.ts';
import { gateAt, presentWave } from './wave-gate.ts';

/** A running session without a result for this long is shown as stalled, at a client within half a minute. */
export const stalledAfterMs = 25_000;
/** The reason of a wait is shown after this time, so that an ordinary slow answer does not show one. */
export const waitShownAfterMs = 3_000;

/** The answer to a poll: the ETag of the progress, and its JSON unless the poll has it already. */
export interface PollAnswer {
  etag: string;
  body: string | null;
}

/** @param knownTags - the ETags of `If-None-Match`; `*` stands for all */
export function answerPoll(progress: Progress, knownTags: readonly string[]): PollAnswer {
  // Whether the session stalls changes the progress without a new revision.
  const etag = `"${progress.rev}${progress.stalledSince === null ? '' : '-stalled'}"`;
  const isKnown = knownTags.some((tag) => tag === etag || tag === '*');
  return { etag, body: isKnown ? null : JSON.stringify(progress) };
}

/** Progress as everybody sees it, at `nowMs`. */
export function toProgress(session: Session, nowMs: number): Progress {
  const { spec, counts } = session;
  const processed = processedCount(counts);
  const isSending =
    session.finishedAt === null && (session.state === 'running' || session.state === 'queued');
  // Computed and not only as it is stored: a command may have come while the window is closed.
  const isProbing = session.finishedAt === null && session.reason === 'mail_unreachable';
  const watchedUntil = isSending ? gateAt(session) : null;
  const windowAt = (isSending || isProbing) && watchedUntil === null ? windowOpensAt(session, nowMs) : null;
  const waitingUntil = watchedUntil ?? windowAt ?? session.waitingUntil;
  // A pause has its own reason.
  const waitingFor =
    watchedUntil !== null
      ? waveWait(session)
      : windowAt === null || isProbing
        ? waitOf(session, nowMs)
        : windowWait(session, nowMs);
  const isMoving = session.state === 'running' && waitingUntil === null && waitingFor === null;
  const { ratePerSecond, etaSeconds } = estimate(
    session.samples,
    nowMs,
    processed,
    session.total - processed,
    isMoving && session.finishedAt === null,
  );
  const startsAt = undoUntil(session, nowMs);
  const takeBack = shownTakeBack(session);
  const isStalled =
    startsAt === null &&
    isSending &&
    windowAt === null &&
    watchedUntil === null &&
    !isExplained(session, nowMs) &&
    // A result that is still to come was written under another clock, and says nothing of how long ago it is.
    (nowMs - session.progressedAt > stalledAfterMs || session.progressedAt > nowMs + clockToleranceMs);
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
    ...(session.crm === null || spec.crm === undefined
      ? {}
      : {
          crm: {
            provider: spec.crm.provider,
            inCrm: session.crm.inCrm,
            limitedBy: session.crm.limitedBy,
          },
        }),
    ratePerSecond,
    etaSeconds: etaWithWaves(session, etaSeconds, nowMs),
    createdAt: spec.createdAt,
    ...(startsAt === null ? {} : { startsAt }),
    ...(spec.schedule === undefined ? {} : { schedule: scheduleOf(spec.schedule) }),
    ...(spec.window === undefined ? {} : { window: spec.window }),
    ...shownWaves(session),
    ...(spec.approval === undefined ? {} : { approval: approvalFacts(spec.approval) }),
    ...(takeBack === null ? {} : { takeBack }),
    startedAt: session.startedAt,
    updatedAt: session.updatedAt,
    finishedAt: session.finishedAt,
    waitingUntil,
    waitingFor,
    // A halted session may hold mail in doubt that is not called unknown yet.
    checkableUntil: counts.unknown > 0 || isHalted(session) ? session.checkableUntil : null,
    stalledSince: isStalled ? Math.min(session.progressedAt, nowMs) : null,
    lastError: session.lastError,
  };
}

function scheduleOf({ at, zone, freezeAt, startAt }: ResolvedSchedule): ResolvedSchedule {
  return { at, zone, freezeAt, startAt };
}

/** What the session waits for, unless a result came since. */
function waitOf(session: Session, nowMs: number): WaitingFor | null {
  const { waitingFor, waitingUntil } = session;
  if (waitingFor === null || session.finishedAt !== null || isHalted(session)) return null;
  // The result of a call that had its share of the day does not end the wait for the next one.
  const isHeld = waitingFor.kind === 'daily_cap' && (waitingUntil ?? 0) > nowMs;
  if (session.progressedAt > waitingFor.since && !isHeld) return null;
  const isLong = nowMs - waitingFor.since >= waitShownAfterMs || (waitingUntil ?? 0) > nowMs;
  return isLong ? waitingFor : null;
}

/** What is shown while a wave is watched. */
function waveWait(session: Session): WaitingFor {
  return { kind: 'wave', since: presentWave(session)?.settledAt ?? session.progressedAt };
}

/** What is shown while the sending window is closed. */
function windowWait({ waitingFor, progressedAt }: Session, nowMs: number): WaitingFor {
  return waitingFor?.kind === 'window'
    ? waitingFor
    : { kind: 'window', since: Math.min(progressedAt, nowMs) };
}

/** True while the time that it waits until is one that can be meant. */
function isExplained(session: Session, nowMs: number): boolean {
  const { waitingUntil } = session;
  if (waitingUntil === null) return false;
  return waitingUntil >= nowMs - stalledAfterMs && waitingUntil <= nowMs + longestWaitMs(session, nowMs);
}
