/**
 * `/crm/leads`: the list of leads, one lead, and the export and erasure of one person.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { emailHash, normalizeEmail } from '../../../crm/email.ts';
import { findLeadByEmail, tracesOf } from '../../../crm/personal-data.ts';
import { listLeads } from '../../../crm/leads/list.ts';
import { readChanges } from '../../../crm/leads/changes.ts';
import { createLead, getLeadDetail, updateLead, type Taken } from '../../../crm/leads/lead.ts';
import { sessionStub } from '../../../durable/stubs.ts';
import { personExportSchema, personRequestSchema, type PersonExport } from '../../../shared/schemas/audit.ts';
import { limits } from '../../../shared/limits.ts';
import { timeMs } from '../../../shared/schemas/common.ts';
import {
  leadCreateSchema,
  leadDetailSchema,
  leadListFilterSchema,
  leadPageSchema,
  leadPatchSchema,
  leadSorts,
  type Lead,
  type LeadDetail,
} from '../../../shared/schemas/leads.ts';
import type { App } from '../../app-env.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { eraseEverywhere, erasePerson, personOfLead } from '../../operations/erasure.ts';
import { digits, leadIdParam, queryOf, requireSimpleFilter } from '../../http/params.ts';
import { pageCodes, pageQuery, requirePage } from '../../http/paging.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';

const filterQuery = queryOf(leadListFilterSchema);
const listQuery = z.object({
  ...filterQuery,
  updatedSince: digits
    .pipe(timeMs)
    .optional()
    .openapi({
      type: 'integer',
      description:
        'Epoch milliseconds. The leads that changed since, in the order of their changes; 0: all. Takes no filter and no ' +
        'sort.',
    }),
  sort: z.enum(leadSorts).default('-id'),
  ...pageQuery(limits.defaultPageLeadCount, limits.maxPageLeadCount),
});

const list = createRoute({
  method: 'get',
  path: '/crm/leads',
  operationId: 'listLeads',
  tags: ['leads'],
  summary: 'Leads that match a filter, or that changed since a time, in pages',
  description:
    'With `updatedSince`, a page has leads that were created, edited, imported, activated, taken back or erased since then, ' +
    'and `nextCursor` is never null: send it with the next request, at once while `hasMore`, later otherwise. Whoever goes ' +
    'on with it misses no change, also none that happens during the reading, and may get a lead twice. `erasedIds` are ' +
    'leads that are gone. Where the changes since then are not known any more, all leads come first.',
  request: { query: listQuery },
  responses: {
    200: json('One page.', leadPageSchema),
    ...problems(...pageCodes, 'filter_too_complex', 'changes_expired'),
  },
});

/** Of the detail of a lead. */
export const etagHeader = {
  headers: z.object({
    etag: z.string().openapi({ description: 'For `If-Match`; another one whenever the lead is another.' }),
  }),
};

const create = createRoute({
  method: 'post',
  path: '/crm/leads',
  operationId: 'createLead',
  tags: ['leads'],
  summary: 'Add a lead by hand',
  request: { body: body(leadCreateSchema) },
  responses: {
    201: { ...json('The lead.', leadDetailSchema), ...etagHeader },
    ...problems(...bodyCodes, 'email_taken', 'external_id_taken'),
  },
});

const params = z.object({ leadId: leadIdParam });

const get = createRoute({
  method: 'get',
  path: '/crm/leads/{leadId}',
  operationId: 'getLead',
  tags: ['leads'],
  summary: 'One lead',
  request: { params },
  responses: {
    200: { ...json('The lead.', leadDetailSchema), ...etagHeader },
    ...problems('invalid_request', 'lead_not_found'),
  },
});

const patch = createRoute({
  method: 'patch',
  path: '/crm/leads/{leadId}',
  operationId: 'updateLead',
  tags: ['leads'],
  summary: 'Change fields of a lead',
  description:
    'With `If-Match`, a lead that has changed since its ETag was read is not changed: 412 `lead_changed`. Without it, ' +
    'the last change wins.',
  request: {
    params,
    headers: z.object({
      'if-match': z
        .string()
        .max(1_000)
        .optional()
        .openapi({ description: 'ETags of the lead, of which it must have one.' }),
    }),
    body: body(leadPatchSchema),
  },
  responses: {
    200: { ...json('The lead as it is now.', leadDetailSchema), ...etagHeader },
    ...problems(...bodyCodes, 'lead_not_found', 'email_taken', 'external_id_taken', 'lead_changed'),
  },
});

const erase = createRoute({
  method: 'delete',
  path: '/crm/leads/{leadId}',
  operationId: 'eraseLead',
  tags: ['leads'],
  summary: 'Erase a lead',
  request: { params },
  description:
    'Erases it from the CRM, from the sessions that know it, from the rows that imports kept, from the names of ' +
    'both, from notes, and from saved views. A suppression stays, as a hash.',
  responses: {
    204: { description: 'The lead is erased.' },
    ...problems('invalid_request', 'lead_not_found'),
  },
});

const exportPerson = createRoute({
  method: 'post',
  path: '/crm/leads/export',
  operationId: 'exportPerson',
  tags: ['leads'],
  summary: 'All data about one address',
  request: {
    body: body(personRequestSchema),
  },
  responses: {
    200: json('The data.', personExportSchema),
    ...problems(...bodyCodes),
  },
});

const eraseByAddress = createRoute({
  method: 'post',
  path: '/crm/leads/erase',
  operationId: 'erasePerson',
  tags: ['leads'],
  summary: 'Erase the person with this address',
  description:
    'Erases the lead, if there is one, as its own erasure does; and the data of a person who never became a lead, ' +
    'such as a rejected row of a file. A repeat changes nothing.',
  request: {
    body: body(personRequestSchema),
  },
  responses: {
    204: { description: 'There is no data about this address, except a suppression as a hash.' },
    ...problems(...bodyCodes),
  },
});

export function leadRoutes(app: App): void {
  app.openapi(list, async (c) => {
    const { sort, cursor, limit, updatedSince, ...filter } = c.req.valid('query');
    if (updatedSince !== undefined) {
      const others = ['sort', ...Object.keys(filterQuery)].filter((name) => c.req.query(name) !== undefined);
      if (others.length > 0) throw withUpdatedSince(others);
      const answer = await readChanges(c.env.DB, { since: updatedSince, cursor: cursor ?? null, limit });
      if (answer.kind === 'expired') throw new Refusal('changes_expired');
      const { page: changed } = requirePage(answer);
      noteLeadsShown(c, changed.leads.length);
      return c.json({ ...changed, total: changed.leads.length, isTotalExact: false }, 200);
    }
    requireSimpleFilter(filter);
    const { page } = requirePage(await listLeads(c.env.DB, { filter, sort, cursor: cursor ?? null, limit }));
    noteLeadsShown(c, page.leads.length);
    return c.json(page, 200);
  });

  app.openapi(create, async (c) => {
    const answer = await createLead(c.env.DB, {
      lead: c.req.valid('json'),
      nowMs: Date.now(),
      hashEmail: (email) => emailHash(c.env.ADDRESS_HASH_KEY, email),
    });
    if (answer.kind === 'busy') throw new Refusal('unavailable', busyDetail);
    if (answer.kind !== 'ok') throw takenRefusal(answer);
    noteAudit(c, { target: `lead:${answer.leadId}` });
    const { lead, etag } = await requireDetail(c.env.DB, answer.leadId);
    return c.json(lead, 201, { etag });
  });

  app.openapi(get, async (c) => {
    const { lead, etag } = await requireDetail(c.env.DB, c.req.valid('param').leadId);
    noteLeadsShown(c, 1);
    return c.json(lead, 200, { etag });
  });

  app.openapi(patch, async (c) => {
    const answer = await updateLead(c.env.DB, {
      leadId: c.req.valid('param').leadId,
      patch: c.req.valid('json'),
      nowMs: Date.now(),
      hashEmail: (email) => emailHash(c.env.ADDRESS_HASH_KEY, email),
      ifTags: wantedTags(c.req.valid('header')['if-match']),
    });
    if (answer.kind === 'changed') throw new Refusal('lead_changed');
    if (answer.kind === 'not_found') throw new Refusal('lead_not_found');
    if (answer.kind !== 'ok') throw takenRefusal(answer);
    // The names of the fields, not their values: the audit is kept longer than the lead.
    noteAudit(c, { detail: { fields: Object.keys(c.req.valid('json')) } });
    const { lead, etag } = await requireDetail(c.env.DB, answer.lead.id);
    return c.json(lead, 200, { etag });
  });

  app.openapi(erase, async (c) => {
    if (!(await eraseEverywhere(c.env, c.req.valid('param').leadId))) throw new Refusal('lead_not_found');
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

/** The detail of a lead and its ETag. @throws Refusal where there is no such lead */
export async function requireDetail(
  db: D1Database,
  leadId: number,
): Promise<{ lead: LeadDetail; etag: string }> {
  const found = await getLeadDetail(db, leadId);
  if (found === null) throw new Refusal('lead_not_found');
  return { lead: found.lead, etag: `"${found.tag}"` };
}

/** A lead that stops matching a filter would be missing from the changes without a word. */
function withUpdatedSince(names: readonly string[]): Refusal {
  const message = 'cannot be combined with updatedSince';
  return new Refusal(
    'invalid_request',
    `/${names[0] ?? ''}: ${message}`,
    names.map((name) => ({ path: `/${name}`, message })),
  );
}

export const busyDetail = 'Others are changing the same leads. Nothing was written; send it again.';

/** The refusal that names the lead in the way. */
function takenRefusal({ kind, leadId }: Taken): Refusal {
  const refusal = new Refusal(kind);
  refusal.extension = { leadId };
  return refusal;
}

/**
 * The tags of `If-Match`; null: any lead will do. An edge that compresses makes a tag weak; it is compared as a strong
 * one, because our tags say that the data are the same, whatever their encoding.
 */
function wantedTags(ifMatch: string | undefined): string[] | null {
  if (ifMatch === undefined || ifMatch.trim() === '*') return null;
  return ifMatch.split(',').map((tag) => tag.trim().replace(/^(?:W\/)?"(.*)"$/, '$1'));
}

/** The activation of a lead. A lead is activated by at most one session, which has the address that it mailed. */
async function activationsOf(env: Env, lead: Lead): Promise<PersonExport['activations']> {
  const { activatedBy: sessionId } = lead;
  if (sessionId === null) return [];
  const session = sessionStub(env, sessionId);
  const [progress, result] = await Promise.all([session.progress(), session.leadResult(lead.id)]);
  return progress === null || result === null ? [] : [{ sessionId, name: progress.name, result }];
}
