/**
 * What is done with many leads: `/crm/leads/bulk/*` a bounded number at a time, `/crm/leads.csv` as a stream, and
 * two questions about leads that the list does not answer.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import {
  bulkPage,
  editLeads,
  exportPages,
  readLeads,
  skippedLeads,
  suppressLeads,
  tagLeads,
  type BulkPage,
  type BulkPlace,
} from '../../../crm/leads/bulk.ts';
import { sessionStub } from '../../../durable/stubs.ts';
import { classifyFault } from '../../../runtime/faults.ts';
import { logEvent } from '../../../runtime/log.ts';
import { leadFieldNames } from '../../../shared/lead-fields.ts';
import { limits } from '../../../shared/limits.ts';
import type { Audience } from '../../../shared/schemas/activation.ts';
import {
  bulkEditSchema,
  bulkEraseSchema,
  bulkStepSchema,
  bulkSuppressSchema,
  bulkTagSchema,
  bulkTagStepSchema,
  lastResultsRequestSchema,
  lastResultsSchema,
  leadExportSchema,
  skippedLeadsSchema,
  skippedRequestSchema,
} from '../../../shared/schemas/lead-bulk.ts';
import type { Lead } from '../../../shared/schemas/leads.ts';
import { presentMailedAfter } from '../../operations/require-mail.ts';
import type { App } from '../../app-env.ts';
import { type Cell, csvStream } from '../../http/csv-stream.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { requireSimpleFilter } from '../../http/params.ts';
import { problems } from '../../http/problem.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';
import { eraseEverywhere } from '../../operations/erasure.ts';

const tags = ['leads'];
const stepDescription =
  'The next leads of the audience, in the order of their ids. Ask again with `next` until it is null; leads that ' +
  'came after the first call are not touched.';
const stepResponses = {
  200: json('What this call did, and where the next one goes on.', bulkStepSchema),
  ...problems(...bodyCodes, 'filter_too_complex'),
};

const edit = createRoute({
  method: 'post',
  path: '/crm/leads/bulk/edit',
  operationId: 'bulkEditLeads',
  tags,
  summary: `Give many leads one stage or source, ${limits.maxBulkLeadCount} a call`,
  description: stepDescription,
  request: { body: body(bulkEditSchema) },
  responses: stepResponses,
});

const tag = createRoute({
  method: 'post',
  path: '/crm/leads/bulk/tags',
  operationId: 'bulkTagLeads',
  tags,
  summary: `Add and remove tags of many leads, ${limits.maxBulkLeadCount} a call`,
  description: stepDescription,
  request: { body: body(bulkTagSchema) },
  responses: {
    200: json('What this call did, and where the next one goes on.', bulkTagStepSchema),
    ...problems(...bodyCodes, 'filter_too_complex'),
  },
});

const suppress = createRoute({
  method: 'post',
  path: '/crm/leads/bulk/suppress',
  operationId: 'bulkSuppressLeads',
  tags,
  summary: `Suppress the addresses of many leads, ${limits.maxBulkLeadCount} a call`,
  description: stepDescription,
  request: { body: body(bulkSuppressSchema) },
  responses: stepResponses,
});

const erase = createRoute({
  method: 'post',
  path: '/crm/leads/bulk/erase',
  operationId: 'bulkEraseLeads',
  tags,
  summary: `Erase many leads, ${limits.maxBulkEraseCount} a call`,
  description: `${stepDescription} Each is erased as by \`DELETE /crm/leads/{id}\`.`,
  request: { body: body(bulkEraseSchema) },
  responses: stepResponses,
});

const exportCsv = createRoute({
  method: 'post',
  path: '/crm/leads.csv',
  operationId: 'downloadLeads',
  tags,
  summary: 'Leads of an audience as a CSV file',
  request: { body: body(leadExportSchema) },
  responses: {
    200: { description: 'All of them.', content: { 'text/csv': { schema: z.string() } } },
    ...problems(...bodyCodes, 'filter_too_complex'),
  },
});

const skipped = createRoute({
  method: 'post',
  path: '/crm/leads/skipped',
  operationId: 'listSkippedLeads',
  tags,
  summary: `Who an activation would skip for a reason: the first ${limits.maxSkippedLeadCount}`,
  request: { body: body(skippedRequestSchema) },
  responses: {
    200: json('The leads, in the order of their ids.', skippedLeadsSchema),
    ...problems(...bodyCodes, 'filter_too_complex'),
  },
});

const lastResults = createRoute({
  method: 'post',
  path: '/crm/leads/results',
  operationId: 'listLastResults',
  tags,
  summary: 'What became of the last email of some leads',
  request: { body: body(lastResultsRequestSchema) },
  responses: {
    200: json('Of those that an activation still knows.', lastResultsSchema),
    ...problems(...bodyCodes),
  },
});

export function leadBulkRoutes(app: App): void {
  app.openapi(edit, async (c) => {
    const { audience, field, value, ...place } = c.req.valid('json');
    const page = await nextLeads(c.env.DB, audience, place, limits.maxBulkLeadCount);
    const changedCount = await editLeads(c.env.DB, {
      leadIds: page.leadIds,
      field,
      value,
      nowMs: Date.now(),
    });
    // The field and how many: a value can be anything, also a name.
    noteAudit(c, changedCount === 0 ? false : { detail: { field, leadCount: changedCount } });
    return c.json(stepOf(page, changedCount), 200);
  });

  app.openapi(tag, async (c) => {
    const { audience, add, remove, ...place } = c.req.valid('json');
    const page = await nextLeads(c.env.DB, audience, place, limits.maxBulkLeadCount);
    const { leadIds } = page;
    const { changedCount, fullCount } = await tagLeads(c.env.DB, { leadIds, add, remove, nowMs: Date.now() });
    // How many: a tag can be anything, also a name.
    noteAudit(c, changedCount === 0 ? false : { detail: { leadCount: changedCount } });
    return c.json({ ...stepOf(page, changedCount), fullCount }, 200);
  });

  app.openapi(suppress, async (c) => {
    const { audience, note, ...place } = c.req.valid('json');
    const page = await nextLeads(c.env.DB, audience, place, limits.maxBulkLeadCount);
    const changedCount = await suppressLeads(c.env.DB, {
      leadIds: page.leadIds,
      note,
      addedBy: c.get('person').actor,
      nowMs: Date.now(),
    });
    noteAudit(c, changedCount === 0 ? false : { detail: { leadCount: changedCount } });
    return c.json(stepOf(page, changedCount), 200);
  });

  app.openapi(erase, async (c) => {
    const { audience, ...place } = c.req.valid('json');
    let page = await nextLeads(c.env.DB, audience, place, limits.maxBulkEraseCount);
    const erasedIds: number[] = [];
    for (const [index, leadId] of page.leadIds.entries()) {
      try {
        if (await eraseEverywhere(c.env, leadId)) erasedIds.push(leadId);
      } catch (error) {
        if (erasedIds.length === 0) throw error;
        // The step ends before this lead: who is erased is audited, and the next call meets the fault again.
        const leadIds = page.leadIds.slice(0, index);
        page = { ...page, leadIds, next: { afterId: leadIds.at(-1) ?? 0, untilId: page.untilId } };
        break;
      }
    }
    noteAudit(c, erasedIds.length === 0 ? false : { detail: { leadIds: erasedIds } });
    return c.json(stepOf(page, erasedIds.length), 200);
  });

  app.openapi(exportCsv, (c) => {
    const { audience } = c.req.valid('json');
    requireSimpleAudience(audience);
    noteAudit(c, {
      detail:
        'leadIds' in audience
          ? { leadCount: audience.leadIds.length }
          : { filter: Object.keys(audience.filter) },
    });
    return c.body(csvStream(csvColumns, csvRowsOf(exportPages(c.env.DB, audience))), 200, {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="leads.csv"',
      'cache-control': 'no-store',
    });
  });

  app.openapi(skipped, async (c) => {
    const { audience, reason } = c.req.valid('json');
    requireSimpleAudience(audience);
    const leads = await skippedLeads(c.env.DB, {
      audience,
      reason,
      limit: limits.maxSkippedLeadCount,
      mailedAfter: presentMailedAfter(c.env),
    });
    noteLeadsShown(c, leads.length);
    return c.json({ leads }, 200);
  });

  app.openapi(lastResults, async (c) => {
    const leads = await readLeads(c.env.DB, c.req.valid('json').leadIds);
    const bySession = Map.groupBy(leads, ({ activatedBy }) => activatedBy);
    const answers = await Promise.all(
      [...bySession].map(async ([sessionId, members]) => {
        if (sessionId === null) return [];
        try {
          return await sessionStub(c.env, sessionId).leadResults(members.map(({ id }) => id));
        } catch (error) {
          // One object that does not answer must not hide what the others know.
          const { kind } = classifyFault(error);
          logEvent('warn', 'last_results_failed', { requestId: c.get('requestId'), sessionId, fault: kind });
          return [];
        }
      }),
    );
    const results = answers.flat();
    noteLeadsShown(c, results.length);
    return c.json({ results }, 200);
  });
}

function requireSimpleAudience(audience: Audience): void {
  if ('filter' in audience) requireSimpleFilter(audience.filter);
}

async function nextLeads(
  db: D1Database,
  audience: Audience,
  place: Partial<BulkPlace>,
  limit: number,
): Promise<BulkPage> {
  requireSimpleAudience(audience);
  const { afterId, untilId } = place;
  const from = afterId === undefined || untilId === undefined ? null : { afterId, untilId };
  return bulkPage(db, { audience, place: from, limit });
}

const stepOf = ({ leadIds, next }: BulkPage, changedCount: number) => ({
  seenCount: leadIds.length,
  changedCount,
  next,
});

const csvColumns = [
  ...['id', ...leadFieldNames, 'custom', 'status', 'activatedAt', 'createdAt', 'updatedAt'],
  ...['externalSource', 'externalId', 'tags'],
];

const iso = (timeMs: number | null): string | null =>
  timeMs === null ? null : new Date(timeMs).toISOString();

const csvRow = (lead: Lead): Cell[] => [
  lead.id,
  ...leadFieldNames.map((field) => lead[field]),
  Object.keys(lead.custom).length === 0 ? '' : JSON.stringify(lead.custom),
  lead.status,
  iso(lead.activatedAt),
  iso(lead.createdAt),
  iso(lead.updatedAt),
  lead.externalId?.source ?? '',
  lead.externalId?.id ?? '',
  // A tag has no semicolon.
  lead.tags.join(';'),
];

async function* csvRowsOf(pages: AsyncGenerator<Lead[], void>): AsyncGenerator<Cell[][], void> {
  for await (const leads of pages) yield leads.map(csvRow);
}
