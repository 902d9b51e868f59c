/**
 * One log line for each request that changed something or was refused. Webhook events that were accepted have none:
 * there are as many as mails, and the counters show them.
 *
 * Invariant: a line has the pattern of the route, and no path with its values, address or query. The request id leads
 * to the audit and to the problem that the caller got.
 *
 * @module
 */
import type { Context } from 'hono';
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
  // Not set when authorization refused the request.
  const person = c.get('person') as Person | undefined;
  logEvent(status >= 500 ? 'error' : 'info', 'request', {
    requestId: c.get('requestId'),
    callerRequestId: c.get('callerRequestId'),
    method: c.req.method,
    route: permissionOf(c)?.path ?? null,
    status,
    durationMs: Date.now() - startedAt,
    role: person?.role ?? null,
    ...traceOf(c),
  });
});

/** Leads from the line to the trace, where there is one. */
function traceOf(c: Context<AppEnv>): { traceId?: string } {
  const trace = c.get('trace');
  return trace === undefined ? {} : { traceId: trace.traceId };
}
