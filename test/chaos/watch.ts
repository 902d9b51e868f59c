/**
 * Two observers of a session: one polls with an ETag, the other reads the stream with Last-Event-ID, as browsers do.
 *
 * Each view is judged. Both go on through kills of the product.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../../src/shared/progress.ts';
import { readEvents } from '../support/event-stream.ts';
import type { Client, Journal } from './client.ts';
import { ViewJudge, type Excuses } from './judge-views.ts';

export interface Watch {
  /** The newest view of the poller; null before its first. */
  readonly view: Progress | null;
  readonly viewCount: number;
  stop(): Promise<void>;
}

const pollMs = 250;
/** A view that was made before a command may come after its answer, over the other way. */
const lateMs = 5_000;

/** When a person last gave a command that lets numbers fall; epoch ms. */
export interface LastWords {
  retryAt: number;
  stopAt: number;
}

/**
 * Watches a session until it is stopped.
 *
 * @param addressPart - what every lead's address has in it
 */
export function watchSession(
  client: Client,
  journal: Journal,
  session: { sessionId: string; words: LastWords },
  addressPart: string,
): Watch {
  const { sessionId, words } = session;
  const isOver = new AbortController();
  let viewCount = 0;
  let view: Progress | null = null;

  function judging(who: string): (next: Progress, raw: string) => void {
    const judge = new ViewJudge(who, addressPart);
    let lastAt = Date.now();
    return (next, raw) => {
      const since = lastAt - lateMs;
      lastAt = Date.now();
      const excuses: Excuses = { hasRetry: words.retryAt > since, hasStop: words.stopAt > since };
      journal.violations.push(...judge.see(next, raw, excuses));
      viewCount++;
    };
  }

  async function poll(): Promise<void> {
    const see = judging('poll');
    let etag: string | null = null;
    while (!isOver.signal.aborted) {
      const answer = await client.send(
        'GET',
        `/crm/activation/progress/${sessionId}`,
        undefined,
        etag === null ? {} : { 'if-none-match': etag },
      );
      if (answer?.status === 200) {
        etag = answer.etag;
        view = JSON.parse(answer.text) as Progress;
        see(view, answer.text);
      }
      await sleep(pollMs);
    }
  }

  async function follow(): Promise<void> {
    const see = judging('stream');
    // A property, because the checker does not see that the stream's callback changes a variable.
    const last: { id: number | null } = { id: null };
    while (!isOver.signal.aborted) {
      const headers: Record<string, string> = last.id === null ? {} : { 'last-event-id': String(last.id) };
      const answer = await client.open(`/crm/activation/stream/${sessionId}`, headers, isOver.signal);
      try {
        if (answer?.status === 200 && answer.body !== null) {
          await readEvents(answer.body, ({ event, id, data }) => {
            if (event !== 'progress' && event !== 'end') return;
            if (id !== null && last.id !== null && id < last.id) {
              journal.violations.push({
                rule: 'ids of a stream rise',
                words: `${id} after ${last.id}`,
                sessionId,
              });
            }
            last.id = id ?? last.id;
            see(data as Progress, JSON.stringify(data));
          });
        } else await answer?.body?.cancel();
      } catch {
        // It was killed under its readers.
      }
      await sleep(pollMs);
    }
  }

  const loops = [poll(), follow()];
  return {
    get view() {
      return view;
    },
    get viewCount() {
      return viewCount;
    },
    async stop() {
      isOver.abort();
      await Promise.all(loops);
    },
  };
}
