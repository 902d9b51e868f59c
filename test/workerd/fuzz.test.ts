/**
 * Calls every route of the app's OpenAPI document with generated and hostile input.
 *
 * For each answer: it is never an internal fault; a refusal is a problem of the catalog; a refused call has written
 * nothing, in the database and in the session that it named; no part of the input becomes a header or markup. `npm
 * run fuzz -- --requests 20000` is the heavy form.
 *
 * @module
 */
import { runInDurableObject } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { limits } from '../../src/shared/limits.ts';
import { problemCatalog, type Problem } from '../../src/shared/problem.ts';
import { routeRules } from '../../src/worker/auth/route-permissions.ts';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import { databaseContent, identityOf, registeredRoutes, requestAs, roleSettings } from '../support/routes.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import {
  hostileTexts,
  hostileValue,
  valueOf,
  type JsonSchema,
  type Schemas,
} from '../support/json-schema.ts';
import {
  freshSessionId,
  quietLog,
  readRows,
  startSession,
  stubOf,
  waitFor,
  waitForEnd,
} from '../support/session-driver.ts';

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: JsonSchema;
}

interface Operation {
  method: string;
  /** As registered: `/crm/leads/:leadId`. */
  path: string;
  parameters: Parameter[];
  body: JsonSchema | null;
  bodyType: string | null;
}

interface Description {
  paths: Record<
    string,
    Record<
      string,
      { parameters?: Parameter[]; requestBody?: { content: Record<string, { schema: JsonSchema }> } }
    >
  >;
  components: { schemas: Record<string, JsonSchema> };
}

/** One request, as data: fast-check can shrink it. */
interface Attempt {
  operation: Operation;
  params: Record<string, unknown>;
  query: Record<string, unknown>;
  body: unknown;
  raw: string | null;
  contentType: string | null;
  who: 'admin' | 'operator' | 'viewer' | 'guest' | 'none';
  extraHeader: [name: string, value: string] | null;
  method: string | null;
}

const requestCount = Number(env.FUZZ_REQUESTS);
/** After this many requests the database is reset, so that reading all of it stays quick. */
const roundCount = 100;

let operations: Operation[];
let schemas: Schemas;
let sessions: string[] = [];
let templateIds: string[] = [];
const importIds = ['fuzz-import', 'other-import'];
let log: ReturnType<typeof quietLog> = [];

beforeAll(async () => {
  resetHooks();
  log = quietLog();
  Object.assign(hooks.env, roleSettings);
  // The rate limit has its own tests; here it would hide everything else.
  hooks.env.REQUESTS_PER_PERSON = { limit: () => Promise.resolve({ success: true }) };
  new FakeMailApi().install();
  const response = await exports.default.fetch(requestAs(identityOf('admin'), 'GET', '/openapi.json'));
  const description: Description = await response.json();
  schemas = description.components.schemas;
  operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Operation => {
      const [bodyType, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [null, null];
      return {
        method: method.toUpperCase(),
        path: path.replace(/\{(\w+)\}/g, ':$1'),
        parameters: operation.parameters ?? [],
        body: content?.schema ?? null,
        bodyType,
      };
    }),
  );
});

afterAll(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** A small CRM in which most of the tried ids exist. */
async function furnish(): Promise<void> {
  const db = await emptyCrm();
  await db.batch([db.prepare('DELETE FROM template_versions'), db.prepare('DELETE FROM templates')]);
  await addLeads(
    db,
    Array.from({ length: 8 }, (_, index) => ({ firstName: hostileTexts[index + 2] ?? '', lastName: '=1+1' })),
  );
  const ended = freshSessionId();
  await startSession(ended, { leadIds: [1, 2] });
  await waitForEnd(ended);
  sessions = [ended];
  const template = { name: 'Fuzz', subject: 'Hi', html: '<p>Hi {{ firstName }}</p>', text: '' };
  const created = await exports.default.fetch(
    requestAs(identityOf('admin'), 'POST', '/crm/templates', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(template),
    }),
  );
  templateIds = ['welcome', (await created.json<{ id: string }>()).id];
}

/** A value for a parameter in the path: mostly one that exists. */
function pathValue(name: string, schema: JsonSchema): fc.Arbitrary<unknown> {
  const generated = valueOf(schema, schemas);
  const known = ((): fc.Arbitrary<unknown> => {
    switch (name) {
      case 'sessionId':
        return fc.nat(9).map((index) => sessions[index % sessions.length]);
      case 'templateId':
        return fc.nat(9).map((index) => templateIds[index % templateIds.length]);
      case 'importId':
        return fc.constantFrom(...importIds);
      case 'leadId':
      case 'viewId':
      case 'seq':
        return fc.integer({ min: 0, max: 9 });
      default:
        return generated;
    }
  })();
  return fc.oneof(
    { weight: 5, arbitrary: known },
    { weight: 2, arbitrary: generated },
    { weight: 1, arbitrary: hostileValue },
  );
}

function attemptOf(operation: Operation): fc.Arbitrary<Attempt> {
  const recordOf = (place: string): fc.Arbitrary<Record<string, unknown>> => {
    const list = operation.parameters.filter((parameter) => parameter.in === place);
    if (place !== 'path') {
      return fc.record(Object.fromEntries(list.map(({ name, schema }) => [name, valueOf(schema, schemas)])), {
        requiredKeys: [],
      });
    }
    return fc.record(Object.fromEntries(list.map(({ name, schema }) => [name, pathValue(name, schema)])));
  };
  const body = operation.body === null ? fc.constant(undefined) : bodyOf(operation, operation.body);
  return fc.record({
    operation: fc.constant(operation),
    params: recordOf('path'),
    query: fc.oneof(
      { weight: 9, arbitrary: recordOf('query') },
      {
        weight: 1,
        arbitrary: fc.dictionary(fc.constantFrom('cursor', 'limit', 'search', 'x'), hostileValue),
      },
    ),
    body,
    raw: fc.oneof(
      { weight: 19, arbitrary: fc.constant(null) },
      {
        weight: 1,
        arbitrary: fc.oneof(fc.constantFrom('{', '[', '"', 'null', '{"a":1}}', '\u0000'), fc.string()),
      },
    ),
    contentType: fc.oneof(
      { weight: 19, arbitrary: fc.constant(operation.bodyType) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('text/plain', 'application/xml', 'application/json; charset=utf-7', null),
      },
    ),
    who: fc.constantFrom(
      ...(['admin', 'admin', 'admin', 'admin', 'operator', 'viewer', 'guest', 'none'] as const),
    ),
    extraHeader: fc.oneof(
      { weight: 6, arbitrary: fc.constant(null) },
      {
        weight: 1,
        arbitrary: fc.tuple(
          fc.constantFrom(
            'x-request-id',
            'last-event-id',
            'if-none-match',
            'origin',
            'x-forwarded-host',
            'authorization',
          ),
          fc.constantFrom('<script>', '"', 'NaN', '-1', 'null', 'x'.repeat(3_000), '1e999', 'a, b; c=d'),
        ),
      },
    ),
    method: fc.oneof(
      { weight: 24, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD') },
    ),
  });
}

/** Bodies whose ids mostly exist. */
function bodyOf({ path, method }: Operation, schema: JsonSchema): fc.Arbitrary<unknown> {
  const generated = valueOf(schema, schemas);
  const name = `${method} ${path}`;
  const leadIds = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
  const audience = fc.oneof(
    leadIds.map((ids) => ({ leadIds: ids })),
    fc
      .constantFrom(...hostileTexts)
      .map((search) => ({ filter: { search: search.slice(0, limits.maxSearchLength) } })),
  );
  if (name === 'POST /crm/activation') {
    const good = fc.record({
      sessionId: fc.integer({ min: 0, max: 3 }).map((index) => sessions[index] ?? freshSessionId()),
      audience,
      templateId: fc.constant('welcome'),
      name: fc.constantFrom(...hostileTexts),
    });
    return fc.oneof(good, generated);
  }
  if (name === 'POST /crm/imports') {
    const good = fc.record({
      importId: fc.constantFrom(...importIds),
      fileName: fc.constantFrom(...hostileTexts),
      columns: fc.array(fc.constantFrom(...hostileTexts), { maxLength: 3 }),
      mapping: fc.record({
        email: fc.constant([0]),
        firstName: fc.constant([1]),
        custom: fc.dictionary(fc.constantFrom('plan', 'seats', 'city'), fc.constant([1])),
      }),
    });
    return fc.oneof(good, generated);
  }
  if (path.endsWith('/chunks/:seq')) {
    const cells = fc.tuple(
      fc.oneof(fc.emailAddress(), fc.constant('lead1@example.com')),
      fc.constantFrom(...hostileTexts),
    );
    const row = fc.tuple(fc.nat(20), cells).map(([line, values]) => ({ line: line + 1, cells: values }));
    return fc.oneof(
      fc.array(row, { minLength: 1, maxLength: 3 }).map((rows) => ({ rows })),
      generated,
    );
  }
  return generated;
}

/** Text for a URL. encodeURIComponent throws for a lone surrogate. */
function encoded(value: unknown): string {
  const written = typeof value === 'string' ? value : ((JSON.stringify(value) as string | undefined) ?? '');
  return encodeURIComponent(written.toWellFormed());
}

function requestOf(attempt: Attempt): Request {
  const { operation, params, query, body, raw, contentType, who, extraHeader } = attempt;
  // An empty part would be another path.
  const path = operation.path.replace(/(?<=\/):(\w+)/g, (_, name: string) => encoded(params[name]) || '%20');
  const search = Object.entries(query).map(([name, value]) => `${name}=${encoded(value)}`);
  const method = attempt.method ?? operation.method;
  const content = raw ?? (body === undefined ? null : JSON.stringify(body));
  const mayHaveBody = method !== 'GET' && method !== 'HEAD';
  const headers = new Headers();
  if (contentType !== null && content !== null && mayHaveBody) headers.set('content-type', contentType);
  if (extraHeader !== null) headers.set(...extraHeader);
  return requestAs(
    who === 'none' ? 'none' : identityOf(who === 'guest' ? null : who),
    method,
    `${path}${search.length === 0 ? '' : `?${search.join('&')}`}`,
    { headers, ...(content !== null && mayHaveBody ? { body: content } : {}) },
  );
}

/** The content of the database when it does not change any more. */
async function quietContent(): Promise<string> {
  let before = await databaseContent();
  for (;;) {
    for (const sessionId of sessions) {
      const { session } = await readRows(sessionId).catch(() => ({ session: null }));
      if (session === null) continue;
      if (session.finishedAt === null && session.state !== 'paused') {
        await waitFor(sessionId, ({ finishedAt, state }) => finishedAt !== null || state === 'paused');
      }
      await vi.waitUntil(
        async () => {
          const row = (await readRows(sessionId)).session;
          return row.recordedRev === row.rev;
        },
        { timeout: 15_000, interval: 5 },
      );
    }
    const now = await databaseContent();
    if (now === before) return now;
    before = now;
  }
}

/** The rev of every session, which rises with every write. */
async function revs(): Promise<string> {
  const all = await Promise.all(
    sessions.map((sessionId) =>
      runInDurableObject(stubOf(sessionId), (instance) => instance.view()?.rev ?? null),
    ),
  );
  return JSON.stringify(all);
}

const seen = new Map<string, Map<number, number>>();
let content = '';
let sessionRevs = '';
let sinceFurnished = 0;

async function holds(attempt: Attempt): Promise<void> {
  if (sinceFurnished-- <= 0) {
    sinceFurnished = roundCount;
    await furnish();
    content = await quietContent();
    sessionRevs = await revs();
  }
  const { operation } = attempt;
  const response = await exports.default.fetch(requestOf(attempt));
  const { status } = response;
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  let text = '';
  if (isStream && status === 200) await response.body?.cancel();
  else text = await response.text();

  const name = `${operation.method} ${operation.path}`;
  const statuses = seen.get(name) ?? new Map<number, number>();
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
  seen.set(name, statuses);

  expect(status, `${text} ${JSON.stringify(log.slice(-3))}`).toBeLessThan(500);
  expect(response.headers.get('set-cookie')).toBeNull();
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('text/html')) expect(text).not.toMatch(/<script>alert|onerror=/);
  if (status < 400) {
    if (attempt.operation.method !== 'GET' || attempt.method !== null) {
      const { sessionId } = (attempt.body ?? {}) as { sessionId?: unknown };
      if (status === 201 && typeof sessionId === 'string' && operation.path === '/crm/activation')
        sessions.push(sessionId);
      // Only a session continues after its answer.
      content = operation.path.startsWith('/crm/activation') ? await quietContent() : await databaseContent();
      sessionRevs = await revs();
    } else if (routeRules[name]?.action != null) content = await databaseContent();
    return;
  }
  const isPage = operation.path.startsWith('/unsubscribe') && type.startsWith('text/html');
  if (!isPage && attempt.method !== 'HEAD') {
    expect(type).toBe('application/problem+json; charset=utf-8');
    const problem = JSON.parse(text) as Problem;
    expect(problemCatalog[problem.code].status).toBe(status);
    expect(problem).toMatchObject({ status, title: problemCatalog[problem.code].title });
    expect(problem.requestId).toMatch(/^[\w=-]+$/);
    expect(response.headers.get('x-request-id')).toBe(problem.requestId);
  }
  expect(await databaseContent()).toBe(content);
  if (operation.path.includes('activation')) expect(await revs()).toBe(sessionRevs);
}

it(
  `answers correctly over ${requestCount} requests`,
  async () => {
    const attempts = fc.constantFrom(...operations).chain(attemptOf);
    await fc.assert(fc.asyncProperty(attempts, holds), {
      numRuns: requestCount,
      seed: Number(env.FUZZ_SEED),
      // A failing request is shrunk, but not without limit.
      interruptAfterTimeLimit: requestCount * 100 + 60_000,
      endOnFailure: requestCount > 5_000,
    });
    const table = [...seen]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, statuses]) => {
        const counts = [...statuses]
          .sort(([a], [b]) => a - b)
          .map(([status, count]) => `${status}: ${count}`);
        return `${name}  ${counts.join(', ')}`;
      });
    console.log(table.join('\n'));
    // The document names every route, and each was reached past authorization.
    const described = operations.map(({ method, path }) => `${method} ${path}`);
    const undescribed = registeredRoutes()
      .map(({ method, path }) => `${method} ${path}`)
      .filter((name) => !described.includes(name));
    expect(undescribed.sort()).toEqual([
      // The older addresses of two that are described.
      'GET /crm/activation/progress/:sessionId',
      'GET /crm/activation/stream/:sessionId',
      'GET /docs',
      'GET /openapi.json',
      'GET /problems',
      'GET /problems/:code',
    ]);
    // A short test cannot reach everything.
    if (requestCount < 1_500) return;
    for (const name of described) {
      const reached = [...(seen.get(name)?.keys() ?? [])].filter(
        (status) => status !== 401 && status !== 403,
      );
      const isSigned = name.startsWith('POST /webhooks/') && routeRules[name]?.needs === 'public';
      if (!isSigned) expect(reached.length, name).toBeGreaterThan(0);
    }
  },
  requestCount * 100 + 120_000,
);
