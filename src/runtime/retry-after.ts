/**
 * Retry-After and the rate-limit headers of mail providers and CRMs, read as milliseconds.
 *
 * Does not wait; the clock is an argument. Invariant: a value that cannot be understood is null, and an absurd one is
 * cut to a bound, so that no header stops a session for good.
 *
 * @module
 */
import type { RateObservation } from '../core/batch/outcome.ts';

/** Longest wait that a header may ask for. A daily quota is free again within a day; a longer wait is a fault. */
export const maxRetryAfterMs = 24 * 60 * 60 * 1000;

/** The three date forms of RFC 9110 §5.6.7 begin with a day's name; `Date.parse` alone would take `-5` or `1`. */
const httpDate = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i;

/**
 * Reads a Retry-After header (RFC 9110 §10.2.3): seconds, whole or broken, or an HTTP date.
 *
 * @param value - the header; null when there was none
 * @param nowMs - epoch milliseconds, for the date form
 * @returns milliseconds from now, 0 for a date that has passed, at most {@link maxRetryAfterMs}; null when unreadable
 */
export function parseRetryAfter(value: string | null, nowMs: number): number | null {
  const text = value?.trim() ?? '';
  if (/^\d+(?:\.\d+)?$/.test(text)) return boundMs(Number(text) * 1000);
  if (!httpDate.test(text)) return null;
  // An asctime date has no zone, and RFC 9110 defines it as UTC.
  const dateMs = Date.parse(/gmt|utc|[+-]\d{4}$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(dateMs) ? null : boundMs(dateMs - nowMs);
}

/**
 * Reads `ratelimit-limit`, `-remaining` and `-reset`, or the older names with `x-` in front.
 *
 * @returns null when the answer has none of them
 */
export function readRateObservation(headers: Headers, nowMs: number): RateObservation | null {
  const limitCount = count(rateHeader(headers, 'limit'));
  const remainingCount = count(rateHeader(headers, 'remaining'));
  const resetSeconds = count(rateHeader(headers, 'reset'));
  if (limitCount === null && remainingCount === null && resetSeconds === null) return null;
  return { limitCount, remainingCount, resetMs: resetSeconds === null ? null : resetMs(resetSeconds, nowMs) };
}

function rateHeader(headers: Headers, name: string): string | null {
  return headers.get(`ratelimit-${name}`) ?? headers.get(`x-ratelimit-${name}`);
}

/** The draft allows parameters after the number: `10;w=1`. */
function count(value: string | null): number | null {
  const match = /^\s*(\d{1,12})(?:\.\d+)?\s*(?:[;,].*)?$/.exec(value ?? '');
  return match === null ? null : Number(match[1]);
}

/** Some send seconds from now, some epoch seconds; a number above this can only be the latter (it is 2001). */
const firstEpochSeconds = 1_000_000_000;

function resetMs(seconds: number, nowMs: number): number {
  return boundMs(seconds >= firstEpochSeconds ? seconds * 1000 - nowMs : seconds * 1000);
}

function boundMs(ms: number): number {
  return Math.min(Math.max(0, Math.ceil(ms)), maxRetryAfterMs);
}
