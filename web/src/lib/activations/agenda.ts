/**
 * The agenda: what is to come, by day. Pure.
 *
 * @module
 */
import type { Progress } from '../../../../src/shared/progress.ts';
import { dayMs, localTime } from '../../../../src/shared/schedule/zoned-time.ts';
import { dueAt } from './merge-activations.ts';

/** One activation at the time at which it starts, or continues. */
export interface AgendaEntry {
  at: number;
  progress: Progress;
}

export interface AgendaDay {
  /** Days from today; below 0 for a day that is over. */
  offset: number;
  /** A moment of this day. */
  at: number;
  /** The soonest first. */
  entries: readonly AgendaEntry[];
}

/**
 * The activations that wait for their time, by day of the reader's zone, the soonest first. One whose time has come
 * and that was not read again since is on its day.
 */
export function agendaOf(activations: readonly Progress[], zone: string, now: number): AgendaDay[] {
  const dayOf = (at: number): number => Math.floor(localTime(zone, at) / dayMs);
  const today = dayOf(now);
  const entries = activations
    .flatMap((progress): AgendaEntry[] => {
      const at = dueAt(progress);
      return at === null ? [] : [{ at, progress }];
    })
    .sort((a, b) => a.at - b.at || a.progress.sessionId.localeCompare(b.progress.sessionId));
  return [...Map.groupBy(entries, ({ at }) => dayOf(at))].map(([day, members]) => ({
    offset: day - today,
    at: members[0]?.at ?? now,
    entries: members,
  }));
}
