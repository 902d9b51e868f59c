import { describe, expect, it } from 'vitest';
import { AppRefusal, type AppApi } from '../../scripts/lib/backup/app-api.ts';
import { reconcileAll } from '../../scripts/lib/backup/reconcile.ts';

interface FakeSession {
  state: string;
  reason?: string;
  /** Leads activated, by page. */
  pages: number[];
  expectedCount?: number;
}

/** An app with these sessions. Its list has those whose name begins with `listed`. */
function fakeApp(sessions: Record<string, FakeSession>) {
  const calls: string[] = [];
  const fail: { at: string | null } = { at: null };
  const bySessionOrObject = (body: { sessionId?: string; objectId?: string }): string =>
    body.sessionId ?? (body.objectId ?? '').replace('object of ', '');
  const refuse = (code: string): never => {
    throw new AppRefusal(code, code);
  };
  const answer = (path: string, body?: unknown): unknown => {
    const call = `${path} ${JSON.stringify(body ?? {})}`;
    calls.push(call);
    if (fail.at !== null && call.includes(fail.at)) throw new Error('broken off');
    if (path.startsWith('/crm/activation?')) {
      const names = Object.keys(sessions).filter((name) => name.startsWith('listed'));
      // One session per page.
      const at = Number(/cursor=(\d+)/.exec(path)?.[1] ?? 0);
      return {
        activations: names.slice(at, at + 1).map((sessionId) => ({ sessionId })),
        nextCursor: at + 1 < names.length ? String(at + 1) : null,
      };
    }
    const name = /^\/crm\/activation\/(?:progress\/)?([^/]+)/.exec(path)?.[1];
    if (name !== undefined) {
      const session = sessions[name] ?? refuse('session_not_found');
      if (path.endsWith('/pause')) session.state = 'paused';
      return { state: session.state, reason: session.reason ?? null };
    }
    if (path !== '/crm/maintenance/reconcile') return undefined;
    const request = body as { sessionId?: string; objectId?: string; cursor: string | null };
    const sessionId = bySessionOrObject(request);
    const session = sessions[sessionId] ?? refuse('session_not_found');
    const at = Number(request.cursor ?? 0);
    const sum = session.pages.reduce((a, b) => a + b, 0);
    return {
      ...{ sessionId, state: session.state, activatedCount: session.pages[at] ?? 0 },
      ...{ expectedCount: session.expectedCount ?? sum, setActiveCount: 0, setNewCount: 0 },
      ...{ erasedAgainCount: 0, suppressedCount: 0 },
      nextCursor: at + 1 < session.pages.length ? String(at + 1) : null,
    };
  };
  const app: AppApi = {
    get: (path) =>
      new Promise((resolve) => {
        resolve(answer(path) as never);
      }),
    post: (path, body) =>
      new Promise((resolve) => {
        resolve(answer(path, body) as never);
      }),
  };
  return { app, calls, fail };
}

const none = { sessionIds: [], objectIds: [] };
const quiet = (): void => undefined;

describe('a reconciliation', () => {
  it('reads every page of every session: from the list, from another backup, and of objects without a list entry', async () => {
    const { app, calls } = fakeApp({
      listed1: { state: 'completed', pages: [5, 5, 2] },
      listed2: { state: 'completed', pages: [1] },
      newer: { state: 'completed', pages: [1] },
      lost: { state: 'completed', pages: [3, 3] },
    });
    const report = await reconcileAll(
      app,
      {
        sessionIds: ['newer', 'gone'],
        objectIds: ['object of lost', 'object of listed1', 'object of nothing'],
      },
      quiet,
    );
    expect(report).toMatchObject({ sessionCount: 4, unknownIds: ['gone'], forgetfulIds: [] });
    for (const [name, cursor] of [
      ['listed1', '2'],
      ['listed2', null],
      ['newer', null],
      ['lost', '1'],
    ]) {
      expect(calls).toContain(`/crm/maintenance/reconcile ${JSON.stringify({ sessionId: name, cursor })}`);
    }
    expect(calls.at(-1)).toContain('/crm/maintenance/recovery/finish');
  });

  it('first pauses the sessions that mail or would resume by themselves, and names them', async () => {
    const { app, calls } = fakeApp({
      listed1: { state: 'running', pages: [1, 1] },
      listed2: { state: 'paused', reason: 'mail_unreachable', pages: [1] },
      listed3: { state: 'paused', reason: 'user', pages: [1] },
      listed4: { state: 'completed', pages: [1] },
    });
    const report = await reconcileAll(app, none, quiet);
    expect(report.pausedIds).toEqual(['listed1', 'listed2']);
    const lastPause = calls.findLastIndex((call) => call.includes('/pause'));
    expect(calls.findIndex((call) => call.includes('"cursor":"1"'))).toBeGreaterThan(lastPause);
  });

  it('names sessions that no longer know whom they mailed', async () => {
    const { app } = fakeApp({ listed1: { state: 'completed', pages: [0], expectedCount: 12 } });
    expect((await reconcileAll(app, none, quiet)).forgetfulIds).toEqual(['listed1']);
  });

  it('does not close the restore when a session could not be reached', async () => {
    const { app, calls, fail } = fakeApp({ listed1: { state: 'completed', pages: [1, 1] } });
    fail.at = '"cursor":"1"';
    await expect(reconcileAll(app, none, quiet)).rejects.toThrow('broken off');
    expect(calls.some((call) => call.includes('recovery/finish'))).toBe(false);
    fail.at = null;
    await reconcileAll(app, none, quiet);
    expect(calls.at(-1)).toContain('recovery/finish');
  });
});
