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
import type { Context, MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { matchedRoutes } from 'hono/route';
import { logEvent } from '../../runtime/log.ts';
import { abilities, can } from '../../shared/roles.ts';
import type { AppEnv, Person } from '../app-env.ts';
import type { Identify } from './identity.ts';
import { Refusal } from '../http/problem.ts';
import { routeRules, unlistedRule, type RouteRule } from './route-permissions.ts';
import { missingSecrets } from '../../runtime/settings.ts';

/** The route that will answer, and its rule; null where none will. `name` is its method and path. */
export function permissionOf(c: Context<AppEnv>): { name: string; path: string; rule: RouteRule } | null {
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
export const createDoor = (identify: Identify): MiddlewareHandler<AppEnv> =>
  createMiddleware<AppEnv>(async (c, next) => {
    const found = permissionOf(c);
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

    const person = await requirePerson(c, identify);
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

/** Who is asking; refuses whoever is not known, and says in the log what whoever runs this has to do. */
async function requirePerson(c: Context<AppEnv>, identify: Identify): Promise<Person> {
  const found = await identify(c.req.raw.headers, c.env, (work) => {
    c.executionCtx.waitUntil(work);
  });
  const requestId = c.get('requestId');
  switch (found.kind) {
    case 'person':
      return found.person;
    case 'absent': {
      const access = 'Put Cloudflare Access in front of this address: README, "Put it on your account".';
      logEvent('warn', 'no_identity', { requestId, hint: [access, ...found.faults].join(' ') });
      throw new Refusal(
        'unauthenticated',
        'Sign in through Cloudflare Access. If there is no sign-in page, Access is not set up in front of this address yet.',
      );
    }
    case 'refused':
      logEvent('warn', 'assertion_refused', { requestId, why: found.why });
      throw new Refusal(
        'unauthenticated',
        'Your sign-in is not valid here, or it has run out. Sign in again.',
      );
    case 'misconfigured':
      logEvent('error', 'access_not_set_up', { requestId, hint: found.faults.join(' ') });
      throw new Refusal(
        'misconfigured',
        'You are signed in, but this service has not been told which Access application to trust. Ask whoever runs it.',
      );
    case 'unavailable':
      c.header('retry-after', '2');
      throw new Refusal('unavailable', 'Your sign-in cannot be checked just now. Try again in a moment.');
    default:
      throw new Error(`unknown identification: ${String(found satisfies never)}`);
  }
}

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
