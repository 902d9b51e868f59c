/**
 * `/crm/imports`: files of leads, chunk by chunk; and `/crm/leads/:leadId/history`.
 *
 * Owns the HTTP side only; what a chunk does is in src/crm/imports.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import { emailHash } from '../../../crm/email.ts';
import { checkRows } from '../../../crm/imports/check.ts';
import { putChunk, rejectedRows } from '../../../crm/imports/chunks.ts';
import { finishImport, getImport, listImports, openImport } from '../../../crm/imports/import.ts';
import { deleteImport, undoImport } from '../../../crm/imports/removal.ts';
import { getLead } from '../../../crm/leads/lead.ts';
import { rejectedColumns, rejectedFileName } from '../../../shared/imports/csv-cells.ts';
import { limits } from '../../../shared/limits.ts';
import { leadHistorySchema } from '../../../shared/schemas/activation.ts';
import {
  importCheckRequestSchema,
  importCheckSchema,
  importChunkRequestSchema,
  importChunkSchema,
  importIdSchema,
  importListSchema,
  importOpenRequestSchema,
  importSchema,
  type Import,
  type ImportIssue,
} from '../../../shared/schemas/imports.ts';
import type { App } from '../../app-env.ts';
import { attachment, csvStream, type Cell } from '../../http/csv-stream.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { leadHistory } from '../../operations/lead-history.ts';
import { runScheduledCleanup } from '../../operations/scheduled-cleanup.ts';
import { digits, leadIdParam } from '../../http/params.ts';
import { pageCodes, pageQuery, requirePage } from '../../http/paging.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';

const tags = ['imports'];
const importIdParam = importIdSchema.openapi({ param: { name: 'importId', in: 'path' } });
const params = z.object({ importId: importIdParam });

const open = createRoute({
  method: 'post',
  path: '/crm/imports',
  operationId: 'openImport',
  tags,
  summary: 'Open an import',
  description:
    'Says how the file is read; its rows follow as chunks. The import id is the idempotency key: a repeat of the ' +
    'same request answers 200 with the import in its present state.',
  request: { body: body(importOpenRequestSchema) },
  responses: {
    201: {
      ...json('The import is open.', importSchema),
      headers: z.object({ location: z.string().openapi({ description: 'Where the import is.' }) }),
    },
    200: json('The same request opened it before.', importSchema),
    ...problems(...bodyCodes, 'import_conflict'),
  },
});

const list = createRoute({
  method: 'get',
  path: '/crm/imports',
  operationId: 'listImports',
  tags,
  summary: 'All imports, newest first',
  request: { query: z.object(pageQuery(20, 100)) },
  responses: { 200: json('One page.', importListSchema), ...problems(...pageCodes) },
});

const get = createRoute({
  method: 'get',
  path: '/crm/imports/{importId}',
  operationId: 'getImport',
  tags,
  summary: 'One import: its progress, and the outcome of its rows',
  request: { params },
  responses: { 200: json('The import.', importSchema), ...problems('invalid_request', 'import_not_found') },
});

const chunk = createRoute({
  method: 'put',
  path: '/crm/imports/{importId}/chunks/{seq}',
  operationId: 'putImportChunk',
  tags,
  summary: 'Send the next rows',
  description:
    `Up to ${limits.maxImportChunkRowCount} rows and ${limits.maxImportChunkBytes} bytes, in one transaction. ` +
    'Chunks are numbered from 0 and stored in order. A repeat of a stored chunk changes nothing and has the same ' +
    'answer, so a chunk without an answer can be sent again.',
  request: {
    params: params.extend({
      seq: digits
        .pipe(z.int().min(0).max(Number.MAX_SAFE_INTEGER))
        .openapi({ param: { name: 'seq', in: 'path' }, type: 'integer', minimum: 0 }),
    }),
    body: body(importChunkRequestSchema),
  },
  responses: {
    200: json('The outcome of its rows.', importChunkSchema),
    ...problems(...bodyCodes, 'import_not_found', 'import_closed', 'chunk_out_of_order', 'chunk_conflict'),
  },
});

const check = createRoute({
  method: 'post',
  path: '/crm/imports/check',
  operationId: 'checkImportRows',
  tags,
  summary: 'Say what rows would do, without writing any',
  description:
    'The same rows as in a chunk. They are judged on their own: send each address and external id once. Nothing is ' +
    'written, and what other people import in the meantime changes the counts.',
  request: { body: body(importCheckRequestSchema) },
  responses: {
    200: json('What an import of these rows would do now.', importCheckSchema),
    ...problems(...bodyCodes),
  },
});

const finish = createRoute({
  method: 'post',
  path: '/crm/imports/{importId}/finish',
  operationId: 'finishImport',
  tags,
  summary: 'Finish an import: all rows were sent',
  description: 'A repeat changes nothing.',
  request: { params },
  responses: { 200: json('The import.', importSchema), ...problems('invalid_request', 'import_not_found') },
});

const undo = createRoute({
  method: 'post',
  path: '/crm/imports/{importId}/undo',
  operationId: 'undoImport',
  tags,
  summary: 'Remove the leads that an import created',
  description:
    'Active leads stay, and so do the changes that the import made to other leads. A large import takes several ' +
    'calls: repeat the call while the state is `undoing`.',
  request: { params },
  responses: { 200: json('The import.', importSchema), ...problems('invalid_request', 'import_not_found') },
});

const remove = createRoute({
  method: 'delete',
  path: '/crm/imports/{importId}',
  operationId: 'deleteImport',
  tags,
  summary: 'Delete an import',
  description:
    'Deletes its record, its rejected rows, and the list of its leads. The leads stay: undo the import first to ' +
    'remove them. A large import takes several calls: repeat the call while the answer is 202.',
  request: { params },
  responses: {
    204: { description: 'The import is deleted.' },
    202: json('A part of it is deleted; this is the rest.', importSchema),
    ...problems('invalid_request', 'import_not_found'),
  },
});

const rejectedCsv = createRoute({
  method: 'get',
  path: '/crm/imports/{importId}/rejected.csv',
  operationId: 'downloadRejectedRows',
  tags,
  summary: 'The rejected rows, with line, reason and cells',
  request: {
    params,
    query: z.object({ outcome: z.enum(['rejected', 'duplicate_in_file']).default('rejected') }),
  },
  responses: {
    200: { description: 'A CSV file.', content: { 'text/csv': { schema: z.string() } } },
    ...problems('invalid_request', 'import_not_found'),
  },
});

const history = createRoute({
  method: 'get',
  path: '/crm/leads/{leadId}/history',
  operationId: 'getLeadHistory',
  tags: ['leads'],
  summary: 'The imports that a lead comes from, and its activation',
  request: { params: z.object({ leadId: leadIdParam }) },
  responses: {
    200: json('Its history.', leadHistorySchema),
    ...problems('invalid_request', 'lead_not_found'),
  },
});

/** Time of one call that removes: well below the time that a client and the platform wait for an answer. */
const maxRemovalMs = 8_000;

export function importRoutes(app: App): void {
  app.openapi(open, async (c) => {
    const { importId = `import_${crypto.randomUUID()}`, ...request } = c.req.valid('json');
    const owner = c.get('person').email;
    const answer = await openImport(c.env.DB, { request, importId, owner, nowMs: Date.now() });
    if (answer.kind === 'conflict') throw new Refusal('import_conflict');
    // The id and not the name: a file may be named after a person, and the audit is kept longer than the import.
    noteAudit(c, answer.kind === 'opened' ? { target: importId } : false);
    // Local development has no cron, so opening an import cleans up.
    c.executionCtx.waitUntil(runScheduledCleanup(c.env));
    const location = `/crm/imports/${importId}`;
    return c.json(answer.import, answer.kind === 'opened' ? 201 : 200, { location });
  });

  app.openapi(list, async (c) => {
    const { cursor, limit } = c.req.valid('query');
    const { list } = requirePage(await listImports(c.env.DB, { cursor: cursor ?? null, limit }));
    return c.json(list, 200);
  });

  app.openapi(get, async (c) => c.json(await requireImport(c.env.DB, c.req.valid('param').importId), 200));

  app.openapi(chunk, async (c) => {
    const { importId, seq } = c.req.valid('param');
    const { rows } = c.req.valid('json');
    const answer = await putChunk(c.env.DB, {
      importId,
      seq,
      rows,
      bodyHash: createHash('sha256').update(JSON.stringify(rows)).digest('hex'),
      nowMs: Date.now(),
      hashEmail: (email) => emailHash(c.env.ADDRESS_HASH_KEY, email),
    });
    switch (answer.kind) {
      case 'ok': {
        const { counts, issues } = answer;
        return c.json({ seq, counts, issues, import: answer.import }, 200);
      }
      case 'not_found':
        throw new Refusal('import_not_found');
      case 'closed':
        throw new Refusal('import_closed');
      case 'conflict':
        throw new Refusal('chunk_conflict');
      case 'out_of_order':
        throw new Refusal(
          'chunk_out_of_order',
          `Send chunk ${answer.nextSeq} next, with rows from line ${answer.nextLine} on.`,
        );
    }
  });

  app.openapi(check, async (c) => c.json(await checkRows(c.env.DB, c.req.valid('json')), 200));

  app.openapi(finish, async (c) => {
    const { importId } = c.req.valid('param');
    const finished = await finishImport(c.env.DB, { importId, nowMs: Date.now() });
    if (finished === null) throw new Refusal('import_not_found');
    return c.json(finished, 200);
  });

  app.openapi(undo, async (c) => {
    const { importId } = c.req.valid('param');
    const deadlineMs = Date.now() + maxRemovalMs;
    const undone = await undoImport(c.env.DB, { importId, now: () => Date.now(), deadlineMs });
    if (undone === null) throw new Refusal('import_not_found');
    // A large import takes several calls, each with an entry: the number of leads removed so far.
    noteAudit(c, { detail: { removedCount: undone.removed, state: undone.state } });
    return c.json(undone, 200);
  });

  app.openapi(remove, async (c) => {
    const { importId } = c.req.valid('param');
    const deadlineMs = Date.now() + maxRemovalMs;
    const answer = await deleteImport(c.env.DB, { importId, now: () => Date.now(), deadlineMs });
    if (answer === 'not_found') throw new Refusal('import_not_found');
    return answer === 'deleted' ? c.body(null, 204) : c.json(await requireImport(c.env.DB, importId), 202);
  });

  app.openapi(rejectedCsv, async (c) => {
    const { importId } = c.req.valid('param');
    const found = await requireImport(c.env.DB, importId);
    const { outcome } = c.req.valid('query');
    const pages = pagesOfRejected(c.env.DB, importId, outcome);
    const delimiter = found.reading?.delimiter ?? ',';
    return c.body(csvStream([...rejectedColumns, ...found.columns], pages, delimiter), 200, {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': attachment(rejectedFileName(found.fileName, outcome)),
      'cache-control': 'no-store',
    });
  });

  app.openapi(history, async (c) => {
    const lead = await getLead(c.env.DB, c.req.valid('param').leadId);
    if (lead === null) throw new Refusal('lead_not_found');
    noteLeadsShown(c, 1);
    return c.json(await leadHistory(c.env, lead), 200);
  });
}

async function requireImport(db: D1Database, importId: string): Promise<Import> {
  const found = await getImport(db, importId);
  if (found === null) throw new Refusal('import_not_found');
  return found;
}

/** The rejected rows, one chunk at a time. */
async function* pagesOfRejected(
  db: D1Database,
  importId: string,
  outcome: ImportIssue['outcome'],
): AsyncGenerator<Cell[][], void> {
  let fromSeq: number | null = 0;
  while (fromSeq !== null) {
    const page: Awaited<ReturnType<typeof rejectedRows>> = await rejectedRows(db, {
      importId,
      outcome,
      fromSeq,
    });
    yield page.rows.map((row) => [row.line, row.reason, ...row.cells]);
    fromSeq = page.nextSeq;
  }
}
