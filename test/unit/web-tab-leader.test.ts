import { describe, expect, it } from 'vitest';
import { roleAt, type LeaderView } from '../../web/src/lib/sync/tab-leader.ts';

const view: LeaderView = { visible: true, liveCount: 1, supported: true, holdsLock: false, leaderHeardAt: 0 };

describe('the role of a tab', () => {
  it.each<[string, Partial<LeaderView>, number, string]>([
    ['leads when it holds the lock', { holdsLock: true }, 99_999, 'lead'],
    ['listens while the leader is heard', {}, 1_799, 'listen'],
    ['asks for itself once the leader was silent for almost two seconds', {}, 1_800, 'alone'],
    ['listens again when a frozen leader thaws', { leaderHeardAt: 60_000 }, 60_001, 'listen'],
    ['asks for itself where the browser has no locks', { supported: false }, 0, 'alone'],
    ['rests while hidden, even as the holder of the lock', { visible: false, holdsLock: true }, 0, 'idle'],
    ['rests when no session goes on', { liveCount: 0, holdsLock: true }, 0, 'idle'],
  ])('%s', (_what, change, now, role) => {
    expect(roleAt({ ...view, ...change }, now)).toBe(role);
  });
});
