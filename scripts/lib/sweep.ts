/**
 * Requests the sweep over sessions that have not ended, because `wrangler dev` runs no cron triggers.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** Work resumes within five seconds after storage is back; in production the cron does this within a minute. */
const intervalMs = 4_000;

/** Requests sweeps until the signal. A failed one is repeated: the Worker may be restarting. */
export async function keepSweeping(url: string, signal: AbortSignal): Promise<void> {
  const address = `${url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`;
  while (!signal.aborted) {
    try {
      const response = await fetch(address, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
      });
      await response.body?.cancel();
    } catch {
      // The Worker's log has the reason, or the product is stopping.
    }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
