/**
 * Wall-clock times of IANA time zones, and the instants that they are.
 *
 * A local time is a number as `Date.UTC` makes it from the digits of the clock on the wall. Times at a change of the
 * clock are read as RFC 5545 §3.3.5 and `Temporal` ("compatible") read them: one that is skipped is as far behind the
 * change as it was meant to be, and of one that comes twice the first counts.
 *
 * `Temporal` itself is not used: neither Node.js 24 nor Safari has it
 * (https://github.com/mdn/browser-compat-data/blob/main/javascript/builtins/Temporal.json), and the Worker, the
 * browser and the tests share this module. `Intl.DateTimeFormat` has the zones of all three.
 *
 * @module
 */

export const minuteMs = 60_000;
export const dayMs = 86_400_000;

/** Making a format takes about 50 µs, and using it one or two. */
const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * True for the name of a time zone, such as `Europe/Berlin` or `UTC`. An offset such as `+01:00` is no zone: it does
 * not know when clocks change.
 */
export function isTimeZone(zone: string): boolean {
  if (formats.has(zone)) return true;
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]*$/.test(zone)) return false;
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}

/**
 * What a clock of the zone shows at an instant, as a local time.
 *
 * @throws RangeError for an unknown zone
 */
export function localTime(zone: string, atMs: number): number {
  // `12/1/2026, 09:00:00`; in parts it takes twice as long.
  const [month = 1, day = 1, year = 0, hour = 0, minute = 0, second = 0] =
    formatOf(zone).format(atMs).match(/\d+/g)?.map(Number) ?? [];
  // The format has no milliseconds, and offsets have none.
  const ms = ((atMs % 1_000) + 1_000) % 1_000;
  return Date.UTC(year, month - 1, day, hour, minute, second) + ms;
}

/** By how much a clock of the zone is ahead of UTC. */
export function offsetMs(zone: string, atMs: number): number {
  return localTime(zone, atMs) - atMs;
}

/** How a local time relates to instants: `skipped` and `twice` are those at a change of the clock. */
export interface ResolvedTime {
  at: number;
  kind: 'exact' | 'skipped' | 'twice';
}

/** The instant of a local time; see the head of this file for times at a change of the clock. */
export function instantOf(zone: string, local: number): ResolvedTime {
  // No offset is more than a day, so that these two are the ones before and after a change that is near.
  const before = offsetMs(zone, local - dayMs);
  const after = offsetMs(zone, local + dayMs);
  const instants = [...new Set([local - before, local - after])]
    .filter((atMs) => localTime(zone, atMs) === local)
    .sort((a, b) => a - b);
  const [first] = instants;
  if (first === undefined) return { at: local - before, kind: 'skipped' };
  return { at: first, kind: instants.length > 1 ? 'twice' : 'exact' };
}

const localPattern = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})$/;

/** Reads `2026-12-01T09:00`; null for another form, and for a day or an hour that does not exist. */
export function parseLocalTime(text: string): number | null {
  if (!localPattern.test(text)) return null;
  const local = Date.parse(`${text}:00Z`);
  return Number.isFinite(local) && formatLocalTime(local) === text ? local : null;
}

/** A local time as `2026-12-01T09:00`. */
export function formatLocalTime(local: number): string {
  return new Date(local).toISOString().slice(0, 16);
}
