/**
 * Which tab talks to the server: at most one of a browser's visible tabs leads, the others listen to it.
 *
 * Pure. A tab that cannot know (no Web Locks, no BroadcastChannel) or that has not heard its leader asks
 * the server itself: one request too many is cheap, an old number is not.
 *
 * @module
 */
import { timing } from './timing.ts';

/**
 * - `idle`: nothing to follow, or nobody looks; hidden tabs give leadership back, so that a visible tab
 *   never waits for one that the browser slows down
 * - `lead`: follows, and tells the others
 * - `listen`: hears the leader
 * - `alone`: follows for itself
 */
export type Role = 'idle' | 'lead' | 'listen' | 'alone';

export interface LeaderView {
  visible: boolean;
  /** Sessions that are still going. */
  liveCount: number;
  /** Web Locks and BroadcastChannel are both there. */
  supported: boolean;
  holdsLock: boolean;
  /** When the leader was last heard, or when this tab began to wait for one. */
  leaderHeardAt: number;
}

/** The role of a tab at `nowMs`. */
export function roleAt(view: LeaderView, nowMs: number): Role {
  if (!view.visible || view.liveCount === 0) return 'idle';
  if (!view.supported) return 'alone';
  if (view.holdsLock) return 'lead';
  return nowMs - view.leaderHeardAt >= timing.leaderLostMs ? 'alone' : 'listen';
}
