/**
 * A time limit for a call that takes a signal.
 *
 * @module
 */

/**
 * Aborts a call after `limitMs`. `AbortSignal.timeout` cannot be cleared: its timer would keep an object in memory until
 * it fires.
 */
export async function inTime<Answer>(
  limitMs: number,
  call: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  const timeout = new AbortController();
  const timer = setTimeout(
    () => timeout.abort(new DOMException('No answer in time.', 'TimeoutError')),
    limitMs,
  );
  try {
    return await call(timeout.signal);
  } finally {
    clearTimeout(timer);
  }
}
