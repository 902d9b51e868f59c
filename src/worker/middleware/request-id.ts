/**
 * The name of a request: always ours, so that two requests never share one and nobody chooses what the
 * audit says. What a caller names its request is kept beside it.
 *
 * @module
 */
import { createMiddleware } from 'hono/factory';
import type { AppEnv } from '../app-env.ts';

/** What a caller may name its request: no character that could end a header or a log line. */
const callerName = /^[\w.:-]{1,64}$/;

/** Names the request, and keeps the caller's `X-Request-Id` where it is a name at all. */
export const requestName = createMiddleware<AppEnv>(async (c, next) => {
  const given = c.req.header('x-request-id') ?? '';
  c.set('requestId', crypto.randomUUID());
  c.set('callerRequestId', callerName.test(given) ? given : null);
  await next();
});
