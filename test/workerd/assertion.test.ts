/**
 * Which assertions are accepted, in the form of production: a signed header, and keys that are fetched from the
 * team's domain. The team belongs to the test, and the clock is an argument.
 */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { UnsecuredJWT, SignJWT, exportJWK, exportSPKI, generateKeyPair, importJWK } from 'jose';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { assertionHeader } from '../../src/worker/auth/access-assertion.ts';
import type { AccessDeps } from '../../src/worker/auth/access-keys.ts';
import { createApp } from '../../src/worker/app.ts';
import { createIdentify } from '../../src/worker/auth/identity.ts';
import type { Settings } from '../../src/shared/schemas/common.ts';
import { AccessTeam } from '../support/access-team.ts';

const clientId = 'e367826f93b8d71185e03fe518aff3b4.access';
const ana = 'ana@example.com';

let team: AccessTeam;
/** The requests to the team's domain, in order. */
let asked: Request[];
/** The answer of the team's domain. */
let answer: (request: Request) => Response | Promise<Response>;
let nowMs: number;
let app: ReturnType<typeof createApp>;
let settings: Env;

beforeAll(async () => {
  team = await AccessTeam.create();
});

beforeEach(() => {
  asked = [];
  answer = () => Response.json(team.jwks());
  nowMs = Date.now();
  const deps: AccessDeps = {
    fetch: async (input, init) => {
      const request = new Request(input, init);
      asked.push(request);
      return answer(request);
    },
    now: () => nowMs,
    // Lets other work run; the clock stands still until a test moves it.
    sleep: () => new Promise((resolve) => setTimeout(resolve)),
  };
  app = createApp(createIdentify(deps));
  settings = {
    ...env,
    ACCESS_TEAM_DOMAIN: 'acme.cloudflareaccess.com',
    ACCESS_AUD: team.audience,
    ROLE_ADMIN: ana,
    ROLE_OPERATOR: `token:${clientId}`,
  };
});

async function ask(
  assertion: string | null,
  path = '/crm/settings',
  headers: HeadersInit = {},
): Promise<Response> {
  const request = new Request(`https://leads.example.com${path}`, { headers });
  if (assertion !== null) request.headers.set(assertionHeader, assertion);
  const context = createExecutionContext();
  const response = await app.fetch(request, settings, context);
  await waitOnExecutionContext(context);
  return response;
}

/** `200`, or the status and code of the problem. */
async function outcomeOf(assertion: string | null, path?: string, headers?: HeadersInit): Promise<string> {
  const response = await ask(assertion, path, headers);
  const { code } = await response.json<{ code?: string }>();
  return code === undefined ? String(response.status) : `${String(response.status)} ${code}`;
}

/** Claims that differ from those of Access; undefined leaves one out. */
type Change = Record<string, unknown>;
const person = (change: Change = {}): Promise<string> =>
  team.sign({ ...team.personClaims(ana, nowMs), ...change });
const token = (change: Change = {}): Promise<string> =>
  team.sign({ ...team.tokenClaims(clientId, nowMs), ...change });

const outcome = { in: '200', refused: '401 unauthenticated', noRole: '403 forbidden' };
const seconds = (count: number): number => Math.floor(nowMs / 1_000) + count;
const base64 = (value: unknown): string =>
  btoa(typeof value === 'string' ? value : JSON.stringify(value)).replace(/[+/=]/g, (letter) =>
    letter === '+' ? '-' : letter === '/' ? '_' : '',
  );

/** Each row: what is sent, and the outcome. */
const table: readonly [what: string, make: () => string | Promise<string>, outcome: string][] = [
  ['a person', () => person(), outcome.in],
  ['a person whose aud is a string', () => person({ aud: team.audience }), outcome.in],
  [
    'a person whose aud names another application too',
    () => person({ aud: ['x', team.audience] }),
    outcome.in,
  ],
  ['a service token without nbf', () => token(), outcome.in],
  ['a service token whose aud is an array', () => token({ aud: [team.audience] }), outcome.in],
  [
    'a service token that no list names',
    () => token({ common_name: clientId.replace('e3', 'f3') }),
    outcome.noRole,
  ],
  ['a person whom no list names', () => person({ email: 'eve@example.com' }), outcome.noRole],
  ['a person whose address is a client id', () => person({ email: clientId }), outcome.refused],
  ['wrong aud', () => person({ aud: ['b1'.repeat(32)] }), outcome.refused],
  ['no aud', () => person({ aud: undefined }), outcome.refused],
  ['aud in part', () => person({ aud: team.audience.slice(0, 32) }), outcome.refused],
  ['wrong iss', () => person({ iss: 'https://evil.cloudflareaccess.com' }), outcome.refused],
  ['no iss', () => person({ iss: undefined }), outcome.refused],
  ['expired', () => person({ exp: seconds(-11) }), outcome.refused],
  ['expired within the tolerance', () => person({ exp: seconds(-9) }), outcome.in],
  ['no exp', () => person({ exp: undefined }), outcome.refused],
  ['exp as text', () => person({ exp: '9999999999' }), outcome.refused],
  ['not yet valid', () => person({ nbf: seconds(12) }), outcome.refused],
  ['not yet valid within the tolerance', () => person({ nbf: seconds(9) }), outcome.in],
  ["the team's own session", () => person({ type: 'org' }), outcome.refused],
  ['a client certificate (mTLS)', () => token({ common_name: 'John Doe' }), outcome.refused],
  ['a client certificate named like an address', () => token({ common_name: ana }), outcome.refused],
  ['a client certificate named *.access', () => token({ common_name: 'printer.access' }), outcome.refused],
  ['a person with a client certificate too', () => person({ common_name: clientId }), outcome.in],
  ['a sub with a client id and no address', () => token({ sub: 'a-person' }), outcome.refused],
  ['an empty address', () => person({ email: '' }), outcome.refused],
  ['an address that is no text', () => person({ email: [ana] }), outcome.refused],
  ['nobody', () => person({ email: undefined }), outcome.refused],
  ['alg none', () => new UnsecuredJWT(team.personClaims(ana)).encode(), outcome.refused],
  [
    'alg none with a signature',
    async () => {
      const [, claims, signature] = (await person()).split('.');
      return [base64({ alg: 'none', typ: 'JWT' }), claims, signature].join('.');
    },
    outcome.refused,
  ],
  ['HS256 with the public key as PEM', () => signedWithPublicKey('pem'), outcome.refused],
  ['HS256 with the public key as JWK', () => signedWithPublicKey('jwk'), outcome.refused],
  ['PS256 by the very key', () => signedAs('PS256'), outcome.refused],
  ['another key under a known key id', () => signedByAnother(), outcome.refused],
  ['a key that the assertion brings itself', () => signedByAnother({ isEmbedded: true }), outcome.refused],
  [
    'claims changed after signing',
    async () => {
      const [header, , signature] = (await person({ email: 'eve@example.com' })).split('.');
      return [header, base64(team.personClaims(ana)), signature].join('.');
    },
    outcome.refused,
  ],
  ['garbage', () => 'garbage', outcome.refused],
  ['three dots', () => '...', outcome.refused],
  ['half an assertion', async () => (await person()).slice(0, 200), outcome.refused],
  ['claims that are no object', async () => replaceClaims(await person(), base64('"ana"')), outcome.refused],
  ['two assertions', async () => `${await person()}, ${await person()}`, outcome.refused],
  ['a good assertion of 20 kB', () => person({ custom: 'x'.repeat(20_000) }), outcome.refused],
];

const replaceClaims = (assertion: string, claims: string): string =>
  assertion
    .split('.')
    .map((part, index) => (index === 1 ? claims : part))
    .join('.');

async function signedWithPublicKey(form: 'pem' | 'jwk'): Promise<string> {
  const [jwk] = team.jwks().keys;
  const publicKey = await importJWK({ ...jwk }, 'RS256', { extractable: true });
  if (publicKey instanceof Uint8Array) throw new Error('an RSA key is no bytes');
  const text = form === 'jwk' ? JSON.stringify(jwk) : await exportSPKI(publicKey);
  return new SignJWT(team.personClaims(ana))
    .setProtectedHeader({ alg: 'HS256', kid: String(jwk?.kid) })
    .sign(new TextEncoder().encode(text));
}

async function signedAs(alg: string): Promise<string> {
  const { privateKey } = await generateKeyPair(alg);
  return new SignJWT(team.personClaims(ana))
    .setProtectedHeader({ alg, kid: String(team.jwks().keys[0]?.kid) })
    .sign(privateKey);
}

async function signedByAnother({ isEmbedded = false } = {}): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  return new SignJWT(team.personClaims(ana))
    .setProtectedHeader({
      alg: 'RS256',
      kid: String(team.jwks().keys[0]?.kid),
      ...(isEmbedded ? { jwk: await exportJWK(publicKey) } : {}),
    })
    .sign(privateKey);
}

describe('an assertion', () => {
  it.each(table)('%s', async (_, make, expected) => {
    expect(await outcomeOf(await make())).toBe(expected);
  });

  it('is valid for any of several applications', async () => {
    settings.ACCESS_AUD = ` b1 , ${team.audience},`;
    expect(await outcomeOf(await person())).toBe(outcome.in);
  });

  it('names a person by address', async () => {
    const { user } = await (await ask(await person())).json<Settings>();
    expect(user).toEqual({ email: ana, name: ana, role: 'admin' });
  });

  it('names a service token by its client id, and by its label where it has one', async () => {
    settings.ACCESS_TOKEN_LABELS = `x.access=other, ${clientId} = nightly import`;
    const { user } = await (await ask(await token())).json<Settings>();
    expect(user).toEqual({ email: clientId, name: 'nightly import', role: 'operator' });
  });

  it('of a service token is in the audit by label and client id', async () => {
    settings.ACCESS_TOKEN_LABELS = `${clientId}=nightly import`;
    const request = new Request('https://leads.example.com/crm/views', {
      method: 'POST',
      headers: { [assertionHeader]: await token(), 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'New ones', query: '?status=new' }),
    });
    const response = await app.fetch(request, settings, createExecutionContext());
    expect(response.ok).toBe(true);
    const entry = await env.DB.prepare('SELECT actor, role FROM audit').first();
    expect(entry).toEqual({ actor: `nightly import (${clientId})`, role: 'operator' });
  });

  it('does not count as a cookie', async () => {
    expect(await outcomeOf(null, undefined, { cookie: `CF_Authorization=${await person()}` })).toBe(
      outcome.refused,
    );
  });

  it('cannot be replaced by other headers of Access', async () => {
    const forged = {
      'cf-access-authenticated-user-email': ana,
      'cf-access-client-id': clientId,
      'cf-access-client-secret': 'x',
      'cf-access-token': await person(),
    };
    expect(await outcomeOf(null, undefined, forged)).toBe(outcome.refused);
  });

  it('has no effect on public routes', async () => {
    for (const assertion of [null, 'garbage', await person(), await person({ exp: 1 })]) {
      expect((await ask(assertion, '/healthz')).status).toBe(200);
      // Without the provider's signature a webhook is refused, even for a signed-in person.
      const webhook = new Request('https://leads.example.com/webhooks/resend', {
        method: 'POST',
        body: '{}',
      });
      if (assertion !== null) webhook.headers.set(assertionHeader, assertion);
      const response = await app.fetch(webhook, settings, createExecutionContext());
      expect(await response.json()).toMatchObject({ status: 401, code: 'invalid_signature' });
    }
    expect(asked).toEqual([]);
  });

  it('that is refused is logged with the reason, and without any part of it', async () => {
    const logged = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const assertion = await person({ exp: 1 });
    await ask(assertion);
    const lines = logged.mock.calls.map(([line]) => String(line));
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { event: 'assertion_refused', why: 'ERR_JWT_EXPIRED exp' },
    ]);
    expect(lines.join()).not.toContain(assertion.slice(0, 20));
    expect(lines.join()).not.toContain(ana);
  });
});

describe('the keys', () => {
  it('are fetched once for any number of requests', async () => {
    const assertion = await person();
    expect(new Set(await Promise.all(Array.from({ length: 100 }, () => outcomeOf(assertion))))).toEqual(
      new Set([outcome.in]),
    );
    expect(asked.map(({ url }) => url)).toEqual(['https://acme.cloudflareaccess.com/cdn-cgi/access/certs']);
  });

  it('that are new are accepted at once, and assertions of the previous key stay valid', async () => {
    const before = await person();
    expect(await outcomeOf(before)).toBe(outcome.in);
    nowMs += 60_000;
    await team.rotate();
    expect(await outcomeOf(await person())).toBe(outcome.in);
    expect(await outcomeOf(before)).toBe(outcome.in);
    expect(asked).toHaveLength(2);
  });

  it('are fetched at most once a minute for unknown key ids', async () => {
    expect(await outcomeOf(await person())).toBe(outcome.in);
    const unknown = await team.sign(team.personClaims(ana, nowMs), 'unknown');
    nowMs += 60_000;
    for (const [index, requestCount] of [1_000, 10].entries()) {
      const outcomes = await Promise.all(Array.from({ length: requestCount }, () => outcomeOf(unknown)));
      expect(new Set(outcomes)).toEqual(new Set([outcome.refused]));
      expect(asked).toHaveLength(2 + index);
      nowMs += 59_000;
      expect(await outcomeOf(unknown)).toBe(outcome.refused);
      expect(asked).toHaveLength(2 + index);
      nowMs += 1_000;
    }
  });

  it('that cannot be fetched let nobody in: the answer is 503, and the log says what to check', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    for (const down of [
      () => Promise.reject(new Error('connection refused')),
      () => new Response('bad gateway', { status: 502 }),
      () => new Response('<html>'),
      () => Response.json({ nokeys: [] }),
      () => new Response(null, { status: 302, headers: { location: 'https://evil.example/keys' } }),
    ]) {
      answer = down;
      nowMs += 1_000;
      asked = [];
      const response = await ask(await person());
      expect(response.status).toBe(503);
      expect(response.headers.get('retry-after')).toBe('2');
      expect(await response.json()).toMatchObject({ code: 'unavailable' });
      // Other requests in the same second are answered without another fetch.
      expect(await outcomeOf(await person())).toBe('503 unavailable');
      expect(asked).toHaveLength(1);
    }
    const events = logged.mock.calls.map(([line]) => JSON.parse(String(line)) as { event: string });
    expect(events.filter(({ event }) => event === 'access_keys_unreachable')).toHaveLength(5);
    expect(events[0]).toMatchObject({ hint: expect.stringContaining('ACCESS_TEAM_DOMAIN') as string });
    answer = () => Response.json(team.jwks());
    nowMs += 1_000;
    expect(await outcomeOf(await person())).toBe(outcome.in);
  });

  it('that were fetched are kept while they cannot be fetched again, with one try a minute', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    expect(await outcomeOf(await person())).toBe(outcome.in);
    answer = () => Promise.reject(new Error('connection refused'));
    for (let minute = 0; minute < 30; minute++) {
      nowMs += 60_000;
      expect(await outcomeOf(await person())).toBe(outcome.in);
      expect(await outcomeOf(await person())).toBe(outcome.in);
    }
    // From the tenth minute on.
    expect(asked).toHaveLength(1 + 21);
    expect(logged).toHaveBeenCalledTimes(21);
  });

  it('that were revoked are dropped within ten minutes', async () => {
    const assertion = await person({ exp: seconds(86_400) });
    expect(await outcomeOf(assertion)).toBe(outcome.in);
    await team.rotate();
    await team.rotate();
    nowMs += 600_000;
    // The request that starts the fetch is answered with the present keys.
    expect(await outcomeOf(assertion)).toBe(outcome.in);
    expect(await outcomeOf(assertion)).toBe(outcome.refused);
  });

  it('are fetched again when the request that fetched them was aborted', async () => {
    let hang = true;
    answer = () => (hang ? new Promise<Response>(() => undefined) : Response.json(team.jwks()));
    const context = createExecutionContext();
    const assertion = await person();
    const request = new Request('https://leads.example.com/crm/settings', {
      headers: { [assertionHeader]: assertion },
    });
    void app.fetch(request, settings, context);
    await vi.waitFor(() => {
      expect(asked).toHaveLength(1);
    });
    hang = false;
    nowMs += 6_000;
    expect(await outcomeOf(assertion)).toBe(outcome.in);
  });
});

describe('the settings', () => {
  it.each([
    ['acme.cloudflareaccess.com', outcome.in],
    ['https://acme.cloudflareaccess.com', outcome.in],
    ['  https://ACME.cloudflareaccess.com/ ', outcome.in],
    ['http://acme.cloudflareaccess.com', '503 misconfigured'],
    ['https://acme.cloudflareaccess.com/cdn-cgi', '503 misconfigured'],
    ['https://user@acme.cloudflareaccess.com', '503 misconfigured'],
    ['ftp://acme.cloudflareaccess.com', '503 misconfigured'],
    ['acme', '503 misconfigured'],
    ['acme .cloudflareaccess.com', '503 misconfigured'],
    ['', '503 misconfigured'],
    ['other.cloudflareaccess.com', outcome.refused],
  ])('take the team domain %j: %s', async (domain, expected) => {
    settings.ACCESS_TEAM_DOMAIN = domain;
    expect(await outcomeOf(await person())).toBe(expected);
  });

  it('that are all missing let nobody in', async () => {
    Reflect.deleteProperty(settings, 'ACCESS_TEAM_DOMAIN');
    Reflect.deleteProperty(settings, 'ACCESS_AUD');
    expect(await outcomeOf(await person())).toBe('503 misconfigured');
  });

  it.each(['', ' , '])('without an audience (%j) let nobody in', async (audience) => {
    settings.ACCESS_AUD = audience;
    expect(await outcomeOf(await person())).toBe('503 misconfigured');
  });

  it('that are missing are named in the log, and callers without a sign-in are told to sign in', async () => {
    const logged = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    settings.ACCESS_TEAM_DOMAIN = '';
    settings.ACCESS_AUD = '';
    expect(await outcomeOf(null)).toBe(outcome.refused);
    expect(JSON.parse(String(logged.mock.calls[0]?.[0]))).toMatchObject({
      event: 'no_identity',
      hint: expect.stringMatching(/ACCESS_TEAM_DOMAIN.*ACCESS_AUD/) as string,
    });
  });
});

describe('groups', () => {
  beforeEach(() => {
    settings.ROLE_ADMIN = 'group:Admins';
    answer = ({ url, headers }) => {
      if (url.endsWith('/certs')) return Response.json(team.jwks());
      expect(url).toBe('https://acme.cloudflareaccess.com/cdn-cgi/access/get-identity');
      expect(headers.get('cookie')).toMatch(/^CF_Authorization=[\w-]+\.[\w-]+\.[\w-]+$/);
      return Response.json({
        email: ana,
        groups: [{ id: '1', name: 'Admins', email: 'admins@example.com' }],
      });
    };
  });

  const questions = (): number => asked.filter(({ url }) => url.endsWith('/get-identity')).length;

  it('are requested from Access once for each assertion, until it expires', async () => {
    const first = await person();
    // The first requests of a page come at the same time.
    for (let page = 0; page < 2; page++) {
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcomeOf(first)));
      expect(new Set(outcomes)).toEqual(new Set([outcome.in]));
      expect(questions()).toBe(1);
    }
    expect(await outcomeOf(await person({ country: 'FR' }))).toBe(outcome.in);
    expect(questions()).toBe(2);
  });

  it('are not requested while no role names one, nor for a service token', async () => {
    settings.ROLE_ADMIN = `${ana},token:${clientId}`;
    expect(await outcomeOf(await person())).toBe(outcome.in);
    settings.ROLE_ADMIN += ',group:Admins';
    expect(await outcomeOf(await token())).toBe(outcome.in);
    expect(questions()).toBe(0);
  });

  it('are not requested with an assertion that was not verified', async () => {
    expect(await outcomeOf(await person({ aud: 'another' }))).toBe(outcome.refused);
    expect(questions()).toBe(0);
  });

  it.each([
    ['an error', () => Promise.reject(new Error('connection refused'))],
    ['a refusal', () => new Response('no', { status: 401 })],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: '/login' } })],
    ['no JSON', () => new Response('<html>')],
    ['null', () => Response.json(null)],
    ['groups that are none', () => Response.json({ groups: { Admins: true } })],
  ] satisfies [string, () => Response | Promise<Response>][])(
    'are none when Access does not name them: %s',
    async (_, fault) => {
      vi.spyOn(console, 'error').mockImplementation(() => undefined);
      const whole = answer;
      answer = (request) => (request.url.endsWith('/certs') ? Response.json(team.jwks()) : fault());
      const assertion = await person();
      expect(await outcomeOf(assertion)).toBe(outcome.noRole);
      settings.ROLE_OPERATOR = ana;
      expect(await outcomeOf(assertion)).toBe(outcome.in);
      answer = whole;
    },
  );

  it('that could not be read are requested again after ten seconds, and the log says so', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const whole = answer;
    answer = (request) =>
      request.url.endsWith('/certs') ? Response.json(team.jwks()) : new Response('', { status: 500 });
    const assertion = await person();
    for (let count = 0; count < 5; count++) expect(await outcomeOf(assertion)).toBe(outcome.noRole);
    expect(questions()).toBe(1);
    expect(logged).toHaveBeenCalledTimes(1);
    expect(String(logged.mock.calls[0]?.[0])).toContain('access_groups_unreachable');
    answer = whole;
    nowMs += 10_000;
    expect(await outcomeOf(assertion)).toBe(outcome.in);
  });
});

describe('local development', () => {
  beforeEach(() => {
    settings.LOCAL_PERSON = 'dev@example.com';
    settings.ROLE_ADMIN = '';
    settings.ROLE_OPERATOR = '';
  });

  const at = (url: string, headers: HeadersInit = {}): Promise<Response> =>
    Promise.resolve(app.fetch(new Request(url, { headers }), settings, createExecutionContext()));

  it.each([
    'localhost',
    'localhost:8787',
    '127.0.0.1:8787',
    '[::1]:8787',
    'leads.localhost:8787',
    'LOCALHOST',
  ])('lets its person in at %s', async (host) => {
    const response = await at(`http://${host}/crm/settings`, { host });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ user: { email: 'dev@example.com', role: 'admin' } });
  });

  it.each([
    'evil.com',
    'evil.com:8787',
    'localhost.evil.com',
    'evil-localhost',
    '127.0.0.1.evil.com',
    '192.168.1.7:8787',
    '[::2]',
    '0.0.0.0:8787',
    'leads.acme.com',
  ])('refuses every request to %s', async (host) => {
    for (const path of ['/crm/settings', '/healthz', '/unsubscribe/x', '/', '/leads', '/docs']) {
      for (const response of [
        await at(`http://${host}${path}`),
        await at(`http://127.0.0.1:8787${path}`, { host }),
        await at(`http://${host}${path}`, { host: 'localhost' }),
      ]) {
        expect(response.status).toBe(421);
        expect(await response.json()).toMatchObject({ code: 'wrong_host' });
      }
    }
  });

  it('uses the role that the lists give its person', async () => {
    settings.ROLE_VIEWER = 'dev@example.com';
    const response = await at('http://localhost/crm/settings');
    expect(await response.json()).toMatchObject({ user: { role: 'viewer' } });
  });

  it('serves files and pages, and answers 404 itself on the paths of the Worker', async () => {
    for (const path of ['/leads', '/docs/x']) {
      const page = await at(`http://localhost${path}`, { 'sec-fetch-mode': 'navigate' });
      expect(page.headers.get('content-type')).toContain('text/html');
      await page.body?.cancel();
    }
    // To a program a page says nothing.
    for (const path of ['/crm/nothing', '/webhooks/nobody', '/docs/x'])
      expect(await (await at(`http://localhost${path}`)).json()).toMatchObject({ code: 'not_found' });
  });

  it('is off for an empty LOCAL_PERSON', async () => {
    settings.LOCAL_PERSON = ' ';
    expect((await at('http://localhost/crm/settings')).status).toBe(401);
  });
});
