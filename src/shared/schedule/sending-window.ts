/**
 * The sending window: the days and hours of a zone in which mail may leave.
 *
 * It is open while a clock of its zone shows one of its hours on one of its days. So on the day on which the clock
 * skips an hour of the window, the window is an hour shorter, and where an hour comes twice, it is open in both.
 * Invariant: {@link openTimeAfter} begins and ends exactly where {@link isWindowOpen} changes.
 *
 * @module
 */
import { dayMs, localTime, minuteMs, offsetMs } from './zoned-time.ts';

/** As ISO 8601 counts them: 1 is Monday, 7 Sunday. */
export type Weekday = 1 | 2 | 3 | 4 | 5 | 6 | 7;

export interface SendingWindow {
  /** Name of an IANA time zone. */
  zone: string;
  /** The days on which it opens. */
  days: Weekday[];
  /** `09:00` */
  from: string;
  /** Up to `24:00`. Before `from`: on the next day. Nothing leaves at this minute any more. */
  until: string;
}

/** From the first to the last moment; `until` is not a part of it. */
export interface OpenTime {
  from: number;
  until: number;
}

/** Reads `09:00` or `24:00` as milliseconds of a day; null for something else. */
export function parseHour(text: string): number | null {
  const [, hours, minutes] = /^(\d{2}):(\d{2})$/.exec(text) ?? [];
  const sum = (Number(hours) * 60 + Number(minutes)) * minuteMs;
  return Number(minutes) < 60 && sum <= dayMs ? sum : null;
}

/** Begin and length, in milliseconds, of the hours of a day; a length of 0: it never opens. */
function hoursOf({ from, until }: SendingWindow): { begin: number; lengthMs: number } {
  const begin = parseHour(from) ?? 0;
  const end = parseHour(until) ?? 0;
  return { begin, lengthMs: end >= begin ? end - begin : end + dayMs - begin };
}

/** True for a window without days or hours. */
export function neverOpens(window: SendingWindow): boolean {
  const { begin, lengthMs } = hoursOf(window);
  return window.days.length === 0 || lengthMs === 0 || begin >= dayMs;
}

/** The day of a local time as a number of days. */
const dayNumber = (local: number): number => Math.floor(local / dayMs);

/** 1 January 1970 was a Thursday. */
const weekdayOf = (day: number): Weekday => (((((day + 3) % 7) + 7) % 7) + 1) as Weekday;

/** Whether mail may leave at this moment. */
export function isWindowOpen(window: SendingWindow, atMs: number): boolean {
  const { begin, lengthMs } = hoursOf(window);
  const local = localTime(window.zone, atMs);
  const today = dayNumber(local);
  // Also the hours of yesterday, which may go on after midnight.
  return [today, today - 1].some((day) => {
    const sinceMs = local - (day * dayMs + begin);
    return window.days.includes(weekdayOf(day)) && sinceMs >= 0 && sinceMs < lengthMs;
  });
}

/** A clock is changed less often. */
const probeMs = dayMs / 2;
/** A window of one day a week is open within this time, unless a change of the clock takes its hours. */
const nearMs = 9 * dayMs;
/** Then in one of the next weeks. */
const farMs = 40 * dayMs;

/** What was found last for a window: it is asked for each view of a session that waits. */
const found = new WeakMap<SendingWindow, { askedAt: number; time: OpenTime }>();

/**
 * The time in which the window is open at a moment, or else the next one. Of a window that never closes it is a time
 * of several days.
 *
 * @returns null for a window that never opens
 */
export function openTimeAfter(window: SendingWindow, atMs: number): OpenTime | null {
  if (neverOpens(window)) return null;
  const known = found.get(window);
  if (known !== undefined && known.askedAt <= atMs && atMs < known.time.until) return known.time;
  const time = searchOpenTime(window, atMs, nearMs) ?? searchOpenTime(window, atMs, farMs);
  if (time !== null) found.set(window, { askedAt: atMs, time });
  return time;
}

/** When a window that is closed opens next; null for one that is open, or never opens. */
export function opensAt(window: SendingWindow, atMs: number): number | null {
  const time = openTimeAfter(window, atMs);
  return time === null || time.from <= atMs ? null : time.from;
}

function searchOpenTime(window: SendingWindow, atMs: number, aheadMs: number): OpenTime | null {
  const { begin, lengthMs } = hoursOf(window);
  const times: OpenTime[] = [];
  // From two days before: hours that began yesterday may go on.
  for (const stretch of stretches(window.zone, atMs - 2 * dayMs, atMs + aheadMs)) {
    const firstDay = dayNumber(stretch.from + stretch.offsetMs) - 1;
    const lastDay = dayNumber(stretch.until + stretch.offsetMs);
    for (let day = firstDay; day <= lastDay; day++) {
      if (!window.days.includes(weekdayOf(day))) continue;
      const opens = day * dayMs + begin - stretch.offsetMs;
      const from = Math.max(opens, stretch.from);
      const until = Math.min(opens + lengthMs, stretch.until);
      if (from < until) times.push({ from, until });
    }
  }
  times.sort((a, b) => a.from - b.from);
  let open: OpenTime | null = null;
  for (const time of times) {
    if (open !== null && time.from <= open.until) open.until = Math.max(open.until, time.until);
    else if (open !== null && open.until > atMs) break;
    else open = { ...time };
  }
  return open !== null && open.until > atMs ? open : null;
}

/** A time in which the zone's clock is not changed. */
interface Stretch extends OpenTime {
  offsetMs: number;
}

function stretches(zone: string, from: number, until: number): Stretch[] {
  const parts: Stretch[] = [];
  let begin = from;
  let offset = offsetMs(zone, from);
  for (let at = from; at < until;) {
    const next = Math.min(at + probeMs, until);
    const nextOffset = offsetMs(zone, next);
    if (nextOffset !== offset) {
      const changeAt = changeBetween(zone, at, next, offset);
      parts.push({ from: begin, until: changeAt, offsetMs: offset });
      begin = changeAt;
      offset = nextOffset;
    }
    at = next;
  }
  parts.push({ from: begin, until, offsetMs: offset });
  return parts;
}

/** The first moment after `from` at which the offset is no longer `offset`, by halves. */
function changeBetween(zone: string, from: number, until: number, offset: number): number {
  let before = from;
  let after = until;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetMs(zone, middle) === offset) before = middle;
    else after = middle;
  }
  return after;
}
