import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Timeline } from '../../src/shared/timeline.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  type DrivenClock,
  drive,
  freshSessionId,
  readProgress,
  request,
  send,
  startSession,
  stubOf,
} from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';

let mail: FakeMailApi;
let clock: DrivenClock;

beforeEach(async () => {
  ({ mail, clock } = await setUpSession({ leadCount: 60, batchSize: 10 }));
});

afterEach(tearDownSession);

async function readTimeline(sessionId: string): Promise<Timeline> {
  const response = await request(`/crm/activation/${sessionId}/timeline`);
  expect(response.status).toBe(200);
  return response.json();
}

const kinds = ({ events }: Timeline): string[] => events.map(({ kind, by }) => `${kind} ${by ?? '-'}`);

describe('the timeline of a session', () => {
  it('covers the session from start to end, and names who did what', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await send('POST', `/crm/activation/${sessionId}/pause`);
    clock.advance(30_000);
    await send('POST', `/crm/activation/${sessionId}/resume`);
    await drive(sessionId, clock);
    const timeline = await readTimeline(sessionId);
    expect(kinds(timeline)).toEqual([
      'started ana@example.com',
      'paused ana@example.com',
      'resumed ana@example.com',
      'finished -',
    ]);
    expect(timeline.rev).toBe((await readProgress(sessionId)).rev);
    expect(timeline.throughput.at(-1)).toMatchObject({ processed: 60, sent: 60, failed: 0 });
    const times = timeline.throughput.map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('shows work that a crash interrupted, and is the same after an eviction', async () => {
    let isCrashed = false;
    hooks.onVerb = (verb, edge) => {
      if (isCrashed || verb !== 'deliver' || edge !== 'after') return false;
      isCrashed = true;
      return true;
    };
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await drive(sessionId, clock);
    const timeline = await readTimeline(sessionId);
    const found = timeline.events.find(({ kind }) => kind === 'recovered');
    expect(found?.count).toBeGreaterThan(0);
    expect(kinds(timeline).at(-1)).toBe('finished -');
    await evictDurableObject(stubOf(sessionId));
    expect(await readTimeline(sessionId)).toEqual(timeline);
  });

  it('has one event for all failed and repeated calls', async () => {
    let faultCount = 0;
    mail.fault = () => (++faultCount <= 3 ? { kind: 'answer', status: 503 } : { kind: 'none' });
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await drive(sessionId, clock);
    const faults = (await readTimeline(sessionId)).events.filter(({ kind }) => kind === 'fault');
    expect(faults).toHaveLength(1);
    expect(faults[0]?.message).toBeTruthy();
    expect(JSON.stringify(faults)).not.toContain('@');
  });

  it('is empty for a session of a version without a timeline', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await drive(sessionId, clock);
    await runInDurableObject(stubOf(sessionId), (_, { storage: { sql } }) => {
      sql.exec('DROP TABLE event');
      sql.exec('DROP TABLE throughput');
      // Events after the upgrade.
      sql.exec('ALTER TABLE batch DROP COLUMN retried');
      sql.exec('ALTER TABLE session DROP COLUMN extra');
      sql.exec('ALTER TABLE session DROP COLUMN waiting_for');
      for (const table of ['receipt', 'receipt_seeds', 'receipt_closed', 'outbox'])
        sql.exec(`DROP TABLE ${table}`);
      sql.exec('UPDATE schema_version SET version = version - 5');
    });
    await evictDurableObject(stubOf(sessionId));
    expect(await readTimeline(sessionId)).toMatchObject({ events: [], throughput: [] });
    expect(await readProgress(sessionId)).toMatchObject({ state: 'completed', processed: 60 });
  });

  it('is not found for an id that was never started', async () => {
    expect((await request(`/crm/activation/${freshSessionId()}/timeline`)).status).toBe(404);
  });
});
