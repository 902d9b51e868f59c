/**
 * The check that a request comes from a page of this app: another site must not act through a signed-in browser.
 *
 * Owns the same-origin check and the content type of bodies. A form of another site can send any body but JSON
 * without asking first (CORS preflight), so bodies must be JSON.
 *
 * @module
 */
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import type { AppEnv } from '../app-env.ts';
import { permissionOf } from '../auth/authorize.ts';
import { Refusal } from '../http/problem.ts';

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses calls from pages of other sites that change something, hand out data or write to the audit. A link of
 * another site to any page of the app works.
 */
export const sameOrigin = createMiddleware<AppEnv>(async (c, next) => {
  const rule = permissionOf(c)?.rule;
  const isAudited = rule !== undefined && (rule.action !== null || rule.showsLeads);
  const isChange = !safeMethods.has(c.req.method) && isGuarded(c);
  if ((isAudited || isChange) && isCrossSite(c.req.raw)) {
    throw new Refusal('cross_site', 'A page of another site made this request. Do it in the app itself.');
  }
  if (isChange) {
    // curl and proxies send an empty body with a POST without one.
    const hasBody = c.req.raw.body !== null && c.req.header('content-length') !== '0';
    const isJson = /^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? '');
    if (hasBody && !isJson) throw new Refusal('unsupported_media_type');
  }
  await next();
});

/** Public routes are called by other sites by design, and check signatures themselves. */
function isGuarded(c: Context<AppEnv>): boolean {
  return permissionOf(c)?.rule.needs !== 'public';
}

/**
 * True when a browser says that a page of another site made the request: by Fetch Metadata, or by Origin in browsers
 * without it. A request with neither header does not come from a browser.
 */
export function isCrossSite(request: Request): boolean {
  const site = request.headers.get('sec-fetch-site');
  // `none` is an address that a person typed.
  if (site !== null) return site !== 'same-origin' && site !== 'none';
  const origin = request.headers.get('origin');
  return origin !== null && origin !== new URL(request.url).origin;
}
