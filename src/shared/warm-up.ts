/**
 * Warm-up of a sender's domain: what is shown of it, and how many days mail takes under it.
 *
 * The rules are core/limits/warm-up.ts. No zod here: the web app loads this file at run time.
 *
 * @module
 */

/**
 * `growing`: it moves by itself. `held`: a person has held it, so it does not grow. `stopped`: bounces or complaints
 * stopped it until a person goes on. `warm`: no limit any more.
 */
export const warmUpModes = ['growing', 'held', 'stopped', 'warm'] as const;
export type WarmUpMode = (typeof warmUpModes)[number];

/** What a person may choose. */
export const chosenWarmUpModes = ['growing', 'held', 'warm'] as const satisfies readonly WarmUpMode[];
export type ChosenWarmUpMode = (typeof chosenWarmUpModes)[number];

/** Why the allowance is what it is. */
export const warmUpVerdicts = [
  'started',
  'grew',
  /** Less than half of the allowance was used. */
  'unused',
  /** A single complaint was over the limit: a day without mail, for those that come late. */
  'waited',
  /** A rate came near its limit. */
  'near',
  /** A rate was over its limit: a day without mail, then half the allowance. */
  'lowered',
  /** It was over the limit again after it had been lowered. */
  'stopped',
  /** No mail for a month: it begins again. */
  'restarted',
  /** The end of the ramp is reached. */
  'finished',
  /** A person has changed it. */
  'person',
] as const;

export interface WarmUpVerdict {
  kind: (typeof warmUpVerdicts)[number];
  /** The figure that decided; null where none did. */
  figure: 'bounced' | 'complained' | null;
  /** Mails that were looked at, and how many of them bounced or were reported as spam; 0 where none decided. */
  sent: number;
  count: number;
}

/** One UTC day on which mail left. */
export interface WarmUpDay {
  /** Days since 1970. */
  day: number;
  allowance: number;
  sent: number;
  bounced: number;
  complained: number;
}

/** What an activation says while the warm-up holds its mail back. */
export interface WarmUpWait {
  domain: string;
  /** Mails of this day; 0: a day without mail. */
  allowance: number;
  /** When mail leaves again, epoch ms; null: when a person goes on. */
  goesOnAt: number | null;
}

/** What {@link warmUpDays} needs of a ramp. */
export interface WarmUpForecast {
  mode: WarmUpMode;
  /** Mails that may still leave today. */
  leftCount: number;
  /** The allowance of the next day on which mail leaves, before it grows. */
  level: number;
  /** Days without mail after today. */
  restDayCount: number;
  growthPercent: number;
  /** `MAIL_DAILY_CAP`; null: none. */
  dailyCap: number | null;
  /** Mails that leave together; the rest of an allowance below that is not used. */
  batchCount: number;
}

/** No ramp is looked at further ahead. */
const maxForecastDays = 3_650;

/** The allowance of the day after one of `level` mails. */
export function grownLevel(level: number, growthPercent: number): number {
  // In hundredths of a mail, so that 20 % of 300 are 60.
  return Math.max(level + 1, Math.floor((level * (100 + growthPercent)) / 100));
}

/**
 * Days that so many mails take, today included, if every day's rates stay low and nothing else is sent.
 *
 * @returns null while it is stopped
 */
export function warmUpDays(mailCount: number, ramp: WarmUpForecast): number | null {
  const { mode, growthPercent, batchCount } = ramp;
  if (mode === 'stopped') return null;
  const cap = ramp.dailyCap ?? Infinity;
  // A call that is not full leaves too, as the last one.
  const taken = (left: number, allowance: number): number =>
    left <= allowance ? left : Math.floor(allowance / batchCount) * batchCount;
  let left =
    mailCount - taken(mailCount, mode === 'warm' && ramp.dailyCap === null ? Infinity : ramp.leftCount);
  if (left <= 0) return 1;
  // After a rest it begins at its lowered level.
  let level =
    mode === 'growing' && ramp.restDayCount === 0 ? grownLevel(ramp.level, growthPercent) : ramp.level;
  let dayCount = 1 + ramp.restDayCount;
  while (left > 0 && dayCount < maxForecastDays) {
    left -= taken(left, Math.max(batchCount, Math.min(cap, mode === 'warm' ? Infinity : level)));
    if (mode === 'growing') level = grownLevel(level, growthPercent);
    dayCount++;
  }
  return dayCount;
}
