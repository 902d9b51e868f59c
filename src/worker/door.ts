/**
 * The door: nobody passes it uninvited.
 *
 * Owns: identity, role and rate of every request, in one middleware before every route. Never: who has
 * which role (identity.ts) or which route needs what (roles.ts).
 * Invariant: a request that reaches a handler of a route that is not public has a person with a role that
 * may do it.
 *
 * @module
 */
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { matchedRoutes } from 'hono/route';
import { logEvent } from '../durable/log.ts';
import { abilities, can } from '../shared/roles.ts';
import type { AppEnv } from './app-env.ts';
import { identify } from './identity.ts';
import { Refusal } from './problem.ts';
import { routeRules, unlistedRule, type RouteRule } from './roles.ts';
import { missingSecrets } from './secrets.ts';

/** The route that will answer, and its rule; null where none will. `name` is its method and path. */
export function ruleOf(c: Context<AppEnv>): { name: string; path: string; rule: RouteRule } | null {
  const route = matchedRoutes(c).findLast(({ method }) => method !== 'ALL');
  if (route === undefined) return null;
  const name = `${route.method} ${route.path}`;
  return {
    name,
    path: route.path,
    rule: Object.hasOwn(routeRules, name) ? (routeRules[name] ?? unlistedRule) : unlistedRule,
  };
}

/** Lets in who may, and puts the person into the context. */
export const door = createMiddleware<AppEnv>(async (c, next) => {
  const found = ruleOf(c);
  // What no route answers is a 404 for strangers too, but for the CRM's addresses: there even that is told
  // to nobody without an identity.
  const isGuarded = found === null ? /^\/crm(\/|$)/.test(c.req.path) : found.rule.needs !== 'public';
  const missing = missingSecrets(c.env);
  if (missing.length > 0 && found !== null && found.path !== '/healthz') {
    logEvent('error', 'secrets_missing', { requestId: c.get('requestId'), secrets: missing.join(' ') });
    throw new Refusal('misconfigured');
  }
  if (!isGuarded) {
    await next();
    return;
  }

  const person = await identify((c.executionCtx as ExecutionContext).access, c.env);
  if (person === null) {
    logEvent('warn', 'no_identity', {
      requestId: c.get('requestId'),
      hint: 'Put Cloudflare Access in front of this address: README, "Put it on your account".',
    });
    throw new Refusal(
      'unauthenticated',
      'Sign in through Cloudflare Access. If there is no sign-in page, Access is not set up in front of this address yet.',
    );
  }
  c.set('person', person);
  await requireRate(c);

  const needs = found === null ? 'watch' : found.rule.needs;
  if (needs !== 'public' && (person.role === null || !can(person.role, needs))) {
    throw new Refusal(
      'forbidden',
      person.role === null
        ? 'You are signed in, but nobody has given you a role. Ask whoever runs this service for one (ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN).'
        : `This needs the role ${abilities[needs]}; yours is ${person.role}.`,
    );
  }
  await next();
});

/** One person's requests are counted by the platform, near where they come in. */
async function requireRate(c: Context<AppEnv>): Promise<void> {
  const { email, isLocal } = c.get('person');
  // On a developer's machine everybody is the same person, load tests too.
  if (isLocal) return;
  const { success } = await c.env.REQUESTS_PER_PERSON.limit({ key: email });
  if (success) return;
  c.header('retry-after', '60');
  throw new Refusal(
    'rate_limited',
    'You have sent more requests than a hundred open pages would; wait a minute.',
  );
}
