/**
 * Leads as other systems have them: `PUT /crm/leads` for one, `PUT /crm/leads:batch` for up to a thousand.
 *
 * The lead is in the body and not in the path, because addresses of people do not belong in URLs.
 *
 * @module
 */
import { createHmac } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { emailHash } from '../../../crm/email.ts';
import { findAnswer, type IdempotencyKey } from '../../../crm/leads/idempotency.ts';
import { upsertLeads, type UpsertAnswer } from '../../../crm/leads/upsert.ts';
import type { UpsertItem } from '../../../crm/leads/upsert-plan.ts';
import { limits } from '../../../shared/limits.ts';
import {
  leadBatchResultSchema,
  leadDetailSchema,
  leadUpsertSchema,
  upsertProblemCodes,
  type LeadUpsertResult,
} from '../../../shared/schemas/leads.ts';
import type { App, AppEnv } from '../../app-env.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { problems, Refusal, schemaRefusal } from '../../http/problem.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { busyDetail, etagHeader, requireDetail } from './leads.ts';

const tags = ['leads'];

const upsertOne = createRoute({
  method: 'put',
  path: '/crm/leads',
  operationId: 'upsertLead',
  tags,
  summary: 'Create a lead, or change the one with this external id or email address',
  description:
    'The lead is found by `externalId`, else by `email`. Fields that are left out stay as they are; `tags` are all tags; ' +
    'of `custom` only the given fields change. Status, activation and emails of the lead stay. A repeat changes nothing.',
  request: { body: body(leadUpsertSchema) },
  responses: {
    200: { ...json('The lead, which was there before.', leadDetailSchema), ...etagHeader },
    201: { ...json('The lead, which is new.', leadDetailSchema), ...etagHeader },
    ...problems(...bodyCodes, 'email_taken', 'external_id_mismatch'),
  },
});

/** Each item is checked by itself, so that one that is wrong does not lose the others. */
const batchSchema = z
  .strictObject({
    leads: z
      .array(z.unknown().openapi({ $ref: '#/components/schemas/LeadUpsert' } as object))
      .min(1)
      .max(limits.maxLeadBatchCount),
  })
  .meta({ id: 'LeadBatch' });

const upsertMany = createRoute({
  method: 'put',
  path: '/crm/leads:batch',
  operationId: 'upsertLeads',
  tags,
  summary: `The same for many leads, ${limits.maxLeadBatchCount} a call`,
  description:
    'Each lead counts after the one before and has its own result, in the same order; one that is refused does not lose ' +
    'the others. An address or external id that another lead had when the request came is taken, even if an earlier item ' +
    'gives it up. All of them are one transaction. With an `Idempotency-Key`, a repeat of the same body within ' +
    `${limits.idempotencyKeyHours} hours has the same answer and does nothing.`,
  request: {
    headers: z.object({
      'idempotency-key': z
        .string()
        .min(1)
        .max(limits.maxIdempotencyKeyLength)
        .optional()
        .openapi({ description: 'Any text that this request and its repeats have, and no other request.' }),
    }),
    body: body(batchSchema),
  },
  responses: {
    200: {
      ...json('What became of each.', leadBatchResultSchema),
      headers: z.object({
        'idempotent-replayed': z
          .enum(['true'])
          .optional()
          .openapi({ description: 'Only on an answer that was kept by its `Idempotency-Key`.' }),
      }),
    },
    ...problems(...bodyCodes, 'idempotency_key_reused', 'too_many_keys'),
  },
});

export function leadUpsertRoutes(app: App): void {
  app.openapi(upsertOne, async (c) => {
    const answer = await write(c, [{ lead: c.req.valid('json') }], null);
    const [result] = answer.kind === 'ok' ? answer.results : [];
    if (result === undefined) throw new Error('An upsert has no result.');
    const { leadId, problem, outcome } = result;
    if (leadId === null) throw refusalOf(problem);
    noteAudit(c, outcome === 'unchanged' ? false : { target: `lead:${leadId}` });
    const { lead, etag } = await requireDetail(c.env.DB, leadId);
    return c.json(lead, outcome === 'created' ? 201 : 200, { etag });
  });

  app.openapi(upsertMany, async (c) => {
    const items = c.req.valid('json').leads.map(itemOf);
    const key = keyOf(c, c.req.valid('header')['idempotency-key'], await c.req.text());
    let kept = key === null ? null : await keptAnswer(c, key);
    const answer = kept === null ? await write(c, items, key) : null;
    // A request with the same key was carried out meanwhile.
    if (answer?.kind === 'key_taken' && key !== null) kept = await keptAnswer(c, key);
    if (kept !== null) {
      noteAudit(c, false);
      return c.json({ results: kept }, 200, { 'idempotent-replayed': 'true' });
    }
    if (answer?.kind !== 'ok') throw new Refusal('unavailable');
    const { results } = answer;
    const countOf = (outcome: LeadUpsertResult['outcome']): number =>
      results.filter((result) => result.outcome === outcome).length;
    const detail = { createdCount: countOf('created'), updatedCount: countOf('updated') };
    noteAudit(c, detail.createdCount + detail.updatedCount === 0 ? false : { detail });
    return c.json({ results }, 200);
  });
}

async function write(
  c: Context<AppEnv>,
  items: readonly UpsertItem[],
  key: IdempotencyKey | null,
): Promise<Exclude<UpsertAnswer, { kind: 'busy' }>> {
  const answer = await upsertLeads(c.env.DB, {
    items,
    nowMs: Date.now(),
    hashEmail: (email) => emailHash(c.env.ADDRESS_HASH_KEY, email),
    key,
  });
  if (answer.kind === 'busy') throw new Refusal('unavailable', busyDetail);
  return answer;
}

function refusalOf(problem: LeadUpsertResult['problem']): Refusal {
  const refusal = new Refusal(problem?.code ?? 'invalid_request', problem?.detail, problem?.errors);
  if (problem?.leadId != null) refusal.extension = { leadId: problem.leadId };
  return refusal;
}

function itemOf(item: unknown): UpsertItem {
  const read = leadUpsertSchema.safeParse(item);
  if (read.success) return { lead: read.data };
  const { code, message, faults } = schemaRefusal(read.error);
  const known = upsertProblemCodes.find((it) => it === code) ?? 'invalid_request';
  return { problem: { code: known, detail: message, errors: [...faults], leadId: null } };
}

/** The key of a request; neither it nor the body can be read from the hashes. */
function keyOf(c: Context<AppEnv>, key: string | undefined, text: string): IdempotencyKey | null {
  if (key === undefined) return null;
  const hash = (what: string): string =>
    createHmac('sha256', c.env.ADDRESS_HASH_KEY).update(`idempotency\n${what}`).digest('base64url');
  return { actor: c.get('person').actor, keyHash: hash(key), bodyHash: hash(text), nowMs: Date.now() };
}

async function keptAnswer(c: Context<AppEnv>, key: IdempotencyKey): Promise<LeadUpsertResult[] | null> {
  const found = await findAnswer(c.env.DB, key);
  if (found.kind === 'reused') throw new Refusal('idempotency_key_reused');
  if (found.kind === 'too_many') throw new Refusal('too_many_keys');
  return found.kind === 'kept' ? found.results : null;
}
