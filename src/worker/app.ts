/**
 * The Hono app: what stands in front of every route, and what answers when none does.
 *
 * Owns: request ids, bounds of bodies, identity, problem responses, the OpenAPI document.
 * Never: business; routes are in ./routes, one file per subject.
 *
 * @module
 */
import { OpenAPIHono } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { requestId } from 'hono/request-id';
import { routePath } from 'hono/route';
import { limits } from '../shared/limits.ts';
import type { App, AppEnv } from './app-env.ts';
import { requireIdentity } from './identity.ts';
import { problemResponse, Refusal, schemaRefusal } from './problem.ts';
import { activationRoutes } from './routes/activation.ts';
import { docsRoutes } from './routes/docs.ts';
import { healthRoutes } from './routes/health.ts';
import { leadRoutes } from './routes/leads.ts';
import { settingsRoutes } from './routes/settings.ts';
import { suppressionRoutes } from './routes/suppressions.ts';
import { templateRoutes } from './routes/templates.ts';
import { unsubscribeRoutes } from './routes/unsubscribe.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { importRoutes } from './routes/imports.ts';

/** Makes the app with all of its routes. */
export function createApp(): App {
  const app = new OpenAPIHono<AppEnv>({
import { viewRoutes } from './routes/views.ts';
    defaultHook: (result) => {
      if (!result.success) throw schemaRefusal(result.error);
    },
  });

  app.use(requestId());
  app.use('/crm/*', requireIdentity);
  app.use('/crm/*', async (c, next) => {
    const hasBody = c.req.raw.body !== null;
    const isJson = /^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? '');
    if (hasBody && !isJson) throw new Refusal('unsupported_media_type');
    await next();
  });
  app.use(
    '/crm/*',
    bodyLimit({
      maxSize: limits.maxJsonBodyBytes,
      onError: () => {
        throw new Refusal('body_too_large', `Send at most ${limits.maxJsonBodyBytes} bytes.`);
      },
    importRoutes,
    viewRoutes,
    }),
  );

  for (const register of [
    activationRoutes,
    leadRoutes,
    templateRoutes,
    suppressionRoutes,
    webhookRoutes,
    unsubscribeRoutes,
    settingsRoutes,
    healthRoutes,
    docsRoutes,
  ]) {
    register(app);
  }

  app.notFound((c) => {
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
    console.error(
      JSON.stringify({
        event: 'request_fault',
        requestId: c.get('requestId'),
        path: routePath(c),
        error: `${error.name}: ${error.message}`.slice(0, 500),
      }),
    );
    return problemResponse(c, new Refusal(isOverload(error) ? 'unavailable' : 'internal'));
  });

  return app;
}

/** Platform errors that pass by themselves. */
function isOverload(error: Error): boolean {
  return (
    ('overloaded' in error && error.overloaded === true) || ('retryable' in error && error.retryable === true)
  );
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
