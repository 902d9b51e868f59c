/**
 * Browser safety: what a page of another site could make a signed-in browser do, and what a page of ours
 * may do with what it is given.
 *
 * Owns: same-origin checks of calls that change something or that the audit tells of, content-type checks,
 * and the headers of every answer of the Worker. The static assets have theirs from web/static/_headers.
 *
 * @module
 */
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import type { AppEnv } from '../app-env.ts';
import { permissionOf } from '../auth/authorize.ts';
import { Refusal } from '../http/problem.ts';

/** Data is no page: nothing in it may run, load or be framed. */
const dataPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const standardHeaders = Object.entries({
  'content-security-policy': dataPolicy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // Answers hold names and addresses; a handler that knows better says so.
  'cache-control': 'no-store',
});

/** Two years, as browsers' preload lists ask for. */
const strictTransport = 'max-age=63072000';

/** Puts the headers on every answer; what a handler set itself stays. */
export const safeHeaders = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  try {
    putHeaders(c, c.res.headers);
  } catch {
    // An answer of an object or of the assets: its headers cannot be changed, but copied.
    const { status, statusText, body } = c.res;
    const headers = new Headers(c.res.headers);
    putHeaders(c, headers);
    c.res = undefined;
    c.res = new Response(body, { status, statusText, headers });
  }
});

function putHeaders(c: Context<AppEnv>, headers: Headers): void {
  headers.set('x-request-id', c.get('requestId'));
  const callerRequestId = c.get('callerRequestId');
  if (callerRequestId !== null) headers.set('x-caller-request-id', callerRequestId);
  for (const [name, value] of standardHeaders) if (!headers.has(name)) headers.set(name, value);
  // Over http a browser must ignore it (RFC 6797 §7.2), and local development is http.
  if (c.req.url.startsWith('https:')) headers.set('strict-transport-security', strictTransport);
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses calls that a page of another site made, where they change something, take data out of the house or
 * leave a line in the audit. A link of another site to any page of the app works.
 */
export const sameOrigin = createMiddleware<AppEnv>(async (c, next) => {
  const rule = permissionOf(c)?.rule;
  const isTold = rule !== undefined && (rule.action !== null || rule.showsLeads);
  const isChange = !safeMethods.has(c.req.method) && isGuarded(c);
  if ((isTold || isChange) && isCrossSite(c.req.raw)) {
    throw new Refusal('cross_site', 'A page of another site asked for it. Do it on a page of this app.');
  }
  if (isChange) {
    // A body of no bytes is none: curl and proxies send one with a POST that has nothing to say.
    const hasBody = c.req.raw.body !== null && c.req.header('content-length') !== '0';
    const isJson = /^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? '');
    if (hasBody && !isJson) throw new Refusal('unsupported_media_type');
  }
  await next();
});

/** Public routes are called by other sites by design, and check signatures of their own. */
function isGuarded(c: Context<AppEnv>): boolean {
  return permissionOf(c)?.rule.needs !== 'public';
}

/**
 * Browsers say where a request comes from (Fetch Metadata, and Origin where that is not known); what says
 * neither is no browser.
 */
export function isCrossSite(request: Request): boolean {
  const site = request.headers.get('sec-fetch-site');
  // `none` is an address that a person typed.
  if (site !== null) return site !== 'same-origin' && site !== 'none';
  const origin = request.headers.get('origin');
  return origin !== null && origin !== new URL(request.url).origin;
}
