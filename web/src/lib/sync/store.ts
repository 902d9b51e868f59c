/**
 * Which sessions this browser follows: one localStorage entry per session, so that two tabs never
 * overwrite each other's list. An id is stored before its start request leaves, which is why a refresh in
 * that very moment resumes too.
 *
 * Survives storage that is switched off, full, corrupt or written by others: the session id is in the key,
 * so a value that does not parse costs the last known numbers, never the session. Keeps no lead data.
 *
 * @module
 */
import { isTerminal, reduceProgress, type Progress } from '../../../../src/shared/progress.ts';
import { isSessionId } from '../../../../src/shared/session-id.ts';
import { keyPrefix } from './stored-key.ts';
import { isProgress } from './wire.ts';

export { keyPrefix };

/** One session that this browser shows in its tracker. */
export interface TrackedSession {
  sessionId: string;
  addedAt: number;
  /** The start request has not been answered yet; a 404 may only mean that it is still on its way. */
  pending: boolean;
  /** The last progress that any tab of this browser saw, so that a page never begins at zero. */
  progress: Progress | null;
}

/** The part of `Storage` that is used. */
export type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

/** True while the session still has to be asked about. */
export function isLive(session: Pick<TrackedSession, 'progress'>): boolean {
  return session.progress === null || !isTerminal(session.progress);
}

/** The session that a storage key names, or null when the key is not one of ours. */
export function sessionIdOfKey(key: string | null): string | null {
  if (key === null || !key.startsWith(keyPrefix)) return null;
  const sessionId = key.slice(keyPrefix.length);
  return isSessionId(sessionId) ? sessionId : null;
}

/** Creation time inside a session id, epoch milliseconds. */
function createdAtOf(sessionId: string): number {
  return Number(sessionId.slice('activation_'.length, 'activation_'.length + 13));
}

export class TrackedSessionStore {
  readonly #storage: KeyValueStorage | null;
  /** What storage refused to keep; holds everything when there is no storage. */
  readonly #memory = new Map<string, TrackedSession>();

  /** @param storage - null where the browser refuses storage; then the store lives as long as the page */
  constructor(storage: KeyValueStorage | null) {
    this.#storage = storage;
  }

  /** Every tracked session, oldest first. */
  list(): TrackedSession[] {
    const found = new Map(this.#memory);
    for (const sessionId of this.#storedIds()) {
      const session = this.#read(sessionId);
      if (session !== null) found.set(sessionId, session);
    }
    return [...found.values()].sort((a, b) => a.sessionId.localeCompare(b.sessionId));
  }

  get(sessionId: string): TrackedSession | null {
    return this.#read(sessionId) ?? this.#memory.get(sessionId) ?? null;
  }

  /** Begins to track a session; call it before the start request leaves. Known sessions keep their progress. */
  add(sessionId: string, nowMs: number): void {
    const known = this.get(sessionId);
    this.#write({ sessionId, addedAt: nowMs, pending: true, progress: known?.progress ?? null });
  }

  /**
   * Keeps the newer of what is stored and `progress`. Does nothing for a session that is not tracked (any
   * more), so that a late answer never brings back what a person dismissed.
   */
  remember(progress: Progress): void {
    const known = this.get(progress.sessionId);
    if (known === null) return;
    this.#write({ ...known, pending: false, progress: reduceProgress(known.progress, progress) });
  }

  remove(sessionId: string): void {
    this.#memory.delete(sessionId);
    try {
      this.#storage?.removeItem(keyPrefix + sessionId);
    } catch {
      // Storage that cannot be written holds nothing of ours that matters.
    }
  }

  #storedIds(): string[] {
    const ids: string[] = [];
    try {
      const storage = this.#storage;
      if (storage === null) return ids;
      for (let index = 0; index < storage.length; index += 1) {
        const sessionId = sessionIdOfKey(storage.key(index));
        if (sessionId !== null) ids.push(sessionId);
      }
    } catch {
      // Storage switched off under way: what memory holds is what there is.
    }
    return ids;
  }

  #read(sessionId: string): TrackedSession | null {
    let text: string | null = null;
    try {
      text = this.#storage?.getItem(keyPrefix + sessionId) ?? null;
    } catch {
      return null;
    }
    return text === null ? null : parseEntry(sessionId, text);
  }

  #write(session: TrackedSession): void {
    const { sessionId, ...entry } = session;
    try {
      if (this.#storage === null) throw new Error('no storage');
      this.#storage.setItem(keyPrefix + sessionId, JSON.stringify(entry));
      this.#memory.delete(sessionId);
    } catch {
      // Full or switched off: this page still follows the session.
      this.#memory.set(sessionId, session);
    }
  }
}

/** Reads one entry; anything that is not understood falls back to what the id itself says. */
function parseEntry(sessionId: string, text: string): TrackedSession {
  const fallback: TrackedSession = {
    sessionId,
    addedAt: createdAtOf(sessionId),
    pending: false,
    progress: null,
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fallback;
  }
  if (typeof value !== 'object' || value === null) return fallback;
  const entry = value as Record<string, unknown>;
  const progress = entry['progress'];
  const addedAt = entry['addedAt'];
  return {
    sessionId,
    addedAt: typeof addedAt === 'number' && Number.isFinite(addedAt) ? addedAt : fallback.addedAt,
    pending: entry['pending'] === true,
    progress: isProgress(progress) && progress.sessionId === sessionId ? progress : null,
  };
}
