/**
 * `/crm/leads`: the list of leads, and one lead.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { emailHash } from '../../../crm/email-hash.ts';
import { normalizeEmail } from '../../../shared/email.ts';
import { findLeadByEmail, tracesOf } from '../../../crm/personal-data.ts';
import { listLeads } from '../../../crm/leads/list.ts';
import { getLead, updateLead } from '../../../crm/leads/lead.ts';
import { sessionStub } from '../../../durable/stubs.ts';
import { personExportSchema, personRequestSchema, type PersonExport } from '../../../shared/schemas/audit.ts';
import { limits } from '../../../shared/limits.ts';
import {
  leadFilterSchema,
  leadPageSchema,
  leadPatchSchema,
  leadSchema,
  leadSorts,
  type Lead,
} from '../../../shared/schemas/activation.ts';
import type { App } from '../../app-env.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { eraseEverywhere, erasePerson, personOfLead } from '../../operations/erasure.ts';
import { requireSimpleFilter } from '../../http/filter-bound.ts';
import { cursorQuery, leadIdParam, limitQuery, queryOf } from '../../http/params.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';

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
    ...problems('invalid_request', 'invalid_cursor', 'filter_too_complex'),
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
  description:
    'From the CRM, from the runs that knew it, from what imports kept of their files, from the names of both, ' +
    'from notes, and from saved views. A suppression stays, as a hash.',
  responses: {
    204: { description: 'It is erased.' },
    ...problems('invalid_request', 'lead_not_found'),
  },
});

const exportPerson = createRoute({
  method: 'post',
  path: '/crm/leads/export',
  tags: ['leads'],
  summary: 'All that is held about one address',
  request: {
    body: { required: true, content: { 'application/json': { schema: personRequestSchema } } },
  },
  responses: {
    200: { description: 'What is held.', content: { 'application/json': { schema: personExportSchema } } },
    ...problems('invalid_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'),
  },
});

const eraseByAddress = createRoute({
  method: 'post',
  path: '/crm/leads/erase',
  tags: ['leads'],
  summary: 'Erase whoever has this address',
  description:
    'The lead, as its own erasure does, if there is one; and what is kept of somebody who never became one, ' +
    'such as the row of a file that was not taken. Again, it changes nothing.',
  request: {
    body: { required: true, content: { 'application/json': { schema: personRequestSchema } } },
  },
  responses: {
    204: { description: 'Nothing is held about this address but a suppression, as a hash.' },
    ...problems('invalid_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'),
  },
});

export function leadRoutes(app: App): void {
  app.openapi(list, async (c) => {
    const { sort, cursor, limit, ...filter } = c.req.valid('query');
    requireSimpleFilter(filter);
    const answer = await listLeads(c.env.DB, { filter, sort, cursor: cursor ?? null, limit });
    if (answer.kind === 'invalid_cursor') throw new Refusal('invalid_cursor');
    noteLeadsShown(c, answer.page.leads.length);
    return c.json(answer.page, 200);
  });

  app.openapi(get, async (c) => {
    const lead = await getLead(c.env.DB, c.req.valid('param').id);
    if (lead === null) throw new Refusal('lead_not_found');
    noteLeadsShown(c, 1);
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
    // Which fields, and not what was in them: the audit outlives the lead.
    noteAudit(c, { detail: { fields: Object.keys(c.req.valid('json')) } });
    return c.json(answer.lead, 200);
  });

  app.openapi(erase, async (c) => {
    if (!(await eraseEverywhere(c.env, c.req.valid('param').id))) throw new Refusal('lead_not_found');
    return c.body(null, 204);
  });

  app.openapi(eraseByAddress, async (c) => {
    const { email } = c.req.valid('json');
    const leadId = await erasePerson(c.env, email);
    const target = leadId === null ? `address:${emailHash(c.env.ADDRESS_HASH_KEY, email)}` : `lead:${leadId}`;
    noteAudit(c, { target });
    return c.body(null, 204);
  });

  app.openapi(exportPerson, async (c) => {
    const { email } = c.req.valid('json');
    const lead = await findLeadByEmail(c.env.DB, email);
    const hash = emailHash(c.env.ADDRESS_HASH_KEY, email);
    const person =
      lead === null
        ? { leadId: null, emails: [normalizeEmail(email)], names: [] }
        : await personOfLead(c.env, lead);
    const traces = await tracesOf(c.env.DB, { person, emailHash: hash });
    const activations = lead === null ? [] : await activationsOf(c.env, lead);
    noteAudit(c, { target: lead === null ? `address:${hash}` : `lead:${lead.id}` });
    return c.json({ email, exportedAt: Date.now(), lead, activations, ...traces }, 200);
  });
}

/** A run holds the address of the leads that it activated, and a lead is activated by one run. */
async function activationsOf(env: Env, lead: Lead): Promise<PersonExport['activations']> {
  const { activatedBy: sessionId } = lead;
  if (sessionId === null) return [];
  const session = sessionStub(env, sessionId);
  const [progress, result] = await Promise.all([session.progress(), session.leadResult(lead.id)]);
  return progress === null || result === null ? [] : [{ sessionId, name: progress.name, result }];
}
