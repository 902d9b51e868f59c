/**
 * Static files, where the Worker is asked for one: the page of the app for browsers, and in local development all files.
 *
 * Invariant: who does not open a page gets 404 at an unknown path. A program that has the wrong address would take the
 * page's 200 for an answer.
 *
 * @see https://developers.cloudflare.com/workers/static-assets/routing/worker-script/
 * @module
 */
import type { Context } from 'hono';
import type { AppEnv } from '../app-env.ts';

/**
 * The paths that the Worker answers, as in `run_worker_first` of wrangler.toml. At other paths the platform serves
 * files, and the Worker gets what is none. Local development runs the Worker first for every path, so that the check of
 * the Host covers the files too.
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
  '/.well-known/lead-activation-receipt-keys.json',
] as const;

/** The file or page at a path that no route answers; null where there is none. */
export async function appFile(c: Context<AppEnv>): Promise<Response | null> {
  const { path, method, raw } = c.req;
  const isWorkers = workerPaths.some((pattern) =>
    pattern.endsWith('/*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern,
  );
  if (isWorkers || (method !== 'GET' && method !== 'HEAD')) return null;
  const file = await c.env.ASSETS.fetch(raw);
  if (file.status !== 404) return file;
  await file.body?.cancel();
  // Every page is the same shell (web/vite.config.ts).
  return opensPage(raw.headers) ? c.env.ASSETS.fetch(new Request(new URL('/', raw.url), raw)) : null;
}

/** A browser navigates, or, where it is too old to say so, asks for a page. */
const opensPage = (headers: Headers): boolean =>
  headers.get('sec-fetch-mode') === 'navigate' || headers.get('accept')?.includes('text/html') === true;
