/**
 * Any CRM over HTTP: one request for each batch and for each page of a list, in our own form. docs/CRM.md describes it
 * for the receiver.
 *
 * @module
 */
import { z } from 'zod';
import type { PushOutcome, RecordRefusal } from '../../core/crm/push.ts';
import { safeCode, safeMessage } from '../../runtime/answer.ts';
import { limits } from '../../shared/limits.ts';
import type { CrmPort, ListCall, ListPage, SetCall } from '../port.ts';
import { CrmAdapter } from './adapter.ts';
import {
  auth,
  callCrm,
  crmError,
  quota,
  readCrmTable,
  readFault,
  unreadable,
  type CrmAnswer,
  type CrmRule,
} from './call.ts';
import type { CrmConnection } from './connection.ts';

const answerSchema = z.object({
  results: z.array(
    z.object({
      id: z.string(),
      status: z.enum(['set', 'refused']),
      code: z.string().optional(),
      message: z.string().optional(),
    }),
  ),
});
/** At most so many leads are written at once. */
const listAnswer = z.object({
  contacts: z
    .array(z.object({ id: z.string(), fields: z.record(z.string(), z.string()) }))
    .max(limits.maxLeadBatchCount),
  next: z.string().min(1).max(200).nullish(),
});
const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

const table: readonly CrmRule[] = [
  { status: [402], outcome: quota },
  { status: [401, 403, 404, 405, 410], outcome: auth },
  // The whole call is refused for its form or its fields: every other one would be too.
  { status: [400, 422], outcome: auth },
];

class AnyHttp extends CrmAdapter implements CrmPort {
  async set(call: SetCall): Promise<PushOutcome> {
    const { sessionId, batch, order, set, records } = call;
    const body = JSON.stringify({
      ...{ sessionId, batch, order, set },
      leads: records.map(({ leadId, recordId }) => ({ leadId, id: recordId })),
    });
    return this.#call(call, body, `${sessionId}/${batch ?? 'undo'}/${order}/${await shortHash(body)}`);
  }

  test(signal: AbortSignal): ReturnType<CrmPort['test']> {
    const body = JSON.stringify({ sessionId: null, batch: null, order: 0, set: {}, leads: [] });
    return this.#call({ records: [], signal }, body, 'test') as ReturnType<CrmPort['test']>;
  }

  readonly readList = async ({ listId, cursor, fields, signal }: ListCall): Promise<ListPage> => {
    const url = new URL(this.config.apiUrl);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/lists/${encodeURIComponent(listId)}`;
    url.searchParams.set('fields', fields.join(','));
    if (cursor !== null) url.searchParams.set('cursor', cursor);
    const reply = await callCrm(this.effects, {
      method: 'GET',
      url: url.href,
      headers: { authorization: `Bearer ${this.config.apiKey}` },
      signal,
    });
    if (reply.kind !== 'answered') return readFault(reply);
    if (reply.answer.status === 404)
      return { kind: 'not_found', message: 'The CRM has no list with this id.' };
    if (reply.answer.status !== 200) return readFault(errorOf(reply.answer));
    const page = listAnswer.safeParse(reply.answer.body);
    if (!page.success) return unreadable;
    const contacts = page.data.contacts.map(({ id, fields: values }) => ({ recordId: id, fields: values }));
    return { kind: 'ok', contacts, next: page.data.next ?? null };
  };

  async #call(
    { records, signal, mayLeave }: Pick<SetCall, 'records' | 'signal' | 'mayLeave'>,
    body: string,
    key: string,
  ): Promise<PushOutcome> {
    const reply = await callCrm(this.effects, {
      method: 'POST',
      url: this.config.apiUrl,
      headers: { authorization: `Bearer ${this.config.apiKey}`, 'idempotency-key': key },
      ...{ body, signal, mayLeave },
    });
    return reply.kind === 'answered' ? outcomeOf(reply.answer, records) : reply;
  }
}

function outcomeOf(answer: CrmAnswer, records: SetCall['records']): PushOutcome {
  if (answer.status !== 200) return errorOf(answer);
  const parsed = answerSchema.safeParse(answer.body);
  if (!parsed.success) return unreadable;
  const byId = new Map(parsed.data.results.map((result) => [result.id, result]));
  const refusals: RecordRefusal[] = [];
  for (const [index, { recordId }] of records.entries()) {
    const result = byId.get(recordId);
    if (result === undefined) return unreadable;
    if (result.status === 'refused') {
      const { code = 'refused', message = 'The CRM refused this record.' } = result;
      refusals.push({ index, code: safeCode(code), message: safeMessage(message) });
    }
  }
  return { kind: 'set', refusals };
}

function errorOf(answer: CrmAnswer): PushOutcome {
  const error = errorSchema.safeParse(answer.body);
  const { code, message } = error.success ? error.data.error : { code: '', message: '' };
  return readCrmTable(table, crmError(answer, code, message));
}

/** Ties the key to the body: a repeat with other leads, because one was erased, must not get the first answer. */
async function shortHash(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(bytes).subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const anyHttp: CrmConnection = {
  name: 'http',
  title: 'Your CRM',
  apiUrl: null,
  source: 'crm',
  field: 'lead_activation',
  usualFields: { email: 'email', firstName: 'firstName', lastName: 'lastName', company: 'company' },
  ratePerSecond: 5,
  maxBatch: 100,
  port: (config, effects) => new AnyHttp(config, effects),
};
