/**
 * Finds on the server what this person has started on another device, and follows it here.
 *
 * @module
 */
import { api } from '../api/client.ts';
import type { Tracker } from '../sync/tracker.svelte.ts';

/** Another device may have started one since; asked when a person comes back, and no more often. */
const askAgainMs = 60_000;
const maxOpenCount = 100;

/** Asks now, and again when the page is shown or the line is back. @returns stops asking */
export function followOpen(tracker: Tracker): () => void {
  const stopped = new AbortController();
  const { signal } = stopped;
  let askedAt = 0;
  async function find(): Promise<void> {
    if (document.visibilityState !== 'visible' || Date.now() - askedAt < askAgainMs) return;
    askedAt = Date.now();
    const answer = await api.activations({ mine: 'true', view: 'open', limit: maxOpenCount }, signal);
    if (signal.aborted) return;
    if (answer.ok) for (const progress of answer.value.activations) tracker.follow(progress);
    else askedAt = 0;
  }
  const ask = (): void => void find();
  document.addEventListener('visibilitychange', ask, { signal });
  window.addEventListener('online', ask, { signal });
  ask();
  return () => {
    stopped.abort();
  };
}
