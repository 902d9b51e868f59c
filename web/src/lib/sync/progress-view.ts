/**
 * What the screens compute from a Progress: the two bars, percentages that are honest at both ends, and
 * when a change is worth saying aloud. Pure.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../../../src/shared/progress.ts';

/** A bar: `done` of `max`, both leads. */
export interface Bar {
  done: number;
  max: number;
  percent: number;
}

/** Rounded down, so that 100 is only ever said when all is done; 0 of 0 counts as done. */
export function percentOf(done: number, max: number): number {
  if (max <= 0) return 100;
  return Math.max(0, Math.min(100, Math.floor((done / max) * 100)));
}

/** Leads whose activation is decided. */
export function activationBar(progress: Progress): Bar {
  const { activated, skipped, failed } = progress.activation;
  const done = activated + skipped + failed;
  return { done, max: progress.total, percent: percentOf(done, progress.total) };
}

/**
 * Mails that have an outcome, of the mails that there will be. Skipped and failed leads get none, so `max`
 * falls as they are found and the percentage can only rise.
 */
export function emailBar(progress: Progress): Bar {
  const { sent, failed, unknown } = progress.email;
  const done = sent + failed + unknown;
  const max = Math.max(0, progress.total - progress.activation.skipped - progress.activation.failed);
  return { done, max, percent: percentOf(done, max) };
}

/** Percent of the whole session. */
export function sessionPercent(progress: Progress): number {
  return percentOf(progress.processed, progress.total);
}

/** Percentage over several sessions that still go on, for the tab's title; null when none does. */
export function overallPercent(sessions: readonly Progress[]): number | null {
  const live = sessions.filter((session) => !isTerminal(session));
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
  erase: boolean;
} {
  const over = isTerminal(progress);
  const cancelling = isCancelling(progress);
  return {
    pause: !over && (progress.state === 'running' || progress.state === 'queued'),
    resume: progress.state === 'paused',
    cancel: !over && !cancelling,
    retryFailed: !cancelling && progress.email.failed > 0,
    retryUnknown: !cancelling && progress.email.unknown > 0,
    check: !cancelling && (progress.checkableUntil ?? 0) > nowMs,
    assumeSent: progress.email.unknown > 0,
    erase: over || progress.state === 'paused',
  };
}

/** Cancelled, but what was on its way to the mail provider has not settled yet. */
export function isCancelling(progress: Progress): boolean {
  return progress.state === 'cancelled' && !isTerminal(progress);
}
