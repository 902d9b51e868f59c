/**
 * Local development: one named person without a sign-in, and what keeps everybody else off.
 *
 * LOCAL_PERSON is set by `npm start` and by tests. It is not in wrangler.toml, and deploys refuse to carry it.
 * Invariant: while it is set, only requests whose Host is a name of this machine are answered. A page of
 * another site can have its own name lead to 127.0.0.1 (DNS rebinding), but its Host stays that name.
 *
 * @module
 */
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { isLoopbackName } from './access-settings.ts';
import type { AppEnv } from '../app-env.ts';
import { Refusal } from '../http/problem.ts';

/**
 * What the Worker answers itself, as `run_worker_first` of wrangler.toml has it. In production the platform's
 * router serves all other paths from the files. Local development runs the Worker first for every path, so that
 * the files are behind the same check, and goes by this list instead.
 */
export const workerPaths = [
  '/crm/*',
  '/webhooks/*',
  '/unsubscribe/*',
  '/openapi.json',
  '/docs',
  '/problems',
  '/problems/*',
  '/healthz',
] as const;

/** The e-mail address of the person of local development, or null. */
export function localPerson({ LOCAL_PERSON }: Pick<Env, 'LOCAL_PERSON'>): string | null {
  const email = LOCAL_PERSON?.trim() ?? '';
  return email === '' ? null : email;
}

/** While there is a local person: refuses every request that did not ask for this machine by name. */
export const loopbackOnly = createMiddleware<AppEnv>(async (c, next) => {
  if (localPerson(c.env) !== null && !isForThisMachine(c.req.raw)) {
    throw new Refusal(
      'wrong_host',
      'Local development answers at localhost and 127.0.0.1 only. Open it under one of these names.',
    );
  }
  await next();
});

/** The URL and the header: which of them the platform in front has changed is not for us to know. */
function isForThisMachine({ url, headers }: Request): boolean {
  const host = headers.get('host');
  const hostUrl = `http://${host ?? ''}`;
  return (
    isLoopbackName(new URL(url).hostname) &&
    (host === null || (URL.canParse(hostUrl) && isLoopbackName(new URL(hostUrl).hostname)))
  );
}

/** In local development the file or page at a path that is not the Worker's; null everywhere else. */
export function localFile(c: Context<AppEnv>): Promise<Response> | null {
  const { path } = c.req;
  const isWorkers = workerPaths.some((pattern) =>
    pattern.endsWith('/*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern,
  );
  return localPerson(c.env) === null || isWorkers ? null : c.env.ASSETS.fetch(c.req.raw);
}
