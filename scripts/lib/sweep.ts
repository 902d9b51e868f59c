/**
 * The sweep over sessions that have not ended, asked for in place of a cron: `wrangler dev` rings none.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** What storage takes back is gone on with within five seconds, as with a cron in production within a minute. */
const intervalMs = 4_000;

/** Asks for sweeps until it is told to end. What fails is tried again: the Worker may be starting anew. */
export async function keepSweeping(url: string, signal: AbortSignal): Promise<void> {
  const address = `${url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`;
  while (!signal.aborted) {
    try {
      const response = await fetch(address, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
      });
      await response.body?.cancel();
    } catch {
      // Said in the Worker's log, or the end.
    }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
