/**
 * `GET /crm/metrics` for Prometheus, and `GET /crm/alerts` for people: how the product is. For admins.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { exposition, expositionType } from '../../../core/health/prometheus.ts';
import { alertsSchema } from '../../../shared/schemas/health.ts';
import type { App } from '../../app-env.ts';
import { json } from '../../http/openapi.ts';
import { problems } from '../../http/problem.ts';
import { presentAlerts, readSamples } from '../../operations/health.ts';

const getMetrics = createRoute({
  method: 'get',
  path: '/crm/metrics',
  operationId: 'getMetrics',
  tags: ['service'],
  summary: 'Metrics, in the text format of Prometheus',
  description: 'docs/OPERATIONS.md lists them, and says how Prometheus signs in.',
  responses: {
    200: {
      description: 'The metrics of now.',
      content: { 'text/plain': { schema: z.string() } },
    },
    ...problems(),
  },
});

const getAlerts = createRoute({
  method: 'get',
  path: '/crm/alerts',
  operationId: 'listAlerts',
  tags: ['service'],
  summary: 'The alerts that fire now',
  responses: { 200: json('All of them, in a fixed order.', alertsSchema), ...problems() },
});

export function alertRoutes(app: App): void {
  app.openapi(getMetrics, async (c) =>
    c.text(exposition(await readSamples(c.env, Date.now())), 200, { 'content-type': expositionType }),
  );

  app.openapi(getAlerts, async (c) => c.json(await presentAlerts(c.env, Date.now()), 200));
}
