/**
 * The connected CRM: what the settings say of it, its test, its fields, and pulling a list.
 *
 * Invariant: no key leaves the Worker.
 *
 * @module
 */
import { createRoute } from '@hono/zod-openapi';
import { readConnection } from '../../../crm/connection-state.ts';
import { textSetting } from '../../../shared/setting.ts';
import { crmAccount } from '../../../durable/crm-account.ts';
import {
  crmConnectionSchema,
  crmFieldListSchema,
  crmFieldMapSchema,
  crmPulledSchema,
  crmPullRequestSchema,
  crmTestSchema,
  type CrmConnectionView,
} from '../../../shared/schemas/crm.ts';
import type { App } from '../../app-env.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { problems } from '../../http/problem.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { crmFields, fieldsOf, mapFields, pullPage, testCrm } from '../../operations/crm.ts';

const getConnection = createRoute({
  method: 'get',
  path: '/crm/connection',
  operationId: 'getCrmConnection',
  tags: ['service'],
  summary: 'The CRM in which leads are set active too',
  responses: { 200: json('What the settings say of it.', crmConnectionSchema), ...problems() },
});

const test = createRoute({
  method: 'post',
  path: '/crm/connection/test',
  operationId: 'testCrmConnection',
  tags: ['service'],
  summary: 'Whether the connected CRM takes the key',
  responses: {
    200: json('What it answered.', crmTestSchema),
    ...problems('crm_not_configured', 'unavailable'),
  },
});

const listFields = createRoute({
  method: 'get',
  path: '/crm/connection/fields',
  operationId: 'listCrmFields',
  tags: ['service'],
  summary: 'The fields that contacts of the connected CRM have',
  responses: {
    200: json('The fields, by label.', crmFieldListSchema),
    ...problems('crm_not_configured', 'unavailable'),
  },
});

const chooseFields = createRoute({
  method: 'put',
  path: '/crm/connection/fields',
  operationId: 'chooseCrmFields',
  tags: ['service'],
  summary: 'Choose the lead fields that a pull fills, and from which fields of the connected CRM',
  description: 'Pages that were pulled before stay as they are; pull the list again to fill the fields anew.',
  request: { body: body(crmFieldMapSchema) },
  responses: {
    200: json('The connection.', crmConnectionSchema),
    ...problems(...bodyCodes, 'crm_not_configured', 'unavailable'),
  },
});

const pull = createRoute({
  method: 'post',
  path: '/crm/connection/pull',
  operationId: 'pullCrmList',
  tags: ['leads'],
  summary: 'Make leads of one page of a list of the connected CRM',
  description:
    'Contacts become leads with the ids of their records, as by `PUT /crm/leads`, and get the tag. Ask again with ' +
    '`nextCursor` until it is null; a page may be pulled twice. An activation of the leads with the tag is one of the list.',
  request: { body: body(crmPullRequestSchema) },
  responses: {
    200: json('What became of the page.', crmPulledSchema),
    ...problems(...bodyCodes, 'crm_not_configured', 'not_found', 'unavailable'),
  },
});

export function crmConnectionRoutes(app: App): void {
  app.openapi(getConnection, async (c) => c.json(await viewOf(c.env), 200, { 'cache-control': 'no-store' }));

  app.openapi(listFields, async (c) =>
    c.json({ fields: await crmFields(c.env) }, 200, { 'cache-control': 'no-store' }),
  );

  app.openapi(chooseFields, async (c) => {
    const { before, after } = await mapFields(c.env, c.req.valid('json').fields);
    const isChange = JSON.stringify(before) !== JSON.stringify(after);
    noteAudit(c, isChange && { before: { fields: before }, after: { fields: after } });
    return c.json(await viewOf(c.env), 200);
  });

  app.openapi(test, async (c) => {
    const answer = await testCrm(c.env);
    noteAudit(c, { detail: { isOk: answer.isOk } });
    return c.json(answer, 200);
  });

  app.openapi(pull, async (c) => {
    const request = c.req.valid('json');
    const pulled = await pullPage(c.env, request, c.get('person').actor);
    const { created, updated } = pulled;
    noteAudit(c, { detail: { createdCount: created, updatedCount: updated, list: request.listId } });
    return c.json(pulled, 200);
  });
}

async function viewOf(env: Env): Promise<CrmConnectionView> {
  const choice = crmAccount(env, Date.now);
  const port = choice.kind === 'ready' ? choice.port : null;
  const known = port === null ? null : await readConnection(env.DB, port.target);
  return {
    provider: textSetting(env, 'CRM_PROVIDER') || null,
    title: port?.title ?? null,
    host: port?.target.host ?? null,
    problem: choice.kind === 'refused' ? choice.message : null,
    source: port?.target.source ?? null,
    active: { ...port?.target.active },
    notActive: { ...port?.target.undone },
    callsPerSecond: port?.ratePerSecond ?? null,
    recordsPerCall: port?.maxBatch ?? null,
    fields: port === null ? {} : { ...fieldsOf(port, known?.fields ?? null) },
    areFieldsChosen: known?.fields != null,
    canPull: port?.readList !== undefined,
    lastPull: known?.lastPull ?? null,
    allowance: known?.allowance ?? null,
  };
}
