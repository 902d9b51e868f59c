/** What an activation was started with: exactly, or not at all. */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ActivationPreview, Audience, OriginalActivation } from '../../src/shared/schemas/activation.ts';
import { addLeads } from '../support/crm-database.ts';
import { hooks } from '../support/hooks.ts';
import {
  freshSessionId,
  request,
  send,
  startSession,
  stubOf,
  waitForEnd,
} from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';

let db: D1Database;

beforeEach(async () => {
  ({ db } = await setUpSession({ isRealTime: true }));
  await addLeads(
    db,
    ['Fair', 'Fair', 'Web', 'Fair'].map((source, at) => ({
      source,
      email: `ann${at}@${at < 2 ? 'acme' : 'other'}.test`,
    })),
  );
});
afterEach(tearDownSession);

async function originalOf(sessionId: string): Promise<OriginalActivation> {
  const response = await request(`/crm/activation/${sessionId}/original`);
  expect(response.status).toBe(200);
  return response.json();
}

describe('what an activation was started with', () => {
  it.each<[string, Audience]>([
    ['ids', { leadIds: [3, 1] }],
    ['a filter', { filter: { source: 'Fair' } }],
    ['several values', { filter: { source: ['Web', 'Fair'], status: 'new' } }],
    ['a filter minus some', { filter: {}, excludedIds: [2, 4] }],
  ])('is given exactly, also after its end: %s', async (_, audience) => {
    const sessionId = freshSessionId();
    await startSession(sessionId, audience);
    await waitForEnd(sessionId);
    expect(await originalOf(sessionId)).toEqual({
      name: 'Your account is ready',
      templateId: 'welcome',
      templateVersion: 2,
      audience,
    });
  });

  it('has the name that a person gave', async () => {
    const sessionId = freshSessionId();
    const start = { sessionId, name: 'Fair leads', audience: { leadIds: [1] }, templateId: 'welcome' };
    expect((await send('POST', '/crm/activation', start)).status).toBe(201);
    expect(await originalOf(sessionId)).toMatchObject({ name: 'Fair leads', audience: { leadIds: [1] } });
  });

  it('has no audience once search words were deleted: the rest would match more leads', async () => {
    hooks.env = { ACTIVATE_UNDO_SECONDS: '600' };
    const audience = { filter: { search: 'acme.test', source: 'Fair' }, excludedIds: [2] };
    const waiting = freshSessionId();
    await startSession(waiting, audience);
    expect((await originalOf(waiting)).audience).toEqual(audience);
    hooks.env = {};
    const ended = freshSessionId();
    await startSession(ended, audience);
    expect(await waitForEnd(ended)).toMatchObject({ total: 1 });
    expect((await originalOf(ended)).audience).toBeNull();
    // What is left of it in storage would reach others.
    const left = await runInDurableObject(
      stubOf(ended),
      (_, { storage }) =>
        (
          JSON.parse(storage.sql.exec<{ json: string }>('SELECT json FROM spec').one().json) as {
            audience: Audience;
          }
        ).audience,
    );
    const preview = await send('POST', '/crm/activation/preview', { audience: left, templateId: 'welcome' });
    expect((await preview.json<ActivationPreview>()).total).toBeGreaterThan(1);
  });

  it('has no ids of leads that were deleted since, which a start would refuse', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1, 3] });
    await waitForEnd(sessionId);
    await db.prepare('DELETE FROM leads WHERE id = 3').run();
    expect((await originalOf(sessionId)).audience).toEqual({ leadIds: [1] });
    await db.prepare('DELETE FROM leads WHERE id = 1').run();
    expect((await originalOf(sessionId)).audience).toBeNull();
  });

  it('is unknown of an id that was never started', async () => {
    expect((await request(`/crm/activation/${freshSessionId()}/original`)).status).toBe(404);
  });

  it('has no audience after retention', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1, 2] });
    await waitForEnd(sessionId);
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => {
      storage.sql.exec("UPDATE spec SET json = json_set(json, '$.audience', json(?))", '{"leadIds":[]}');
    });
    await evictDurableObject(stubOf(sessionId));
    expect((await originalOf(sessionId)).audience).toBeNull();
  });
});
