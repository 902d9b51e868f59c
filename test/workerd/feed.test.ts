/**
 * What an observer of a session may rely on, whichever way it observes.
 *
 * What this does not prove: that bytes leave the machine in time and that proxies let them through; the
 * tests in a real browser do that. Timers of the feed are proven under a fake clock (test/unit/feed.test.ts).
 */
import { runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import type { StreamEvent } from '../support/event-stream.ts';
import { observers, readStream } from '../support/observers.ts';
import {
  freshSessionId,
  quietLog,
  readProgress,
  request,
  send,
  startSession,
  stubOf,
  waitFor,
  waitForEnd,
} from '../support/session-driver.ts';

const leadCount = 60;

beforeEach(async () => {
  resetHooks();
  quietLog();
  await addLeads(
    await emptyCrm(),
    Array.from({ length: leadCount }, () => ({})),
  );
  slowMail();
  // Thirty calls, five at a time: six tenths of a second, long enough to be watched.
  hooks.env = { MAIL_BATCH_MAX: '2' };
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** A mail API that takes a tenth of a second for each call. */
function slowMail(): FakeMailApi {
  const mail = new FakeMailApi().install();
  const answer = globalThis.fetch;
  vi.stubGlobal('fetch', async (...call: Parameters<typeof fetch>) => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return answer(...call);
  });
  return mail;
}

const revs = (views: readonly Progress[]): number[] => views.map(({ rev }) => rev);

function expectRising(numbers: readonly number[]): void {
  for (const [index, number] of numbers.entries())
    if (index > 0) expect(number).toBeGreaterThan(numbers[index - 1]!);
}

describe.each(observers)('an observer by $name', (observer) => {
  it('sees a session from its first view to its end, each view newer than the one before', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const { views } = await observer.watch(sessionId, null);
    expect(views.length).toBeGreaterThan(3);
    expectRising(revs(views));
    expect(views.at(-1)).toMatchObject({ state: 'completed', processed: leadCount });
  });

  it('comes to the same final view from any cursor, at any time', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const early = await Promise.all(
      [null, 0, 1, 3, 1_000_000].map((cursor) => observer.watch(sessionId, cursor)),
    );
    const end = await readProgress(sessionId);
    const cursors = [null, 0, 1, Math.floor(end.rev / 2), end.rev - 1, end.rev, end.rev + 1, 1_000_000];
    const late = await Promise.all(cursors.map((cursor) => observer.watch(sessionId, cursor)));
    for (const { views } of [...early, ...late]) {
      expectRising(revs(views));
      expect(views.at(-1)).toEqual(end);
    }
    // Nothing lies between having come late and the end.
    for (const { views } of late) expect(views).toHaveLength(1);
  });

  it('gets nothing twice and misses nothing final, from every cursor', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const watched: Promise<{ cursor: number; views: Progress[] }>[] = [];
    await waitForEnd(sessionId, ({ rev: cursor }) => {
      if (watched.length < 30)
        watched.push(observer.watch(sessionId, cursor).then(({ views }) => ({ cursor, views })));
    });
    const end = await readProgress(sessionId);
    expect(watched.length).toBeGreaterThan(5);
    for (const { cursor, views } of await Promise.all(watched)) {
      expectRising([cursor, ...revs(views.filter(({ rev }) => rev < end.rev))]);
      expect(views.at(-1)).toEqual(end);
    }
  });

  it('sees ids and numbers that only rise while the object is killed again and again', async () => {
    let edgeCount = 0;
    let crashCount = 0;
    hooks.onVerb = (verb, edge) => {
      // At the settling, where most has been done that could be forgotten.
      const isCrash = verb === 'settle' && edge === 'after' && ++edgeCount % 3 === 0 && crashCount < 3;
      if (isCrash) crashCount++;
      return isCrash;
    };
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const { views } = await observer.watch(sessionId, null);
    expect(crashCount).toBe(3);
    expectRising(revs(views));
    for (const [index, view] of views.entries()) {
      const before = views[index - 1];
      if (before === undefined) continue;
      expect(view.processed).toBeGreaterThanOrEqual(before.processed);
      expect(view.email.sent).toBeGreaterThanOrEqual(before.email.sent);
    }
    expect(views.at(-1)).toMatchObject({ state: 'completed', email: { sent: leadCount } });
  }, 60_000);

  it('is told the end a day later', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const end = await waitForEnd(sessionId);
    hooks.now = () => Date.now() + 86_400_000;
    for (const cursor of [null, 1, end.rev]) {
      const { views } = await observer.watch(sessionId, cursor);
      expect(views).toEqual([end]);
    }
  });
});

describe('a stream', () => {
  it('closes cleanly after its end event', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    for (let round = 0; round < 50; round++) {
      const response = await request(`/crm/activation/stream/${sessionId}`);
      // `text` throws where the body breaks off.
      const text = await response.text();
      expect(text.trimEnd().split('\n\n').at(-1)).toMatch(/^id: \d+\nevent: end\ndata: \{.*\}$/);
    }
  });

  it('of a session that a person reopens ends only when that has ended', async () => {
    const mail = slowMail();
    mail.refused.add('lead7@example.com');
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const first = await waitForEnd(sessionId);
    expect(first.email.failed).toBe(1);
    mail.refused.clear();
    await send('POST', `/crm/activation/${sessionId}/retry`, { outcome: 'failed' });
    const events: StreamEvent[] = [];
    await readStream(sessionId, first.rev, (event) => events.push(event));
    expect(events.at(-1)).toMatchObject({ event: 'end', data: { email: { failed: 0, sent: leadCount } } });
  });

  it('is not found for an unknown id, and the request writes nothing', async () => {
    const sessionId = freshSessionId();
    expect((await request(`/crm/activation/stream/${sessionId}`)).status).toBe(404);
    const tables = await runInDurableObject(stubOf(sessionId), (_, { storage: { sql } }) =>
      sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray(),
    );
    expect(tables).toEqual([]);
  });

  it('has headers that forbid proxies to buffer or cache it', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const response = await request(`/crm/activation/stream/${sessionId}`);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(response.headers.get('cache-control')).toContain('no-transform');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    await response.body?.cancel();
    await waitForEnd(sessionId);
  });

  it('of a paused session stays open, and gets the resume', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitFor(sessionId, ({ processed }) => processed > 0);
    await send('POST', `/crm/activation/${sessionId}/pause`);
    const states: string[] = [];
    const read = readStream(sessionId, null, ({ event, data }) => {
      states.push(`${event} ${(data as Progress).state}`);
    });
    await vi.waitFor(() => expect(states).toContain('progress paused'));
    await send('POST', `/crm/activation/${sessionId}/resume`);
    await read;
    expect(states).toContain('progress running');
    expect(states.at(-1)).toBe('end completed');
  });
});
