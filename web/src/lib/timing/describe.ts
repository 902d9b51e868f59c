/**
 * Start times and sending windows in words, in the zone that a person chose and in the reader's own format. Pure.
 *
 * @module
 */
import type { SendingWindow, Weekday } from '../../../../src/shared/schedule/sending-window.ts';
import { offsetMs } from '../../../../src/shared/schedule/zoned-time.ts';
import { formatZonedTime } from '../messages/format.ts';
import { timingMessages as m } from '../messages/timing.ts';

/** The zone of this browser. */
export function ownZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `Berlin time`, `UTC`. */
export function zoneText(zone: string): string {
  const place = zone.split('/').at(-1)?.replaceAll('_', ' ') ?? zone;
  return zone.includes('/') ? m.zoneName(place) : zone;
}

/** `Tue, Dec 1, 9:00 AM Berlin time`; the zone is left out where its clock shows what the reader's own does. */
export function timeText(timeMs: number, zone: string): string {
  const text = formatZonedTime(timeMs, zone);
  return isOwnTime(timeMs, zone) ? text : `${text} ${zoneText(zone)}`;
}

/** True when a clock of the zone shows the reader's own time at this moment. */
export function isOwnTime(timeMs: number, zone: string): boolean {
  return offsetMs(zone, timeMs) === offsetMs(ownZone(), timeMs);
}

/** `Mon–Fri, 09:00–17:00 Berlin time`. */
export function windowText(window: SendingWindow): string {
  const isAllDay = window.from === '00:00' && window.until === '24:00';
  const hours = isAllDay ? m.allDay : m.hours(window.from, window.until);
  return m.describe(daysText(window.days), hours, zoneText(window.zone));
}

function daysText(days: readonly Weekday[]): string {
  const sorted = [...new Set(days)].sort();
  if (sorted.length === 7) return m.everyDay;
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) return '';
  const isRange = sorted.length > 2 && last - first === sorted.length - 1;
  return isRange
    ? m.dayRange(m.weekdays[first], m.weekdays[last])
    : m.dayList(sorted.map((day) => m.weekdays[day]));
}
