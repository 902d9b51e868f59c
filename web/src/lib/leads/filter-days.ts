/**
 * Days of date fields and the times that they begin and end at, in the time zone of the reader. Pure.
 *
 * @module
 */

/** A local day as `2026-11-23`, for a date field; '' for none. */
export function dayOf(timeMs: number | null): string {
  if (timeMs === null) return '';
  const day = new Date(timeMs);
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${String(day.getFullYear()).padStart(4, '0')}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** The first or last millisecond of a local day; null for what is no day. */
export function timeOf(day: string, edge: 'start' | 'end'): number | null {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (parts === null) return null;
  const [year = 0, month = 0, date = 0] = parts.slice(1).map(Number);
  const timeMs =
    edge === 'start'
      ? new Date(year, month - 1, date).getTime()
      : new Date(year, month - 1, date + 1).getTime() - 1;
  return timeMs >= 0 ? timeMs : null;
}
