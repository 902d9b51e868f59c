/**
 * What the session manager needs of the browser, as types: `browser-ports.ts` has the real one, the tests a
 * simulated one under a fake clock.
 *
 * @module
 */
import type { Issue, Progress } from '../../../../src/shared/progress.ts';
import type { TabMessage } from './wire.ts';

/** The answer to a progress request. */
export type PollAnswer =
  | { kind: 'progress'; progress: Progress; etag: string | null }
  | { kind: 'unchanged' }
  | { kind: 'missing' }
  | { kind: 'refused'; retryAfterMs: number | null; permanent: boolean; signedOut: boolean }
  | { kind: 'failed' };

export interface StreamHandlers {
  onOpen(): void;
  onProgress(progress: Progress, final: boolean): void;
  onIssues(rev: number, issues: Issue[]): void;
  onDeleted(): void;
  /** The connection is gone, for whatever reason; the port does not reconnect. */
  onClosed(): void;
}

/** Messages to the other tabs of this browser. */
export interface TabChannel {
  post(message: TabMessage): void;
  close(): void;
}

/** The browser, as verbs. */
export interface BrowserPorts {
  now(): number;
  random(): number;
  /** Calls back once; returns how to cancel. */
  setTimer(run: () => void, delayMs: number): () => void;
  poll(sessionId: string, etag: string | null, signal: AbortSignal): Promise<PollAnswer>;
  /** Null where the browser has no EventSource. Returns how to close. */
  openStream: ((sessionId: string, handlers: StreamHandlers) => () => void) | null;
  /** Null where the browser has no BroadcastChannel. */
  openChannel: ((onMessage: (message: unknown) => void) => TabChannel) | null;
  /** Waits for the leader's lock; returns how to give it up or stop waiting. Null without Web Locks. */
  requestLead: ((onHeld: () => void) => () => void) | null;
  isVisible(): boolean;
  isOnline(): boolean;
}
