/**
 * `/crm/views` and `/crm/lead-values`: the choices of the leads page.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { leadValues } from '../../../crm/leads/values.ts';
import { deleteView, listViews, saveView } from '../../../crm/saved-views.ts';
import {
  leadValuesSchema,
  viewListSchema,
  viewRequestSchema,
  viewSchema,
} from '../../../shared/schemas/leads.ts';
import type { App } from '../../app-env.ts';
import { digits } from '../../http/params.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { problems, Refusal } from '../../http/problem.ts';

const getValues = createRoute({
  method: 'get',
  path: '/crm/lead-values',
  operationId: 'listLeadValues',
  tags: ['leads'],
  summary: 'Sources, stages and consent sources that leads have',
  responses: {
    200: json('The values.', leadValuesSchema),
    ...problems(),
  },
});

const list = createRoute({
  method: 'get',
  path: '/crm/views',
  operationId: 'listViews',
  tags: ['views'],
  summary: 'Your saved views of the leads page',
  responses: {
    200: json('By name.', viewListSchema),
    ...problems(),
  },
});

const save = createRoute({
  method: 'post',
  path: '/crm/views',
  operationId: 'saveView',
  tags: ['views'],
  summary: 'Save a view',
  description: 'It replaces a view of yours with the same name; upper and lower case do not matter.',
  request: { body: body(viewRequestSchema) },
  responses: {
    200: json('The view.', viewSchema),
    ...problems(...bodyCodes, 'too_many_views'),
  },
});

const params = z.object({
  viewId: digits
    .pipe(z.int().min(1))
    .openapi({ param: { name: 'viewId', in: 'path' }, type: 'integer', minimum: 1 }),
});

const remove = createRoute({
  method: 'delete',
  path: '/crm/views/{viewId}',
  operationId: 'deleteView',
  tags: ['views'],
  summary: 'Delete one of your views',
  request: { params },
  responses: {
    204: { description: 'The view is deleted.' },
    ...problems('invalid_request', 'view_not_found'),
  },
});

export function viewRoutes(app: App): void {
  app.openapi(getValues, async (c) => c.json(await leadValues(c.env.DB), 200));

  app.openapi(list, async (c) => c.json({ views: await listViews(c.env.DB, c.get('person').email) }, 200));

  app.openapi(save, async (c) => {
    const { name, query } = c.req.valid('json');
    const owner = c.get('person').email;
    const answer = await saveView(c.env.DB, { owner, name, query, nowMs: Date.now() });
    if (answer.kind === 'too_many') throw new Refusal('too_many_views');
    return c.json(answer.view, 200);
  });

  app.openapi(remove, async (c) => {
    const view = { owner: c.get('person').email, viewId: c.req.valid('param').viewId };
    if (!(await deleteView(c.env.DB, view))) throw new Refusal('view_not_found');
    return c.body(null, 204);
  });
}
