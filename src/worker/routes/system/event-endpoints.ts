/**
 * `/crm/webhooks`: endpoints that get events, their secrets and the log of deliveries. For admins.
 *
 * Invariants: a secret is in the answer that makes it and nowhere else; the address of a Slack or Teams channel, with
 * which anybody could write to it, is never shown whole.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { targetFault } from '../../../core/events/target.ts';
import { decodeCursor, encodeCursor } from '../../../crm/cursor.ts';
import { isUsableEmail, normalizeEmail } from '../../../crm/email.ts';
import {
  addEndpoint,
  changeEndpoint,
  findEndpoint,
  listEndpoints,
  removeEndpoint,
  type EndpointRow,
} from '../../../crm/event-endpoints.ts';
import { endpointStub } from '../../../durable/stubs.ts';
import type { DeliveryRow } from '../../../durable/webhook-endpoint.ts';
import { allowsLocalWebhooks } from '../../../runtime/settings.ts';
import { alertSourceId, eventTypes, type EndpointKind, type EventType } from '../../../shared/events.ts';
import { limits } from '../../../shared/limits.ts';
import {
  deliveryPageSchema,
  deliverySchema,
  endpointChangeSchema,
  endpointListSchema,
  endpointRequestSchema,
  endpointSchema,
  endpointViewSchema,
  newEndpointSchema,
  newSecretSchema,
  type Delivery,
  type Endpoint,
} from '../../../shared/schemas/webhooks.ts';
import type { App } from '../../app-env.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { pageCodes, pageQuery } from '../../http/paging.ts';
import { digits } from '../../http/params.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteAudit } from '../../middleware/audit-log.ts';

const tags = ['events'];
const idPattern = /^we_[0-9a-f]{32}$/;
const params = z.object({
  endpointId: z
    .string()
    .regex(idPattern)
    .openapi({ param: { name: 'endpointId', in: 'path' } }),
});
const deliveryParams = params.extend({
  deliveryId: digits
    .pipe(z.int().min(1))
    .openapi({ param: { name: 'deliveryId', in: 'path' }, type: 'integer', minimum: 1 }),
});

const list = createRoute({
  method: 'get',
  path: '/crm/webhooks',
  operationId: 'listWebhooks',
  tags,
  summary: 'Endpoints that get events, the oldest first',
  responses: { 200: json('All of them.', endpointListSchema), ...problems() },
});

const create = createRoute({
  method: 'post',
  path: '/crm/webhooks',
  operationId: 'createWebhook',
  tags,
  summary: 'Add an endpoint',
  description:
    'It gets the events of activations that start from now on, and within a minute those of running ones. The secret is shown in this answer only.',
  request: { body: body(endpointRequestSchema) },
  responses: {
    201: json('The endpoint and its secret.', newEndpointSchema),
    ...problems(...bodyCodes, 'endpoint_refused', 'too_many_endpoints'),
  },
});

const get = createRoute({
  method: 'get',
  path: '/crm/webhooks/{endpointId}',
  operationId: 'getWebhook',
  tags,
  summary: 'An endpoint, and how sending to it goes',
  request: { params },
  responses: {
    200: json('The endpoint.', endpointViewSchema),
    ...problems('invalid_request', 'endpoint_not_found'),
  },
});

const change = createRoute({
  method: 'patch',
  path: '/crm/webhooks/{endpointId}',
  operationId: 'changeWebhook',
  tags,
  summary: 'Change an endpoint, or switch it on or off',
  request: { params, body: body(endpointChangeSchema) },
  responses: {
    200: json('The endpoint.', endpointSchema),
    ...problems(...bodyCodes, 'endpoint_not_found', 'endpoint_refused'),
  },
});

const remove = createRoute({
  method: 'delete',
  path: '/crm/webhooks/{endpointId}',
  operationId: 'deleteWebhook',
  tags,
  summary: 'Delete an endpoint, its secrets and its log',
  request: { params },
  responses: {
    204: { description: 'It is deleted.' },
    ...problems('invalid_request', 'endpoint_not_found'),
  },
});

const rotate = createRoute({
  method: 'post',
  path: '/crm/webhooks/{endpointId}/secret',
  operationId: 'rotateWebhookSecret',
  tags,
  summary: 'Make a new secret; for a day events are signed with the one before too',
  request: { params },
  responses: {
    200: json('The secret. It is not shown again.', newSecretSchema),
    ...problems('invalid_request', 'endpoint_not_found', 'endpoint_unsigned'),
  },
});

const test = createRoute({
  method: 'post',
  path: '/crm/webhooks/{endpointId}/test',
  operationId: 'testWebhook',
  tags,
  summary: 'Send a test event now',
  request: { params },
  responses: {
    200: json('What became of it.', deliverySchema),
    ...problems('invalid_request', 'endpoint_not_found'),
  },
});

const listLog = createRoute({
  method: 'get',
  path: '/crm/webhooks/{endpointId}/deliveries',
  operationId: 'listWebhookDeliveries',
  tags,
  summary: 'The last thousand events that were sent to an endpoint, the newest first',
  request: {
    params,
    query: z.object(pageQuery(limits.defaultPageLeadCount, limits.maxPageLeadCount)),
  },
  responses: {
    200: json('One page.', deliveryPageSchema),
    ...problems(...pageCodes, 'endpoint_not_found'),
  },
});

const sendAgain = createRoute({
  method: 'post',
  path: '/crm/webhooks/{endpointId}/deliveries/{deliveryId}/send-again',
  operationId: 'sendWebhookAgain',
  tags,
  summary: 'Send an event again now, under its id and whatever its order',
  request: { params: deliveryParams },
  responses: {
    200: json('What became of it, as a new entry of the log.', deliverySchema),
    ...problems('invalid_request', 'endpoint_not_found', 'delivery_not_found'),
  },
});

/** An endpoint as it is shown. */
function shown(row: EndpointRow): Endpoint {
  const { endpointId, kind, description, types, createdAt, createdBy, disabledAt, disabledReason } = row;
  return {
    ...{ endpointId, kind, target: shownTarget(row), description, types },
    ...{ createdAt, createdBy, disabledAt, disabledReason },
  };
}

/** Whoever has the whole address of a channel can write to it. */
function shownTarget({ kind, target }: Pick<EndpointRow, 'kind' | 'target'>): string {
  return kind === 'slack' || kind === 'teams' ? `${new URL(target).origin}/…` : target;
}

function entryOf(row: DeliveryRow): Delivery {
  const { id, messageId, type, sessionId, state, attempts, attemptedAt, durationMs, status, error, nextAt } =
    row;
  return {
    ...{ id, messageId, type, state, attempts, attemptedAt, durationMs, status, error, nextAt },
    sessionId: sessionId === alertSourceId ? null : sessionId,
  };
}

/** @throws Refusal where events are not sent there, or not these */
function checked(
  env: Env,
  kind: EndpointKind,
  { target, types }: { target: string; types: readonly EventType[] },
): { target: string; types: EventType[] } {
  const refuse = (path: string, message: string): never => {
    throw new Refusal('endpoint_refused', message, [{ path, message }]);
  };
  const foreign = kind === 'webhook' ? undefined : types.find((type) => !eventTypes[type].isNotice);
  if (foreign !== undefined) refuse('/types', `${foreign} is for webhooks only: it is no news for people.`);
  const kept = [...new Set(types)];
  if (kind === 'email') {
    const address = normalizeEmail(target);
    if (!isUsableEmail(address)) refuse('/target', 'It is not an email address.');
    return { target: address, types: kept };
  }
  const fault = targetFault(target, allowsLocalWebhooks(env));
  if (fault !== null) refuse('/target', fault);
  return { target: new URL(target).href, types: kept };
}

async function requireEndpoint(env: Env, endpointId: string): Promise<EndpointRow> {
  const row = await findEndpoint(env.DB, endpointId);
  if (row === null) throw new Refusal('endpoint_not_found');
  return row;
}

export function eventEndpointRoutes(app: App): void {
  app.openapi(list, async (c) => c.json({ endpoints: (await listEndpoints(c.env.DB)).map(shown) }, 200));

  app.openapi(create, async (c) => {
    const { kind, description, ...wanted } = c.req.valid('json');
    const row: EndpointRow = {
      endpointId: `we_${crypto.randomUUID().replaceAll('-', '')}`,
      kind,
      ...checked(c.env, kind, wanted),
      description,
      createdAt: Date.now(),
      createdBy: c.get('person').email,
      disabledAt: null,
      disabledReason: null,
    };
    // The object first: events go to it as soon as the row is there.
    const stub = endpointStub(c.env, row.endpointId);
    const made = await stub.makeSecret(kind === 'webhook');
    if (!(await addEndpoint(c.env.DB, row, limits.maxEndpointCount))) {
      await stub.erase();
      throw new Refusal('too_many_endpoints');
    }
    noteAudit(c, { target: `webhook:${row.endpointId}`, after: auditOf(row) });
    return c.json({ endpoint: shown(row), secret: made?.secret ?? '' }, 201, { 'cache-control': 'no-store' });
  });

  app.openapi(get, async (c) => {
    const { endpointId } = c.req.valid('param');
    const row = await requireEndpoint(c.env, endpointId);
    const status = await endpointStub(c.env, endpointId).status();
    return c.json({ ...shown(row), ...status }, 200);
  });

  app.openapi(change, async (c) => {
    const { endpointId } = c.req.valid('param');
    const { isEnabled, target, types, description } = c.req.valid('json');
    const before = await requireEndpoint(c.env, endpointId);
    const wanted = checked(c.env, before.kind, {
      target: target ?? before.target,
      types: types ?? before.types,
    });
    const after = await changeEndpoint(
      c.env.DB,
      endpointId,
      {
        target: target === undefined ? null : wanted.target,
        types: types === undefined ? null : wanted.types,
        description: description ?? null,
        isEnabled: isEnabled ?? null,
      },
      Date.now(),
    );
    if (after === null) throw new Refusal('endpoint_not_found');
    // What waits is sent there at once; where this call is lost, at its time.
    await endpointStub(c.env, endpointId).changed();
    noteAudit(c, { target: `webhook:${endpointId}`, before: auditOf(before), after: auditOf(after) });
    return c.json(shown(after), 200);
  });

  app.openapi(remove, async (c) => {
    const { endpointId } = c.req.valid('param');
    const wasThere = await removeEndpoint(c.env.DB, endpointId);
    // Also where there was none: the call may have been lost the first time.
    await endpointStub(c.env, endpointId).erase();
    if (!wasThere) throw new Refusal('endpoint_not_found');
    return c.body(null, 204);
  });

  app.openapi(rotate, async (c) => {
    const { endpointId } = c.req.valid('param');
    const { kind } = await requireEndpoint(c.env, endpointId);
    if (kind !== 'webhook') throw new Refusal('endpoint_unsigned');
    const made = await endpointStub(c.env, endpointId).makeSecret(true, false);
    if (made === null) throw new Refusal('endpoint_not_found');
    return c.json(made, 200, { 'cache-control': 'no-store' });
  });

  app.openapi(test, async (c) => {
    const { endpointId } = c.req.valid('param');
    const entry = await endpointStub(c.env, endpointId).sendTest();
    if (entry === null) throw new Refusal('endpoint_not_found');
    return c.json(entryOf(entry), 200);
  });

  app.openapi(listLog, async (c) => {
    const { endpointId } = c.req.valid('param');
    const { cursor, limit } = c.req.valid('query');
    const beforeId = cursor === undefined ? null : readCursor(cursor);
    await requireEndpoint(c.env, endpointId);
    const rows = await endpointStub(c.env, endpointId).deliveries(beforeId, limit + 1);
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const nextCursor = rows.length > limit && last !== undefined ? encodeCursor([last.id]) : null;
    return c.json({ deliveries: page.map(entryOf), nextCursor }, 200);
  });

  app.openapi(sendAgain, async (c) => {
    const { endpointId, deliveryId } = c.req.valid('param');
    await requireEndpoint(c.env, endpointId);
    const entry = await endpointStub(c.env, endpointId).sendAgain(deliveryId);
    if (entry === null) throw new Refusal('delivery_not_found');
    noteAudit(c, { target: `webhook:${endpointId}`, detail: { messageId: entry.messageId } });
    return c.json(entryOf(entry), 200);
  });
}

/** @throws Refusal for a cursor that the log did not give out */
function readCursor(cursor: string): number {
  const [id, ...rest] = decodeCursor(cursor) ?? [];
  if (typeof id !== 'number' || rest.length > 0) throw new Refusal('invalid_cursor');
  return id;
}

/** What the audit has of an endpoint. */
function auditOf(row: EndpointRow): Record<string, unknown> {
  const { kind, description, types, disabledAt } = row;
  // A mailbox is a colleague's, and who may write to a channel is not for everyone who reads the audit.
  return { kind, target: shownTarget(row), description, types, isEnabled: disabledAt === null };
}
