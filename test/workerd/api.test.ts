/**
 * What integrators build on beside the routes themselves: an activation as a resource, versions in headers, conditions
 * on changes, and the limit of requests in headers.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Problem } from '../../src/shared/problem.ts';
import type { Activation } from '../../src/shared/schemas/activation.ts';
import type { LeadDetail } from '../../src/shared/schemas/leads.ts';
import { addLeads, emptyCrm, suppress } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import {
  freshSessionId,
  quietLog,
  request,
  send,
  startSession,
  waitForEnd,
} from '../support/session-driver.ts';

let db: D1Database;

beforeEach(async () => {
  resetHooks();
  quietLog();
  db = await emptyCrm();
  await addLeads(db, [
    { email: 'ada@example.com', firstName: 'Ada' },
    { email: 'bob@example.com', firstName: 'Bob' },
  ]);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const codeOf = async (response: Response): Promise<string> =>
  `${response.status} ${(await response.json<Problem>()).code}`;

describe('an activation as a resource', () => {
  it('has its progress, its manifest, its template and paths that work', async () => {
    new FakeMailApi().install();
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1, 2] });
    await waitForEnd(sessionId);
    const found = await (await request(`/crm/activation/${sessionId}`)).json<Activation>();
    expect(found).toMatchObject({
      sessionId,
      progress: { state: 'completed', total: 2, email: { sent: 2 } },
      template: { id: 'welcome', version: expect.any(Number) as number },
    });
    const manifest = await (await request(`/crm/activation/${sessionId}/manifest`)).json();
    expect(found.manifest).toEqual(manifest);
    for (const [part, path] of Object.entries(found.links)) {
      const answer = await request(path ?? '');
      expect(answer.status, part).toBe(200);
      await answer.body?.cancel();
    }
  });

  it('has no path to a receipt before its end', async () => {
    hooks.hold = () => new Promise(() => {});
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1] });
    const { links } = await (await request(`/crm/activation/${sessionId}`)).json<Activation>();
    expect(links.receipt).toBeNull();
  });

  it('is not found under an id that was never started', async () => {
    expect(await codeOf(await request(`/crm/activation/${freshSessionId()}`))).toBe('404 session_not_found');
  });

  it('has its progress at the older address too, with the same ETag', async () => {
    new FakeMailApi().install();
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1] });
    await waitForEnd(sessionId);
    const answers = await Promise.all([
      request(`/crm/activation/${sessionId}/progress`),
      request(`/crm/activation/progress/${sessionId}`),
    ]);
    const [now, before] = await Promise.all(answers.map((answer) => answer.json()));
    expect(before).toEqual(now);
    const [etag, older] = answers.map(({ headers }) => headers.get('etag'));
    expect(older).toBe(etag);
    for (const path of [`stream/${sessionId}`, `${sessionId}/stream`]) {
      const stream = await request(`/crm/activation/${path}`);
      expect(stream.headers.get('content-type')).toContain('text/event-stream');
      await stream.body?.cancel();
    }
  });
});

describe('a change of a lead with If-Match', () => {
  const tagOf = async (): Promise<string> => {
    const answer = await request('/crm/leads/1');
    await answer.body?.cancel();
    return answer.headers.get('etag') ?? '';
  };
  const patch = (body: object, ifMatch?: string): Promise<Response> =>
    request('/crm/leads/1', {
      method: 'PATCH',
      headers: {
        'content-type': 'application/json',
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
      },
      body: JSON.stringify(body),
    });

  it('is made when the lead has the ETag, and answers with the next one', async () => {
    const before = await tagOf();
    const answer = await patch({ stage: 'hot' }, before);
    expect(answer.status).toBe(200);
    expect(await answer.json<LeadDetail>()).toMatchObject({ stage: 'hot' });
    expect(answer.headers.get('etag')).toBe(await tagOf());
    expect(await tagOf()).not.toBe(before);
  });

  it('is refused when the lead has changed, and then nothing is written', async () => {
    const before = await tagOf();
    expect((await patch({ stage: 'warm' })).status).toBe(200);
    const refused = await patch({ stage: 'hot', custom: { plan: 'pro' } }, before);
    expect(await codeOf(refused)).toBe('412 lead_changed');
    const lead = await (await request('/crm/leads/1')).json<LeadDetail>();
    expect(lead).toMatchObject({ stage: 'warm', custom: {} });
    const values = await (await request('/crm/lead-values')).json<{ custom: string[] }>();
    expect(values.custom).toEqual([]);
  });

  it('is made once of many at the same time that have the same ETag', async () => {
    const tag = await tagOf();
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((stage) => patch({ stage }, tag)));
    const statuses = answers.map(({ status }) => status).sort((one, other) => one - other);
    expect(statuses).toEqual([200, 412, 412, 412]);
    for (const answer of answers) await answer.body?.cancel();
  });

  it('is made whatever the lead is without the header, and with *', async () => {
    expect((await patch({ stage: 'a' })).status).toBe(200);
    expect((await patch({ stage: 'b' }, '*')).status).toBe(200);
  });

  it('compares a tag that an edge made weak, and finds one of several', async () => {
    expect((await patch({ stage: 'a' }, `W/${await tagOf()}`)).status).toBe(200);
    expect((await patch({ stage: 'b' }, `"other", ${await tagOf()}`)).status).toBe(200);
    expect(await codeOf(await patch({ stage: 'c' }, 'nonsense'))).toBe('412 lead_changed');
  });

  it('is refused after a suppression or an activation of the lead, which its detail shows too', async () => {
    const before = await tagOf();
    await suppress(db, 'ada@example.com');
    expect(await codeOf(await patch({ stage: 'hot' }, before))).toBe('412 lead_changed');
    const suppressed = await tagOf();
    await db
      .prepare("UPDATE leads SET status = 'active', activated_at = 5, activated_by = 'a' WHERE id = 1")
      .run();
    expect(await codeOf(await patch({ stage: 'hot' }, suppressed))).toBe('412 lead_changed');
  });

  it('is not found for a lead that does not exist', async () => {
    const answer = await request('/crm/leads/99', {
      method: 'PATCH',
      headers: { 'content-type': 'application/json', 'if-match': '"1"' },
      body: '{}',
    });
    expect(await codeOf(answer)).toBe('404 lead_not_found');
  });
});

describe('the version of the API', () => {
  it('is in every answer, and that of the request', async () => {
    for (const headers of [{}, { 'lead-activation-version': '2026-11-29' }]) {
      const answer = await request('/crm/views', { headers });
      expect(answer.headers.get('lead-activation-version')).toBe('2026-11-29');
      await answer.body?.cancel();
    }
  });

  it('is refused when there is none of that date, and then nothing is done', async () => {
    const answer = await request('/crm/views', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'lead-activation-version': '2020-01-01' },
      body: JSON.stringify({ name: 'Mine', query: '' }),
    });
    expect(await codeOf(answer)).toBe('400 unknown_version');
    expect(await (await request('/crm/views')).json()).toMatchObject({ views: [] });
  });

  it('is not asked for where programs call that know nothing of it', async () => {
    const answer = await request('/healthz', { headers: { 'lead-activation-version': 'x' } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('lead-activation-version')).toBeNull();
    await answer.body?.cancel();
  });
});

describe('the limit of requests', () => {
  it('is in the headers of answers, and what remains of it when that is nothing', async () => {
    const allowed = await request('/crm/views');
    expect(allowed.headers.get('ratelimit-policy')).toBe('"person";q=3000;w=60');
    expect(allowed.headers.get('ratelimit')).toBeNull();
    await allowed.body?.cancel();
    hooks.env.REQUESTS_PER_PERSON = { limit: () => Promise.resolve({ success: false }) };
    const refused = await send('GET', '/crm/views');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('ratelimit')).toBe('"person";r=0;t=60');
    expect(refused.headers.get('ratelimit-policy')).toBe('"person";q=3000;w=60');
    expect(refused.headers.get('retry-after')).toBe('60');
    await refused.body?.cancel();
  });

  it('is not told to callers without an identity', async () => {
    const answer = await request('/healthz');
    expect(answer.headers.get('ratelimit-policy')).toBeNull();
    await answer.body?.cancel();
  });
});
