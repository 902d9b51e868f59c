import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import type { BrowserPorts, StreamHandlers } from '../../web/src/lib/sync/ports.ts';
import { SessionManager } from '../../web/src/lib/sync/session-manager.ts';
import { keyPrefix, TrackedSessionStore, type KeyValueStorage } from '../../web/src/lib/sync/store.ts';
import { progressOf } from '../support/progress.ts';

const sessionId = 'activation_1704123456789_a7bc3d2f1';
const other = 'activation_1704123456790_b7bc3d2f2';

/** The server: its sessions, the time of each request, and the open streams. */
class FakeServer {
  readonly sessions = new Map<string, Progress>();
  readonly polls: { tab: number; sessionId: string; at: number; etag: string | null }[] = [];
  readonly streams = new Set<{ tab: number; sessionId: string; handlers: StreamHandlers }>();
  isUp = true;
  answerDelayMs = 0;

  set(id: string, processed: number, change: Partial<Progress> = {}): Progress {
    const progress = progressOf({
      sessionId: id,
      rev: (this.sessions.get(id)?.rev ?? 0) + 1,
      processed,
      activation: { activated: processed, skipped: 0, failed: 0 },
      ...change,
    });
    this.sessions.set(id, progress);
    for (const stream of [...this.streams]) {
      if (stream.sessionId === id) stream.handlers.onProgress(progress, progress.finishedAt !== null);
    }
    return progress;
  }
}

/** One browser: tabs that share storage, a channel and a lock, over one server. */
class FakeBrowser {
  readonly server = new FakeServer();
  readonly data = new Map<string, string>();
  readonly tabs: FakeTab[] = [];
  readonly lockQueue: { tab: number; onHeld: () => void }[] = [];
  hasTabFeatures = true;

  open(): FakeTab {
    const tab = new FakeTab(this, this.tabs.length);
    this.tabs.push(tab);
    tab.manager.start();
    return tab;
  }

  grantLock(): void {
    const head = this.lockQueue[0];
    if (head !== undefined) queueMicrotask(() => this.lockQueue[0] === head && head.onHeld());
  }
}

class FakeTab {
  readonly manager: SessionManager;
  visible = true;
  online = true;
  /** A frozen page runs no timers, receives nothing and keeps its lock. */
  frozen = false;
  closed = false;
  /** Every count that the screen has shown, in order. */
  readonly shown: number[] = [];
  onMessage: ((message: unknown) => void) | null = null;

  constructor(browser: FakeBrowser, index: number) {
    const { server, data } = browser;
    const storage: KeyValueStorage = {
      get length() {
        return data.size;
      },
      key: (at) => [...data.keys()][at] ?? null,
      getItem: (key) => data.get(key) ?? null,
      setItem: (key, value) => void data.set(key, value),
      removeItem: (key) => void data.delete(key),
    };
    const ports: BrowserPorts = {
      now: () => Date.now(),
      random: () => 0.5,
      setTimer: (run, delayMs) => {
        const handle = setTimeout(() => {
          if (!this.frozen) run();
        }, delayMs);
        return () => clearTimeout(handle);
      },
      poll: async (id, etag, signal) => {
        server.polls.push({ tab: index, sessionId: id, at: Date.now(), etag });
        await (server.answerDelayMs === 0
          ? Promise.resolve()
          : new Promise((resolve) => setTimeout(resolve, server.answerDelayMs)));
        if (signal.aborted || !server.isUp || !this.online) return { kind: 'failed' };
        const progress = server.sessions.get(id);
        if (progress === undefined) return { kind: 'missing' };
        if (etag === `"${progress.rev}"`) return { kind: 'unchanged' };
        return { kind: 'progress', progress, etag: `"${progress.rev}"` };
      },
      openStream: (id, handlers) => {
        const stream = { tab: index, sessionId: id, handlers };
        server.streams.add(stream);
        queueMicrotask(() => {
          const progress = server.sessions.get(id);
          if (!server.streams.has(stream)) return;
          if (!server.isUp || progress === undefined) {
            server.streams.delete(stream);
            handlers.onClosed();
          } else {
            handlers.onProgress(progress, progress.finishedAt !== null);
          }
        });
        return () => void server.streams.delete(stream);
      },
      openChannel: !browser.hasTabFeatures
        ? null
        : (onMessage) => {
            this.onMessage = onMessage;
            return {
              post: (message) => {
                const copy: unknown = structuredClone(message);
                for (const tab of browser.tabs) {
                  if (tab !== this && !tab.frozen && !tab.closed) queueMicrotask(() => tab.onMessage?.(copy));
                }
              },
              close: () => {
                this.onMessage = null;
              },
            };
          },
      requestLead: !browser.hasTabFeatures
        ? null
        : (onHeld) => {
            const request = { tab: index, onHeld };
            browser.lockQueue.push(request);
            if (browser.lockQueue.length === 1) browser.grantLock();
            return () => {
              const at = browser.lockQueue.indexOf(request);
              browser.lockQueue.splice(at, 1);
              if (at === 0) browser.grantLock();
            };
          },
      isVisible: () => this.visible,
      isOnline: () => this.online,
    };
    this.manager = new SessionManager(ports, new TrackedSessionStore(storage), () => {
      const progress = this.progress();
      if (progress !== null) this.shown.push(progress.processed);
    });
  }

  progress(id = sessionId): Progress | null {
    return this.manager.views().find((view) => view.sessionId === id)?.progress ?? null;
  }
  issueCount(id = sessionId): number | undefined {
    return this.manager.views().find((view) => view.sessionId === id)?.issues.length;
  }
  link(id = sessionId): string | undefined {
    return this.manager.views().find((view) => view.sessionId === id)?.link;
  }
  show(visible: boolean): void {
    this.visible = visible;
    this.manager.visibilityChanged();
  }
  close(): void {
    this.closed = true;
    this.manager.stop();
  }
  /** A person starts a session here, and the server accepts it. */
  start(id: string, server: FakeServer): void {
    this.manager.expect(id);
    this.manager.begin(server.set(id, 0));
  }
}

const seconds = (count: number): Promise<unknown> => vi.advanceTimersByTimeAsync(count * 1000);

let browser: FakeBrowser;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
  browser = new FakeBrowser();
});
afterEach(() => {
  for (const tab of browser.tabs) if (!tab.closed) tab.close();
  expect(vi.getTimerCount()).toBe(0);
  expect(browser.server.streams.size).toBe(0);
  expect(browser.lockQueue).toEqual([]);
  vi.useRealTimers();
});

describe('one tab', () => {
  it('stores the id before any request, and asks nothing until the start is answered', async () => {
    const tab = browser.open();
    tab.manager.expect(sessionId);
    expect([...browser.data.keys()]).toEqual([keyPrefix + sessionId]);
    await seconds(10);
    expect(browser.server.polls).toEqual([]);
    expect(browser.server.streams.size).toBe(0);
  });

  it('streams the session that was started in it', async () => {
    const tab = browser.open();
    tab.start(sessionId, browser.server);
    await seconds(0.1);
    browser.server.set(sessionId, 7);
    expect(tab.progress()?.processed).toBe(7);
    expect(tab.link()).toBe('streaming');
    expect(browser.server.polls).toEqual([]);
  });

  it('shows after a refresh what it showed before, at once, and then polls every two seconds', async () => {
    const before = browser.open();
    before.start(sessionId, browser.server);
    await seconds(0.1);
    browser.server.set(sessionId, 15);
    before.close();
    browser.server.polls.length = 0;
    const after = browser.open();
    expect(after.shown).toEqual([15]);
    const begin = Date.now();
    await seconds(0.01);
    browser.server.set(sessionId, 20);
    await seconds(6.5);
    expect(browser.server.polls.map((poll) => poll.at - begin)).toEqual([0, 2_000, 4_000, 6_000]);
    expect(browser.server.polls.map((poll) => poll.etag)).toEqual([null, '"2"', '"3"', '"3"']);
    expect(after.progress()?.processed).toBe(20);
    expect(browser.server.streams.size).toBe(0);
  });

  it('resumes a session whose page was refreshed while the start was on its way', async () => {
    const before = browser.open();
    before.manager.expect(sessionId);
    before.close();
    const after = browser.open();
    await seconds(5);
    browser.server.set(sessionId, 3);
    await seconds(2);
    expect(after.progress()?.processed).toBe(3);
  });

  it('clears an id that the server does not know', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    const tab = browser.open();
    await seconds(0.1);
    expect(tab.manager.views()).toEqual([]);
    expect(browser.data.size).toBe(0);
    await seconds(10);
    expect(browser.server.polls).toHaveLength(1);
  });

  it('keeps a finished session on the screen, even after a refresh, and asks nothing about it', async () => {
    const tab = browser.open();
    tab.start(sessionId, browser.server);
    await seconds(0.1);
    browser.server.set(sessionId, 50, { state: 'completed', finishedAt: 1 });
    await seconds(0.1);
    tab.close();
    browser.server.polls.length = 0;
    const after = browser.open();
    await seconds(30);
    expect(after.progress()?.state).toBe('completed');
    expect(browser.server.polls).toEqual([]);
    after.manager.dismiss(sessionId);
    expect(after.manager.views()).toEqual([]);
    expect(browser.data.size).toBe(0);
  });

  it('follows several sessions at once', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.data.set(keyPrefix + other, 'not json');
    browser.server.set(sessionId, 1);
    browser.server.set(other, 2);
    const tab = browser.open();
    await seconds(0.1);
    expect([tab.progress(sessionId)?.processed, tab.progress(other)?.processed]).toEqual([1, 2]);
  });

  it('asks nothing while hidden and catches up the moment it is shown', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 1);
    const tab = browser.open();
    await seconds(1);
    tab.show(false);
    const asked = browser.server.polls.length;
    await seconds(60);
    expect(browser.server.polls).toHaveLength(asked);
    browser.server.set(sessionId, 30);
    tab.show(true);
    await seconds(0.01);
    expect(tab.progress()?.processed).toBe(30);
  });

  it('ignores answers to requests from before it was hidden', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 1);
    const tab = browser.open();
    await seconds(1);
    browser.server.answerDelayMs = 500;
    await seconds(1.2);
    tab.show(false);
    tab.show(true);
    // By now the first request was aborted, and the second one is on its way.
    await seconds(0.4);
    expect(tab.link()).not.toBe('retrying');
    await seconds(0.2);
    expect(tab.link()).toBe('polling');
    tab.show(false);
    await seconds(1);
  });

  it('says that it is offline, keeps its numbers, and recovers at once', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 9);
    const tab = browser.open();
    await seconds(1);
    tab.online = false;
    tab.manager.connectivityChanged();
    await seconds(30);
    expect(tab.link()).toBe('offline');
    expect(tab.progress()?.processed).toBe(9);
    browser.server.set(sessionId, 33);
    tab.online = true;
    tab.manager.connectivityChanged();
    await seconds(0.01);
    expect(tab.progress()?.processed).toBe(33);
  });

  it('survives a server that restarts under an open stream', async () => {
    const tab = browser.open();
    tab.start(sessionId, browser.server);
    await seconds(10);
    browser.server.isUp = false;
    for (const stream of [...browser.server.streams]) {
      browser.server.streams.delete(stream);
      stream.handlers.onClosed();
    }
    await seconds(20);
    expect(tab.progress()?.processed).toBe(0);
    browser.server.isUp = true;
    browser.server.set(sessionId, 40);
    await seconds(15);
    expect(tab.progress()?.processed).toBe(40);
  });

  it('follows a session that is only viewed, and does not track it', async () => {
    browser.server.set(other, 5);
    const tab = browser.open();
    const stop = tab.manager.observe(other);
    await seconds(0.1);
    expect(tab.progress(other)?.processed).toBe(5);
    expect(browser.data.size).toBe(0);
    stop();
    const asked = browser.server.polls.length;
    await seconds(10);
    expect(browser.server.polls).toHaveLength(asked);
    expect(tab.manager.views()).toEqual([]);
  });

  it('follows what this person started on another device, also over a refresh, by polls', async () => {
    const tab = browser.open();
    await seconds(1);
    tab.manager.follow(browser.server.set(sessionId, 12));
    expect(tab.manager.views()).toMatchObject([{ sessionId, tracked: true, progress: { processed: 12 } }]);
    browser.server.set(sessionId, 20);
    await seconds(3);
    expect(tab.progress()?.processed).toBe(20);
    expect(browser.server.streams.size).toBe(0);
    tab.close();
    expect(browser.open().progress()?.processed).toBe(20);
  });

  it('asks once about a run that does not exist, however long its page is open', async () => {
    const tab = browser.open();
    const stop = tab.manager.observe(other);
    await seconds(30);
    expect(browser.server.polls).toHaveLength(1);
    stop();
  });
});

describe('eight tabs of one browser', () => {
  it('hold at most one stream between them, and all show its numbers', async () => {
    const tabs = Array.from({ length: 8 }, () => browser.open());
    tabs[3]?.start(sessionId, browser.server);
    await seconds(1);
    for (let processed = 1; processed <= 20; processed += 1) {
      browser.server.set(sessionId, processed);
      await seconds(0.2);
      expect(browser.server.streams.size).toBe(1);
      expect(tabs.map((tab) => tab.progress()?.processed)).toEqual(Array(8).fill(processed));
    }
    expect(browser.server.polls).toEqual([]);
    for (const tab of tabs) expect(tab.shown).toEqual([...tab.shown].sort((a, b) => a - b));
  });

  it('are requested by only one tab after a refresh of all', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 10);
    const tabs = Array.from({ length: 8 }, () => browser.open());
    await seconds(6.1);
    expect(new Set(browser.server.polls.map((poll) => poll.tab)).size).toBe(1);
    expect(browser.server.polls).toHaveLength(4);
    expect(tabs.map((tab) => tab.progress()?.processed)).toEqual(Array(8).fill(10));
  });

  it('have a new leader at once when the leader is closed', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 10);
    const tabs = [browser.open(), browser.open(), browser.open()];
    await seconds(1);
    expect(tabs.map((tab) => tab.manager.role)).toEqual(['lead', 'listen', 'listen']);
    tabs[0]?.close();
    browser.server.set(sessionId, 20);
    await seconds(0.01);
    expect(tabs.slice(1).map((tab) => tab.progress()?.processed)).toEqual([20, 20]);
  });

  it('notice a frozen leader within two seconds and poll for themselves until it resumes', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 10);
    const [leader, listener] = [browser.open(), browser.open()];
    await seconds(1);
    leader.frozen = true;
    browser.server.set(sessionId, 25);
    await seconds(2);
    expect(listener.progress()?.processed).toBe(25);
    expect(listener.manager.role).toBe('alone');
    leader.frozen = false;
    leader.show(true);
    await seconds(1);
    expect(listener.manager.role).toBe('listen');
    expect(leader.progress()?.processed).toBe(25);
  });

  it('pass the lead to a visible tab when the leader is hidden', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 10);
    const [first, second] = [browser.open(), browser.open()];
    await seconds(1);
    first.show(false);
    await seconds(0.01);
    expect([first.manager.role, second.manager.role]).toEqual(['idle', 'lead']);
  });

  it('share the dismissal of a session', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 50, { state: 'completed', finishedAt: 1 });
    const [first, second] = [browser.open(), browser.open()];
    await seconds(1);
    expect(second.progress()?.state).toBe('completed');
    second.manager.dismiss(sessionId);
    await seconds(0.01);
    expect(first.manager.views()).toEqual([]);
  });

  it('give a newly opened tab the numbers without another request', async () => {
    const first = browser.open();
    first.start(sessionId, browser.server);
    await seconds(0.1);
    browser.server.set(sessionId, 12);
    const late = browser.open();
    await seconds(0.01);
    expect(late.progress()?.processed).toBe(12);
    expect(browser.server.polls).toEqual([]);
  });

  it('give a newly opened tab the connection state and the issues, which are not in the storage', async () => {
    const first = browser.open();
    first.start(sessionId, browser.server);
    await seconds(0.1);
    const issue = {
      track: 'email',
      state: 'failed',
      code: 'refused',
      message: 'Refused.',
      count: 1,
    } as const;
    for (const stream of browser.server.streams) stream.handlers.onIssues(2, [issue]);
    const late = browser.open();
    await seconds(0.01);
    expect(late.link()).toBe('streaming');
    expect(late.issueCount()).toBe(1);
  });

  it('poll, and hold no stream of their own, while a leader that streams is frozen', async () => {
    const tabs = Array.from({ length: 8 }, () => browser.open());
    const [leader, ...others] = tabs;
    leader?.start(sessionId, browser.server);
    await seconds(1);
    leader!.frozen = true;
    await seconds(3);
    expect(others.map((tab) => tab.manager.role)).toEqual(Array(7).fill('alone'));
    expect([...browser.server.streams].map((stream) => stream.tab)).toEqual([0]);
    leader!.close();
    await seconds(1);
    expect(tabs.filter((tab) => tab.manager.role === 'lead')).toHaveLength(1);
    expect(browser.server.streams.size).toBe(1);
  });

  it('never show lower numbers when an older message of another tab arrives late', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    const older = browser.server.set(sessionId, 10);
    browser.server.set(sessionId, 20);
    const tab = browser.open();
    await seconds(0.1);
    tab.onMessage?.({ kind: 'progress', progress: older });
    expect(tab.progress()?.processed).toBe(20);
    expect(tab.shown).toEqual([...tab.shown].sort((a, b) => a - b));
  });

  it('ignore messages that they do not understand', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 10);
    const tab = browser.open();
    await seconds(0.1);
    for (const message of [
      null,
      7,
      {},
      { kind: 'progress' },
      { kind: 'progress', progress: { rev: 1e9 } },
      { kind: 'later' },
    ]) {
      tab.onMessage?.(message);
    }
    expect(tab.progress()?.processed).toBe(10);
  });
});

describe('a browser without Web Locks or BroadcastChannel', () => {
  it('polls in each tab', async () => {
    browser.hasTabFeatures = false;
    browser.data.set(keyPrefix + sessionId, '{}');
    browser.server.set(sessionId, 10);
    const tabs = [browser.open(), browser.open()];
    await seconds(4.1);
    expect(browser.server.polls.map((poll) => poll.tab).sort()).toEqual([0, 0, 0, 1, 1, 1]);
    expect(tabs.map((tab) => tab.manager.role)).toEqual(['alone', 'alone']);
  });
});

describe('a scheduled session', () => {
  const scheduled = (): Progress => browser.server.set(sessionId, 0, { state: 'scheduled', startedAt: null });

  it('is not tracked: it may wait for weeks', async () => {
    const tab = browser.open();
    tab.manager.expect(sessionId);
    tab.manager.begin(scheduled());
    await seconds(10);
    expect(tab.manager.views()).toEqual([]);
    expect([browser.server.polls.length, browser.server.streams.size, browser.data.size]).toEqual([0, 0, 0]);
    tab.manager.follow(scheduled());
    expect(tab.manager.views()).toEqual([]);
  });

  it('that a refresh finds again in the middle of its start is let go', async () => {
    browser.data.set(keyPrefix + sessionId, '{}');
    scheduled();
    const tab = browser.open();
    await seconds(10);
    expect(tab.manager.views()).toEqual([]);
    expect(browser.server.polls).toHaveLength(1);
    expect(browser.data.size).toBe(0);
  });

  it('is followed while somebody looks at it, and tracked once it is started', async () => {
    scheduled();
    const tab = browser.open();
    const stop = tab.manager.observe(sessionId);
    await seconds(2.1);
    expect(tab.manager.views()).toMatchObject([{ tracked: false, progress: { state: 'scheduled' } }]);
    tab.manager.begin(browser.server.set(sessionId, 1));
    stop();
    expect(tab.manager.views()).toMatchObject([{ tracked: true, progress: { state: 'running' } }]);
  });
});
