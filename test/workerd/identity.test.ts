import { exports } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import { roleOf } from '../../src/worker/auth/identity.ts';
import { missingSecrets } from '../../src/runtime/settings.ts';
import { routeRules } from '../../src/worker/auth/route-permissions.ts';
import { emptyCrm } from '../support/crm-database.ts';
import { examplePath, registeredRoutes, requestAs, roleSettings } from '../support/routes.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import type { Problem } from '../../src/shared/problem.ts';

/** The paths that callers without an identity must reach: mail providers, recipients, health checks, verifiers of receipts. */
const publicRoutes = [
  'GET /.well-known/lead-activation-receipt-keys.json',
  'GET /healthz',
  'GET /problems',
  'GET /problems/:code',
  'GET /unsubscribe/:token',
  'POST /unsubscribe/:token',
  'POST /webhooks/mailgun',
  'POST /webhooks/postmark',
  'POST /webhooks/resend',
  'POST /webhooks/sendgrid',
  'POST /webhooks/ses',
];

beforeEach(async () => {
  resetHooks();
  Object.assign(hooks.env, roleSettings);
  await emptyCrm();
});

const fetchApp = (request: Request): Promise<Response> => exports.default.fetch(request);

describe('authorization', () => {
  it('has a rule for every registered route, and no rule for a route that is not there', () => {
    const names = registeredRoutes().map(({ method, path }) => `${method} ${path}`);
    expect(names.filter((name) => !Object.hasOwn(routeRules, name))).toEqual([]);
    expect(Object.keys(routeRules).filter((name) => !names.includes(name))).toEqual([]);
  });

  it('allows callers without an identity at exactly the public paths', () => {
    const open = Object.entries(routeRules).filter(([, rule]) => rule.needs === 'public');
    expect(open.map(([name]) => name).sort()).toEqual(publicRoutes);
  });

  it.each(registeredRoutes())('requires an identity at $method $path', async ({ method, path }) => {
    const response = await fetchApp(requestAs('none', method, examplePath(path)));
    if (publicRoutes.includes(`${method} ${path}`)) {
      // Here the provider's signature is missing, not a person's identity.
      if (response.status === 401) expect(await response.json()).toMatchObject({ code: 'invalid_signature' });
      return;
    }
    expect(response.status).toBe(401);
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(await response.json()).toMatchObject({ code: 'unauthenticated', status: 401 });
  });

  it('answers 401 before it reveals what exists: for unknown addresses under /crm, and for wrong methods', async () => {
    for (const [method, path] of [
      ['GET', '/crm/nothing'],
      ['GET', '/crm'],
      ['PUT', '/crm/leads'],
      ['DELETE', '/crm/settings'],
    ] as const) {
      expect((await fetchApp(requestAs('none', method, path))).status).toBe(401);
    }
  });

  it.each([
    '/crm/leads/',
    '//crm/leads',
    '/crm/./leads',
    '/crm/../crm/leads',
    '/CRM/leads',
    '/crm%2fleads',
    '/%63rm/leads',
  ])('cannot be bypassed by another spelling of the path: %s', async (path) => {
    const response = await fetchApp(requestAs('none', 'GET', path));
    expect([401, 404]).toContain(response.status);
    await response.body?.cancel();
  });

  it('refuses a person whom no list names, and says what would help', async () => {
    const response = await fetchApp(requestAs({ email: 'guest@staff.example' }, 'GET', '/crm/settings'));
    expect(response.status).toBe(403);
    const problem: Problem = await response.json();
    expect(problem.code).toBe('forbidden');
    expect(problem.detail).toContain('ROLE_VIEWER');
  });

  it('returns the id of the request in the problem and in a header, and keeps the caller’s own id beside it', async () => {
    const given = await fetchApp(
      requestAs('none', 'GET', '/crm/leads', { headers: { 'x-request-id': 'trace-me-1' } }),
    );
    const ours = given.headers.get('x-request-id');
    expect(ours).toMatch(/^[0-9a-f-]{36}$/);
    expect(given.headers.get('x-caller-request-id')).toBe('trace-me-1');
    expect(await given.json()).toMatchObject({ requestId: ours });
    const odd = await fetchApp(
      requestAs('none', 'GET', '/crm/leads', { headers: { 'x-request-id': 'a b"<c>' } }),
    );
    const problem: Problem = await odd.json();
    expect(problem.requestId).toMatch(/^[\w-]+$/);
    expect(odd.headers.get('x-request-id')).toBe(problem.requestId);
    expect(odd.headers.get('x-caller-request-id')).toBeNull();
  });

  it('answers only health checks while a secret is missing, and does not say which one', async () => {
    hooks.env.ADDRESS_HASH_KEY = 'short';
    expect((await fetchApp(requestAs({ email: 'admin@staff.example' }, 'GET', '/healthz'))).status).toBe(200);
    const response = await fetchApp(requestAs({ email: 'admin@staff.example' }, 'GET', '/crm/settings'));
    expect(response.status).toBe(503);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ code: 'misconfigured' });
    expect(text).not.toContain('ADDRESS_HASH_KEY');
  });
});

describe('missingSecrets', () => {
  it('names what is missing, empty or too short to be a key', () => {
    expect(missingSecrets({})).toEqual(['MAIL_API_KEY', 'ADDRESS_HASH_KEY']);
    expect(missingSecrets({ MAIL_API_KEY: ' ', ADDRESS_HASH_KEY: 'x'.repeat(15) })).toEqual([
      'MAIL_API_KEY',
      'ADDRESS_HASH_KEY',
    ]);
    expect(missingSecrets({ MAIL_API_KEY: 're_1', ADDRESS_HASH_KEY: 'x'.repeat(16) })).toEqual([]);
  });
});

describe('roleOf', () => {
  const nobody = { email: '', clientId: '', groups: [] };
  const settings = (ROLE_ADMIN: string, ROLE_OPERATOR = '', ROLE_VIEWER = '', ROLE_APPROVER = '') => ({
    ROLE_ADMIN,
    ROLE_APPROVER,
    ROLE_OPERATOR,
    ROLE_VIEWER,
  });

  it('gives nobody a role while nothing is configured', () => {
    expect(
      roleOf({ ...nobody, email: 'ana@example.com', groups: ['Sales'] }, settings('', ' , ', '')),
    ).toBeNull();
  });

  it.each([
    ['ana@example.com', 'ANA@Example.com', 'admin'],
    ['*@example.com', 'bob@example.com', 'admin'],
    ['*@example.com', 'bob@sub.example.com', null],
    ['*@example.com', 'bob@badexample.com', null],
    ['*@example.com', 'bob@example.com@evil.test', null],
    ['*@example.com', 'example.com', null],
    ['*', 'anyone@anywhere.test', 'admin'],
    [' bob@x.test , ana@example.com ', 'ana@example.com', 'admin'],
    ['ana@example.com', 'ana@example.com.evil.test', null],
    ['@example.com', 'bob@example.com', null],
  ])('compares %s with %s', (list, email, role) => {
    expect(roleOf({ ...nobody, email }, settings(list))).toBe(role);
  });

  it('is the highest role that a list gives', () => {
    expect(roleOf({ ...nobody, email: 'ana@example.com' }, settings('ana@example.com', '*', '*'))).toBe(
      'admin',
    );
    expect(roleOf({ ...nobody, email: 'bob@example.com' }, settings('ana@example.com', '*', '*'))).toBe(
      'operator',
    );
    expect(roleOf({ ...nobody, email: 'bob@example.com' }, settings('ana@example.com', '*', '*', '*'))).toBe(
      'approver',
    );
  });

  it('matches groups by name, and does not take an address for a group or a token', () => {
    expect(roleOf({ ...nobody, email: 'a@b.test', groups: ['Sales'] }, settings('group:sales'))).toBe(
      'admin',
    );
    expect(roleOf({ ...nobody, email: 'a@b.test', groups: ['Sales'] }, settings('Sales'))).toBeNull();
    expect(roleOf({ ...nobody, email: 'group:sales' }, settings('group:sales'))).toBeNull();
    expect(roleOf({ ...nobody, email: 'token:c1.access' }, settings('token:c1.access'))).toBeNull();
  });

  it('gives a token no role by patterns for people', () => {
    expect(
      roleOf({ ...nobody, clientId: 'c1.access' }, settings('*', '*@example.com', 'c1.access')),
    ).toBeNull();
    expect(roleOf({ ...nobody, clientId: 'c1.access' }, settings('token:'))).toBeNull();
    expect(roleOf({ ...nobody, clientId: 'c1.access' }, settings('token:C1.access'))).toBe('admin');
  });
});
