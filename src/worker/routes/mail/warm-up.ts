/**
 * `/crm/warm-up`: the ramps of the sender's domains, and what an admin does with them.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { warmUpChangeSchema, warmUpListSchema, warmUpSchema } from '../../../shared/schemas/warm-up.ts';
import type { App } from '../../app-env.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { changeWarmUp, listWarmUps } from '../../operations/warm-up.ts';

const tags = ['service'];

const list = createRoute({
  method: 'get',
  path: '/crm/warm-up',
  operationId: 'listWarmUps',
  tags,
  summary: 'How the domains that email comes from are warmed up',
  responses: { 200: json('Each domain today.', warmUpListSchema), ...problems() },
});

const change = createRoute({
  method: 'patch',
  path: '/crm/warm-up/{domain}',
  operationId: 'changeWarmUp',
  tags,
  summary: 'Hold a warm-up, let it go on, or declare the domain warm',
  description: 'The same again changes nothing. Activations that wait for the warm-up look again at once.',
  request: {
    params: z.object({
      domain: z
        .string()
        // A host name has at most 253 characters (RFC 1035, section 2.3.4).
        .max(253)
        .regex(/^[a-z0-9.-]+$/, 'must be a domain in lower case')
        .openapi({ param: { name: 'domain', in: 'path' }, example: 'example.com' }),
    }),
    body: body(warmUpChangeSchema),
  },
  responses: {
    200: json('The warm-up.', warmUpSchema),
    ...problems(...bodyCodes, 'warm_up_not_found'),
  },
});

export function warmUpRoutes(app: App): void {
  app.openapi(list, async (c) => c.json(await listWarmUps(c.env), 200, { 'cache-control': 'no-store' }));

  app.openapi(change, async (c) => {
    const { domain } = c.req.valid('param');
    const changed = await changeWarmUp(c.env, domain, c.req.valid('json').mode);
    if (changed === null) throw new Refusal('warm_up_not_found');
    const { before, after } = changed;
    const isChange = before.mode !== after.mode;
    noteAudit(
      c,
      isChange && {
        target: `domain:${domain}`,
        before: { mode: before.mode },
        after: { mode: after.mode },
      },
    );
    return c.json(after, 200);
  });
}
