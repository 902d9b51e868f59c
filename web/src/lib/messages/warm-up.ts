/**
 * Words for the warm-up of a sender's domain: on an activation that waits for it, in the dialog, and in Settings.
 *
 * @module
 */
import type { WarmUpView } from '../../../../src/shared/schemas/warm-up.ts';
import type { ChosenWarmUpMode, WarmUpMode, WarmUpVerdict } from '../../../../src/shared/warm-up.ts';
import { formatCount, formatPercent, formatZonedDay, plural } from './format.ts';

const dayMs = 86_400_000;
const emails = (count: number): string => `${formatCount(count)} ${plural(count, 'email', 'emails')}`;

/** `tomorrow at 00:00 UTC`, or the day. Days are UTC days. */
function nextDay(goesOnAt: number, now: number): string {
  const isTomorrow = Math.floor(goesOnAt / dayMs) === Math.floor(now / dayMs) + 1;
  return isTomorrow ? 'tomorrow at 00:00 UTC' : `${formatZonedDay(goesOnAt, 'UTC')} at 00:00 UTC`;
}

/** `41 of 1,000 emails bounced (4.1%)`. */
function figureText({ figure, count, sent }: WarmUpVerdict): string {
  const what =
    figure === 'complained' ? plural(count, 'was marked as spam', 'were marked as spam') : 'bounced';
  return `${formatCount(count)} of ${emails(sent)} ${what} (${formatPercent((100 * count) / Math.max(1, sent))})`;
}

const verdicts: Record<WarmUpVerdict['kind'], (verdict: WarmUpVerdict) => string> = {
  started: () => 'The first days are small, so that mailbox providers learn to trust the domain.',
  grew: () => 'It grew: the last day was used, and its rates were low.',
  unused: () => 'It did not grow: less than half of the last day was used.',
  waited: ({ figure, count, sent, ...verdict }) =>
    figure !== null && count > 0
      ? `A day without email, for reports that come late: ${figureText({ ...verdict, figure, count, sent })}.`
      : 'A day without email, for reports that come late.',
  near: (verdict) => `It did not grow: ${figureText(verdict)}, near the limit.`,
  lowered: (verdict) => `It was lowered: ${figureText(verdict)}. A day without email follows.`,
  stopped: (verdict) =>
    `It was stopped: ${figureText(verdict)}, after it had been lowered. Look at where these leads came from before you go on.`,
  restarted: () => 'It began again, because no email had left for a month.',
  finished: () => 'The end of the warm-up is reached.',
  person: () => 'It was changed by a person.',
};

export const warmUpMessages = {
  title: 'Warm-up',
  hint: 'How many emails may leave a domain on one UTC day. It grows while bounces and complaints are low.',
  failed: 'The warm-up couldn’t be loaded',
  notSaved: 'The warm-up couldn’t be changed',
  unwatched: 'There are no delivery reports, so it grows without knowing what bounces.',
  modes: {
    growing: 'Growing',
    held: 'Held',
    stopped: 'Stopped',
    warm: 'Warm',
  } satisfies Record<WarmUpMode, string>,
  actions: {
    held: 'Hold',
    growing: 'Go on',
    warm: 'Declare warm',
  } satisfies Record<ChosenWarmUpMode, string>,
  /** `210 of 360 emails sent today`. */
  today: ({ allowance, sent, goesOnAt, mode }: WarmUpView, now: number): string => {
    if (allowance === null) return `${emails(sent)} sent today, no limit`;
    if (mode === 'stopped') return 'No emails until a person goes on';
    if (allowance === 0 && goesOnAt !== null) return `No emails today, goes on ${nextDay(goesOnAt, now)}`;
    return `${formatCount(sent)} of ${emails(allowance)} sent today`;
  },
  verdict: (verdict: WarmUpVerdict): string => verdicts[verdict.kind](verdict),
  day: 'Day (UTC)',
  allowance: 'Allowed',
  sent: 'Sent',
  bounced: 'Bounced',
  complained: 'Spam',
  daysOf: (domain: string) => `The last days of ${domain}`,
  count: formatCount,
  dayText: (startsAt: number) => formatZonedDay(startsAt, 'UTC'),
  rate: (count: number, sent: number) =>
    count === 0 ? '0' : `${formatCount(count)} (${formatPercent((100 * count) / Math.max(1, sent))})`,
  warmTitle: (domain: string) => `Declare ${domain} warm?`,
  warmText:
    'Its emails then leave without a warm-up limit. Do this for a domain that has sent as much before: mailbox providers block a new one that sends too much.',

  waiting: (domain: string, allowance: number, goesOnAt: number | null, now: number) => {
    const today = allowance === 0 ? 'no emails today' : `${emails(allowance)} today`;
    return goesOnAt === null
      ? `Warming up ${domain}: stopped because of bounces or complaints`
      : `Warming up ${domain}: ${today}, goes on ${nextDay(goesOnAt, now)}`;
  },
  waitingLabel: 'Warming up',
  stoppedText: 'An admin looks at the warm-up in Settings and lets it go on.',
  /** In the dialog. */
  forecast: 'Warm-up',
  days: (count: number | null, { leftCount, mode }: WarmUpView['forecast'], domain: string) => {
    if (count === null) return `${domain} is stopped: emails wait until an admin goes on`;
    if (count === 1) return 'All today';
    return `about ${formatCount(count)} days (${emails(leftCount)} left today${mode === 'growing' ? ', more each day' : ''})`;
  },
} as const;
