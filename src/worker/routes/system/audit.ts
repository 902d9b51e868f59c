/**
 * `/crm/audit`: the audit in pages and as a CSV file.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { listAudit, type AuditFilter } from '../../../crm/audit.ts';
import { auditPastReads } from '../../../crm/leads/read-log.ts';
import { auditPageSchema, type AuditEntry } from '../../../shared/schemas/audit.ts';
import { limits } from '../../../shared/limits.ts';
import type { App } from '../../app-env.ts';
import { csvStream, type Cell } from '../../http/csv-stream.ts';
import { digits } from '../../http/params.ts';
import { pageCodes, pageQuery, requirePage } from '../../http/paging.ts';
import { json } from '../../http/openapi.ts';
import { problems } from '../../http/problem.ts';

const filterQuery = z.object({
  actor: z.string().max(limits.maxEmailLength).optional(),
  action: z
    .string()
    .max(64)
    .optional()
    .openapi({ description: 'An action; with a dot at its end, all actions that begin with it.' }),
  target: z.string().max(limits.maxNameLength).optional(),
  fromAt: digits.optional().openapi({ type: 'integer' }),
  toAt: digits.optional().openapi({ type: 'integer' }),
});

const list = createRoute({
  method: 'get',
  path: '/crm/audit',
  operationId: 'listAudit',
  tags: ['audit'],
  summary: 'Who did what, newest first',
  request: {
    query: filterQuery.extend({
      ...pageQuery(limits.defaultPageLeadCount, limits.maxPageLeadCount),
    }),
  },
  responses: {
    200: json('One page.', auditPageSchema),
    ...problems(...pageCodes),
  },
});

const csv = createRoute({
  method: 'get',
  path: '/crm/audit.csv',
  operationId: 'downloadAudit',
  tags: ['audit'],
  summary: 'Who did what, as a CSV file',
  request: { query: filterQuery },
  responses: {
    200: { description: 'All entries.', content: { 'text/csv': { schema: z.string() } } },
    ...problems('invalid_request'),
  },
});

const columns = [
  'at',
  'actor',
  'role',
  'action',
  'target',
  'country',
  'detail',
  'requestId',
] as const satisfies (keyof AuditEntry)[];

export function auditRoutes(app: App): void {
  app.openapi(list, async (c) => {
    const { cursor, limit, ...filter } = c.req.valid('query');
    await auditPastReads(c.env.DB, Date.now());
    const { page } = requirePage(
      await listAudit(c.env.DB, { filter: given(filter), cursor: cursor ?? null, limit }),
    );
    return c.json(page, 200);
  });

  app.openapi(csv, async (c) => {
    await auditPastReads(c.env.DB, Date.now());
    return c.body(csvStream(columns, pagesOfAudit(c.env, given(c.req.valid('query')))), 200, {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="audit.csv"',
    });
  });
}

/** Leaves out the properties that are undefined. */
function given(filter: { [Name in keyof AuditFilter]: AuditFilter[Name] | undefined }): AuditFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

/** All entries, a page at a time. */
async function* pagesOfAudit(env: Env, filter: AuditFilter): AsyncGenerator<Cell[][], void> {
  let cursor: string | null = null;
  do {
    const answer = await listAudit(env.DB, { filter, cursor, limit: limits.maxPageLeadCount });
    const { page } = requirePage(answer);
    yield page.entries.map((entry) => {
      const cells = {
        ...entry,
        at: new Date(entry.at).toISOString(),
        detail: entry.detail === null ? null : JSON.stringify(entry.detail),
      };
      return columns.map((column) => cells[column]);
    });
    cursor = page.nextCursor;
  } while (cursor !== null);
}
