/**
 * One log line for each request that changed something or was refused: what, how long, which answer. Not for
 * each event that a mail provider tells: there are as many as mails, and what they say is in the numbers.
 *
 * Never: a path with its values, an address, a query. The route's pattern says enough, and the request id
 * leads to the audit and to the problem that the caller was shown.
 *
 * @module
 */
import { createMiddleware } from 'hono/factory';
import { logEvent } from '../../runtime/log.ts';
import type { AppEnv, Person } from '../app-env.ts';
import { permissionOf } from '../auth/authorize.ts';

export const requestLog = createMiddleware<AppEnv>(async (c, next) => {
  const startedAt = Date.now();
  await next();
  const { status } = c.res;
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
  const isEvent = c.req.path.startsWith('/webhooks/');
  if ((isRead || isEvent) && status < 400) return;
  // Nobody came through the door where it was refused.
  const person = c.get('person') as Person | undefined;
  logEvent(status >= 500 ? 'error' : 'info', 'request', {
    requestId: c.get('requestId'),
    callerRequestId: c.get('callerRequestId'),
    method: c.req.method,
    route: permissionOf(c)?.path ?? null,
    status,
    durationMs: Date.now() - startedAt,
    role: person?.role ?? null,
  });
});
