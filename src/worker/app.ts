/**
 * The Hono app: its middleware and their order, its routes, and the answer to unknown paths and to faults.
 *
 * Does not handle any subject itself; routes are in ./routes, one file per subject.
 *
 * @module
 */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { routePath } from 'hono/route';
import { faultText } from '../runtime/faults.ts';
import { logEvent } from '../runtime/log.ts';
import { limits } from '../shared/limits.ts';
import type { App, AppEnv } from './app-env.ts';
import { apiVersion } from './middleware/api-version.ts';
import { audit } from './middleware/audit-log.ts';
import { boundedBody, type BodyBounds } from './middleware/body-limit.ts';
import { sameOrigin } from './middleware/same-origin.ts';
import { safeHeaders } from './middleware/security-headers.ts';
import { createAuthorize } from './auth/authorize.ts';
import { createIdentify, type Identify } from './auth/identity.ts';
import { knownQuery } from './middleware/known-query.ts';
import { loopbackOnly } from './auth/local-development.ts';
import { appFile } from './http/app-files.ts';
import { faultRefusal, problemResponse, Refusal, schemaRefusal } from './http/problem.ts';
import { countReads } from './middleware/read-audit.ts';
import { requestName } from './middleware/request-id.ts';
import { requestTrace } from './middleware/request-trace.ts';
import { requestLog } from './middleware/request-log.ts';
import { alertRoutes } from './routes/system/alerts.ts';
import { activationRoutes } from './routes/activation/activation.ts';
import { auditRoutes } from './routes/system/audit.ts';
import { eventEndpointRoutes } from './routes/system/event-endpoints.ts';
import { docsRoutes } from './routes/system/docs.ts';
import { healthRoutes } from './routes/system/health.ts';
import { importRoutes } from './routes/crm/imports.ts';
import { leadBulkRoutes } from './routes/crm/lead-bulk.ts';
import { leadUpsertRoutes } from './routes/crm/lead-upserts.ts';
import { leadRoutes } from './routes/crm/leads.ts';
import { maintenanceRoutes } from './routes/system/maintenance.ts';
import { problemRoutes } from './routes/system/problems.ts';
import { crmConnectionRoutes } from './routes/crm/connection.ts';
import { senderCheckRoutes } from './routes/mail/sender-check.ts';
import { approvalRoutes } from './routes/activation/approval.ts';
import { receiptRoutes } from './routes/activation/receipt.ts';
import { takeBackRoutes } from './routes/activation/take-back.ts';
import { settingsRoutes } from './routes/system/settings.ts';
import { suppressionRoutes } from './routes/mail/suppressions.ts';
import { testInboxRoutes } from './routes/mail/test-inbox.ts';
import { timelineRoutes } from './routes/activation/timeline.ts';
import { templateRoutes } from './routes/mail/templates.ts';
import { viewRoutes } from './routes/crm/saved-views.ts';
import { warmUpRoutes } from './routes/mail/warm-up.ts';
import { unsubscribeRoutes } from './routes/mail/unsubscribe.ts';
import { maxEventBytes, webhookRoutes } from './routes/mail/webhooks.ts';

/** Chunks of an import are larger than other bodies. */
const chunkPath = /^\/crm\/imports\/[^/]+\/chunks\/[^/]+$/;

/**
 * Creates the app with all of its routes.
 *
 * @param identify - determines who sent a request
 */
export function createApp(identify: Identify = createIdentify()): App {
  const app = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw schemaRefusal(result.error);
    },
  });

  // Outermost first: headers and the log see every answer, the audit only requests that were authorized.
  app.use(
    ...[requestName, safeHeaders, requestLog, requestTrace, loopbackOnly, createAuthorize(identify)],
    methodNotAllowed<AppEnv>({ app, onMethodNotAllowed: refuseMethod }),
    ...[apiVersion, sameOrigin, knownQuery(app), boundedBody(bodyBounds), countReads, audit],
  );

  for (const register of [
    activationRoutes,
    timelineRoutes,
    receiptRoutes,
    approvalRoutes,
    takeBackRoutes,
    leadRoutes,
    leadUpsertRoutes,
    leadBulkRoutes,
    crmConnectionRoutes,
    importRoutes,
    viewRoutes,
    templateRoutes,
    suppressionRoutes,
    senderCheckRoutes,
    warmUpRoutes,
    testInboxRoutes,
    webhookRoutes,
    unsubscribeRoutes,
    eventEndpointRoutes,
    auditRoutes,
    settingsRoutes,
    maintenanceRoutes,
    healthRoutes,
    alertRoutes,
    docsRoutes,
    problemRoutes,
  ]) {
    register(app);
  }

  app.notFound(async (c) => (await appFile(c)) ?? problemResponse(c, new Refusal('not_found')));

  app.onError((error, c) => {
    if (error instanceof Refusal) return problemResponse(c, error);
    if (error instanceof HTTPException && error.status === 400) {
      return problemResponse(c, new Refusal('invalid_json'));
    }
    // A body of another type with nothing in it: the check before the routes looks at bodies that have content.
    if (error instanceof HTTPException && error.status === 415) {
      return problemResponse(c, new Refusal('unsupported_media_type'));
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

/** The bounds of a body at this path. */
function bodyBounds(path: string): BodyBounds {
  const { maxImportChunkBytes, maxJsonBodyBytes, maxLeadBatchBytes, maxBodyMs: maxMs } = limits;
  if (path.startsWith('/webhooks/')) return { maxBytes: maxEventBytes, maxMs };
  if (path === '/crm/leads:batch') return { maxBytes: maxLeadBatchBytes, maxMs };
  return { maxBytes: chunkPath.test(path) ? maxImportChunkBytes : maxJsonBodyBytes, maxMs };
}

function refuseMethod(c: Context<AppEnv>, methods: readonly string[]): Response {
  const allowed = methods.join(', ');
  const response = problemResponse(c, new Refusal('method_not_allowed', `This address takes ${allowed}.`));
  response.headers.set('allow', allowed);
  return response;
}
