/**
 * The id of a request. It is always our own, so that no two requests share one and no caller chooses the id in the
 * audit. A caller's own id is kept beside it.
 *
 * @module
 */
import { createMiddleware } from 'hono/factory';
import type { AppEnv } from '../app-env.ts';

/** The form of a caller's id: no character that could end a header or a log line. */
const callerName = /^[\w.:-]{1,64}$/;

/** Gives the request its id, and keeps the caller's `X-Request-Id` when it has the right form. */
export const requestName = createMiddleware<AppEnv>(async (c, next) => {
  const given = c.req.header('x-request-id') ?? '';
  c.set('requestId', crypto.randomUUID());
  c.set('callerRequestId', callerName.test(given) ? given : null);
  await next();
});
