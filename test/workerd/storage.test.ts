/**
 * A session whose own SQLite is busy or full: the answers to readers, and that work continues by itself.
 *
 * Errors are thrown where workerd throws them and with its texts, as observed when another process locked the
 * database of a running product and when its disk was full (docs/decisions/0015). This does not show a write that
 * fails after it was accepted, which ends the object; `npm run chaos:storage` does both on real files.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Problem } from '../../src/shared/problem.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  command,
  type DrivenClock,
  drive,
  freshSessionId,
  look,
  readRows,
  request,
  send,
  startSession,
  stubOf,
} from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';

const leadCount = 40;
let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;

beforeEach(async () => {
  ({ mail, clock, sessionId } = await setUpSession({ leadCount, batchSize: 10 }));
});

afterEach(tearDownSession);

type Mode = 'there' | 'noAlarms' | 'locked' | 'gone';

/**
 * Adds a switch to the storage of every object in this isolate: `noAlarms` refuses alarms only, as where it becomes
 * busy between two statements; `locked` refuses all writes, `gone` refuses reads too.
 */
async function switchedStorage(words: string): Promise<{ mode: Mode; refusedCount: number }> {
  const state = { mode: 'there' as Mode, refusedCount: 0 };
  const refuse = (message: string): never => {
    state.refusedCount++;
    throw new Error(message);
  };
  await runInDurableObject(stubOf(freshSessionId()), (_, { storage }) => {
    const sql = Object.getPrototypeOf(storage.sql) as SqlStorage;

    const { exec } = sql;
    vi.spyOn(sql, 'exec').mockImplementation(function (
      this: SqlStorage,
      query: string,
      ...values: unknown[]
    ) {
      const isWrite = !/^\s*(SELECT|PRAGMA)\b/i.test(query);
      if (state.mode === 'gone' || (state.mode === 'locked' && isWrite)) refuse(words);
      return exec.call(this, query, ...values);
    });
    const alarms = Object.getPrototypeOf(storage) as DurableObjectStorage;
    for (const name of ['setAlarm', 'deleteAlarm'] as const) {
      const method = alarms[name] as (...args: unknown[]) => Promise<void>;
      vi.spyOn(alarms, name).mockImplementation(function (this: DurableObjectStorage, ...args: unknown[]) {
        if (state.mode !== 'there') refuse('internal error; reference = ah7vt4bgfofk2r5q58j3ha8f');
        return method.apply(this, args);
      });
    }
  });
  return state;
}

const locked = 'database is locked: SQLITE_BUSY';
const full = 'database or disk is full: SQLITE_FULL';

async function expectSound(): Promise<void> {
  const { session, recount } = await readRows(sessionId);
  expect(recount).toEqual(session.counts);
  expect([...mail.countByAddress().values()]).toEqual(Array.from({ length: leadCount }, () => 1));
}

describe.each([locked, full])('storage that answers "%s"', (words) => {
  it('refuses a read with 503, its reason and when to ask again; never with 500', async () => {
    const storage = await switchedStorage(words);
    await startSession(sessionId);
    await evictDurableObject(stubOf(sessionId));
    storage.mode = 'gone';
    for (const path of [
      `progress/${sessionId}`,
      `stream/${sessionId}`,
      `${sessionId}/issues`,
      `${sessionId}/leads`,
      `${sessionId}/timeline`,
      `${sessionId}/original`,
    ]) {
      const answer = await request(`/crm/activation/${path}`);
      expect(answer.status, path).toBe(503);
      expect(Number(answer.headers.get('retry-after')), path).toBeGreaterThan(0);
      const problem: Problem = await answer.json();
      expect(problem.code, path).toBe('unavailable');
      expect(problem.detail, path).toMatch(/storage .* busy or full/);
      expect(JSON.stringify(problem), path).not.toContain('SQLITE');
    }
    expect((await command(sessionId, 'pause')).status).toBe(503);
    storage.mode = 'there';
    expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(200);
  });

  it('that refused the alarm of a start gets it by the repeat of the start, which nobody else would send', async () => {
    const storage = await switchedStorage(words);
    const start = (): Promise<Response> =>
      send('POST', '/crm/activation', { sessionId, audience: { leadIds: [1, 2] }, templateId: 'welcome' });
    storage.mode = 'noAlarms';
    expect((await start()).status).toBe(503);
    // Nor is it said to be there while it has none.
    expect((await start()).status).toBe(503);
    storage.mode = 'there';
    expect((await start()).status).toBe(200);
    const alarmAt = await runInDurableObject(stubOf(sessionId), (_, state) => state.storage.getAlarm());
    expect(alarmAt).not.toBeNull();
  });

  it('that refused the alarm of a retry gets it by the repeat, which is refused', async () => {
    const storage = await switchedStorage(words);
    mail.refused.add('lead1@example.com');
    await startSession(sessionId);
    await drive(sessionId, clock);
    expect(await (await request(`/crm/activation/progress/${sessionId}`)).json()).toMatchObject({
      email: { failed: 1 },
    });
    storage.mode = 'noAlarms';
    expect((await command(sessionId, 'retry', { outcome: 'failed' })).status).toBe(503);
    storage.mode = 'there';
    expect((await command(sessionId, 'retry', { outcome: 'failed' })).status).toBe(409);
    const alarmAt = await runInDurableObject(stubOf(sessionId), (_, state) => state.storage.getAlarm());
    expect(alarmAt).toBeLessThanOrEqual(clock.now());
  });

  it('that refuses writes can still be read, even when the read cannot set the alarm', async () => {
    const storage = await switchedStorage(words);
    await startSession(sessionId);
    clock.advance(60_000);
    storage.mode = 'locked';
    const answer = await request(`/crm/activation/progress/${sessionId}`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ state: 'queued' });
    expect((await command(sessionId, 'pause')).status).toBe(503);
    storage.mode = 'there';
    expect((await command(sessionId, 'pause')).status).toBe(200);
  });

  it.each(['before the alarm', 'flip', 'deliver', 'settle'])(
    'and failed at %s keeps the alarm pending, and work continues within a second of its return',
    async (place) => {
      const storage = await switchedStorage(words);
      await startSession(sessionId);
      let awayAt = 0;
      const goAway = (): void => {
        storage.mode = 'locked';
        awayAt = clock.now();
      };
      if (place === 'before the alarm') goAway();
      else {
        let isFirst = true;
        hooks.onVerb = (verb, edge) => {
          if (verb === place && edge === 'before' && isFirst) {
            isFirst = false;
            goAway();
          }
          return false;
        };
      }
      // It is back after three minutes, longer than the platform's retries of an alarm that throws.
      hooks.sleep = (ms) => {
        clock.advance(ms);
        if (storage.mode === 'locked' && clock.now() - awayAt > 180_000) storage.mode = 'there';
        return Promise.resolve();
      };
      // Not `runDurableObjectAlarm`, which begins by deleting the alarm.
      await runInDurableObject(stubOf(sessionId), (session) => session.alarm());
      expect(storage.refusedCount).toBeGreaterThan(100);
      expect((await look(sessionId))?.alarmAt).not.toBeNull();
      const backAt = clock.now();
      await drive(sessionId, clock);
      expect(mail.mails).toHaveLength(leadCount);
      expect(clock.now() - backAt).toBeLessThan(5_000);
      await expectSound();
    },
  );
});
