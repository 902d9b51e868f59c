/**
 * Checks of a start time and a sending window, before anything of them is stored.
 *
 * Each fault has its own problem code and a sentence. Pure: the clock is an argument.
 *
 * @module
 */
import type { ProblemCode } from '../../shared/problem.ts';
import type { ResolvedSchedule, Schedule } from '../../shared/schedule/schedule.ts';
import { neverOpens, type SendingWindow } from '../../shared/schedule/sending-window.ts';
import { dayMs, instantOf, isTimeZone, parseLocalTime } from '../../shared/schedule/zoned-time.ts';
import { limits } from '../../shared/limits.ts';

export interface TimingFault {
  kind: 'refused';
  code: Extract<ProblemCode, 'unknown_zone' | 'window_never_opens' | 'start_in_past' | 'start_too_far'>;
  detail: string;
}

/** The moment of a start time; refuses an unknown zone and a time that is over or too far ahead. */
export function checkSchedule<Time extends Pick<Schedule, 'at' | 'zone'>>(
  schedule: Time,
  nowMs: number,
): { kind: 'ok'; schedule: Time & Pick<ResolvedSchedule, 'startAt'> } | TimingFault {
  const fault = zoneFault(schedule.zone);
  if (fault !== null) return fault;
  const local = parseLocalTime(schedule.at);
  // The schema has checked the form.
  const startAt = local === null ? 0 : instantOf(schedule.zone, local).at;
  if (startAt <= nowMs) {
    const detail = `${schedule.at} in ${schedule.zone} is over. Choose a time in the future, or start now.`;
    return { kind: 'refused', code: 'start_in_past', detail };
  }
  if (startAt > nowMs + limits.maxScheduleDayCount * dayMs) {
    const detail = `${schedule.at} is more than ${limits.maxScheduleDayCount} days ahead.`;
    return { kind: 'refused', code: 'start_too_far', detail };
  }
  return { kind: 'ok', schedule: { ...schedule, startAt } };
}

/** Refuses a window in an unknown zone, and one that never opens; null when it can be used. */
export function windowFault(window: SendingWindow): TimingFault | null {
  const fault = zoneFault(window.zone);
  if (fault !== null) return fault;
  if (!neverOpens(window)) return null;
  const detail =
    window.days.length === 0
      ? 'The sending window has no days, so nothing would ever be sent.'
      : `The sending window from ${window.from} to ${window.until} has no time in it, so nothing would ever be sent.`;
  return { kind: 'refused', code: 'window_never_opens', detail };
}

function zoneFault(zone: string): TimingFault | null {
  if (isTimeZone(zone)) return null;
  const detail = `"${zone.slice(0, 64)}" is not the name of a time zone. Use a name such as Europe/Berlin or UTC.`;
  return { kind: 'refused', code: 'unknown_zone', detail };
}
