/**
 * The two ways in which a browser observes a session: polling with an ETag, and server-sent events that reconnect
 * with Last-Event-ID. Both stop only when they have received the end.
 *
 * Tests of what an observer may rely on use both {@link observers}, so that the same rules hold for both.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../src/shared/progress.ts';
import { readEvents, type StreamEvent } from './event-stream.ts';
import { request } from './session-driver.ts';

/** The views of one observer, in order. */
export interface Observation {
  views: Progress[];
  /** Requests that were made. */
  callCount: number;
}

export interface Observer {
  name: string;
  /**
   * Observes until the end.
   *
   * @param cursor - the rev that it has seen last; null: none
   */
  watch(sessionId: string, cursor: number | null): Promise<Observation>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** Calls after which an observer without an end gives up. */
const maxCallCount = 2_000;

const polling: Observer = {
  name: 'polling',
  async watch(sessionId, cursor) {
    const seen: Observation = { views: [], callCount: 0 };
    let etag = cursor === null ? null : `"${cursor}"`;
    while (seen.callCount++ < maxCallCount) {
      const answer = await request(
        `/crm/activation/progress/${sessionId}`,
        etag === null ? {} : { headers: { 'if-none-match': etag } },
      ).catch(() => null);
      if (answer?.status === 200) {
        const view: Progress = await answer.json();
        etag = answer.headers.get('etag');
        seen.views.push(view);
        if (isTerminal(view)) return seen;
      } else if (
        answer?.status === 304 &&
        cursor !== null &&
        etag === `"${cursor}"` &&
        seen.views.length === 0
      ) {
        // The observer has the newest view already. Only the view itself says whether it is the last one.
        const view: Progress = await (await request(`/crm/activation/progress/${sessionId}`)).json();
        if (isTerminal(view)) return { ...seen, views: [view] };
      }
      await pause(10);
    }
    throw new Error('never told the end');
  },
};

/** Reads one connection to its end. A broken connection counts as ended. */
export async function readStream(
  sessionId: string,
  lastEventId: number | null,
  take: (event: StreamEvent) => void,
): Promise<number> {
  const answer = await request(
    `/crm/activation/stream/${sessionId}`,
    lastEventId === null ? {} : { headers: { 'last-event-id': String(lastEventId) } },
  ).catch(() => null);
  if (answer?.status !== 200 || answer.body === null) return answer?.status ?? 0;
  try {
    await readEvents(answer.body, take);
  } catch {
    // The object was destroyed while it had readers.
  }
  return answer.status;
}

const streaming: Observer = {
  name: 'server-sent events',
  async watch(sessionId, cursor) {
    const seen: Observation = { views: [], callCount: 0 };
    let last = cursor;
    // A function: the type checker does not see that the callback of the stream changes the variable.
    let hasEnded = false;
    const isOver = (): boolean => hasEnded;
    while (!isOver() && seen.callCount++ < maxCallCount) {
      await readStream(sessionId, last, ({ event, id, data }) => {
        if (event !== 'progress' && event !== 'end') return;
        seen.views.push(data as Progress);
        // A view of the same revision has no id.
        last = id ?? last;
        hasEnded ||= event === 'end';
      });
      if (!isOver()) await pause(10);
    }
    if (!isOver()) throw new Error('never told the end');
    return seen;
  },
};

export const observers: readonly Observer[] = [polling, streaming];
