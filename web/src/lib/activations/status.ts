/**
 * Where an activation is, told once for every screen: tone, label, sentence, what blocks it, what to do. Pure.
 *
 * Invariant: one state at a time. What blocks comes before what is going on, and no number is said twice.
 *
 * @module
 */
import {
  emailPendingCount,
  isTerminal,
  remainingCount,
  type Progress,
  type SessionReason,
} from '../../../../src/shared/progress.ts';
import { formatCount, formatRoughDuration } from '../messages/format.ts';
import { statusMessages as m } from '../messages/status.ts';
import { stateMessages } from '../messages/states.ts';
import { warmUpMessages } from '../messages/warm-up.ts';
import { trackerMessages } from '../messages/tracker.ts';
import { timeText, windowText } from '../timing/describe.ts';
import { isUnwatched, momentText, nextWaveSize, presentWave, waveRest } from './wave.ts';
import { isCancelling, shownDone } from '../sync/progress-view.ts';
import { layersOf, needsAttention } from '../sync/layers.ts';

/** What keeps an activation from moving, and the way out. */
export interface Cause {
  title: string;
  /** What happens next, or what a person should do. */
  text: string;
  href: string | null;
  /** The provider's own words, where they add something. */
  detail: string | null;
}

export interface Status {
  tone: 'neutral' | 'accent' | 'good' | 'warn' | 'bad';
  /** A few words, for a chip or a line. */
  label: string;
  /** The numbers in one sentence. */
  sentence: string;
  cause: Cause | null;
  /** Work is going on: a bar may move. */
  isMoving: boolean;
}

/** Whole seconds until `at`; 0 once it is due. */
const secondsUntil = (at: number, now: number): number => Math.max(0, Math.ceil((at - now) / 1_000));

/**
 * Seconds in which a start can be undone; 0 when it has begun. Never more than the server gave, whatever this
 * clock says.
 */
export function undoSeconds(progress: Progress, now: number): number {
  const { startsAt, createdAt } = progress;
  if (startsAt === undefined || isTerminal(progress)) return 0;
  return Math.min(secondsUntil(startsAt, now), Math.ceil((startsAt - createdAt) / 1_000));
}

/** What a resume would do: `10 emails waiting, 15 leads still to activate`. */
export function leftText(progress: Progress): string {
  return m.left(emailPendingCount(progress), remainingCount(progress));
}

/** Leads that a cancel leaves as they were: neither emailed nor tried. */
export function untouchedCount(progress: Progress): number {
  return remainingCount(progress) + emailPendingCount(progress);
}

/** @param now - epoch ms, of a clock that may differ from the server's */
export function statusOf(progress: Progress, now: number): Status {
  const { activation, email, state, reason } = progress;
  const failed = email.failed + activation.failed;
  const sentence = sentenceOf(progress);
  const at = (tone: Status['tone'], label: string, change: Partial<Status> = {}): Status => ({
    tone,
    label,
    sentence,
    cause: null,
    isMoving: false,
    ...change,
  });
  if (isTerminal(progress)) {
    const isBad = failed + email.unknown > 0;
    if (reason === 'approval_rejected') return at('bad', m.rejected, { sentence: m.notSent });
    if (reason === 'approval_expired') return at('bad', m.expired, { sentence: m.notSent });
    if (state === 'cancelled') return at(isBad ? 'warn' : 'neutral', m.cancelled(failed, email.unknown));
    if (state === 'failed')
      return at('bad', m.failed, { cause: reason === null ? null : causeOf(progress, reason) });
    return at(isBad ? 'warn' : 'good', m.completed(failed, email.unknown));
  }
  if (isCancelling(progress)) return at('warn', m.cancelling, { sentence: m.finishing, isMoving: true });
  const undo = undoSeconds(progress, now);
  if (undo > 0) return at('accent', m.startsIn(undo), { sentence: m.notSent });
  if (state === 'awaiting_approval') {
    return at('warn', m.awaitingApproval, { sentence: m.startsWith(progress.total) });
  }
  if (state === 'scheduled') {
    const { schedule } = progress;
    return at(
      'accent',
      schedule === undefined ? m.scheduled : m.scheduledFor(timeText(schedule.startAt, schedule.zone)),
      {
        sentence:
          schedule?.freezeAt === 'start' ? m.startsWithAbout(progress.total) : m.startsWith(progress.total),
      },
    );
  }
  if (state === 'paused') {
    if (reason === 'mail_unreachable') {
      const seconds = secondsUntil(progress.waitingUntil ?? 0, now);
      return at('warn', m.retrying(seconds), {
        cause: { title: m.cause.retrying(seconds), text: m.cause.retryingText, href: null, detail: null },
      });
    }
    if (reason === null || reason === 'user') return at('warn', m.paused);
    return at('bad', m.pausedAutomatically, { cause: causeOf(progress, reason) });
  }
  if (state === 'wave_held')
    return at('bad', m.waveHeld(progress.waveHeld?.number ?? 1), { cause: heldCause(progress) });
  const { waitingUntil, window } = progress;
  const wave = presentWave(progress);
  if (progress.waitingFor?.kind === 'wave' && waitingUntil !== null && wave !== null) {
    const title = m.cause.nextWave(wave.number + 1, momentText(waitingUntil, now));
    const [label, text] = isUnwatched(wave)
      ? [m.waveWaits(wave.number + 1), m.cause.waitingText]
      : [m.waveWatched(wave.number), m.cause.watchText(wave.number)];
    return at('accent', label, { cause: { title, text, href: null, detail: null } });
  }
  if (progress.waitingFor?.kind === 'window' && waitingUntil !== null && window !== undefined) {
    const title = m.cause.windowOpens(timeText(waitingUntil, window.zone));
    const text = m.cause.windowText(windowText(window));
    return at('accent', m.windowClosed, { cause: { title, text, href: null, detail: null } });
  }
  const { warmUp } = progress.waitingFor ?? {};
  if (warmUp !== undefined) {
    const { domain, allowance, goesOnAt } = warmUp;
    const isStopped = goesOnAt === null;
    const title = warmUpMessages.waiting(domain, allowance, goesOnAt, now);
    const text = isStopped ? warmUpMessages.stoppedText : m.cause.waitingText;
    return at(isStopped ? 'bad' : 'accent', warmUpMessages.waitingLabel, {
      cause: { title, text, href: isStopped ? '/settings#warm-up' : null, detail: null },
    });
  }
  if (state === 'queued') return at('accent', m.queued);
  const seconds = waitingUntil === null ? 0 : secondsUntil(waitingUntil, now);
  if (progress.waitingFor !== null || seconds > 0) {
    const known = seconds > 0 ? seconds : null;
    const kind = progress.waitingFor?.kind ?? 'rate_limit';
    return at('warn', m.waiting(known), {
      cause: { title: m.cause.waiting(kind, known), text: m.cause.waitingText, href: null, detail: null },
    });
  }
  if (progress.stalledSince !== null) {
    const title = m.cause.stalled(secondsUntil(now, progress.stalledSince));
    return at('bad', m.stalled, {
      cause: { title, text: m.cause.stalledText, href: null, detail: progress.lastError },
    });
  }
  return at('accent', m.running, { isMoving: true });
}

/** `231 of 250 emails sent, 19 need attention`. */
function sentenceOf(progress: Progress): string {
  const { total, activation, email } = progress;
  const attention = needsAttention(layersOf(progress));
  const needs = attention > 0 ? [m.needAttention(attention)] : [];
  if (progress.state === 'cancelled') {
    const isUndone = progress.startedAt === null && email.sent === 0;
    return isUndone ? m.undone : [m.sentBeforeCancel(email.sent, total), ...needs].join(', ');
  }
  const { skipped } = activation;
  const wanted = total - skipped;
  if (isTerminal(progress) && wanted === 0) return m.allSkipped(skipped);
  return [m.sentOf(email.sent, wanted), ...(skipped > 0 ? [m.skipped(skipped)] : []), ...needs].join(', ');
}

/** Which limit is broken, and what going on would do. */
function heldCause(progress: Progress): Cause | null {
  const { waveHeld } = progress;
  if (waveHeld === undefined) return null;
  const { number } = waveHeld;
  const wave = presentWave(progress);
  const rest = wave === null ? 0 : waveRest(wave);
  const text = m.cause.heldText(number, rest, nextWaveSize(progress, number));
  return { title: m.cause.held(waveHeld), text, href: null, detail: null };
}

function causeOf({ lastError }: Progress, reason: SessionReason): Cause {
  // The settings were changed under it: then the server's own words are the cause.
  const isChange =
    reason === 'mail_auth' && /^(?:The mail provider was changed|MAIL_[A-Z_]+ must)/.test(lastError ?? '');
  if (isChange) return { title: m.cause.changed, text: lastError ?? '', href: '/settings', detail: null };
  return {
    title: stateMessages.reasons[reason],
    text: m.cause.next[reason],
    href: reason === 'mail_auth' || reason === 'mail_quota' ? '/settings' : null,
    detail: lastError,
  };
}

/** The one estimate of the time left, for every screen: `12 s`, `4 min`; null while it cannot be honest. */
export function timeLeft(progress: Progress): string | null {
  if (isTerminal(progress) || progress.state !== 'running' || progress.etaSeconds === null) return null;
  return formatRoughDuration(progress.etaSeconds * 1_000);
}

/** The right end of a line: `20/50 · 12 s left`, or what keeps it from that. */
export function lineText(progress: Progress, now: number): string {
  const { label, isMoving } = statusOf(progress, now);
  const counts = trackerMessages.counts(progress.processed, progress.total);
  if (isTerminal(progress) || !isMoving) return label;
  const left = timeLeft(progress);
  return left === null ? counts : `${counts} · ${trackerMessages.left(left)}`;
}

/** What the bar says, for who cannot see it: its layers that are not empty. */
export function barText(progress: Progress): string {
  const layers = layersOf(progress);
  const parts = (['delivered', 'sent', 'unconfirmed', 'failed', 'activated', 'skipped'] as const).flatMap(
    (kind) => (layers[kind] > 0 ? [`${formatCount(layers[kind])} ${trackerMessages.layers[kind]}`] : []),
  );
  return [
    trackerMessages.barText(formatCount(shownDone(progress)), formatCount(progress.total)),
    ...parts,
  ].join(', ');
}
