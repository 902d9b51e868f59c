/**
 * The headers of every answer of the Worker: security, the version of the API, and the limit of requests. The static assets have theirs from web/static/_headers.
 *
 * @module
 */
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { versionHeader } from '../../shared/api-version.ts';
import type { AppEnv, Person } from '../app-env.ts';
import { ratePolicy } from '../http/rate-limit-headers.ts';

/** An answer is data, not a page: nothing in it may run, load or be framed. */
const dataPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** No handler sets one of these. */
const fixedHeaders = Object.entries({
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
});

/** A handler's own value of these stays: pages have policies of their own, and some answers may be cached. */
const defaultHeaders = Object.entries({
  'content-security-policy': dataPolicy,
  'referrer-policy': 'same-origin',
  // Answers hold names and addresses.
  'cache-control': 'no-store',
});

/** Two years, as browsers' preload lists ask for. */
const strictTransport = 'max-age=63072000';

/** Sets the headers on every answer; a header that a handler set stays. */
export const safeHeaders = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  try {
    putHeaders(c, c.res.headers);
  } catch {
    // The headers of an answer of an object or of the assets are immutable, so they are copied.
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
  // It has no content, and its metadata is that of the answer that the caller has (RFC 9110 §15.4.5).
  if (c.res.status === 304) return;
  const version = c.get('apiVersion');
  if (version !== undefined) headers.set(versionHeader, version);
  // Not set when authorization refused the request. On a developer's machine nothing is limited.
  const person = c.get('person') as Person | undefined;
  if (person?.isLocal === false) headers.set('ratelimit-policy', ratePolicy);
  for (const [name, value] of fixedHeaders) headers.set(name, value);
  for (const [name, value] of defaultHeaders) if (!headers.has(name)) headers.set(name, value);
  // Over http a browser must ignore it (RFC 6797 §7.2), and local development is http.
  if (c.req.url.startsWith('https:')) headers.set('strict-transport-security', strictTransport);
}
