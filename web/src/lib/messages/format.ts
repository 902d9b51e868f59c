/**
 * Numbers and dates for people by `Intl` in the reader's own format and time zone; durations and words in English,
 * as every other string here.
 *
 * @module
 */

/** Undefined is the browser's own locale. */
const locale: string | undefined = undefined;
/** Words are English wherever the reader is, so that a sentence is in one language. */
const words = 'en';

const integers = new Intl.NumberFormat(locale);
const rates = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
const percents = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 2 });
const dateTimes = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const shortDateTimes = new Intl.DateTimeFormat(locale, {
  day: 'numeric',
  month: 'short',
  hour: 'numeric',
  minute: '2-digit',
});
const days = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
const times = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
const timesWithSeconds = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
const relatives = new Intl.RelativeTimeFormat(words, { numeric: 'auto' });
const plurals = new Intl.PluralRules(words);
const lists = new Intl.ListFormat(words, { type: 'conjunction' });
const eithers = new Intl.ListFormat(words, { type: 'disjunction' });

export const formatCount = (count: number): string => integers.format(count);
export const formatRate = (perSecond: number): string => rates.format(perSecond);
/** @param percent - 0 to 100 */
export const formatPercent = (percent: number): string => percents.format(percent / 100);
/** `25%, 50% and 75%`. */
export const formatList = (parts: readonly string[]): string => lists.format(parts);
/** `email, name or company`. */
export const formatEither = (parts: readonly string[]): string => eithers.format(parts);
export const formatDay = (timeMs: number): string => days.format(timeMs);
export const formatDateTime = (timeMs: number): string => dateTimes.format(timeMs);
export const formatShortDateTime = (timeMs: number): string => shortDateTimes.format(timeMs);
export const formatTime = (timeMs: number): string => times.format(timeMs);

/** The reader's time zone as it is named beside a time: `UTC`, `GMT+1`. */
export function formatZone(timeMs: number): string {
  const parts = new Intl.DateTimeFormat(locale, { timeZoneName: 'short' }).formatToParts(timeMs);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

const zoned = new Map<string, { day: Intl.DateTimeFormat; time: Intl.DateTimeFormat }>();

function zonedFormats(zone: string): { day: Intl.DateTimeFormat; time: Intl.DateTimeFormat } {
  let formats = zoned.get(zone);
  if (formats === undefined) {
    const day = { weekday: 'short', day: 'numeric', month: 'short' } as const;
    formats = {
      day: new Intl.DateTimeFormat(locale, { timeZone: zone, ...day }),
      time: new Intl.DateTimeFormat(locale, { timeZone: zone, timeStyle: 'short' }),
    };
    zoned.set(zone, formats);
  }
  return formats;
}

/** A moment as a clock of a zone shows it, with its day of the week: `Tue, Dec 1, 9:00 AM`. */
export const formatZonedTime = (timeMs: number, zone: string): string =>
  `${formatZonedDay(timeMs, zone)}, ${zonedFormats(zone).time.format(timeMs)}`;

/** A day as a calendar of a zone names it: `Tue, Dec 1`. */
export const formatZonedDay = (timeMs: number, zone: string): string => zonedFormats(zone).day.format(timeMs);

export const formatTimeSeconds = (timeMs: number): string => timesWithSeconds.format(timeMs);
export const formatTimeRange = (fromMs: number, toMs: number): string =>
  timesWithSeconds.formatRange(fromMs, toMs);

/** Picks a word form by the rules of the language. */
export function plural(count: number, one: string, other: string): string {
  return plurals.select(count) === 'one' ? one : other;
}

const unitsOfDuration = [
  { unit: 'd', seconds: 86_400 },
  { unit: 'h', seconds: 3_600 },
  { unit: 'min', seconds: 60 },
  { unit: 's', seconds: 1 },
] as const;

/** A duration in its two largest units: `1 h 5 min`, `42 s`. Fractions of a second round up. */
export function formatDuration(durationMs: number): string {
  let seconds = Math.max(0, Math.ceil(durationMs / 1000));
  const parts: string[] = [];
  for (const { unit, seconds: size } of unitsOfDuration) {
    const count = Math.floor(seconds / size);
    if (count === 0 && !(unit === 's' && parts.length === 0)) {
      if (parts.length > 0) break;
      continue;
    }
    parts.push(`${integers.format(count)} ${unit}`);
    seconds -= count * size;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

/** A duration that is a guess: from 20 s on seconds in fives, minutes whole from ten on. */
export function formatRoughDuration(durationMs: number): string {
  if (durationMs <= 20_000) return formatDuration(Math.max(1_000, durationMs));
  if (durationMs < 60_000) return formatDuration(Math.max(1, Math.ceil(durationMs / 5_000)) * 5_000);
  if (durationMs < 600_000) return formatDuration(Math.round(durationMs / 10_000) * 10_000);
  return formatDuration(Math.round(durationMs / 60_000) * 60_000);
}

const stepsOfRelative = [
  { unit: 'day', ms: 86_400_000 },
  { unit: 'hour', ms: 3_600_000 },
  { unit: 'minute', ms: 60_000 },
] as const;

/** `5 minutes ago`, `yesterday`; `just now` within the last minute. */
export function formatAgo(timeMs: number, nowMs: number): string {
  const elapsedMs = nowMs - timeMs;
  for (const { unit, ms } of stepsOfRelative) {
    if (Math.abs(elapsedMs) >= ms) return relatives.format(-Math.round(elapsedMs / ms), unit);
  }
  return 'just now';
}
