/**
 * Words for where an activation is: its label, its sentence, what blocks it and what to do next.
 *
 * @module
 */
import type { SessionReason, WaitingFor } from '../../../../src/shared/progress.ts';
import type { WaveFigure, WaveHeld } from '../../../../src/shared/waves.ts';
import { formatCount, formatDuration, formatPercent, plural } from './format.ts';

const emails = (count: number): string => `${formatCount(count)} ${plural(count, 'email', 'emails')}`;
const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;
const seconds = (count: number): string => formatDuration(count * 1_000);
const failures = (count: number): string => `${formatCount(count)} ${plural(count, 'failure', 'failures')}`;
const unconfirmed = (count: number): string => `${formatCount(count)} unconfirmed`;

const waits: Record<WaitingFor['kind'], string> = {
  provider_answer: 'for the provider’s answer',
  rate_limit: 'provider rate limit',
  mail_slot: 'your sending rate',
  daily_cap: 'daily sending limit',
  window: 'until its sending window opens',
  wave: 'until its next wave begins',
  crm: 'for the CRM database',
  crm_answer: 'for the CRM’s answer',
  crm_slot: 'CRM rate limit',
  platform: 'for storage',
};

/** What became of so many of a wave. */
export const waveFigureWords: Record<WaveFigure, string> = {
  bounced: 'bounced',
  complained: 'marked as spam',
  failed: 'failed',
  crmErrors: 'not activated',
};

/** `Completed`, `Completed with 19 failures`, `Cancelled, 2 unconfirmed`. */
const ended =
  (word: string) =>
  (failed: number, unknown: number): string =>
    [
      failed === 0 ? word : `${word} with ${failures(failed)}`,
      ...(unknown === 0 ? [] : [unconfirmed(unknown)]),
    ].join(', ');

export const statusMessages = {
  awaitingApproval: 'Waiting for approval',
  rejected: 'Rejected',
  expired: 'Not approved in time',
  scheduled: 'Scheduled',
  scheduledFor: (time: string) => `Scheduled for ${time}`,
  startsWith: (count: number) => `${leads(count)} selected, nothing has been sent`,
  startsWithAbout: (count: number) => `About ${leads(count)}, nothing has been sent`,
  windowClosed: 'Outside its hours',
  waveHeld: (number: number) => `Wave ${formatCount(number)} held`,
  waveWatched: (number: number) => `Watching wave ${formatCount(number)}`,
  waveWaits: (number: number) => `Waiting for wave ${formatCount(number)}`,
  queued: 'Queued',
  running: 'Running',
  paused: 'Paused',
  pausedAutomatically: 'Paused automatically',
  cancelling: 'Cancelling',
  failed: 'Failed',
  stalled: 'Stalled',
  completed: ended('Completed'),
  cancelled: ended('Cancelled'),
  startsIn: (count: number) => `Starts in ${seconds(count)}`,
  waiting: (count: number | null) => (count === null ? 'Waiting' : `Waiting ${seconds(count)}`),
  retrying: (count: number) => (count === 0 ? 'Retrying now' : `Retrying in ${seconds(count)}`),

  sentOf: (sent: number, all: number) => `${formatCount(sent)} of ${emails(all)} sent`,
  sentBeforeCancel: (sent: number, all: number) =>
    `${formatCount(sent)} of ${emails(all)} sent before it was cancelled`,
  allSkipped: (count: number) => `No email sent: ${leads(count)} skipped`,
  undone: 'Undone before anything was sent',
  needAttention: (count: number) => `${formatCount(count)} ${plural(count, 'needs', 'need')} attention`,
  skipped: (count: number) => `${formatCount(count)} skipped`,
  notSent: 'Nothing has been sent',
  finishing: 'Emails already in progress finish. No other email leaves.',
  /** What a resume would do. */
  left: (waiting: number, remaining: number) =>
    [
      ...(waiting > 0 ? [`${emails(waiting)} waiting`] : []),
      ...(remaining > 0 ? [`${leads(remaining)} still to activate`] : []),
    ].join(', '),

  cause: {
    retrying: (count: number) =>
      `${count === 0 ? 'Retrying now' : `Retrying in ${seconds(count)}`} (provider unreachable)`,
    retryingText: 'It continues by itself as soon as the provider answers. Nobody is emailed twice.',
    waiting: (kind: WaitingFor['kind'], forSeconds: number | null) =>
      kind === 'provider_answer' || kind === 'crm' || kind === 'crm_answer' || kind === 'platform'
        ? `Waiting ${waits[kind]}${forSeconds === null ? '' : `, next try in ${seconds(forSeconds)}`}`
        : `Waiting${forSeconds === null ? '' : ` ${seconds(forSeconds)}`} (${waits[kind]})`,
    waitingText: 'It continues by itself.',
    windowOpens: (time: string) => `Next window opens ${time}`,
    windowText: (hours: string) => `Emails leave ${hours}. It continues by itself.`,
    /** `Held: 6 of 50 emails bounced (12%, limit 4%)`. */
    held: ({ figure, count, of, percent, limitPercent }: WaveHeld) =>
      `Held: ${formatCount(count)} of ${(figure === 'crmErrors' ? leads : emails)(of)} ${waveFigureWords[figure]} (${formatPercent(percent)}, limit ${formatPercent(limitPercent)})`,
    /** What going on would do: the rest of the wave, the next one, or nothing more is left. */
    heldText: (number: number, rest: number, next: number | null) =>
      `No further email leaves. ${
        rest > 0
          ? `Go on to send the other ${leads(rest)} of wave ${formatCount(number)}`
          : `Go on to send wave ${formatCount(number + 1)}${next === null ? '' : ` (${leads(next)})`}`
      }, or cancel.`,
    nextWave: (number: number, time: string) => `Wave ${formatCount(number)} begins ${time}`,
    watchText: (number: number) =>
      `Until then the figures of wave ${formatCount(number)} are watched. If one is over its limit, nothing more leaves until a person decides.`,
    stalled: (forSeconds: number) => `No progress for ${seconds(forSeconds)}`,
    stalledText: 'It is picked up again automatically. If this lasts, pause and resume it.',
    settings: 'Open Settings',
    changed: 'The email settings changed',
    next: {
      user: 'Resume when you are ready.',
      mail_quota: 'Resume once your provider lets you send again.',
      mail_auth: 'Fix it in Settings, then resume.',
      mail_unreachable: 'It continues by itself as soon as the provider answers.',
      mail_refused: 'See the issues below, fix the cause, then resume.',
      crm_auth: 'Fix it in Settings, then resume.',
      crm_quota: 'Resume once your CRM takes calls again.',
      crm_refused: 'Check the records in your CRM and the fields in Settings, then resume.',
      bounce_rate: 'Check the addresses, then resume or cancel.',
      schedule_missed:
        'More than an hour had passed, so nothing was sent. Start it now, or choose another time.',
      approval_rejected: 'Start it again with what was asked for.',
      approval_expired: 'Start it again.',
      complaint_rate: 'Check who is emailed, then resume or cancel.',
    } satisfies Record<SessionReason, string>,
  },
} as const;
