/**
 * The sessions of this tab as runes: what the tracker, the title, the announcements and the toasts show.
 *
 * Connects the session manager to the window's events. Holds no words and decides nothing about the protocol.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../../../src/shared/progress.ts';
import { browserPorts, browserStorage } from './browser-ports.ts';
import { SessionManager, type SessionView } from './session-manager.ts';
import { announcementFor, inTrackerOrder, overallPercent, type Announcement } from './progress-view.ts';
import { sessionIdOfKey, TrackedSessionStore } from './store.ts';

/** The shell listens to this. */
export interface TrackerListener {
  announce(progress: Progress, announcement: Announcement): void;
  finished(progress: Progress): void;
}

export class Tracker {
  readonly #manager: SessionManager;
  #views = $state.raw<readonly SessionView[]>([]);
  #listener: TrackerListener | null = null;

  /** @param isAwaited - true while a hidden tab goes on following, because a notification is wanted */
  constructor(isAwaited: () => boolean) {
    this.#manager = new SessionManager(
      browserPorts(isAwaited),
      new TrackedSessionStore(browserStorage()),
      () => this.#refresh(),
    );
  }

  /** Starts to follow, and to watch this window. Returns how to stop. */
  connect(listener: TrackerListener): () => void {
    this.#listener = listener;
    const stopped = new AbortController();
    const options = { signal: stopped.signal };
    const shown = (): void => this.#manager.visibilityChanged();
    const connectivity = (): void => this.#manager.connectivityChanged();
    document.addEventListener('visibilitychange', shown, options);
    document.addEventListener('resume', shown, options);
    window.addEventListener('pageshow', shown, options);
    window.addEventListener('online', connectivity, options);
    window.addEventListener('offline', connectivity, options);
    window.addEventListener(
      'storage',
      (event) => {
        // A null key is a cleared storage: every session that is still needed is in the manager's memory.
        const sessionId = sessionIdOfKey(event.key);
        if (sessionId !== null) this.#manager.storedSessionChanged(sessionId);
      },
      options,
    );
    this.#manager.start();
    return () => {
      stopped.abort();
      this.#manager.stop();
      this.#listener = null;
    };
  }

  /** Sessions of the tracker, what moves first. */
  get sessions(): readonly SessionView[] {
    return inTrackerOrder(this.#views.filter((view) => view.tracked));
  }

  /** Percent over all sessions that still go on; null when none does. */
  get percent(): number | null {
    return overallPercent(
      this.#views.flatMap((view) => (view.tracked && view.progress ? [view.progress] : [])),
    );
  }

  view(sessionId: string): SessionView | null {
    return this.#views.find((view) => view.sessionId === sessionId) ?? null;
  }

  /** Call before the start request leaves. */
  expect(sessionId: string): void {
    this.#manager.expect(sessionId);
  }

  /** The start request got no answer and is not repeated. */
  release(sessionId: string): void {
    this.#manager.release(sessionId);
  }

  /** Started, resumed or retried here. */
  begin(progress: Progress): void {
    this.#manager.begin(progress);
  }

  /** Open, and started by this person on another device. */
  follow(progress: Progress): void {
    this.#manager.follow(progress);
  }

  offer(progress: Progress): void {
    this.#manager.offer(progress);
  }

  dismiss(sessionId: string): void {
    this.#manager.dismiss(sessionId);
  }

  /** Follows a session that is looked at. Returns how to stop. */
  observe(sessionId: string): () => void {
    return this.#manager.observe(sessionId);
  }

  #refresh(): void {
    const views = this.#manager.views();
    const same =
      views.length === this.#views.length && views.every((view, index) => view === this.#views[index]);
    if (same) return;
    const before = this.#views;
    this.#views = views;
    for (const view of views) {
      if (view.progress === null) continue;
      const previous = before.find((known) => known.sessionId === view.sessionId)?.progress ?? null;
      if (previous !== view.progress) this.#tell(previous, view.progress, view.tracked);
    }
  }

  #tell(previous: Progress | null, progress: Progress, tracked: boolean): void {
    const announcement = announcementFor(previous, progress);
    if (announcement !== null) this.#listener?.announce(progress, announcement);
    // The end of a session that is only looked at is shown by its page.
    if (tracked && previous !== null && !isTerminal(previous) && isTerminal(progress))
      this.#listener?.finished(progress);
  }
}
