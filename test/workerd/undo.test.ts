/**
 * A start that a person can still undo: before its time nothing happens, wherever the object dies.
 */
import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import { addLeads, emptyCrm, statuses } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import {
  command,
  freshSessionId,
  look,
  quietLog,
  readProgress,
  send,
  startSession,
  stubOf,
  waitFor,
  waitForEnd,
} from '../support/session-driver.ts';

/** Long enough that no alarm of the platform's own comes in the way of the test's. */
const undoSeconds = 600;
let db: D1Database;
let mail: FakeMailApi;
let sessionId: string;
/** Of the sessions' clock. */
let offsetMs: number;

beforeEach(async () => {
  resetHooks();
  quietLog();
  db = await emptyCrm();
  await addLeads(db, [{}, {}, {}, { status: 'active' }]);
  mail = new FakeMailApi().install();
  offsetMs = 0;
  hooks.now = () => Date.now() + offsetMs;
  hooks.env = { ACTIVATE_UNDO_SECONDS: String(undoSeconds) };
  sessionId = freshSessionId();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const mailCount = (): number => mail.countByAddress().size;
const newCount = async (): Promise<number> =>
  (await statuses(db)).filter(({ status }) => status === 'new').length;
const ring = (): Promise<boolean> => runDurableObjectAlarm(stubOf(sessionId));
const undo = async (): Promise<Progress> => {
  const response = await command(sessionId, 'undo');
  expect(response.status).toBe(200);
  return response.json();
};

it('an undone start changes no lead and sends no mail, then and later', async () => {
  await startSession(sessionId);
  await ring();
  expect(await undo()).toMatchObject({ state: 'cancelled', activation: { activated: 0, skipped: 4 } });
  expect(await undo()).toMatchObject({ state: 'cancelled' });
  offsetMs = 2 * undoSeconds * 1_000;
  await ring();
  expect(await waitForEnd(sessionId)).toMatchObject({ state: 'cancelled', email: { sent: 0, unknown: 0 } });
  expect([mailCount(), await newCount()]).toEqual([0, 3]);
});

it('a start can be undone while it is paused before its time, and resumes at once', async () => {
  await startSession(sessionId);
  await command(sessionId, 'pause');
  const other = freshSessionId();
  expect(await undo()).toMatchObject({ state: 'cancelled' });
  await startSession(other);
  await command(other, 'pause');
  await command(other, 'resume');
  expect(await waitForEnd(other)).toMatchObject({ state: 'completed', email: { sent: 3 } });
});

it('a start that has begun cannot be undone, and the refusal says what can be done', async () => {
  hooks.env = { ACTIVATE_UNDO_SECONDS: '0' };
  const { promise: held, resolve: release } = Promise.withResolvers<null>();
  let isDelivering = false;
  hooks.hold = (verb) => {
    isDelivering ||= verb === 'deliver';
    return verb === 'deliver' ? held : null;
  };
  await startSession(sessionId);
  await vi.waitUntil(() => isDelivering);
  const refused = await command(sessionId, 'undo');
  expect(refused.status).toBe(409);
  const problem = await refused.json<{ code: string; detail: string }>();
  expect(problem.code).toBe('illegal_transition');
  expect(problem.detail).toContain('It has started');
  release(null);
  expect(await waitForEnd(sessionId)).toMatchObject({ state: 'completed', email: { sent: 3 } });
});

it('a start waits no longer when the clock is set back', async () => {
  await startSession(sessionId);
  offsetMs = -86_400_000;
  await ring();
  // What the gate makes of such a clock is its own matter.
  await waitFor(sessionId, ({ startedAt }) => startedAt !== null);
});

it.each([
  ['', 10],
  ['soon', 10],
  ['0', 0],
  ['999999', 600],
])('the setting %j is %i seconds', async (text, seconds) => {
  hooks.env = { ACTIVATE_UNDO_SECONDS: text, ACTIVATE_CONFIRM_ABOVE: '25' };
  const settings = await send('GET', '/crm/settings');
  expect(await settings.json()).toMatchObject({ activate: { confirmAbove: 25, undoSeconds: seconds } });
});

// The last: the gate, which outlives a test, remembers the later time.
it('a start waits until its time, also after an eviction, and then mails everybody', async () => {
  const startedAt = Date.now();
  const { state, startsAt = 0 } = await startSession(sessionId);
  expect(state).toBe('queued');
  expect(startsAt - startedAt).toBeGreaterThanOrEqual(undoSeconds * 1_000);
  await ring();
  await evictDurableObject(stubOf(sessionId));
  offsetMs = undoSeconds * 1_000 - 5_000;
  await ring();
  expect((await look(sessionId))?.alarmAt).toBe(startsAt);
  expect(await readProgress(sessionId)).toMatchObject({ state: 'queued', startsAt, stalledSince: null });
  expect([mailCount(), await newCount()]).toEqual([0, 3]);

  offsetMs = undoSeconds * 1_000 + 60_000;
  await ring();
  const end = await waitForEnd(sessionId);
  expect(end).toMatchObject({ state: 'completed', email: { sent: 3 }, activation: { skipped: 1 } });
  expect(end).not.toHaveProperty('startsAt');
  expect([mailCount(), await newCount()]).toEqual([3, 0]);
});
