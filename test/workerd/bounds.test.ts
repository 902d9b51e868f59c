import { runInDurableObject } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { limits } from '../../src/shared/limits.ts';
import { problemCatalog, type Problem, type ProblemCode } from '../../src/shared/problem.ts';
import type { AppEnv } from '../../src/worker/app-env.ts';
import { boundedBody } from '../../src/worker/middleware/body-limit.ts';
import { problemPath, Refusal } from '../../src/worker/http/problem.ts';
import { routeRules } from '../../src/worker/auth/route-permissions.ts';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import {
  databaseContent,
  examplePath,
  identityOf,
  registeredRoutes,
  requestAs,
  roleSettings,
} from '../support/routes.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import { freshSessionId, quietLog, stubOf, waitFor, waitForEnd } from '../support/session-driver.ts';

let db: D1Database;

beforeEach(async () => {
  resetHooks();
  Object.assign(hooks.env, roleSettings);
  quietLog();
  db = await emptyCrm();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const admin = identityOf('admin');
const json = { 'content-type': 'application/json' };

function send(method: string, path: string, body?: unknown, headers: HeadersInit = json): Promise<Response> {
  const content = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  return exports.default.fetch(requestAs(admin, method, path, { ...content, headers }));
}

/** Expects a problem with this code, and that nothing was written. */
async function expectRefusal(work: () => Promise<Response>, code: ProblemCode): Promise<void> {
  const before = await databaseContent();
  const response = await work();
  const problem: Problem = await response.json();
  expect(problem).toMatchObject({ code, status: problemCatalog[code].status });
  expect(response.status).toBe(problem.status);
  expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(await databaseContent()).toBe(before);
}

const start = (change: object): Promise<Response> =>
  send('POST', '/crm/activation', {
    sessionId: freshSessionId(),
    audience: { filter: {} },
    templateId: 'welcome',
    ...change,
  });

describe('every bound has its own refusal', () => {
  it('bytes of a body, both declared and sent', async () => {
    const large = JSON.stringify({ email: 'x'.repeat(limits.maxJsonBodyBytes) });
    await expectRefusal(() => send('POST', '/crm/leads/export', large), 'body_too_large');
    const stream = (): ReadableStream<Uint8Array> => new Blob([large]).stream();
    await expectRefusal(
      () =>
        exports.default.fetch(
          requestAs(admin, 'POST', '/crm/leads/export', { body: stream(), headers: json }),
        ),
      'body_too_large',
    );
  });

  it('the length of a text', () =>
    expectRefusal(() => start({ name: 'x'.repeat(limits.maxNameLength + 1) }), 'text_too_long'));

  it('ids of a start', () => {
    const leadIds = Array.from({ length: limits.maxAudienceIdCount + 1 }, (_, index) => index + 1);
    return expectRefusal(() => start({ audience: { leadIds } }), 'too_many_items');
  });

  it('ids excluded from a filter', () => {
    const excludedIds = Array.from({ length: limits.maxExcludedIdCount + 1 }, (_, index) => index + 1);
    return expectRefusal(() => start({ audience: { filter: {}, excludedIds } }), 'too_many_items');
  });

  it('the size of a page', () =>
    expectRefusal(() => send('GET', `/crm/leads?limit=${limits.maxPageLeadCount + 1}`), 'page_too_large'));

  it('the words of a search, in a list, a preview, a check of a template and a start', async () => {
    const search = 'a b c d e f g h i';
    await expectRefusal(
      () => send('GET', `/crm/leads?search=${encodeURIComponent(search)}`),
      'filter_too_complex',
    );
    const audience = { filter: { search } };
    await expectRefusal(() => start({ audience }), 'filter_too_complex');
    await expectRefusal(
      () => send('POST', '/crm/activation/preview', { audience, templateId: 'welcome' }),
      'filter_too_complex',
    );
    const draft = { subject: 'Hello {{ firstName }}', html: '<p>Hello</p>', text: '' };
    await expectRefusal(
      () => send('POST', '/crm/templates/check', { audience, ...draft }),
      'filter_too_complex',
    );
  });

  it('activations of one person that have not ended', async () => {
    await addLeads(db, [{}]);
    new FakeMailApi().install();
    const rows = Array.from({ length: limits.maxRunningSessionCount }, (_, index) => `s${index}`);
    const fill = (owner: string): Promise<unknown> =>
      db
        .prepare(
          `INSERT INTO activations (session_id, name, owner, state, rev, created_at, progress)
           SELECT ?2 || value, 'x', ?2, 'running', 1, 0, '{}' FROM json_each(?1)`,
        )
        .bind(JSON.stringify(rows), owner)
        .run();
    await fill('somebody-else@staff.example');
    const sessionId = freshSessionId();
    expect((await start({ sessionId })).status).toBe(201);
    await waitForEnd(sessionId);
    await fill(admin.email);
    await expectRefusal(() => start({}), 'too_many_sessions');
  });

  it('requests of one person a minute, counted separately from those of others', async () => {
    const limiter = {
      limit: vi.fn(({ key }: { key: string }) => Promise.resolve({ success: key !== admin.email })),
    };
    hooks.env.REQUESTS_PER_PERSON = limiter;
    await expectRefusal(() => send('GET', '/crm/settings', undefined, {}), 'rate_limited');
    const refused = await send('GET', '/crm/settings', undefined, {});
    expect(refused.headers.get('retry-after')).toBe('60');
    await refused.body?.cancel();
    const other = await exports.default.fetch(requestAs(identityOf('viewer'), 'GET', '/crm/settings'));
    expect(other.status).toBe(200);
    await other.body?.cancel();
  });

  it("requests of one person, by the platform's own counter", async () => {
    hooks.env.REQUESTS_PER_PERSON = env.FEW_REQUESTS_PER_PERSON;
    const statuses: number[] = [];
    // More than the limits of the two minutes that the requests may fall into.
    for (let count = 0; count < 41; count++) {
      const answer = await exports.default.fetch(requestAs(identityOf('viewer'), 'GET', '/crm/templates'));
      statuses.push(answer.status);
      await answer.body?.cancel();
    }
    expect(statuses.slice(0, 20)).toEqual(Array(20).fill(200));
    expect(statuses).toContain(429);
  });

  it('the time that a body takes to arrive', async () => {
    const app = new Hono<AppEnv>();
    app.use(boundedBody(() => ({ maxBytes: 1_000, maxMs: 50 })));
    app.post('/', async (c) => c.text(await c.req.text()));
    app.onError((error, c) => c.text(error instanceof Refusal ? error.code : 'fault', 400));
    let isCancelled = false;
    const trickle = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"slow":')),
      cancel: () => void (isCancelled = true),
    });
    const request = new Request('http://app.test/', { method: 'POST', body: trickle });
    expect(await (await app.request(request)).text()).toBe('body_too_slow');
    expect(isCancelled).toBe(true);
    // A body with a declared length is read at once, with the same time limit.
    const declared = new Request('http://app.test/', {
      method: 'POST',
      headers: { 'content-length': '100' },
      body: new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode('{')),
      }),
    });
    expect(declared.headers.get('content-length')).toBe('100');
    expect(await (await app.request(declared)).text()).toBe('body_too_slow');
    const quick = new Request('http://app.test/', { method: 'POST', body: '{"quick":true}' });
    expect(await (await app.request(quick)).text()).toBe('{"quick":true}');
  });

  it('open streams of an activation; a stream that ends frees its place', async () => {
    const { maxStreamReaderCount } = limits;
    onTestFinished(() => void Object.assign(limits, { maxStreamReaderCount }));
    Object.assign(limits, { maxStreamReaderCount: 2 });
    await addLeads(db, [{}]);
    // The mail API does not answer, so the activation and its streams stay open.
    new FakeMailApi().install().fault = () => ({
      kind: 'answer',
      status: 401,
      body: { name: 'missing_api_key', message: 'No.' },
    });
    const sessionId = freshSessionId();
    expect((await start({ sessionId })).status).toBe(201);
    await waitFor(sessionId, ({ state }) => state === 'paused');
    const open = (): Promise<Response> => send('GET', `/crm/activation/stream/${sessionId}`);
    const [first, second] = [await open(), await open()];
    expect([first.status, second.status]).toEqual([200, 200]);
    const refused = await open();
    expect([refused.status, (await refused.json<Problem>()).code]).toEqual([429, 'too_many_readers']);
    expect((await send('POST', `/crm/activation/${sessionId}/cancel`)).status).toBe(200);
    await Promise.all([first.text(), second.text()]);
    const third = await open();
    expect(third.status).toBe(200);
    await third.body?.cancel();
  });

  it('has words in the catalog for each, and none is an internal fault', () => {
    const codes = [
      'body_too_large',
      'body_too_slow',
      'text_too_long',
      'too_many_items',
      'page_too_large',
      'filter_too_complex',
      'too_many_sessions',
      'too_many_readers',
      'rate_limited',
    ] as const satisfies ProblemCode[];
    for (const code of codes) {
      expect(problemCatalog[code].status).toBeGreaterThanOrEqual(400);
      expect(problemCatalog[code].status).toBeLessThan(500);
    }
  });
});

describe('hostile input', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;

  it.each([
    ['JSON nested 100,000 deep', deep, 'invalid_request'],
    ['objects nested 50,000 deep', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`, 'invalid_request'],
    ['a lone brace', '{', 'invalid_json'],
    ['nothing', '', 'invalid_json'],
    ['a prototype', '{"__proto__":{"email":"x"},"constructor":{}}', 'invalid_request'],
    ['a number of 100,000 digits', `{"email":${'9'.repeat(100_000)}}`, 'invalid_request'],
    ['bytes that are no text', '\ud800\u0000', 'invalid_json'],
    ['a list', '[]', 'invalid_request'],
    ['null', 'null', 'invalid_request'],
  ] as const)('%s is refused', async (_, body, code) => {
    const response = await send('POST', '/crm/leads/export', body);
    // An empty body counts as no body, and the schema requires one.
    const codes: string[] = body === '' ? ['invalid_json', 'invalid_request'] : [code];
    const problem: Problem = await response.json();
    expect(codes).toContain(problem.code);
    expect(response.status).toBeLessThan(500);
  });

  it('1,000 unknown ids are 404, and no object stores anything for them', async () => {
    const asked: string[] = [];
    const paths = [
      'progress/ID',
      'stream/ID',
      'ID/issues',
      'ID/leads',
      'ID/leads.csv',
      'ID/timeline',
      'ID/original',
      'ID/manifest',
    ];
    const commands = ['ID/pause', 'ID/resume', 'ID/cancel', 'ID/assume-sent'];
    for (let count = 0; count < 1_000; count += 20) {
      const statuses = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const id = freshSessionId();
          asked.push(id);
          const isRead = index % 2 === 0;
          const list = isRead ? paths : commands;
          const path = (list[index % list.length] ?? '').replace('ID', id);
          const response = await send(isRead ? 'GET' : 'POST', `/crm/activation/${path}`, undefined, {});
          await response.body?.cancel();
          return response.status;
        }),
      );
      expect(new Set(statuses)).toEqual(new Set([404]));
    }
    const erased = await send('DELETE', `/crm/activation/${freshSessionId()}`, undefined, {});
    expect(erased.status).toBe(404);
    expect(new Set(asked).size).toBe(1_000);
    // The local runtime makes a file for every object that is called. Only its content counts and is billed. Twenty
    // unknown ids were called in every way.
    for (const id of asked.filter((_, index) => index % 50 < 20 && index < 250)) {
      const kept = await runInDurableObject(stubOf(id), async (__, { storage }) => ({
        tables: storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT GLOB '_cf*'").toArray(),
        alarm: await storage.getAlarm(),
      }));
      expect(kept).toEqual({ tables: [], alarm: null });
    }
  }, 120_000);

  it.each([
    '%00',
    '%0d%0aset-cookie:x=1',
    '..%2f..%2fetc',
    '%e2%80%ae',
    "'%20OR%201=1--",
    '%ff',
    '%',
    '1'.repeat(5_000),
  ])('an id of %s is refused, and adds no header', async (id) => {
    for (const path of [
      `/crm/activation/progress/${id}`,
      `/crm/leads/${id}`,
      `/crm/imports/${id}/rejected.csv`,
    ]) {
      const response = await send('GET', path, undefined, {});
      expect([404, 422]).toContain(response.status);
      expect(response.headers.get('set-cookie')).toBeNull();
      expect(await response.json()).toMatchObject({ status: response.status });
    }
  });
});

const crossSite: Record<string, string>[] = [
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'cross-site', origin: 'http://app.test' },
];

describe('calls that change something', () => {
  const guarded = registeredRoutes().filter(
    ({ method, path }) => method !== 'GET' && path.startsWith('/crm'),
  );

  it.each(guarded)('are refused from another site: $method $path', async ({ method, path }) => {
    for (const headers of crossSite) {
      await expectRefusal(
        () => send(method, examplePath(path), undefined, { ...json, ...headers }),
        'cross_site',
      );
    }
  });

  it('are judged by Origin where a browser sends no Fetch Metadata', async () => {
    const call = (origin: string | null): Promise<Response> => {
      const request = requestAs(admin, 'DELETE', '/crm/leads/1');
      request.headers.delete('sec-fetch-site');
      if (origin !== null) request.headers.set('origin', origin);
      return exports.default.fetch(request);
    };
    expect((await call('http://evil.test')).status).toBe(403);
    expect((await call('null')).status).toBe(403);
    expect((await call('http://app.test.evil.test')).status).toBe(403);
    expect((await call('http://app.test')).status).toBe(404);
    expect((await call(null)).status).toBe(404);
  });

  it('require the content type JSON: the types that a form can send are refused', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'text/json',
      '',
    ]) {
      await expectRefusal(
        () => send('POST', '/crm/leads/export', '{"email":"a@b.test"}', { 'content-type': type }),
        'unsupported_media_type',
      );
    }
  });

  it('refuse another content type with an empty body too', async () => {
    for (const path of ['/crm/leads', '/crm/leads/export', '/crm/activation']) {
      await expectRefusal(
        () => send('POST', path, '', { 'content-type': 'text/plain' }),
        'unsupported_media_type',
      );
    }
  });
});

describe('a download, or a page of leads', () => {
  const told = Object.entries(routeRules)
    .filter(([name, { action, showsLeads }]) => name.startsWith('GET ') && (action !== null || showsLeads))
    .map(([name]) => name.slice('GET '.length));

  it.each(told)('is refused to a page of another site, without an audit entry: %s', async (path) => {
    const before = await db.prepare('SELECT count(*) AS n FROM audit').first('n');
    for (const headers of crossSite) {
      // As a link, a form, an image or a script would request it.
      for (const mode of ['navigate', 'no-cors']) {
        await expectRefusal(
          () => send('GET', examplePath(path), undefined, { ...headers, 'sec-fetch-mode': mode }),
          'cross_site',
        );
      }
    }
    expect(await db.prepare('SELECT count(*) AS n FROM audit').first('n')).toBe(before);
  });

  it.each([
    ['a link in the app', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' }],
    ['an address that somebody typed', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }],
  ])('is allowed by %s', async (_, headers) => {
    const response = await send('GET', '/crm/audit.csv', undefined, headers);
    expect(response.status).toBe(200);
    await response.body?.cancel();
  });

  it('does not affect a link to the app itself', async () => {
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    for (const path of ['/docs', '/openapi.json', '/problems/forbidden', '/crm/activation']) {
      const response = await send('GET', path, undefined, headers);
      expect(response.status).toBe(200);
      await response.body?.cancel();
    }
  });
});

describe('a query parameter that a route does not know', () => {
  const reads = registeredRoutes().filter(({ path }) => path.startsWith('/crm') || path === '/docs');

  it.each(reads)('is refused, and named: $method $path', async ({ method, path }) => {
    const response = await send(method, `${examplePath(path)}?stauts=new`, undefined, {});
    const problem: Problem = await response.json();
    expect([response.status, problem.code]).toEqual([422, 'invalid_request']);
    expect(problem.errors?.map((fault) => fault.path)).toEqual(['/stauts']);
  });

  it('is refused with the list of known ones, so that a misspelt filter never means all leads', async () => {
    await addLeads(db, [{}, {}]);
    const response = await send('GET', '/crm/leads?Status=active&limit=5', undefined, {});
    const problem: Problem = await response.json();
    expect(response.status).toBe(422);
    expect(problem.errors).toEqual([
      { path: '/Status', message: expect.stringContaining('status') as string },
    ]);
    expect((await send('GET', '/crm/leads?status=active&limit=5', undefined, {})).status).toBe(200);
  });

  it('is refused when a known one comes twice', async () => {
    expect((await send('GET', '/crm/leads?status=new&status=active', undefined, {})).status).toBe(422);
  });

  it('is allowed at public addresses, because mail programs and monitors add parameters', async () => {
    expect((await send('GET', '/healthz?cachebust=1', undefined, {})).status).toBe(200);
    expect((await send('GET', '/problems/forbidden?utm_source=mail', undefined, {})).status).toBe(200);
    // The link is damaged, so the request is refused, but not because of the parameter.
    expect((await send('GET', '/unsubscribe/x?utm_source=mail', undefined, {})).status).toBe(404);
  });
});

describe('the type of a problem', () => {
  it.each(Object.keys(problemCatalog) as ProblemCode[])('is a page that explains it: %s', async (code) => {
    const path = problemPath(code);
    const response = await exports.default.fetch(requestAs('none', 'GET', path));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/html');
    const text = await response.text();
    expect(text).toContain(code);
    expect(text).toContain('What to do');
  });

  it('is the page of each problem code, and any other name is a 404', async () => {
    const refused = await send('GET', '/crm/leads/4711', undefined, {});
    const { type }: Problem = await refused.json();
    expect(type).toBe('/problems/lead-not-found');
    expect((await send('GET', '/problems', undefined, {})).status).toBe(200);
    expect((await send('GET', '/problems/no-such', undefined, {})).status).toBe(404);
    expect((await send('GET', '/problems/lead_not_found', undefined, {})).status).toBe(404);
  });
});

describe('a method that an address does not take', () => {
  it.each([
    ['DELETE', '/crm/leads', ['GET', 'HEAD', 'POST', 'PUT']],
    ['PUT', '/crm/leads/7', ['GET', 'HEAD', 'PATCH', 'DELETE']],
    ['PUT', '/crm/leads/erase', ['GET', 'HEAD', 'PATCH', 'DELETE', 'POST']],
    ['DELETE', '/crm/imports/i/chunks/0', ['PUT']],
    ['POST', '/healthz', ['GET', 'HEAD']],
  ])('%s %s is 405, with those that it takes', async (method, path, allowed) => {
    const response = await send(method, path, undefined, {});
    expect(await response.json()).toMatchObject({ code: 'method_not_allowed', status: 405 });
    expect(response.status).toBe(405);
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(new Set(response.headers.get('allow')?.split(', '))).toEqual(new Set(allowed));
  });

  it('is not revealed without an identity', async () => {
    const response = await exports.default.fetch(requestAs('none', 'DELETE', '/crm/leads'));
    expect(response.status).toBe(401);
    expect(response.headers.get('allow')).toBeNull();
  });

  it('differs from a missing lead and an unknown path', async () => {
    expect((await send('DELETE', '/crm/leads/4711', undefined, {})).status).toBe(404);
    expect((await send('PUT', '/crm/nothing', undefined, {})).status).toBe(404);
  });
});

describe('the headers of an answer', () => {
  it.each(registeredRoutes())(
    'keep a browser from misusing the answer: $method $path',
    async ({ method, path }) => {
      for (const who of [admin, 'none'] as const) {
        const response = await exports.default.fetch(requestAs(who, method, examplePath(path)));
        await response.body?.cancel();
        const policy = response.headers.get('content-security-policy') ?? '';
        expect(policy).toContain("default-src 'none'");
        expect(policy).toContain("frame-ancestors 'none'");
        expect(policy).not.toMatch(/script-src[^;]*unsafe/);
        expect(response.headers.get('x-content-type-options')).toBe('nosniff');
        expect(response.headers.get('referrer-policy')).toMatch(/^(same-origin|no-referrer)$/);
        expect(response.headers.get('cross-origin-resource-policy')).toBe('same-origin');
        expect(response.headers.get('x-request-id')).toMatch(/^[\w-]+$/);
        // Plain http is local development, where the header would break other programs on the same port.
        expect(response.headers.get('strict-transport-security')).toBeNull();
      }
    },
  );

  it('require https after the first https answer', async () => {
    const request = new Request(requestAs(admin, 'GET', '/crm/settings'));
    const secure = new Request('https://app.test/crm/settings', { headers: request.headers });
    const response = await exports.default.fetch(secure);
    expect(response.headers.get('strict-transport-security')).toMatch(/^max-age=\d{8}/);
    await response.body?.cancel();
  });
});
