/**
 * Reads which version of the API a request was written for.
 *
 * @module
 */
import { createMiddleware } from 'hono/factory';
import { apiVersions, presentVersion, versionHeader } from '../../shared/api-version.ts';
import type { AppEnv } from '../app-env.ts';
import { permissionOf } from '../auth/authorize.ts';
import { Refusal } from '../http/problem.ts';

/** Refuses a version that there is not. Public routes are called by programs that know nothing of it. */
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
