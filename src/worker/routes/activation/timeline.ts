/**
 * `GET /crm/activation/:sessionId/timeline`: what happened to a session, and how fast it was.
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
  tags: ['activation'],
  summary: 'What happened to it, who did it, and how fast it was',
  request: { params: sessionIdParams },
  responses: {
    200: json('Events, and counters at up to some hundred moments.', timelineSchema),
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
