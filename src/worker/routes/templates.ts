/**
 * `/crm/templates`: what a session can send.
 *
 * @module
 */
import { createRoute } from '@hono/zod-openapi';
import { builtinTemplates } from '../../mail/builtin-templates.ts';
import { templateListSchema } from '../../shared/schemas.ts';
import type { App } from '../app-env.ts';
import { problems } from '../problem.ts';

const listTemplates = createRoute({
  method: 'get',
  path: '/crm/templates',
  tags: ['templates'],
  summary: 'All templates',
  responses: {
    200: { description: 'The templates.', content: { 'application/json': { schema: templateListSchema } } },
    ...problems(),
  },
});

export function templateRoutes(app: App): void {
  app.openapi(listTemplates, (c) =>
    c.json(
      {
        templates: builtinTemplates.map(({ id, name, version, subject, description }) => ({
          id,
          name,
          version,
          subject,
          description,
        })),
      },
      200,
    ),
  );
}
