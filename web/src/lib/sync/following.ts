/**
 * What follows sessions, as one part of the program: it loads when there is something to follow.
 *
 * @module
 */
import { browserPorts } from './browser-ports.ts';
import { announcementFor, inTrackerOrder, overallPercent } from './progress-view.ts';
import { SessionManager } from './session-manager.ts';
import { browserStorage } from './storage.ts';
import { sessionIdOfKey, TrackedSessionStore } from './store.ts';

/** The session manager of this window, and what reads its views. */
export interface Following {
  readonly manager: SessionManager;
  readonly announcementFor: typeof announcementFor;
  readonly inTrackerOrder: typeof inTrackerOrder;
  readonly overallPercent: typeof overallPercent;
  readonly sessionIdOfKey: typeof sessionIdOfKey;
}

/**
 * Makes the manager with what this browser has stored; it is not started yet.
 *
 * @param isAwaited - true while a hidden tab goes on following, because a notification is wanted
 */
export function makeFollowing(isAwaited: () => boolean, onChange: () => void): Following {
  const store = new TrackedSessionStore(browserStorage());
  const manager = new SessionManager(browserPorts(isAwaited), store, onChange);
  return { manager, announcementFor, inTrackerOrder, overallPercent, sessionIdOfKey };
}
