/**
 * The sessions of this tab as runes: what the tracker, the title, the announcements and the toasts show.
 *
 * Connects the session manager to the window's events. The manager's code loads when there is something to follow,
 * or when the page is at rest; until then nothing is lost, because what it is told waits for it. Holds no words and
 * decides nothing about the protocol.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../../../src/shared/progress.ts';
import type { Following } from './following.ts';
import type { Announcement } from './progress-view.ts';
import type { SessionManager, SessionView } from './session-manager.ts';
import { hasStoredSession } from './storage.ts';
import { keyPrefix } from './stored-key.ts';

/** The shell listens to this. */
export interface TrackerListener {
  /** A newer view of a session that is tracked or looked at. */
  changed(progress: Progress): void;
  announce(progress: Progress, announcement: Announcement): void;
  finished(progress: Progress): void;
}

/** How soon code that did not arrive is asked for again. */
const loadRetryMs = 5_000;

export class Tracker {
  readonly #isAwaited: () => boolean;
  /** Null until it is loaded. */
  #following: Following | null = null;
  #loading: Promise<void> | null = null;
  /** What the manager was told before it was there. */
  readonly #told: ((manager: SessionManager) => void)[] = [];
  #views = $state.raw<readonly SessionView[]>([]);
  #listener: TrackerListener | null = null;

  /** @param isAwaited - true while a hidden tab goes on following, because a notification is wanted */
  constructor(isAwaited: () => boolean) {
    this.#isAwaited = isAwaited;
  }

  /** Watches this window, and starts to follow what this browser has stored. Returns how to stop. */
  connect(listener: TrackerListener): () => void {
    this.#listener = listener;
    const stopped = new AbortController();
    const options = { signal: stopped.signal };
    const shown = (): void => this.#following?.manager.visibilityChanged();
    const connectivity = (): void => {
      if (this.#following !== null) this.#following.manager.connectivityChanged();
      else if (this.#told.length > 0) void this.load();
    };
    document.addEventListener('visibilitychange', shown, options);
    document.addEventListener('resume', shown, options);
    window.addEventListener('pageshow', shown, options);
    window.addEventListener('online', connectivity, options);
    window.addEventListener('offline', connectivity, options);
    window.addEventListener(
      'storage',
      ({ key }) => {
        // A null key is a cleared storage: every session that is still needed is in the manager's memory.
        if (key === null || !key.startsWith(keyPrefix)) return;
        this.#tell((manager) => {
          const sessionId = this.#following?.sessionIdOfKey(key) ?? null;
          if (sessionId !== null) manager.storedSessionChanged(sessionId);
        });
      },
      options,
    );
    if (hasStoredSession()) void this.load();
    return () => {
      stopped.abort();
      this.#following?.manager.stop();
      this.#listener = null;
    };
  }

  /** Loads the manager and starts it. Where that fails, it is tried again while something waits to be told. */
  load(): Promise<void> {
    this.#loading ??= import('./following.ts').then(
      ({ makeFollowing }) => {
        if (this.#listener === null) return;
        this.#following = makeFollowing(this.#isAwaited, () => this.#refresh());
        const { manager } = this.#following;
        manager.start();
        for (const tell of this.#told.splice(0)) tell(manager);
      },
      () => {
        this.#loading = null;
        // Without it nothing of an activation is shown, so what waits for it is not left to the next click.
        if (this.#told.length > 0 && this.#listener !== null) setTimeout(() => void this.load(), loadRetryMs);
      },
    );
    return this.#loading;
  }

  #tell(tell: (manager: SessionManager) => void): void {
    if (this.#following !== null) tell(this.#following.manager);
    else {
      this.#told.push(tell);
      void this.load();
    }
  }

  /** Sessions of the tracker, what moves first. */
  get sessions(): readonly SessionView[] {
    const tracked = this.#views.filter((view) => view.tracked);
    return this.#following?.inTrackerOrder(tracked) ?? tracked;
  }

  /** Percent over all sessions that still go on; null when none does. */
  get percent(): number | null {
    const known = this.#views.flatMap((view) => (view.tracked && view.progress ? [view.progress] : []));
    return this.#following?.overallPercent(known) ?? null;
  }

  view(sessionId: string): SessionView | null {
    return this.#views.find((view) => view.sessionId === sessionId) ?? null;
  }

  /** Call before the start request leaves, and after `load`: what is stored then survives a refresh at once. */
  expect(sessionId: string): void {
    this.#tell((manager) => manager.expect(sessionId));
  }

  /** The start request got no answer and is not repeated. */
  release(sessionId: string): void {
    this.#tell((manager) => manager.release(sessionId));
  }

  /** Started, resumed or retried here. */
  begin(progress: Progress): void {
    this.#tell((manager) => manager.begin(progress));
  }

  /** Open, and started by this person on another device. */
  follow(progress: Progress): void {
    this.#tell((manager) => manager.follow(progress));
  }

  offer(progress: Progress): void {
    this.#tell((manager) => manager.offer(progress));
  }

  dismiss(sessionId: string): void {
    this.#tell((manager) => manager.dismiss(sessionId));
  }

  /** Follows a session that is looked at. Returns how to stop. */
  observe(sessionId: string): () => void {
    let stop: (() => void) | null = null;
    let isStopped = false;
    this.#tell((manager) => {
      if (!isStopped) stop = manager.observe(sessionId);
    });
    return () => {
      isStopped = true;
      stop?.();
    };
  }

  #refresh(): void {
    const views = this.#following?.manager.views() ?? [];
    const same =
      views.length === this.#views.length && views.every((view, index) => view === this.#views[index]);
    if (same) return;
    const before = this.#views;
    this.#views = views;
    for (const view of views) {
      if (view.progress === null) continue;
      const previous = before.find((known) => known.sessionId === view.sessionId)?.progress ?? null;
      if (previous !== view.progress) this.#report(previous, view.progress, view.tracked);
    }
  }

  #report(previous: Progress | null, progress: Progress, tracked: boolean): void {
    this.#listener?.changed(progress);
    const announcement = this.#following?.announcementFor(previous, progress) ?? null;
    if (announcement !== null) this.#listener?.announce(progress, announcement);
    // The end of a session that is only looked at is shown by its page.
    if (tracked && previous !== null && !isTerminal(previous) && isTerminal(progress))
      this.#listener?.finished(progress);
  }
}
