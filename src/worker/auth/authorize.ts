/**
 * Authorization: the middleware before every route that checks identity, role and rate.
 *
 * Does not decide who has which role (identity.ts) or which route needs which ability (route-permissions.ts).
 * Invariant: a request that reaches the handler of a route that is not public has a person whose role allows it.
 *
 * @module
 */
import type { Context, MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { matchedRoutes } from 'hono/route';
import { logEvent } from '../../runtime/log.ts';
import { abilities, can } from '../../shared/roles.ts';
import type { AppEnv, Permission, Person } from '../app-env.ts';
import type { Identify } from './identity.ts';
import { Refusal } from '../http/problem.ts';
import { rateExceeded } from '../http/rate-limit-headers.ts';
import { routeRules, unlistedRule } from './route-permissions.ts';
import { missingSecrets } from '../../runtime/settings.ts';

/** The route that will answer, and its rule; null when no route matches. `name` is its method and path. */
export function permissionOf(c: Context<AppEnv>): Permission | null {
  // Five middlewares ask for it.
  let permission = c.get('permission');
  if (permission === undefined) {
    permission = findPermission(c);
    c.set('permission', permission);
  }
  return permission;
}

function findPermission(c: Context<AppEnv>): Permission | null {
  const route = matchedRoutes(c).findLast(({ method }) => method !== 'ALL');
  if (route === undefined) return null;
  const name = `${route.method} ${route.path}`;
  return {
    name,
    path: route.path,
    rule: Object.hasOwn(routeRules, name) ? (routeRules[name] ?? unlistedRule) : unlistedRule,
  };
}

/** Refuses requests that are not allowed, and puts the person of the others into the context. */
export const createAuthorize = (identify: Identify): MiddlewareHandler<AppEnv> =>
  createMiddleware<AppEnv>(async (c, next) => {
    const found = permissionOf(c);
    // Unknown paths return 404 to anyone, except under /crm, where even that needs an identity.
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
          ? 'You are signed in, but you have no role here. Ask an admin of this service for one (ROLE_VIEWER, ROLE_OPERATOR, ROLE_APPROVER, ROLE_ADMIN).'
          : `This needs the role ${abilities[needs]}; yours is ${person.role}.`,
      );
    }
    await next();
  });

/** The person who asks; refuses an unknown one, and logs what the operator of this service has to set. */
async function requirePerson(c: Context<AppEnv>, identify: Identify): Promise<Person> {
  const found = await identify(c.req.raw.headers, c.env, (work) => {
    c.executionCtx.waitUntil(work);
  });
  const requestId = c.get('requestId');
  switch (found.kind) {
    case 'person':
      return found.person;
    case 'absent': {
      const access = 'Put Cloudflare Access in front of this address: README, "Deploy it to your account".';
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
        'Your sign-in is not valid here, or it has expired. Sign in again.',
      );
    case 'misconfigured':
      logEvent('error', 'access_not_set_up', { requestId, hint: found.faults.join(' ') });
      throw new Refusal(
        'misconfigured',
        'You are signed in, but this service does not know which Access application to trust. Tell an admin of this service.',
      );
    case 'unavailable': {
      const text = 'Your sign-in cannot be checked at the moment. Try again shortly.';
      const refusal = new Refusal('unavailable', text);
      refusal.retryAfterSeconds = 2;
      throw refusal;
    }
    default:
      throw new Error(`unknown identification: ${String(found satisfies never)}`);
  }
}

/** Refuses above the rate of one person. The platform counts, separately in each of its locations. */
async function requireRate(c: Context<AppEnv>): Promise<void> {
  const { email, isLocal } = c.get('person');
  // On a developer's machine all requests are of one person, load tests included.
  if (isLocal) return;
  const { success } = await c.env.REQUESTS_PER_PERSON.limit({ key: email });
  if (success) return;
  c.header('ratelimit', rateExceeded);
  throw new Refusal(
    'rate_limited',
    'You have sent more requests than a hundred open pages would. Wait a minute.',
  );
}
