/**
 * HubSpot: contacts by id, 100 a call.
 *
 * https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/batch/post-crm-v3-objects-contacts-batch-update and
 * https://developers.hubspot.com/docs/api-reference/error-handling (207 with `errors`; newer versions answer 200 with
 * `numErrors`, so the body is read in both). Contacts are named by their record ids only: an update by e-mail address
 * that matches nothing changes nothing and says so nowhere.
 *
 * A list is read by its memberships, page by page with a cursor; the search API ends at 10,000 results. Properties are
 * https://developers.hubspot.com/docs/api-reference/legacy/crm/properties/get-properties.
 *
 * @module
 */
import { z } from 'zod';
import type { PushOutcome, RecordRefusal } from '../../core/crm/push.ts';
import { property, safeCode, safeMessage } from '../../runtime/answer.ts';
import type { CrmContact, CrmPort, FieldList, ListCall, ListPage, SetCall } from '../port.ts';
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
  unreadable,
  withRecordIds,
  type CrmAnswer,
  type CrmRequest,
  type CrmRule,
} from './call.ts';
import type { CrmConnection } from './connection.ts';

/** An answer to a batch: the records that were done, and errors with the ids that they are about. */
const batchAnswer = z.object({
  status: z.enum(['PENDING', 'PROCESSING', 'CANCELED', 'COMPLETE']),
  results: z.array(z.object({ id: z.string(), properties: z.record(z.string(), z.string().nullish()) })),
  numErrors: z.int().optional(),
  errors: z
    .array(
      z.object({
        category: z.string(),
        message: z.string(),
        context: z.record(z.string(), z.array(z.string())).optional(),
      }),
    )
    .optional(),
});

const propertiesAnswer = z.object({
  results: z.array(z.object({ name: z.string(), label: z.string(), hidden: z.boolean().optional() })),
});

const membersAnswer = z.object({
  results: z.array(z.object({ recordId: z.string() })),
  paging: z.object({ next: z.object({ after: z.string() }).optional() }).optional(),
});

/** https://developers.hubspot.com/docs/api-reference/error-handling */
const table: readonly CrmRule[] = [
  // The daily limit is free again at midnight of the account; the one of ten seconds is a 429 with another policy.
  { code: /^DAILY/, outcome: quota },
  { code: /RATE_LIMIT/, outcome: throttled },
  { status: [401, 403], outcome: auth },
  // A property that does not exist, or a value that it does not take: so would every other call.
  { status: [400], code: /^(VALIDATION_ERROR|PROPERTY_DOESNT_EXIST|INVALID_|BAD_REQUEST)/, outcome: auth },
  { status: [404, 405, 415], outcome: auth },
];

/** Of members and of contacts in one call. */
const pageSize = 100;

class HubSpot extends CrmAdapter implements CrmPort {
  readonly callsPerPage = 2;

  set({ set, records: all, signal, mayLeave }: SetCall): Promise<PushOutcome> {
    return withRecordIds(all, /^\d{1,20}$/, async (records) => {
      const reply = await this.#call({
        method: 'POST',
        path: '/crm/v3/objects/contacts/batch/update',
        body: { inputs: records.map(({ recordId }) => ({ id: recordId, properties: set })) },
        ...{ signal, mayLeave },
      });
      return reply.kind === 'answered' ? readBatch(reply.answer, records) : reply;
    });
  }

  async test(signal: AbortSignal): ReturnType<CrmPort['test']> {
    const path = '/crm/v3/objects/contacts?limit=1';
    return testOutcome(await this.#call({ method: 'GET', path, signal }), errorOf);
  }

  readonly readList = async ({ listId, cursor, fields, signal }: ListCall): Promise<ListPage> => {
    const after = cursor === null ? '' : `&after=${encodeURIComponent(cursor)}`;
    const path = `/crm/v3/lists/${encodeURIComponent(listId)}/memberships?limit=${pageSize}${after}`;
    const members = await this.#call({ method: 'GET', path, signal });
    if (members.kind !== 'answered') return readFault(members);
    if (members.answer.status === 404)
      return { kind: 'not_found', message: 'HubSpot has no list with this id, or the key may not read it.' };
    if (members.answer.status !== 200) return readFault(errorOf(members.answer));
    const page = membersAnswer.safeParse(members.answer.body);
    if (!page.success) return unreadable;
    const next = page.data.paging?.next?.after ?? null;
    const ids = page.data.results.map(({ recordId }) => recordId);
    if (ids.length === 0) return { kind: 'ok', contacts: [], next };
    const read = await this.#call({
      method: 'POST',
      path: '/crm/v3/objects/contacts/batch/read',
      body: { properties: fields, propertiesWithHistory: [], inputs: ids.map((id) => ({ id })) },
      signal,
    });
    if (read.kind !== 'answered') return readFault(read);
    // A member that was deleted since has an error and no result.
    if (read.answer.status !== 200 && read.answer.status !== 207) return readFault(errorOf(read.answer));
    const contacts = batchAnswer.safeParse(read.answer.body);
    if (!contacts.success) return unreadable;
    return { kind: 'ok', contacts: contacts.data.results.map(toContact), next };
  };

  readonly readFields = async (signal: AbortSignal): Promise<FieldList> => {
    const reply = await this.#call({ method: 'GET', path: '/crm/v3/properties/contacts', signal });
    if (reply.kind !== 'answered') return readFault(reply);
    if (reply.answer.status !== 200) return readFault(errorOf(reply.answer));
    const parsed = propertiesAnswer.safeParse(reply.answer.body);
    if (!parsed.success) return unreadable;
    const { results } = parsed.data;
    const fields = results
      .filter(({ hidden }) => hidden !== true)
      .map(({ name, label }) => ({ name, label }));
    return { kind: 'ok', fields };
  };

  #call({
    path,
    body,
    ...rest
  }: Pick<CrmRequest, 'method' | 'signal'> & {
    path: string;
    body?: object;
    mayLeave?: CrmRequest['mayLeave'];
  }): ReturnType<typeof callCrm> {
    return callCrm(this.effects, {
      ...rest,
      url: `${this.config.apiUrl}${path}`,
      headers: { authorization: `Bearer ${this.config.apiKey}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}

function toContact({ id, properties }: z.infer<typeof batchAnswer>['results'][number]): CrmContact {
  const fields = Object.entries(properties).flatMap(([name, value]): [string, string][] =>
    value == null ? [] : [[name, value]],
  );
  return { recordId: id, fields: Object.fromEntries(fields) };
}

function readBatch(answer: CrmAnswer, records: SetCall['records']): PushOutcome {
  if (answer.status !== 200 && answer.status !== 207) return errorOf(answer);
  const parsed = batchAnswer.safeParse(answer.body);
  if (!parsed.success || parsed.data.status !== 'COMPLETE') return unreadable;
  const { results, errors = [] } = parsed.data;
  const done = new Set(results.map(({ id }) => id));
  const reasonOf = new Map(
    errors.flatMap((error) =>
      Object.values(error.context ?? {})
        .flat()
        .map((id) => [id, error] as const),
    ),
  );
  const refusals: RecordRefusal[] = [];
  for (const [index, { recordId }] of records.entries()) {
    if (done.has(recordId)) continue;
    const reason = reasonOf.get(recordId);
    // Neither done nor refused in HubSpot's words.
    if (reason === undefined) return unreadable;
    refusals.push({
      index,
      code: safeCode(reason.category.toLowerCase()),
      message: safeMessage(reason.message),
    });
  }
  return { kind: 'set', refusals };
}

function errorOf(answer: CrmAnswer): PushOutcome {
  const { body } = answer;
  // The limit's name is in `policyName`; the category of both is RATE_LIMITS.
  const policy = property(body, 'policyName');
  const code = typeof policy === 'string' ? policy : property(body, 'category');
  if (answer.status === 429 && policy === 'DAILY')
    return quota(crmError(answer, policy, property(body, 'message')));
  return readCrmTable(table, crmError(answer, code, property(body, 'message')));
}

export const hubspot: CrmConnection = {
  name: 'hubspot',
  title: 'HubSpot',
  apiUrl: 'https://api.hubapi.com',
  source: 'hubspot',
  field: 'lead_activation',
  usualFields: { email: 'email', firstname: 'firstName', lastname: 'lastName', company: 'company' },
  // 190 calls in 10 s (Professional and Enterprise). Evenly spaced calls that arrive up to 0.2 s late stay below that.
  ratePerSecond: 18.5,
  maxBatch: 100,
  port: (config, effects) => new HubSpot(config, effects),
};
