/**
 * The ids that connect log lines: a request's id in the lines of the session that it called, and a slice's id in the
 * lines of that slice. And what is said of a repeat.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { sha256Hex } from '../../src/shared/sha256.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import {
  type DrivenClock,
  drive,
  request,
  startSession,
  stubOf,
  type LogLine,
} from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';

let log: readonly LogLine[];
let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;

beforeEach(async () => {
  ({ mail, clock, sessionId, log } = await setUpSession({ leadCount: 20 }));
});

afterEach(tearDownSession);

const lines = (event: string): LogLine[] => log.filter((line) => line.event === event);

/** Sends a request with its own id, and returns the line that the session wrote for it. */
async function asked(event: string, id: string, method: string, path: string, body?: unknown) {
  const answer = await request(path, {
    method,
    headers: { 'x-request-id': id, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(answer.headers.get('x-caller-request-id')).toBe(id);
  await answer.body?.cancel();
  const line = lines(event).at(-1);
  // Our id, which the answer has too; the caller's own id is in the Worker's line.
  expect(line).toMatchObject({ requestId: answer.headers.get('x-request-id') });
  return line;
}

it('has the id of the request in the lines of a session about its start, commands and erasure', async () => {
  const body = { sessionId, audience: { filter: {} }, templateId: 'welcome' };
  const path = `/crm/activation/${sessionId}`;
  const told = [
    await asked('session_started', 'start-1', 'POST', '/crm/activation', body),
    await asked('command', 'pause-1', 'POST', `${path}/pause`),
    await asked('session_erased', 'erase-1', 'DELETE', path),
  ];
  expect(told.map((line) => line?.['sessionId'])).toEqual([sessionId, sessionId, sessionId]);
  // The Worker's own line of the same request.
  expect(lines('request').map(({ requestId, callerRequestId }) => [requestId, callerRequestId])).toEqual(
    ['start-1', 'pause-1', 'erase-1'].map((id, index) => [told[index]?.['requestId'], id]),
  );
});

it.each(['progress', 'stream'])(
  'has it in the line about a lost alarm that a reader of %s found',
  async (way) => {
    await startSession(sessionId);
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => storage.deleteAlarm());
    clock.advance(60_000);
    const found = await asked('alarm_rearmed', 'look-1', 'GET', `/crm/activation/${way}/${sessionId}`);
    expect(found).toMatchObject({ sessionId, alarmAt: null });
  },
);

it('has the session and the slice in every line of a slice, with different ids for two slices', async () => {
  mail.fault = ({ callCount }) => (callCount === 1 ? { kind: 'loseAfter' } : { kind: 'none' });
  await startSession(sessionId);
  const written = log.length;
  await drive(sessionId, clock);
  const ofSlices = log.slice(written);
  expect(ofSlices.map(({ event }) => event)).toEqual(['batch_not_sent', 'session_finished']);
  expect(ofSlices.every((line) => line['sessionId'] === sessionId)).toBe(true);
  const ids = ofSlices.map((line) => line['sliceId']);
  expect(ids.every((id) => typeof id === 'number')).toBe(true);
  expect(new Set(ids).size).toBe(2);
});

it.each([
  ['nothing of a repeat with the same bytes, whose hash the version before made', sha256Hex, 0],
  ['that a repeat has other bytes', () => sha256Hex('other'), 1],
])('says %s', async (_, hashOf, lineCount) => {
  const bodies: string[] = [];
  const api = globalThis.fetch;
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(input, init);
    bodies.push(await request.clone().text());
    return api(request);
  });
  mail.fault = ({ callCount }) => (callCount === 1 ? { kind: 'loseAfter' } : { kind: 'none' });
  await startSession(sessionId);
  await drive(sessionId, clock, () => bodies.length === 1);
  const hash = await hashOf(bodies[0] ?? '');
  await runInDurableObject(stubOf(sessionId), (_instance, { storage }) =>
    storage.sql.exec('UPDATE batch SET payload_hash = ?', hash).toArray(),
  );
  await evictDurableObject(stubOf(sessionId));
  await drive(sessionId, clock);
  expect(bodies).toHaveLength(2);
  expect(bodies[1]).toBe(bodies[0]);
  expect(lines('payload_changed')).toHaveLength(lineCount);
});
