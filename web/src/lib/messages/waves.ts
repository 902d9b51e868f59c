/**
 * Words of the Activate dialog for waves: how an activation is divided, and what is watched between two waves.
 *
 * @module
 */
import type { WaveLimits } from '../../../../src/shared/waves.ts';
import { formatCount, formatDuration, formatPercent, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

export const waveMessages = {
  option: 'Send in waves: a few leads first, the rest if all is well',
  kinds: { sizes: 'Small first', perDay: 'So many a day' },
  sizes: 'Waves before the rest, in leads or %',
  leadsPerDay: 'Each day',
  leads: 'leads',
  dailyAt: 'From the second day at',
  watch: 'Watch after each wave',
  minutes: 'minutes',
  limits: 'Limits',
  limitsHint: 'What is over its limit holds the next wave. One event alone does not, unless the limit is 0.',
  limitNames: {
    bouncedPercent: 'Bounced',
    complainedPercent: 'Marked as spam',
    failedPercent: 'Failed',
    crmErrorsPercent: 'Not activated',
    minMails: 'Of at least',
  } satisfies Record<keyof WaveLimits, string>,
  emails: 'emails',
  /** What will happen, in one sentence. */
  sizesText: ([first = 0, ...others]: readonly number[]) =>
    `${leads(first)} first${others.map((count) => `, then ${formatCount(count)}`).join('')}.`,
  byCount: 'By today’s count: ',
  perDayText: (perDay: number, total: number, at: string, days: number) =>
    days < 2
      ? `All ${leads(total)} on the first day.`
      : `${leads(perDay)} at the start, then ${formatCount(perDay)} each day at ${at}: ${formatCount(days)} days.`,
  gateText: (minutes: number, { bouncedPercent }: WaveLimits) =>
    `After each, ${formatDuration(minutes * 60_000)} watch; held if over ${formatPercent(bouncedPercent)} bounce.`,
  unreportedText: ({ failedPercent }: WaveLimits) =>
    `The provider reports no bounces here, so there is no watch; held if over ${formatPercent(failedPercent)} fail.`,
  faults: {
    sizes: 'Write up to 10 sizes with commas, such as 50, 10%.',
    nothingLeft: (before: number, total: number) =>
      `The waves before the rest have ${leads(before)}, of ${formatCount(total)} in all. Make them smaller.`,
    tooManyDays: (enough: number) =>
      `This takes too many days. Choose at least ${formatCount(enough)} a day.`,
    perDay: 'Choose how many leads a day, and the time.',
    watch: 'The watch is a whole number of minutes, at most a week.',
    limits: 'Each limit is between 0 and 100 %, of a whole number of emails.',
  },
} as const;
