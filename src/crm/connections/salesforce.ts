/**
 * Salesforce: leads and contacts by id, 200 a call.
 *
 * https://developer.salesforce.com/docs/platform/api-rest/guide/resources-composite-sobjects-collections-update.html:
 * `allOrNone: false`, and 200 with one SaveResult for each record, in their order. Records of one type after the other are a
 * chunk, and a call may have ten, so leads and contacts are not mixed.
 *
 * Calls count against the organisation's allowance of 24 hours. Each answer says how many are used (`Sforce-Limit-Info`,
 * https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm); when all are, it is 403 with
 * `REQUEST_LIMIT_EXCEEDED`. The same code stands for too many calls at once that take longer than 20 s; evenly spaced
 * calls do not come near that
 * (https://developer.salesforce.com/docs/platform/salesforce-app-limits-cheatsheet/guide/salesforce-app-limits-platform-api.html).
 *
 * With a client id the key is the secret of a client app, and a token is asked for by the client credentials flow
 * (https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_client_credentials_flow.htm).
 *
 * @module
 */
import { z } from 'zod';
import type { PushOutcome, RecordRefusal } from '../../core/crm/push.ts';
import { property, safeCode, safeMessage } from '../../runtime/answer.ts';
import type { CrmAllowance, CrmField } from '../../shared/crm.ts';
import type { CrmPort, CrmRecord, FieldList, SetCall } from '../port.ts';
import { CrmAdapter } from './adapter.ts';
import {
  auth,
  callCrm,
  crmError,
  quota,
  readCrmTable,
  readFault,
  testOutcome,
  throttled,
  unavailable,
  unreadable,
  withRecordIds,
  type CrmAnswer,
  type CrmReply,
  type CrmRequest,
  type CrmRule,
} from './call.ts';
import type { CrmConnection } from './connection.ts';

const apiPath = '/services/data/v62.0';

const saveResults = z.array(
  z.object({
    id: z.string().nullish(),
    success: z.boolean(),
    errors: z.array(z.object({ statusCode: z.string(), message: z.string() })),
  }),
);
const tokenAnswer = z.object({ access_token: z.string().min(1) });

/** https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm */
const table: readonly CrmRule[] = [
  { code: /^REQUEST_LIMIT_EXCEEDED$/, outcome: quota },
  { code: /^(SERVER_UNAVAILABLE|UNABLE_TO_LOCK_ROW|QUERY_TIMEOUT)$/, outcome: throttled },
  { status: [400, 401, 403, 404, 405, 415], outcome: auth },
];
/** Of a record whose row another transaction has at the moment: a repeat may find it free. */
const passing = /^(UNABLE_TO_LOCK_ROW|SERVER_UNAVAILABLE|REQUEST_LIMIT_EXCEEDED)$/;

/** As `api-usage=10018/100000`, among others. */
const usage = /(?:^|[;,\s])api-usage=(\d+)\/(\d+)/;

const describeAnswer = z.object({ fields: z.array(z.object({ name: z.string(), label: z.string() })) });

/** Which object an id is of, by its first three characters. */
const typeOf = (recordId: string): (typeof objectTypes)[number] =>
  recordId.startsWith('003') ? 'Contact' : 'Lead';
const typeAt = (records: readonly CrmRecord[], place: number): string =>
  typeOf(records[place]?.recordId ?? '');
const objectTypes = ['Lead', 'Contact'] as const;

class Salesforce extends CrmAdapter implements CrmPort {
  /** Of the client credentials flow; lives as long as the port. */
  #token: string | null = null;
  #allowance: CrmAllowance | null = null;
  readonly callsForFields = objectTypes.length;

  get allowance(): CrmAllowance | null {
    return this.#allowance;
  }

  set({ set, records: all, signal, mayLeave }: SetCall): Promise<PushOutcome> {
    return withRecordIds(all, /^(003|00Q)[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$/, async (given) => {
      const places = [...given.keys()].sort((a, b) => typeAt(given, a).localeCompare(typeAt(given, b)));
      const records = places.flatMap((place) => given[place] ?? []);
      const body = JSON.stringify({
        allOrNone: false,
        records: records.map(({ recordId }) => ({
          attributes: { type: typeOf(recordId) },
          id: recordId,
          ...set,
        })),
      });
      const path = '/composite/sobjects';
      const reply = await this.#call({ method: 'PATCH', path, body, signal, mayLeave });
      if (reply.kind !== 'answered') return reply;
      const outcome = readResults(reply.answer, records);
      if (outcome.kind !== 'set') return outcome;
      const refusals = outcome.refusals.map((refusal) => ({ ...refusal, index: places[refusal.index] ?? 0 }));
      return { kind: 'set', refusals };
    });
  }

  /** The fields that leads or contacts have. */
  readonly readFields = async (signal: AbortSignal): Promise<FieldList> => {
    const fields = new Map<string, CrmField>();
    for (const type of objectTypes) {
      const reply = await this.#call({ method: 'GET', path: `/sobjects/${type}/describe`, signal });
      if (reply.kind !== 'answered') return readFault(reply);
      if (reply.answer.status !== 200) return readFault(errorOf(reply.answer));
      const parsed = describeAnswer.safeParse(reply.answer.body);
      if (!parsed.success) return unreadable;
      for (const { name, label } of parsed.data.fields) fields.set(name, { name, label });
    }
    return { kind: 'ok', fields: [...fields.values()] };
  };

  async test(signal: AbortSignal): ReturnType<CrmPort['test']> {
    return testOutcome(await this.#call({ method: 'GET', path: '/limits', signal }), errorOf);
  }

  async #call(
    request: Pick<CrmRequest, 'method' | 'body' | 'signal' | 'mayLeave'> & { path: string },
  ): Promise<CrmReply> {
    const { path, ...rest } = request;
    for (let attempt = 1; ; attempt++) {
      const token = await this.#bearer(rest.signal);
      if (typeof token !== 'string') return token;
      const reply = await callCrm(this.effects, {
        ...rest,
        url: `${this.config.apiUrl}${apiPath}${path}`,
        headers: { authorization: `Bearer ${token}` },
      });
      if (reply.kind === 'answered') this.#noteUsage(reply.answer.headers);
      const isExpired = reply.kind === 'answered' && reply.answer.status === 401 && this.#token !== null;
      this.#token = isExpired ? null : this.#token;
      if (!isExpired || attempt > 1) return reply;
    }
  }

  #noteUsage(headers: Headers): void {
    const [, used, max] = usage.exec(headers.get('sforce-limit-info') ?? '') ?? [];
    if (used === undefined || max === undefined) return;
    this.#allowance = { usedCount: Number(used), maxCount: Number(max), at: this.effects.now() };
  }

  /** The token of a call, or the answer that says why there is none. */
  async #bearer(signal: AbortSignal): Promise<string | CrmReply> {
    const { clientId, apiKey, apiUrl } = this.config;
    if (clientId === '') return apiKey;
    if (this.#token !== null) return this.#token;
    const fields = { grant_type: 'client_credentials', client_id: clientId, client_secret: apiKey };
    const reply = await callCrm(this.effects, {
      method: 'POST',
      url: `${apiUrl}/services/oauth2/token`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
      signal,
    });
    if (reply.kind !== 'answered') return reply;
    const { answer } = reply;
    const parsed = tokenAnswer.safeParse(answer.body);
    if (answer.status !== 200 || !parsed.success) {
      // OAuth's own form of an error (RFC 6749, 5.2), as the one of the API.
      const errorCode = property(answer.body, 'error');
      const message = property(answer.body, 'error_description');
      return { kind: 'answered', answer: { ...answer, body: [{ errorCode, message }] } };
    }
    this.#token = parsed.data.access_token;
    return this.#token;
  }
}

function readResults(answer: CrmAnswer, records: SetCall['records']): PushOutcome {
  if (answer.status !== 200) return errorOf(answer);
  const parsed = saveResults.safeParse(answer.body);
  // Results have no id where a record was refused; only their order says which it was.
  if (!parsed.success || parsed.data.length !== records.length) return unreadable;
  const refusals: RecordRefusal[] = [];
  for (const [index, { success, errors }] of parsed.data.entries()) {
    if (success) continue;
    const [error] = errors;
    if (error === undefined) return unreadable;
    if (passing.test(error.statusCode)) return unavailable(error.statusCode, safeMessage(error.message));
    const code = safeCode(error.statusCode.toLowerCase());
    refusals.push({ index, code, message: safeMessage(error.message) });
  }
  return { kind: 'set', refusals };
}

function errorOf(answer: CrmAnswer): PushOutcome {
  const error: unknown = Array.isArray(answer.body) ? answer.body[0] : undefined;
  return readCrmTable(table, crmError(answer, property(error, 'errorCode'), property(error, 'message')));
}

export const salesforce: CrmConnection = {
  name: 'salesforce',
  title: 'Salesforce',
  apiUrl: null,
  source: 'salesforce',
  field: 'Lead_Activation__c',
  usualFields: {},
  // Enterprise Edition begins with 100,000 calls in 24 hours; a million leads are 5,000 of them.
  ratePerSecond: 5,
  maxBatch: 200,
  port: (config, effects) => new Salesforce(config, effects),
};
