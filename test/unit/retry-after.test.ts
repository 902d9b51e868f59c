import { describe, expect, test } from 'vitest';
import { maxRetryAfterMs, parseRetryAfter, readRateObservation } from '../../src/runtime/retry-after.ts';
import { nowMs } from '../support/mail-fixtures.ts';

describe('Retry-After', () => {
  test.each([
    ['0', 0],
    ['1', 1_000],
    [' 30 ', 30_000],
    ['1.5', 1_500],
    ['0.0004', 1],
    ['Mon, 23 Nov 2026 14:00:10 GMT', 10_000],
    ['Monday, 23-Nov-26 14:00:10 GMT', 10_000],
    ['Mon Nov 23 14:00:10 2026', 10_000],
    ['Mon, 23 Nov 2026 13:59:00 GMT', 0],
    ['Tue, 24 Nov 2026 14:00:00 GMT', maxRetryAfterMs],
    ['999999999999', maxRetryAfterMs],
    ['9'.repeat(400), maxRetryAfterMs],
    ['Mon, 23 Nov 2099 14:00:00 GMT', maxRetryAfterMs],
  ])('reads %j as %d ms', (value, expected) => {
    expect(parseRetryAfter(value, nowMs)).toBe(expected);
  });

  test.each([
    null,
    '',
    ' ',
    '-5',
    '+5',
    '5s',
    'soon',
    '1e9',
    'NaN',
    'Infinity',
    '0x10',
    '1,5',
    'Mon, nonsense',
    '2026-11-23',
  ])('does not understand %j', (value) => {
    expect(parseRetryAfter(value, nowMs)).toBeNull();
  });
});

describe('rate-limit headers', () => {
  test('are read by their standard names', () => {
    const headers = new Headers({
      'ratelimit-limit': '10',
      'ratelimit-remaining': '3',
      'ratelimit-reset': '1',
    });
    expect(readRateObservation(headers, nowMs)).toEqual({
      limitCount: 10,
      remainingCount: 3,
      resetMs: 1_000,
    });
  });

  test('are read by their older names, with a reset in epoch seconds', () => {
    const headers = new Headers({
      'x-ratelimit-limit': '5000',
      'x-ratelimit-remaining': '4999',
      'x-ratelimit-reset': String(nowMs / 1000 + 60),
    });
    expect(readRateObservation(headers, nowMs)).toEqual({
      limitCount: 5000,
      remainingCount: 4999,
      resetMs: 60_000,
    });
  });

  test('may carry parameters, and each may be missing or unreadable on its own', () => {
    const headers = new Headers({ 'ratelimit-limit': '10;w=1', 'ratelimit-remaining': 'many' });
    expect(readRateObservation(headers, nowMs)).toEqual({
      limitCount: 10,
      remainingCount: null,
      resetMs: null,
    });
  });

  test('that are missing report nothing', () => {
    expect(readRateObservation(new Headers({ 'content-type': 'text/html' }), nowMs)).toBeNull();
  });
});
