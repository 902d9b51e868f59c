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
import { faultText } from '../runtime/faults.ts';
import { logEvent } from '../runtime/log.ts';
import { limits } from '../shared/limits.ts';
import type { App, AppEnv } from './app-env.ts';
import { audit } from './middleware/audit-log.ts';
import { boundedBody, type BodyBounds } from './middleware/body-limit.ts';
import { safeHeaders, sameOrigin } from './middleware/security-headers.ts';
import { createDoor } from './auth/authorize.ts';
import { createIdentify, type Identify } from './auth/identity.ts';
import { knownQuery } from './middleware/known-query.ts';
import { localFile, loopbackOnly } from './auth/local-development.ts';
import { faultRefusal, problemResponse, Refusal, schemaRefusal } from './http/problem.ts';
import { countReads } from './middleware/read-audit.ts';
import { requestName } from './middleware/request-id.ts';
import { requestLog } from './middleware/request-log.ts';
import { activationRoutes } from './routes/activation/activation.ts';
import { auditRoutes } from './routes/system/audit.ts';
import { docsRoutes } from './routes/system/docs.ts';
import { healthRoutes } from './routes/system/health.ts';
import { importRoutes } from './routes/crm/imports.ts';
import { leadRoutes } from './routes/crm/leads.ts';
import { maintenanceRoutes } from './routes/system/maintenance.ts';
import { problemRoutes } from './routes/system/problems.ts';
import { senderCheckRoutes } from './routes/mail/sender-check.ts';
import { settingsRoutes } from './routes/system/settings.ts';
import { suppressionRoutes } from './routes/mail/suppressions.ts';
import { timelineRoutes } from './routes/activation/timeline.ts';
import { templateRoutes } from './routes/mail/templates.ts';
import { viewRoutes } from './routes/crm/saved-views.ts';
import { unsubscribeRoutes } from './routes/mail/unsubscribe.ts';
import { webhookRoutes } from './routes/mail/webhooks.ts';

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
