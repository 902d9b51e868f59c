/**
 * Refuses unknown query parameters, as bodies refuse unknown keys. Otherwise a misspelt filter would be no filter, and
 * the answer would be all leads.
 *
 * The known parameters are those of the route's OpenAPI description. Public routes are left out: mail programs, link
 * trackers and uptime monitors add parameters to links, and an unsubscribe link must still work.
 *
 * @module
 */
import { z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import type { App, AppEnv } from '../app-env.ts';
import { permissionOf } from '../auth/authorize.ts';
import { Refusal } from '../http/problem.ts';

/** Creates the middleware for the routes of `app`, which may be registered later. */
export function knownQuery(app: App): MiddlewareHandler<AppEnv> {
  let known: ReadonlyMap<string, ReadonlySet<string>> | null = null;
  return async (c, next) => {
    const found = permissionOf(c);
    // Most calls have no query, and a URL is costly to parse.
    const given = c.req.url.includes('?') ? [...new URL(c.req.url).searchParams.keys()] : [];
    if (given.length > 0 && found !== null && found.rule.needs !== 'public') {
      known ??= parametersByRoute(app);
      const names = known.get(found.name) ?? new Set<string>();
      const unknown = [...new Set(given)].filter((name) => !names.has(name));
      if (unknown.length > 0) throw refusalOf(unknown, names);
    }
    await next();
  };
}

function refusalOf(unknown: readonly string[], names: ReadonlySet<string>): Refusal {
  const message =
    names.size === 0 ? 'this address takes no parameters' : `is not one of ${[...names].join(', ')}`;
  // The caller chose the name, and it may be as long as a URL.
  const faults = unknown.slice(0, 20).map((name) => ({ path: `/${name.slice(0, 64)}`, message }));
  return new Refusal('invalid_request', `${faults[0]?.path ?? ''}: ${message}`, faults);
}

/** Names of query parameters, by method and path in Hono's form. */
function parametersByRoute(app: App): Map<string, Set<string>> {
  return new Map(
    app.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== 'route') return [];
      const { method, path, request } = definition.route;
      const names = request?.query instanceof z.ZodObject ? Object.keys(request.query.shape) : [];
      return [[`${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`, new Set(names)]];
    }),
  );
}
