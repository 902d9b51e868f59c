/**
 * HubSpot, Salesforce and Twenty in place of the network: their forms over the records of {@link FakeCrm}, and their limits.
 *
 * @module
 */
import { FakeCrm } from './fake-crm.ts';

const at = '2026-11-29T12:00:00.000Z';

/** Contacts and lists. It answers 429 to more than 190 calls in ten seconds. */
export class FakeHubSpot extends FakeCrm {
  readonly host = 'api.hubapi.com';
  /** Record ids by list id. */
  readonly lists = new Map<string, string[]>();
  /** Labels of the contacts' properties by name. */
  readonly properties = new Map([
    ['email', 'Email'],
    ['firstname', 'First Name'],
    ['lastname', 'Last Name'],
    ['company', 'Company Name'],
    ['jobtitle', 'Job Title'],
    ['lead_activation', 'Lead activation'],
  ]);
  /** False: the key lacks the scope for properties. */
  mayReadProperties = true;
  /** True: errors come with 200, as newer versions of the API have it. */
  isNewer = false;

  protected handle(request: Request, body: unknown): Response {
    const { pathname, searchParams } = new URL(request.url);
    if (request.headers.get('authorization') !== 'Bearer crm-key')
      return this.#error(401, 'INVALID_AUTHENTICATION', 'Authentication credentials not found.');
    if (this.mostCallsIn(10_000) > 190)
      return this.#error(429, 'RATE_LIMITS', 'You have reached your secondly limit.', 'TEN_SECONDLY_ROLLING');
    if (pathname === '/crm/v3/objects/contacts') return Response.json({ results: [] });
    if (pathname === '/crm/v3/properties/contacts') return this.#properties();
    const list = /^\/crm\/v3\/lists\/([^/]+)\/memberships$/.exec(pathname)?.[1];
    if (list !== undefined) return this.#members(list, searchParams);
    const { inputs } = body as { inputs: { id: string; properties?: Record<string, string> }[] };
    if (inputs.length > 100) return this.#error(400, 'VALIDATION_ERROR', 'The maximum batch size is 100.');
    if (pathname.endsWith('/batch/read')) {
      const found = inputs.flatMap(({ id }) => (this.records.has(id) ? [this.#contact(id)] : []));
      return this.#batch(
        found,
        inputs.filter(({ id }) => !this.records.has(id)).map(({ id }) => notFound(id)),
      );
    }
    if (inputs.some(({ properties }) => 'unknown_property' in (properties ?? {})))
      return this.#error(400, 'VALIDATION_ERROR', 'Property "unknown_property" does not exist');
    const done: object[] = [];
    const errors: object[] = [];
    for (const { id, properties = {} } of inputs) {
      const written = this.write(id, properties);
      if (written === 'set') done.push(this.#contact(id));
      else
        errors.push(
          written === 'missing' ? notFound(id) : failed(id, written.refused, 'Property is read-only'),
        );
    }
    return this.#batch(done, errors);
  }

  #properties(): Response {
    if (!this.mayReadProperties)
      return this.#error(403, 'MISSING_SCOPES', 'This app hasn’t been granted all required scopes.');
    const results = [...this.properties].map(([name, label]) => ({
      ...{ name, label, type: 'string', fieldType: 'text', groupName: 'contactinformation' },
      ...{ description: '', options: [], displayOrder: -1, hasUniqueValue: false, hidden: false },
    }));
    results.push({ ...results[0], name: 'hs_internal', label: 'Internal', hidden: true } as never);
    return Response.json({ results });
  }

  #contact(id: string): object {
    return { id, properties: this.records.get(id), createdAt: at, updatedAt: at, archived: false };
  }

  #batch(results: object[], errors: object[]): Response {
    const base = { status: 'COMPLETE', results, startedAt: at, completedAt: at };
    return errors.length === 0
      ? Response.json(base)
      : Response.json({ ...base, numErrors: errors.length, errors }, { status: this.isNewer ? 200 : 207 });
  }

  #members(list: string, query: URLSearchParams): Response {
    const members = this.lists.get(list);
    if (members === undefined) return this.#error(404, 'OBJECT_NOT_FOUND', 'List not found');
    const from = Number(query.get('after') ?? 0);
    const until = from + Number(query.get('limit') ?? 100);
    const results = members.slice(from, until).map((recordId) => ({ recordId, membershipTimestamp: at }));
    return Response.json({
      results,
      ...(until < members.length ? { paging: { next: { after: String(until) } } } : {}),
    });
  }

  #error(status: number, category: string, message: string, policyName?: string): Response {
    return Response.json(
      {
        ...{ status: 'error', category, message, correlationId: 'aeb5f871-7f07-4993-9211-075dc63e7cbf' },
        ...(policyName === undefined ? {} : { policyName }),
      },
      { status },
    );
  }
}

const failed = (id: string, category: string, message: string): object => ({
  ...{ status: 'error', category, message, context: { ids: [id] }, errors: [], links: {} },
});
const notFound = (id: string): object => failed(id, 'OBJECT_NOT_FOUND', 'Could not get some CONTACT objects');

/** Leads and contacts, with a token of a connected app and a daily allowance. */
export class FakeSalesforce extends FakeCrm {
  readonly host = 'acme.my.salesforce.com';
  allowance = Infinity;
  /** Names of the fields of both objects. */
  readonly fields = new Set(['Id', 'Email', 'Lead_Activation__c']);
  tokenCount = 0;

  protected handle(request: Request, body: unknown): Response {
    const { pathname } = new URL(request.url);
    if (pathname === '/services/oauth2/token') {
      this.tokenCount++;
      return Response.json({
        access_token: `token-${this.tokenCount}`,
        instance_url: `https://${this.host}`,
      });
    }
    const { length } = this.callTimes;
    const headers = { 'sforce-limit-info': `api-usage=${length}/${this.allowance}` };
    const error = (status: number, errorCode: string, message: string): Response =>
      Response.json([{ message, errorCode }], { status, headers });
    if (request.headers.get('authorization') !== `Bearer token-${this.tokenCount}`)
      return error(401, 'INVALID_SESSION_ID', 'Session expired or invalid');
    if (length > this.allowance) return error(403, 'REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.');
    if (pathname.endsWith('/limits')) return Response.json({}, { headers });
    if (pathname.endsWith('/describe'))
      return Response.json(
        {
          fields: [...this.fields].map((name) => ({ name, label: name.replace('__c', ''), type: 'string' })),
        },
        { headers },
      );
    const { allOrNone, records } = body as {
      allOrNone: boolean;
      records: ({ attributes: { type: string }; id: string } & Record<string, string>)[];
    };
    if (records.length > 200 || allOrNone)
      return error(400, 'EXCEEDED_ID_LIMIT', 'record limit reached. cannot submit more than 200');
    // https://developer.salesforce.com/docs/platform/api-rest/guide/resources-composite-sobjects-collections-update.html
    const chunkCount = records.filter(
      ({ attributes }, index) => attributes.type !== records[index - 1]?.attributes.type,
    ).length;
    if (chunkCount > 10) return error(400, 'EXCEEDED_ID_LIMIT', 'Too many chunks of types.');
    const results = records.map(({ attributes, id, ...fields }) => {
      const isLead = attributes.type === 'Lead';
      const done = isLead === id.startsWith('00Q') ? this.write(id, fields) : 'missing';
      if (done === 'set') return { id, success: true, errors: [] };
      const statusCode = done === 'missing' ? 'ENTITY_IS_DELETED' : done.refused;
      return { success: false, errors: [{ statusCode, message: 'entity is deleted', fields: [] }] };
    });
    return Response.json(results, { headers });
  }
}

/** People. It answers 429 to more than 100 calls in a minute. */
export class FakeTwenty extends FakeCrm {
  readonly host = 'crm.acme.com';
  readonly fields = new Set(['id', 'name', 'emails', 'leadActivation']);

  protected handle(request: Request, body: unknown): Response {
    const error = (statusCode: number, name: string, message: string): Response =>
      Response.json({ statusCode, error: name, messages: [message] }, { status: statusCode });
    if (request.headers.get('authorization') !== 'Bearer crm-key')
      return error(401, 'UnauthorizedException', 'Token invalid.');
    if (this.mostCallsIn(60_000) > 100) return error(429, 'ThrottlerException', 'Too many requests');
    const { searchParams } = new URL(request.url);
    if (request.method === 'GET') {
      const wanted = searchParams.get('fields')?.split(',') ?? [];
      const strange = wanted.find((name) => !this.fields.has(name));
      return strange === undefined
        ? Response.json({ data: { people: [] } })
        : error(400, 'BadRequestException', `Field ${strange} does not exist`);
    }
    // Without a filter it changes every person.
    const ids = /^id\[in\]:\[(.*)\]$/.exec(searchParams.get('filter') ?? '')?.[1]?.split(',') ?? [
      ...this.records.keys(),
    ];
    if (ids.length > 60) return error(400, 'BadRequestException', 'Too many records');
    const done = ids.filter((id) => this.write(id, body as Record<string, string>) === 'set');
    return Response.json({ data: { updatePeople: done.map((id) => ({ id, ...this.records.get(id) })) } });
  }
}
