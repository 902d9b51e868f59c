import { describe, expect, it } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import {
  isLive,
  keyPrefix,
  sessionIdOfKey,
  TrackedSessionStore,
  type KeyValueStorage,
} from '../../web/src/lib/sync/store.ts';
import { progressOf } from '../support/progress.ts';

const first = 'activation_1704123456789_a7bc3d2f1';
const second = 'activation_1704123456790_b7bc3d2f2';

const progressAt = (sessionId: string, rev: number, change: Partial<Progress> = {}): Progress =>
  progressOf({ sessionId, rev, processed: rev, ...change });

/** localStorage of one browser: every tab has its own store over it. */
function memoryStorage(
  entries: Record<string, string> = {},
): KeyValueStorage & { data: Map<string, string> } {
  const data = new Map(Object.entries(entries));
  return {
    data,
    get length() {
      return data.size;
    },
    key: (index) => [...data.keys()][index] ?? null,
    getItem: (key) => data.get(key) ?? null,
    setItem: (key, value) => void data.set(key, value),
    removeItem: (key) => void data.delete(key),
  };
}

const refuse = (): never => {
  throw new DOMException('The operation is insecure.', 'SecurityError');
};
const brokenStorage: KeyValueStorage = {
  get length() {
    return refuse();
  },
  key: refuse,
  getItem: refuse,
  setItem: refuse,
  removeItem: refuse,
};

describe('the store of tracked sessions', () => {
  it('provides a session to the next page load as soon as it was added', () => {
    const storage = memoryStorage();
    new TrackedSessionStore(storage).add(first, 1_000);
    expect(new TrackedSessionStore(storage).list()).toEqual([
      { sessionId: first, addedAt: 1_000, pending: true, progress: null },
    ]);
  });

  it('keeps several sessions apart, also when two tabs write in turn', () => {
    const storage = memoryStorage();
    const tabA = new TrackedSessionStore(storage);
    const tabB = new TrackedSessionStore(storage);
    tabA.add(first, 1);
    tabB.add(second, 2);
    tabA.remember(progressAt(first, 3));
    expect(tabB.list().map((session) => [session.sessionId, session.progress?.rev])).toEqual([
      [first, 3],
      [second, undefined],
    ]);
  });

  it('never lets an older answer replace a newer one', () => {
    const store = new TrackedSessionStore(memoryStorage());
    store.add(first, 1);
    store.remember(progressAt(first, 9));
    store.remember(progressAt(first, 4));
    expect(store.get(first)?.progress?.rev).toBe(9);
  });

  it('is no longer pending once the server has answered', () => {
    const store = new TrackedSessionStore(memoryStorage());
    store.add(first, 1);
    store.remember(progressAt(first, 1));
    expect(store.get(first)?.pending).toBe(false);
  });

  it('does not bring back a dismissed session when a late answer arrives', () => {
    const store = new TrackedSessionStore(memoryStorage());
    store.add(first, 1);
    store.remove(first);
    store.remember(progressAt(first, 9));
    expect(store.list()).toEqual([]);
  });

  it.each([
    ['text that is not JSON', '{"addedAt":'],
    ['another type', '[1,2]'],
    ['null', 'null'],
    ['progress without counts', '{"progress":{"sessionId":"x"}}'],
    ['the progress of another session', JSON.stringify({ progress: progressAt(second, 3) })],
    ['counts that are text', JSON.stringify({ progress: { ...progressAt(first, 3), total: '50' } })],
  ])('still follows a session whose value is %s', (_what, value) => {
    const store = new TrackedSessionStore(memoryStorage({ [keyPrefix + first]: value }));
    expect(store.list()).toEqual([
      { sessionId: first, addedAt: 1_704_123_456_789, pending: false, progress: null },
    ]);
  });

  it('ignores foreign keys and malformed ids, and does not change them', () => {
    const entries = {
      theme: 'dark',
      [`${keyPrefix}activation_1_x`]: '{}',
      [`${keyPrefix}../../admin`]: '{}',
      [keyPrefix]: '{}',
    };
    const storage = memoryStorage(entries);
    expect(new TrackedSessionStore(storage).list()).toEqual([]);
    expect(Object.fromEntries(storage.data)).toEqual(entries);
  });

  it.each([
    ['switched off', brokenStorage],
    ['absent', null],
    ['full', { ...memoryStorage(), length: 0, setItem: refuse }],
  ])('follows sessions for the life of the page when storage is %s', (_what, storage) => {
    const store = new TrackedSessionStore(storage);
    store.add(first, 5);
    store.remember(progressAt(first, 2));
    expect(store.list().map((session) => session.progress?.rev)).toEqual([2]);
    store.remove(first);
    expect(store.list()).toEqual([]);
  });

  it('distinguishes a finished session from a running one and from a cancelled one that still settles', () => {
    expect(isLive({ progress: null })).toBe(true);
    expect(isLive({ progress: progressAt(first, 1) })).toBe(true);
    expect(isLive({ progress: progressAt(first, 1, { state: 'cancelled' }) })).toBe(true);
    expect(isLive({ progress: progressAt(first, 1, { state: 'completed', finishedAt: 9 }) })).toBe(false);
  });

  it('reads a session id from its own storage keys only', () => {
    expect(sessionIdOfKey(keyPrefix + first)).toBe(first);
    expect(sessionIdOfKey(first)).toBeNull();
    expect(sessionIdOfKey(null)).toBeNull();
  });
});
