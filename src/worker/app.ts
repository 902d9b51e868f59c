/**
 * The Hono app: what stands in front of every route, and what answers when none does.
 *
 * Owns: the order of what stands in front, problem responses, the log of requests, the OpenAPI document.
 * Never: business; routes are in ./routes, one file per subject.
 *
 * @module
 */
import { OpenAPIHono } from '@hono/zod-openapi';
import { HTTPException } from 'hono/http-exception';
import { routePath } from 'hono/route';
import { faultText } from '../durable/faults.ts';
import { logEvent } from '../durable/log.ts';
import { limits } from '../shared/limits.ts';
import type { App, AppEnv } from './app-env.ts';
import { audit } from './audit.ts';
import { boundedBody, type BodyBounds } from './bounded-body.ts';
import { safeHeaders, sameOrigin } from './browser-safety.ts';
import { createDoor } from './door.ts';
import { createIdentify, type Identify } from './identity.ts';
import { knownQuery } from './known-query.ts';
import { localFile, loopbackOnly } from './local-development.ts';
import { faultRefusal, problemResponse, Refusal, schemaRefusal } from './problem.ts';
import { countReads } from './read-audit.ts';
import { requestName } from './request-id.ts';
import { requestLog } from './request-log.ts';
import { activationRoutes } from './routes/activation.ts';
import { auditRoutes } from './routes/audit.ts';
import { docsRoutes } from './routes/docs.ts';
import { healthRoutes } from './routes/health.ts';
import { importRoutes } from './routes/imports.ts';
import { leadRoutes } from './routes/leads.ts';
import { maintenanceRoutes } from './routes/maintenance.ts';
import { problemRoutes } from './routes/problems.ts';
import { senderCheckRoutes } from './routes/sender-check.ts';
import { settingsRoutes } from './routes/settings.ts';
import { suppressionRoutes } from './routes/suppressions.ts';
import { timelineRoutes } from './routes/timeline.ts';
import { templateRoutes } from './routes/templates.ts';
import { viewRoutes } from './routes/views.ts';
import { unsubscribeRoutes } from './routes/unsubscribe.ts';
import { webhookRoutes } from './routes/webhooks.ts';

/** The one path with bodies of a size of their own. */
const chunkPath = /^\/crm\/imports\/[^/]+\/chunks\/[^/]+$/;

/**
 * Makes the app with all of its routes.
 *
 * @param identify - says who sent a request
 */
export function createApp(identify: Identify = createIdentify()): App {
  const app = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw schemaRefusal(result.error);
    },
  });

  // Outermost first: headers and the log see every answer, the audit only what came through the door.
  app.use(
    ...[requestName, safeHeaders, requestLog, loopbackOnly, createDoor(identify), sameOrigin],
    ...[knownQuery(app), boundedBody(bodyBounds), countReads, audit],
  );

  for (const register of [
    activationRoutes,
    timelineRoutes,
    leadRoutes,
    importRoutes,
    viewRoutes,
    templateRoutes,
    suppressionRoutes,
    senderCheckRoutes,
    webhookRoutes,
    unsubscribeRoutes,
    auditRoutes,
    settingsRoutes,
    maintenanceRoutes,
    healthRoutes,
    docsRoutes,
    problemRoutes,
  ]) {
    register(app);
  }

  app.notFound((c) => {
    const file = localFile(c);
    if (file !== null) return file;
    const methods = methodsOf(app, new URL(c.req.url).pathname);
    if (methods.length === 0) return problemResponse(c, new Refusal('not_found'));
    c.header('allow', methods.join(', '));
    return problemResponse(c, new Refusal('method_not_allowed', `It takes ${methods.join(', ')}.`));
  });

  app.onError((error, c) => {
    if (error instanceof Refusal) return problemResponse(c, error);
    if (error instanceof HTTPException && error.status === 400) {
      return problemResponse(c, new Refusal('invalid_json'));
    }
    logEvent('error', 'request_fault', {
      requestId: c.get('requestId'),
      path: routePath(c),
      error: faultText(error),
    });
    return problemResponse(c, faultRefusal(error));
  });

  return app;
}

function bodyBounds(path: string): BodyBounds {
  const maxBytes = chunkPath.test(path) ? limits.maxImportChunkBytes : limits.maxJsonBodyBytes;
  return { maxBytes, maxMs: limits.maxBodyMs };
}

/** The methods that routes exist for at this path. */
function methodsOf(app: App, path: string): string[] {
  const methods = app.routes
    .filter(({ method, path: pattern }) => method !== 'ALL' && matchesPattern(pattern, path))
    .map(({ method }) => method);
  return [...new Set(methods)];
}

function matchesPattern(pattern: string, path: string): boolean {
  const expected = pattern.split('/');
  const actual = path.split('/');
  return (
    expected.length === actual.length &&
    expected.every((part, index) => part.startsWith(':') || part === actual[index])
  );
}
