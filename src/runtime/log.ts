/**
 * The log: one JSON object per event, for Workers Logs.
 *
 * Invariant: no address, key or body is logged.
 *
 * @module
 */

export type LogFields = Record<string, string | number | boolean | null>;

export type LogLevel = 'info' | 'warn' | 'error';

/** Writes one event; `event` is a snake_case name, ids and counts go into `fields`. */
export function logEvent(level: LogLevel, event: string, fields: LogFields): void {
  console[level](JSON.stringify({ event, ...fields }));
}
