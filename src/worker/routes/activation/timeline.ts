/**
 * `GET /crm/activation/:sessionId/timeline`: the events of a session, and its counters over time.
 *
 * @module
 */
import { createRoute } from '@hono/zod-openapi';
import { sessionStub } from '../../../durable/stubs.ts';
import { timelineSchema } from '../../../shared/schemas/timeline.ts';
import type { App } from '../../app-env.ts';
import { sessionIdParams } from '../../http/params.ts';
import { json } from '../../http/openapi.ts';
import { problems, Refusal } from '../../http/problem.ts';

const timeline = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/timeline',
  operationId: 'getActivationTimeline',
  tags: ['activation'],
  summary: 'Events of an activation, who caused them, and its speed',
  request: { params: sessionIdParams },
  responses: {
    200: json('Events, and the counters at up to some hundred points in time.', timelineSchema),
    ...problems('invalid_request', 'session_not_found'),
  },
});

export function timelineRoutes(app: App): void {
  app.openapi(timeline, async (c) => {
    const answer = await sessionStub(c.env, c.req.valid('param').sessionId).timeline(c.get('requestId'));
    if (answer === null) throw new Refusal('session_not_found');
    return c.json(answer, 200);
  });
}
