/**
 * What the screens compute from a Progress: its one rate, percentages that are honest at both ends, the order of
 * the tracker, and when a change is worth saying aloud. Pure.
 *
 * @module
 */
import { isTerminal, stageOf, type Progress } from '../../../../src/shared/progress.ts';

/** Rounded down, so that 100 is only ever said when all is done; 0 of 0 counts as done. */
export function percentOf(done: number, max: number): number {
  if (max <= 0) return 100;
  return Math.max(0, Math.min(100, Math.floor((done / max) * 100)));
}

/** Percent of the whole session. Of a cancelled one, what was done: the leads that it let go are not. */
export function sessionPercent(progress: Progress): number {
  return percentOf(shownDone(progress), progress.total);
}

/** Leads that are done, as a person counts them: those that a cancel let go are not. */
export function shownDone(progress: Progress): number {
  return progress.state === 'cancelled' ? doneCount(progress) : progress.processed;
}

/** Leads that have a result of an attempt: skipped ones are not among them. */
export function doneCount({ activation, email }: Progress): number {
  return activation.failed + email.sent + email.failed + email.unknown;
}

/** Shorter than this, a division by the time makes a rate of what is mere chance. */
export const minRateMs = 5_000;

/** Leads per second: of the last half minute while it moves, the average once it is over. */
export interface Rate {
  perSecond: number;
  isAverage: boolean;
}

/** The one rate of a session, for every screen; null while it cannot be said. */
export function rateOf(progress: Progress): Rate | null {
  if (!isTerminal(progress)) {
    const isMoving = progress.state === 'running' && progress.ratePerSecond > 0;
    return isMoving ? { perSecond: progress.ratePerSecond, isAverage: false } : null;
  }
  const tookMs = durationMs(progress, 0) ?? 0;
  const done = doneCount(progress);
  return tookMs < minRateMs || done === 0 ? null : { perSecond: (done * 1_000) / tookMs, isAverage: true };
}

/** What moves first, then what has ended and is news, then what waits for a person; each the newest first. */
export function inTrackerOrder<View extends { sessionId: string; progress: Progress | null }>(
  views: readonly View[],
): View[] {
  const rank = ({ progress }: View): number =>
    progress === null ? 0 : isTerminal(progress) ? 1 : stageOf(progress) === 'halted' ? 2 : 0;
  return [...views].sort((a, b) => rank(a) - rank(b) || b.sessionId.localeCompare(a.sessionId));
}

/** Percentage over several sessions that still go on, for the tab's title; null when none does. */
export function overallPercent(sessions: readonly Progress[]): number | null {
  const live = sessions.filter((session) => !isTerminal(session) && !isResting(session));
  if (live.length === 0) return null;
  const done = live.reduce((sum, session) => sum + session.processed, 0);
  const total = live.reduce((sum, session) => sum + session.total, 0);
  // A session that has not counted its audience yet has done nothing.
  return total === 0 ? 0 : percentOf(done, total);
}

/** What a screen reader should say about a change: quarters that were reached, and a new state. */
export interface Announcement {
  /** Rising; several where a tab catches up. */
  percents: readonly number[];
  state: Progress['state'] | null;
}

const quarters = [0, 25, 50, 75, 100];

/** Says 0, 25, 50, 75 and 100 % once each, and every change of state; null for a mere tick. */
export function announcementFor(previous: Progress | null, next: Progress): Announcement | null {
  if (previous === null) return isTerminal(next) ? null : { percents: [sessionPercent(next)], state: null };
  const [before, after] = [sessionPercent(previous), sessionPercent(next)];
  const percents = quarters.filter((quarter) => before < quarter && quarter <= after);
  const turned = previous.state !== next.state || isTerminal(previous) !== isTerminal(next);
  return percents.length === 0 && !turned ? null : { percents, state: turned ? next.state : null };
}

/** Milliseconds that a session took, or takes so far; null before it began. */
export function durationMs(progress: Progress, nowMs: number): number | null {
  if (progress.startedAt === null) return null;
  return Math.max(0, (progress.finishedAt ?? nowMs) - progress.startedAt);
}

/** What a person may do to a session now; everything else would be refused with 409. */
export function allowedControls(
  progress: Progress,
  nowMs: number,
): {
  pause: boolean;
  resume: boolean;
  cancel: boolean;
  retryFailed: boolean;
  retryUnknown: boolean;
  check: boolean;
  assumeSent: boolean;
  startNow: boolean;
  /** To go on from a wave that is held, or to end the watch of one. */
  nextWave: boolean;
  /** To change its start time; its sending window can be changed until its end. */
  reschedule: boolean;
  erase: boolean;
} {
  const over = isTerminal(progress);
  const cancelling = isCancelling(progress);
  const isTakenBack = progress.takeBack !== undefined;
  return {
    // One that waits for an unreachable provider starts again by itself, so a person may hold it.
    pause:
      !over &&
      (progress.state === 'running' ||
        progress.state === 'queued' ||
        (progress.state === 'paused' && progress.reason === 'mail_unreachable')),
    resume: progress.state === 'paused' && !isBeforeStart(progress),
    cancel: !over && !cancelling,
    // Its leads may belong to another activation since.
    retryFailed: !cancelling && !isTakenBack && progress.email.failed > 0,
    retryUnknown: !cancelling && !isTakenBack && progress.email.unknown > 0,
    check: !cancelling && !isTakenBack && (progress.checkableUntil ?? 0) > nowMs,
    assumeSent: progress.email.unknown > 0,
    startNow: isBeforeStart(progress),
    nextWave:
      progress.state === 'wave_held' ||
      (progress.state === 'running' && progress.waitingFor?.kind === 'wave'),
    reschedule: isBeforeStart(progress) || progress.state === 'awaiting_approval',
    erase:
      (over && progress.takeBack?.endedAt !== null) || stageOf(progress) === 'halted' || isResting(progress),
  };
}

/** It waits for its start time or for a person's approval, perhaps for days: nobody follows it. */
export function isResting(progress: Pick<Progress, 'state'>): boolean {
  return stageOf(progress) === 'ahead';
}

/** It waits for its start time, or has missed it. */
export function isBeforeStart({ state, reason }: Pick<Progress, 'state' | 'reason'>): boolean {
  return state === 'scheduled' || (state === 'paused' && reason === 'schedule_missed');
}

/** Cancelled, but what was on its way to the mail provider has not settled yet. */
export function isCancelling(progress: Progress): boolean {
  return progress.state === 'cancelled' && !isTerminal(progress);
}
