/**
 * `/crm/leads`: the list of leads, and one lead.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { emailHash } from '../../crm/email-hash.ts';
import { eraseLead, getLead, listLeads, updateLead } from '../../crm/leads.ts';
import { limits } from '../../shared/limits.ts';
import {
  leadFilterSchema,
  leadPageSchema,
  leadPatchSchema,
  leadSchema,
  leadSorts,
} from '../../shared/schemas.ts';
import type { App } from '../app-env.ts';
import { cursorQuery, leadIdParam, limitQuery, queryOf } from '../params.ts';
import { problems, Refusal } from '../problem.ts';

const listQuery = z.object({
  ...queryOf(leadFilterSchema),
  sort: z.enum(leadSorts).default('-id'),
  cursor: cursorQuery,
  limit: limitQuery(limits.defaultPageLeadCount, limits.maxPageLeadCount),
});

const list = createRoute({
  method: 'get',
  path: '/crm/leads',
  tags: ['leads'],
  summary: 'Leads that match a filter, in pages',
  request: { query: listQuery },
  responses: {
    200: { description: 'One page.', content: { 'application/json': { schema: leadPageSchema } } },
    ...problems('invalid_request', 'invalid_cursor'),
  },
});

const params = z.object({ id: leadIdParam });

const get = createRoute({
  method: 'get',
  path: '/crm/leads/{id}',
  tags: ['leads'],
  summary: 'One lead',
  request: { params },
  responses: {
    200: { description: 'The lead.', content: { 'application/json': { schema: leadSchema } } },
    ...problems('invalid_request', 'lead_not_found'),
  },
});

const patch = createRoute({
  method: 'patch',
  path: '/crm/leads/{id}',
  tags: ['leads'],
  summary: 'Change fields of a lead',
  request: {
    params,
    body: { required: true, content: { 'application/json': { schema: leadPatchSchema } } },
  },
  responses: {
    200: { description: 'The lead as it is now.', content: { 'application/json': { schema: leadSchema } } },
    ...problems(
      'invalid_json',
      'invalid_request',
      'unsupported_media_type',
      'body_too_large',
      'lead_not_found',
      'email_taken',
    ),
  },
});

const erase = createRoute({
  method: 'delete',
  path: '/crm/leads/{id}',
  tags: ['leads'],
  summary: 'Erase a lead',
  request: { params },
  responses: {
    204: { description: 'It is erased.' },
    ...problems('invalid_request', 'lead_not_found'),
  },
});

export function leadRoutes(app: App): void {
  app.openapi(list, async (c) => {
    const { sort, cursor, limit, ...filter } = c.req.valid('query');
    const answer = await listLeads(c.env.DB, { filter, sort, cursor: cursor ?? null, limit });
    if (answer.kind === 'invalid_cursor') throw new Refusal('invalid_cursor');
    return c.json(answer.page, 200);
  });

  app.openapi(get, async (c) => {
    const lead = await getLead(c.env.DB, c.req.valid('param').id);
    if (lead === null) throw new Refusal('lead_not_found');
    return c.json(lead, 200);
  });

  app.openapi(patch, async (c) => {
    const answer = await updateLead(c.env.DB, {
      leadId: c.req.valid('param').id,
      patch: c.req.valid('json'),
      nowMs: Date.now(),
      hashEmail: (email) => emailHash(c.env.ADDRESS_HASH_KEY, email),
    });
    if (answer.kind === 'not_found') throw new Refusal('lead_not_found');
    if (answer.kind === 'email_taken') throw new Refusal('email_taken');
    return c.json(answer.lead, 200);
  });

  app.openapi(erase, async (c) => {
    if (!(await eraseLead(c.env.DB, c.req.valid('param').id))) throw new Refusal('lead_not_found');
    return c.body(null, 204);
  });
}
