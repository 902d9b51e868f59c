/**
 * What ties the log together: a request's id in the lines of the session that it asked, a slice's id in the
 * lines of its slice.
 */
import { runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, expect, it } from 'vitest';
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

/** Asks under an id of its own, and returns the line that the session wrote for it. */
async function asked(event: string, id: string, method: string, path: string, body?: unknown) {
  const answer = await request(path, {
    method,
    headers: { 'x-request-id': id, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(answer.headers.get('x-caller-request-id')).toBe(id);
  await answer.body?.cancel();
  const line = lines(event).at(-1);
  // Ours, which the answer names too; the caller's name for it is in the Worker's own line.
  expect(line).toMatchObject({ requestId: answer.headers.get('x-request-id') });
  return line;
}

it('has the id of the request in what a session writes of its start, its commands and its erasure', async () => {
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
  'has it in the line of an alarm that was lost and found by a reader of %s',
  async (way) => {
    await startSession(sessionId);
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => storage.deleteAlarm());
    clock.advance(60_000);
    const found = await asked('alarm_rearmed', 'look-1', 'GET', `/crm/activation/${way}/${sessionId}`);
    expect(found).toMatchObject({ sessionId, alarmAt: null });
  },
);

it('has the session and the slice in every line of a slice, and two slices apart', async () => {
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
