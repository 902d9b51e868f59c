/**
 * `/crm/suppressions`: the addresses that must not be mailed.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { emailHash, normalizeEmail } from '../../../crm/email.ts';
import { addSuppressions, listSuppressions, removeSuppression } from '../../../crm/suppressions.ts';
import { limits } from '../../../shared/limits.ts';
import {
  suppressionAddSchema,
  suppressionIdSchema,
  suppressionImportSchema,
  suppressionPageSchema,
  suppressionReasons,
  suppressionRemoveSchema,
  suppressionSearchSchema,
  type SuppressionPage,
} from '../../../shared/schemas/mail.ts';
import type { App } from '../../app-env.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { pageCodes, pageQuery, requirePage } from '../../http/paging.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';

const tags = ['suppressions'];

const list = createRoute({
  method: 'get',
  path: '/crm/suppressions',
  operationId: 'listSuppressions',
  tags,
  summary: 'Suppressions, newest first',
  request: {
    query: z.object({
      reason: z.enum(suppressionReasons).optional(),
      ...pageQuery(limits.defaultPageLeadCount, limits.maxPageLeadCount),
    }),
  },
  responses: {
    200: json('One page.', suppressionPageSchema),
    ...problems(...pageCodes),
  },
});

const search = createRoute({
  method: 'post',
  path: '/crm/suppressions/search',
  operationId: 'searchSuppressions',
  tags,
  summary: 'Whether an address is suppressed',
  description:
    'Looks up the hash of the address. The list has no addresses, except as labels of entries that a person typed.',
  request: { body: body(suppressionSearchSchema) },
  responses: { 200: json('One or none.', suppressionPageSchema), ...problems(...bodyCodes) },
});

const add = createRoute({
  method: 'post',
  path: '/crm/suppressions',
  operationId: 'addSuppressions',
  tags,
  summary: 'Suppress addresses',
  request: { body: body(suppressionAddSchema) },
  responses: {
    200: json('The outcome for each address.', suppressionImportSchema),
    ...problems(...bodyCodes),
  },
});

const remove = createRoute({
  method: 'post',
  path: '/crm/suppressions/{suppressionId}/remove',
  operationId: 'removeSuppression',
  tags,
  summary: 'Allow an address to be mailed again, for a reason that is kept',
  request: {
    params: z.object({
      suppressionId: suppressionIdSchema.openapi({ param: { name: 'suppressionId', in: 'path' } }),
    }),
    body: body(suppressionRemoveSchema),
  },
  responses: {
    204: { description: 'The suppression is removed.' },
    ...problems(...bodyCodes, 'suppression_not_found'),
  },
});

export function suppressionRoutes(app: App): void {
  app.openapi(list, async (c) => {
    const { reason, cursor, limit } = c.req.valid('query');
    const { page } = requirePage(
      await listSuppressions(c.env.DB, {
        emailHash: null,
        reason: reason ?? null,
        cursor: cursor ?? null,
        limit,
      }),
    );
    noteLeadsShown(c, namedCount(page));
    return c.json(page, 200);
  });

  app.openapi(search, async (c) => {
    const hash = emailHash(c.env.ADDRESS_HASH_KEY, normalizeEmail(c.req.valid('json').address));
    const { page } = requirePage(
      await listSuppressions(c.env.DB, {
        emailHash: hash,
        reason: null,
        cursor: null,
        limit: 1,
      }),
    );
    noteLeadsShown(c, namedCount(page));
    return c.json(page, 200);
  });

  app.openapi(add, async (c) => {
    const { addresses, reason, note } = c.req.valid('json');
    const result = await addSuppressions(c.env.DB, {
      addresses,
      reason,
      note,
      addedBy: c.get('person').email,
      nowMs: Date.now(),
      hashEmail: (email) => emailHash(c.env.ADDRESS_HASH_KEY, email),
    });
    noteAudit(c, { detail: { reason, addedCount: result.addedCount } });
    return c.json(result, 200);
  });

  app.openapi(remove, async (c) => {
    const isRemoved = await removeSuppression(c.env.DB, {
      emailHash: c.req.valid('param').suppressionId,
      removedBy: c.get('person').email,
      note: c.req.valid('json').note,
      nowMs: Date.now(),
    });
    if (!isRemoved) throw new Refusal('suppression_not_found');
    return c.body(null, 204);
  });
}

/** Entries that show a person by name or address. */
function namedCount({ suppressions }: SuppressionPage): number {
  return suppressions.filter(({ label, lead }) => label !== null || lead !== null).length;
}
