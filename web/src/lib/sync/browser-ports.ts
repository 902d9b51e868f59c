/**
 * The real browser behind the session manager: fetch, EventSource, Web Locks, BroadcastChannel, visibility.
 *
 * Turns what HTTP and browsers do into the few answers of `ports.ts`. Decides nothing.
 *
 * @module
 */
import type { Progress } from '../../../../src/shared/progress.ts';
import { apiHeaders, isSignedOut, retryAfterMs } from '../../../../packages/client/src/exchange.ts';
import type { BrowserPorts, PollAnswer, StreamHandlers, TabChannel } from './ports.ts';
import { timing } from './timing.ts';
import { isIssueList, isProgress, parseJson } from './wire.ts';

const channelName = 'lead-activation';
const lockName = 'lead-activation:leader';

/**
 * The ports of this window. Missing browser features become null, and the manager works without them.
 *
 * @param isAwaited - true while a person wants a notification at the end; a hidden tab then counts as visible
 */
export function browserPorts(isAwaited: () => boolean): BrowserPorts {
  return {
    now: () => Date.now(),
    random: () => Math.random(),
    setTimer(run, delayMs) {
      const handle = setTimeout(run, delayMs);
      return () => clearTimeout(handle);
    },
    poll,
    openStream: typeof EventSource === 'undefined' ? null : openStream,
    openChannel: typeof BroadcastChannel === 'undefined' ? null : openChannel,
    requestLead: 'locks' in navigator ? requestLead : null,
    isVisible: () => document.visibilityState === 'visible' || isAwaited(),
    isOnline: () => navigator.onLine,
  };
}

async function poll(sessionId: string, etag: string | null, signal: AbortSignal): Promise<PollAnswer> {
  try {
    const response = await fetch(`/crm/activation/progress/${sessionId}`, {
      headers: { ...apiHeaders, ...(etag === null ? {} : { 'if-none-match': etag }) },
      redirect: 'manual',
      // The browser's own cache would answer a 304 as a 200 and hide what the server said.
      cache: 'no-store',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timing.pollTimeoutMs)]),
    });
    if (isSignedOut(response))
      return { kind: 'refused', retryAfterMs: null, permanent: true, signedOut: true };
    if (response.status === 304) return { kind: 'unchanged' };
    if (response.status === 404) {
      // A proxy's 404 page is not the server's word that the session does not exist.
      const problem = parseJson(await response.text()) as { code?: unknown } | undefined;
      return problem?.code === 'session_not_found' ? { kind: 'missing' } : { kind: 'failed' };
    }
    if (response.status === 403 || response.status === 422) {
      return { kind: 'refused', retryAfterMs: null, permanent: true, signedOut: false };
    }
    if (!response.ok) {
      return {
        kind: 'refused',
        retryAfterMs: retryAfterMs(response.headers.get('retry-after'), Date.now()),
        permanent: false,
        signedOut: false,
      };
    }
    const body = parseJson(await response.text());
    if (!isProgress(body) || body.sessionId !== sessionId) return { kind: 'failed' };
    return { kind: 'progress', progress: body, etag: response.headers.get('etag') };
  } catch {
    return { kind: 'failed' };
  }
}

function openStream(sessionId: string, handlers: StreamHandlers): () => void {
  const source = new EventSource(`/crm/activation/stream/${sessionId}`);
  const on = (name: string, take: (data: unknown) => void): void => {
    source.addEventListener(name, (event: MessageEvent<string>) => take(parseJson(event.data)));
  };
  const progressOf = (data: unknown): Progress | null =>
    isProgress(data) && data.sessionId === sessionId ? data : null;
  source.addEventListener('open', () => handlers.onOpen());
  on('progress', (data) => {
    const progress = progressOf(data);
    if (progress !== null) handlers.onProgress(progress, false);
  });
  on('end', (data) => {
    const progress = progressOf(data);
    if (progress !== null) handlers.onProgress(progress, true);
  });
  on('issues', (data) => {
    if (isIssueList(data)) handlers.onIssues(data.rev, data.issues);
  });
  on('deleted', () => handlers.onDeleted());
  // EventSource reconnects by itself after some errors and never after others. It is closed at every error,
  // so that the follower alone decides when to reconnect.
  source.addEventListener('error', () => {
    source.close();
    handlers.onClosed();
  });
  return () => source.close();
}

function openChannel(onMessage: (message: unknown) => void): TabChannel {
  const channel = new BroadcastChannel(channelName);
  channel.addEventListener('message', (event: MessageEvent<unknown>) => onMessage(event.data));
  return {
    post: (message) => channel.postMessage(message),
    close: () => channel.close(),
  };
}

function requestLead(onHeld: () => void): () => void {
  const waiting = new AbortController();
  let release: (() => void) | null = null;
  navigator.locks
    .request(lockName, { signal: waiting.signal }, () => {
      if (waiting.signal.aborted) return undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      onHeld();
      return held;
    })
    .catch(() => {
      // The wait was aborted.
    });
  return () => {
    waiting.abort();
    release?.();
  };
}
