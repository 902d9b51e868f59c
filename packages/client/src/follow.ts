/**
 * Following an activation to its end: by its stream, taken up again where it broke off, and by polling where there is
 * no stream.
 *
 * Invariants: of two views the newer one is given, and none twice; the end is given once, and last.
 *
 * @module
 */
import { createParser } from 'eventsource-parser';
import { backoffMs } from '../../../src/shared/backoff.ts';
import { isTerminal, reduceProgress, type Progress } from '../../../src/shared/progress.ts';
import { ErasedError, UnreachableError, errorOf } from './errors.ts';
import { isPage, readRefusal, type Refusal } from './exchange.ts';
import { clientBackoff, type Transport } from './transport.ts';

export interface FollowOptions {
  /** Ends the following with the signal's reason. The activation goes on. */
  signal?: AbortSignal;
  /** How long the server may be away, in milliseconds, before an {@link UnreachableError}. Ten minutes by default. */
  giveUpAfterMs?: number;
}

/** The stream says something every 15 s. One that is silent for so long has been lost. */
export const maxSilenceMs = 40_000;
/** At most, before a stream that was open is opened again: what the server asks for (`retry`). */
export const reconnectMs = 2_000;
/** Between two polls, where there is no stream. */
export const pollEveryMs = 2_000;
/** After so many polls the stream is tried again. */
const pollsBetweenStreams = 15;
/** Streams that break off before they say anything, after which polls take their place. */
const maxEmptyStreams = 2;

type StreamEnd =
  /** The connection ended. `isEmpty`: without having said anything. */
  { kind: 'broken'; isEmpty: boolean } | { kind: 'end' } | { kind: 'refused'; refusal: Refusal };

/**
 * Gives each newer view of an activation until it has ended.
 *
 * @throws RefusedError (also where no such activation exists), SignedOutError, WrongAddressError, ErasedError,
 *   UnreachableError, and the reason of an aborted signal
 */
export async function* follow(
  transport: Transport,
  sessionId: string,
  { signal, giveUpAfterMs = 600_000 }: FollowOptions = {},
): AsyncGenerator<Progress, void, undefined> {
  const { clock, baseUrl } = transport;
  const path = `/crm/activation/${encodeURIComponent(sessionId)}`;
  let current = null as Progress | null;
  let etag = null as string | null;
  let heardAt = clock.now();
  let failures = 0;
  let emptyStreams = 0;
  let pollsLeft = 0;

  /** The view, if it is newer than what was given before. */
  function news(incoming: Progress): Progress | null {
    heardAt = clock.now();
    failures = 0;
    const reduced = reduceProgress(current, incoming);
    if (reduced !== incoming) return null;
    const isSame = JSON.stringify(current) === JSON.stringify(incoming);
    current = reduced;
    return isSame ? null : incoming;
  }

  /** Waits before another attempt, unless that would be for nothing. */
  async function pauseAfter(refusal: Refusal): Promise<void> {
    // Once the address was right, what is foreign is between: the sign-in page of a network.
    const isWrong = refusal.kind === 'unreachable' && refusal.isForeign === true && current === null;
    if (isWrong || !isPassing(refusal)) throw errorOf(refusal, baseUrl);
    if (clock.now() - heardAt > giveUpAfterMs) throw new UnreachableError(baseUrl);
    const wait = refusal.kind === 'signed_out' ? 0 : (refusal.retryAfterMs ?? 0);
    failures += 1;
    await clock.sleep(Math.max(wait, backoffMs(clientBackoff, failures, clock.random)), signal);
  }

  for (;;) {
    signal?.throwIfAborted();
    if (pollsLeft === 0) {
      // Delegated, so that a caller who leaves its loop ends the connection too.
      const end = yield* streamViews(transport, { path: `${path}/stream`, sessionId, current, news, signal });
      signal?.throwIfAborted();
      if (end.kind === 'end') return;
      if (end.kind === 'broken' && !end.isEmpty) {
        heardAt = clock.now();
        emptyStreams = 0;
        await clock.sleep(reconnectMs * (0.5 + clock.random() / 2), signal);
        continue;
      }
      emptyStreams += 1;
      if (emptyStreams >= maxEmptyStreams) pollsLeft = pollsBetweenStreams;
      await pauseAfter(end.kind === 'refused' ? end.refusal : { kind: 'unreachable' });
      continue;
    }
    const answer = await transport.attempt<Progress | null>({
      method: 'GET',
      path: `${path}/progress`,
      headers: etag === null ? {} : { 'if-none-match': etag },
      signal,
      isRepeatable: true,
      read: async (response) => {
        if (response.status === 304) return null;
        etag = response.headers.get('etag');
        return (await response.json()) as Progress;
      },
    });
    signal?.throwIfAborted();
    pollsLeft -= 1;
    if (!answer.ok) {
      await pauseAfter(answer.refusal);
      continue;
    }
    heardAt = clock.now();
    if (answer.value !== null) {
      const view = news(answer.value);
      if (view !== null) yield view;
      if (isTerminal(answer.value)) return;
    }
    await clock.sleep(pollEveryMs, signal);
  }
}

/** A refusal that time can mend. */
function isPassing(refusal: Refusal): boolean {
  if (refusal.kind === 'signed_out') return false;
  return refusal.kind === 'unreachable' || refusal.problem.status === 429 || refusal.problem.status >= 500;
}

interface Stream {
  path: string;
  sessionId: string;
  current: Progress | null;
  /** The view, if it is to be given. */
  news: (incoming: Progress) => Progress | null;
  signal: AbortSignal | undefined;
}

/** The newer views of one connection; at its end, why it ended. */
async function* streamViews(
  transport: Transport,
  { path, sessionId, current, news, signal }: Stream,
): AsyncGenerator<Progress, StreamEnd, undefined> {
  const connection = new AbortController();
  const abort = (): void => connection.abort();
  signal?.addEventListener('abort', abort, { once: true });
  let isEmpty = true;
  try {
    const response = await transport.open(
      path,
      { accept: 'text/event-stream', ...(current === null ? {} : { 'last-event-id': String(current.rev) }) },
      connection.signal,
    );
    if (!response.ok) return { kind: 'refused', refusal: await readRefusal(response) };
    if (isPage(response)) return { kind: 'refused', refusal: { kind: 'unreachable', isForeign: true } };
    if (response.body === null) return { kind: 'broken', isEmpty };
    const events: { event?: string | undefined; data: string }[] = [];
    const parser = createParser({ onEvent: (event) => events.push(event) });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const chunk = await orSilence(reader.read(), transport, connection);
      if (chunk.done) return { kind: 'broken', isEmpty };
      isEmpty = false;
      parser.feed(chunk.value);
      for (const { event, data } of events.splice(0)) {
        if (event === 'deleted') throw new ErasedError(sessionId);
        const view = event === 'progress' || event === 'end' ? news(JSON.parse(data) as Progress) : null;
        if (view !== null) yield view;
        if (event === 'end') return { kind: 'end' };
      }
    }
  } catch (error) {
    if (error instanceof ErasedError) throw error;
    return { kind: 'broken', isEmpty };
  } finally {
    signal?.removeEventListener('abort', abort);
    connection.abort();
  }
}

/** Rejects, and ends the connection, where nothing comes for too long. */
async function orSilence<T>(read: Promise<T>, { clock }: Transport, connection: AbortController): Promise<T> {
  const isRead = new AbortController();
  const silence = clock.sleep(maxSilenceMs, isRead.signal).then(
    () => {
      connection.abort();
      throw new Error('The stream is silent.');
    },
    // Something came.
    () => read,
  );
  try {
    return await Promise.race([read, silence]);
  } finally {
    isRead.abort();
  }
}
