/**
 * Numbers, dates and durations for people, by `Intl` in the reader's own language and time zone.
 *
 * @module
 */

/** Undefined is the browser's own locale. */
const locale: string | undefined = undefined;

const integers = new Intl.NumberFormat(locale);
const rates = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
const percents = new Intl.NumberFormat(locale, { style: 'percent' });
const dateTimes = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const shortDateTimes = new Intl.DateTimeFormat(locale, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const days = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
const times = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
const timesWithSeconds = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
const relatives = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
const plurals = new Intl.PluralRules(locale);
const lists = new Intl.ListFormat(locale, { type: 'conjunction' });
const eithers = new Intl.ListFormat('en', { type: 'disjunction' });

export const formatCount = (count: number): string => integers.format(count);
export const formatRate = (perSecond: number): string => rates.format(perSecond);
/** @param percent - 0 to 100 */
export const formatPercent = (percent: number): string => percents.format(percent / 100);
/** `25%, 50% and 75%`. */
export const formatList = (parts: readonly string[]): string => lists.format(parts);
/** `A, B or C`. */
export const formatEither = (parts: readonly string[]): string => eithers.format(parts);
export const formatDay = (timeMs: number): string => days.format(timeMs);
export const formatDateTime = (timeMs: number): string => dateTimes.format(timeMs);
export const formatShortDateTime = (timeMs: number): string => shortDateTimes.format(timeMs);
export const formatTime = (timeMs: number): string => times.format(timeMs);

export const formatTimeSeconds = (timeMs: number): string => timesWithSeconds.format(timeMs);
export const formatTimeRange = (fromMs: number, toMs: number): string =>
  timesWithSeconds.formatRange(fromMs, toMs);

/** Picks a word form by the rules of the language. */
export function plural(count: number, one: string, other: string): string {
  return plurals.select(count) === 'one' ? one : other;
}

const unitsOfDuration = [
  { unit: 'day', seconds: 86_400 },
  { unit: 'hour', seconds: 3_600 },
  { unit: 'minute', seconds: 60 },
  { unit: 'second', seconds: 1 },
] as const;

/** A duration in its two largest units: `1 hr 5 min`, `42 sec`. Fractions of a second round up. */
export function formatDuration(durationMs: number): string {
  let seconds = Math.max(0, Math.ceil(durationMs / 1000));
  const parts: string[] = [];
  for (const { unit, seconds: size } of unitsOfDuration) {
    const count = Math.floor(seconds / size);
    if (count === 0 && !(unit === 'second' && parts.length === 0)) {
      if (parts.length > 0) break;
      continue;
    }
    parts.push(new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short' }).format(count));
    seconds -= count * size;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

/** Two durations as one, no more exact than they are: `4–7 min`, `20–45 sec`. */
export function formatDurationRange(lowMs: number, highMs: number): string {
  const [unit, ms, step] =
    lowMs >= 2 * 3_600_000
      ? (['hour', 3_600_000, 1] as const)
      : highMs >= 120_000
        ? (['minute', 60_000, highMs >= 1_800_000 ? 5 : 1] as const)
        : (['second', 1_000, 5] as const);
  const low = Math.floor(lowMs / ms / step) * step;
  const high = Math.ceil(highMs / ms / step) * step;
  const format = new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short' });
  return low === high ? format.format(high) : format.formatRange(low, high);
}

/** A duration that is a guess: seconds in fives, minutes whole from ten on. */
export function formatRoughDuration(durationMs: number): string {
  if (durationMs < 60_000) return formatDuration(Math.max(1, Math.ceil(durationMs / 5_000)) * 5_000);
  if (durationMs < 600_000) return formatDuration(Math.round(durationMs / 10_000) * 10_000);
  return formatDuration(Math.round(durationMs / 60_000) * 60_000);
}

const stepsOfRelative = [
  { unit: 'day', ms: 86_400_000 },
  { unit: 'hour', ms: 3_600_000 },
  { unit: 'minute', ms: 60_000 },
] as const;

/** `5 minutes ago`, `yesterday`; `now` within the last minute. */
export function formatAgo(timeMs: number, nowMs: number): string {
  const elapsedMs = nowMs - timeMs;
  for (const { unit, ms } of stepsOfRelative) {
    if (Math.abs(elapsedMs) >= ms) return relatives.format(-Math.round(elapsedMs / ms), unit);
  }
  return relatives.format(0, 'second');
}
