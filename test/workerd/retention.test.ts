import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextRetention } from '../../src/core/session/retention.ts';
import { retentionDays } from '../../src/runtime/settings.ts';
import type { LeadResultPage } from '../../src/shared/schemas/activation.ts';
import { runNightlyCleanup } from '../../src/worker/operations/scheduled-cleanup.ts';
import { addLeads } from '../support/crm-database.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  command,
  type DrivenClock,
  drive,
  freshSessionId,
  readProgress,
  request,
  startSession,
  stubOf,
} from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';

const dayMs = 86_400_000;

let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;

beforeEach(async () => {
  ({ db, mail, clock } = await setUpSession());
});

afterEach(tearDownSession);

const alarmOf = (sessionId: string): Promise<number | null> =>
  runInDurableObject(stubOf(sessionId), (_, state) => state.storage.getAlarm());

function contentOf(sessionId: string): Promise<string> {
  return runInDurableObject(stubOf(sessionId), (_, state) => {
    const { sql } = state.storage;
    const tables = sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf*'")
      .toArray();
    return JSON.stringify(tables.map(({ name }) => [name, sql.exec(`SELECT * FROM ${name}`).toArray()]));
  });
}

/** An ended session over a search that names a person, with one failed mail. */
async function endedRun(): Promise<string> {
  await addLeads(db, [{ lastName: 'Keepsake' }, { lastName: 'Keepsake' }, { lastName: 'Keepsake' }]);
  mail.refused.add('lead3@example.com');
  const sessionId = freshSessionId();
  await startSession(sessionId, { filter: { search: 'keepsake' } });
  await drive(sessionId, clock, ({ finishedAt }) => finishedAt !== null);
  // The last progress is recorded in the list of activations.
  await runDurableObjectAlarm(stubOf(sessionId));
  return sessionId;
}

describe('a session that has ended', () => {
  it('has deleted its search terms, and still recognizes its start request', async () => {
    await addLeads(db, [{}, {}]);
    const sessionId = freshSessionId();
    const audience = { filter: { search: 'lead1@example.com', status: 'new' as const } };
    await startSession(sessionId, audience);
    const specOf = (): Promise<string> =>
      runInDurableObject(stubOf(sessionId), (_, { storage }) =>
        JSON.stringify(storage.sql.exec('SELECT * FROM spec').toArray()),
      );
    expect(await specOf()).toContain('lead1@');
    await drive(sessionId, clock, ({ finishedAt }) => finishedAt !== null);
    const spec = await specOf();
    expect(spec).not.toContain('lead1@');
    expect(spec).toContain('status');
    expect(mail.mails).toHaveLength(1);
    expect(await startSession(sessionId, audience)).toMatchObject({ state: 'completed', total: 1 });
  });

  it('sleeps until its retention is due', async () => {
    const sessionId = await endedRun();
    const { finishedAt } = await readProgress(sessionId);
    expect(await alarmOf(sessionId)).toBe((finishedAt ?? 0) + 30 * dayMs);
    clock.advance(29 * dayMs);
    await runDurableObjectAlarm(stubOf(sessionId));
    expect(await contentOf(sessionId)).toContain('lead1@example.com');
    expect(await alarmOf(sessionId)).toBe((finishedAt ?? 0) + 30 * dayMs);
  });

  it('gets an alarm again in the night that it has lost', async () => {
    const sessionId = await endedRun();
    const { finishedAt } = await readProgress(sessionId);
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => storage.deleteAlarm());
    clock.advance(dayMs);
    await runNightlyCleanup(env, () => clock.now());
    expect(await alarmOf(sessionId)).toBe((finishedAt ?? 0) + 30 * dayMs);
  });

  it('keeps only its numbers after its retention', async () => {
    const sessionId = await endedRun();
    const before = await readProgress(sessionId);
    clock.advance(30 * dayMs);
    await runDurableObjectAlarm(stubOf(sessionId));

    const kept = (await contentOf(sessionId)).toLowerCase();
    expect(kept).not.toContain('keepsake');
    expect(kept).not.toMatch(/lead\d@example/);
    const after = await readProgress(sessionId);
    expect(after).toEqual(before);
    const page: LeadResultPage = await (await request(`/crm/activation/${sessionId}/leads`)).json();
    expect(page).toEqual({ leads: [], nextCursor: null });
    const retried = await command(sessionId, 'retry', { outcome: 'failed' });
    expect(retried.status).toBe(409);
    expect(await retried.json()).toMatchObject({ code: 'illegal_transition' });
    expect(await alarmOf(sessionId)).toBe((before.finishedAt ?? 0) + 395 * dayMs);
  });

  it('is removed a year later, from the list of activations too', async () => {
    const sessionId = await endedRun();
    clock.advance(30 * dayMs);
    await runDurableObjectAlarm(stubOf(sessionId));
    expect(await db.prepare('SELECT count(*) AS n FROM activations').first('n')).toBe(1);
    clock.advance(365 * dayMs);
    await runDurableObjectAlarm(stubOf(sessionId));
    // An empty table: its id is used.
    expect(await contentOf(sessionId)).toBe('[["erased",[]]]');
    expect(await alarmOf(sessionId)).toBeNull();
    expect(await db.prepare('SELECT count(*) AS n FROM activations').first('n')).toBe(0);
    expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(404);
  });

  it('keeps its recipients as long as the setting says', async () => {
    hooks.env.RETENTION_DAYS = '7';
    const sessionId = await endedRun();
    const { finishedAt } = await readProgress(sessionId);
    expect(await alarmOf(sessionId)).toBe((finishedAt ?? 0) + 7 * dayMs);
  });

  it('begins its retention again after a retry', async () => {
    const sessionId = await endedRun();
    clock.advance(29 * dayMs);
    mail.refused.clear();
    expect((await command(sessionId, 'retry', { outcome: 'failed' })).status).toBe(200);
    await drive(sessionId, clock, ({ finishedAt }) => finishedAt !== null);
    await runDurableObjectAlarm(stubOf(sessionId));
    clock.advance(29 * dayMs);
    await runDurableObjectAlarm(stubOf(sessionId));
    expect(await contentOf(sessionId)).toContain('lead1@example.com');
    expect((await readProgress(sessionId)).email.sent).toBe(3);
  });

  it('sets a lost alarm again at a read', async () => {
    const sessionId = await endedRun();
    await runInDurableObject(stubOf(sessionId), (_, state) => state.storage.deleteAlarm());
    clock.advance(10_000);
    const { finishedAt } = await readProgress(sessionId);
    expect(await alarmOf(sessionId)).toBe((finishedAt ?? 0) + 30 * dayMs);
  });
});

describe('a session that is paused', () => {
  it('keeps the recipients that it still has to mail, without limit', async () => {
    await addLeads(db, [{}, {}]);
    mail.fault = () => ({ kind: 'answer', status: 401, body: { name: 'invalid_api_key', message: 'No.' } });
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await drive(sessionId, clock, ({ state }) => state === 'paused');
    await runDurableObjectAlarm(stubOf(sessionId));
    clock.advance(400 * dayMs);
    await runDurableObjectAlarm(stubOf(sessionId));
    mail.fault = () => ({ kind: 'none' });
    expect((await command(sessionId, 'resume')).status).toBe(200);
    await drive(sessionId, clock, ({ finishedAt }) => finishedAt !== null);
    expect((await readProgress(sessionId)).email.sent).toBe(2);
  });
});

describe('nextRetention', () => {
  const spec = { reducedAt: 5 } as Parameters<typeof nextRetention>[0]['spec'];
  const fresh = {} as typeof spec;

  it('has nothing to do before a session has ended', () => {
    expect(nextRetention({ finishedAt: null, takeBack: null, spec: fresh }, 30)).toBeNull();
  });

  it('anonymizes after the configured time, and removes a year later', () => {
    expect(nextRetention({ finishedAt: 1_000, takeBack: null, spec: fresh }, 30)).toEqual({
      kind: 'anonymize',
      at: 1_000 + 30 * dayMs,
    });
    expect(nextRetention({ finishedAt: 1_000, takeBack: null, spec }, 30)).toEqual({
      kind: 'remove',
      at: 1_000 + 395 * dayMs,
    });
    expect(nextRetention({ finishedAt: 1_000, takeBack: null, spec: fresh }, 0)).toEqual({
      kind: 'anonymize',
      at: 1_000,
    });
  });
});

describe('RETENTION_DAYS', () => {
  it.each([
    ['30', 30],
    ['0', 0],
    ['7.5', 7.5],
    ['', 30],
    ['for ever', 30],
    ['-1', 30],
    ['Infinity', 30],
  ])('%j is %d days', (text, days) => {
    expect(retentionDays({ RETENTION_DAYS: text })).toBe(days);
  });
});
