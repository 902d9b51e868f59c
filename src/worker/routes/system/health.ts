/**
 * `GET /healthz`: whether the Worker answers and reaches its database. Public, without any other information.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import type { App } from '../../app-env.ts';
import { json } from '../../http/openapi.ts';
import { problems } from '../../http/problem.ts';

const healthSchema = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });

const getHealth = createRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'getHealth',
  tags: ['service'],
  summary: 'Whether the service is up',
  responses: {
    200: json('It is.', healthSchema),
    ...problems(),
  },
});

export function healthRoutes(app: App): void {
  app.openapi(getHealth, async (c) => {
    await c.env.DB.prepare('SELECT 1').first();
    return c.json({ status: 'ok' as const }, 200);
  });
}
