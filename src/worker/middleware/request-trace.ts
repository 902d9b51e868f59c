/**
 * The span of a request that changes something, at the root of the trace of what follows from it.
 *
 * Does nothing while no collector is set. A caller's `traceparent` is continued, and decides whether the trace is kept.
 * Invariant: a span has the pattern of the route, and no path with its values, address or query.
 *
 * @module
 */
import { createMiddleware } from 'hono/factory';
import { isKept, newSpanId, newTraceId, parseTraceparent } from '../../core/trace.ts';
import { exportSpans, randomBytes } from '../../runtime/otlp.ts';
import { traceTarget } from '../../runtime/settings.ts';
import type { AppEnv } from '../app-env.ts';
import { permissionOf } from '../auth/authorize.ts';

export const requestTrace = createMiddleware<AppEnv>(async (c, next) => {
  const target = traceTarget(c.env);
  const { method } = c.req;
  // A page reads every two seconds; and webhooks are as many as mails.
  if (target === null || method === 'GET' || method === 'HEAD' || !c.req.path.startsWith('/crm/')) {
    await next();
    return;
  }
  const parent = parseTraceparent(c.req.header('traceparent'));
  const traceId = parent?.traceId ?? newTraceId(randomBytes);
  const spanId = newSpanId(randomBytes);
  if (!(parent?.isSampled ?? isKept(traceId, target.samplePercent))) {
    await next();
    return;
  }
  c.set('trace', { traceId, spanId, isSampled: true });
  const startedAt = Date.now();
  await next();
  // Only a request that is let in may have the collector called.
  if ((c.get('person') as object | undefined) === undefined) return;
  const { status } = c.res;
  const route = permissionOf(c)?.path ?? 'unknown';
  c.executionCtx.waitUntil(
    exportSpans(c.env, [
      {
        ...{ traceId, spanId, parentId: parent?.spanId ?? null, name: `${method} ${route}`, kind: 'server' },
        ...{ startedAt, endedAt: Date.now(), isFailed: status >= 500 },
        attributes: {
          'http.request.method': method,
          'http.route': route,
          'http.response.status_code': status,
          'request.id': c.get('requestId'),
        },
      },
    ]),
  );
});
