/**
 * Identity: who is asking, as Cloudflare Access says through the runtime.
 *
 * Owns: the one door in front of /crm. Never: passwords, cookies, tokens of our own. Closed by default:
 * where Access does not stand in front of the Worker there is no identity and every call is refused.
 *
 * @module
 */
import { createMiddleware } from 'hono/factory';
import type { AppEnv } from './app-env.ts';
import { Refusal } from './problem.ts';

/** Puts the person into the context, or refuses with 401. */
export const requireIdentity = createMiddleware<AppEnv>(async (c, next) => {
  const access = (c.executionCtx as ExecutionContext).access;
  const identity = await access?.getIdentity();
  const email =
    identity?.email ?? (typeof identity?.['common_name'] === 'string' ? identity['common_name'] : '');
  if (email === '') {
    throw new Refusal(
      'unauthenticated',
      'Sign in through Cloudflare Access. If there is no sign-in page, Access is not set up in front of this address yet.',
    );
  }
  c.set('person', { email, name: identity?.name ?? email });
  await next();
});
