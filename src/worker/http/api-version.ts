/**
 * The dated versions of the API, and the header that names one (docs/API.md has the promise).
 *
 * A version is added when a change would break clients of the one before. Where the answers of two versions differ, the
 * route asks for `c.get('apiVersion')`.
 *
 * @module
 */
import { createMiddleware } from 'hono/factory';
import type { AppEnv } from '../app-env.ts';
import { permissionOf } from '../auth/authorize.ts';
import { Refusal } from './problem.ts';

export const versionHeader = 'Lead-Activation-Version';

/** The oldest that is served first. */
export const apiVersions = ['2026-11-29'] as const;
export type ApiVersion = (typeof apiVersions)[number];

/** That of requests that name none. */
export const presentVersion: ApiVersion = '2026-11-29';

/** Reads the version that a request names; public routes are called by programs that know nothing of it. */
export const apiVersion = createMiddleware<AppEnv>(async (c, next) => {
  const isPublic = (permissionOf(c)?.rule.needs ?? 'public') === 'public';
  if (!isPublic) {
    const wanted = c.req.header(versionHeader);
    const version = wanted === undefined ? presentVersion : apiVersions.find((known) => known === wanted);
    if (version === undefined) {
      throw new Refusal('unknown_version', `The versions are ${apiVersions.join(', ')}.`);
    }
    c.set('apiVersion', version);
  }
  await next();
});
