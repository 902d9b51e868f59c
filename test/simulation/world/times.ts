/**
 * Start times and sending windows of a world's sessions, with their edges close to what happens in it.
 *
 * @module
 */
import type { ResolvedSchedule } from '../../../src/shared/schedule/schedule.ts';
import type { SendingWindow } from '../../../src/shared/schedule/sending-window.ts';
import { formatLocalTime, localTime, minuteMs } from '../../../src/shared/schedule/zoned-time.ts';
import type { Random } from '../platform/random.ts';

export interface Times {
  schedule?: ResolvedSchedule;
  window?: SendingWindow;
}

const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns'] as const;

/** Opening and closing, in minutes from now. */
const edges: readonly [readonly [number, number], ...(readonly [number, number])[]] = [
  [-10, 1],
  [-10, 2],
  [1, 20],
  [2, 5],
  [-600, 60],
];

/** A start time within what happens in the world. */
export function drawSchedule(
  draw: Random,
  nowMs: number,
  isLong: boolean,
  zone: (typeof zones)[number] = draw.pick(zones),
): ResolvedSchedule {
  const startAt = nowMs + draw.int(0, isLong ? 4 * 3_600_000 : 90_000);
  const at = formatLocalTime(localTime(zone, startAt));
  return { at, zone, freezeAt: draw.chance(0.5) ? 'start' : 'scheduling', startAt };
}

/** Most sessions begin with their request and may send at any time. */
export function drawTimes(draw: Random, nowMs: number, isLong: boolean): Times {
  const times: Times = {};
  const zone = draw.pick(zones);
  if (draw.chance(0.1)) times.schedule = drawSchedule(draw, nowMs, isLong, zone);
  if (draw.chance(0.1)) {
    const hourAt = (minutes: number): string =>
      formatLocalTime(localTime(zone, nowMs + minutes * minuteMs)).slice(11, 16);
    // It closes or opens while much happens, and is open for some minutes of each day at least.
    const [opens, closes] = draw.pick(edges);
    times.window = { zone, days: [1, 2, 3, 4, 5, 6, 7], from: hourAt(opens), until: hourAt(closes) };
  }
  return times;
}
