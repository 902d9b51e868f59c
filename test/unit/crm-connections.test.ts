import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { chooseCrm } from '../../src/crm/connections/index.ts';
import type { CrmPort } from '../../src/crm/port.ts';
import type { FakeCrm } from '../support/fake-crm.ts';
import { FakeHubSpot, FakeSalesforce, FakeTwenty } from '../support/fake-crms.ts';
import { exchangeFaults } from '../support/hubspot-description.ts';

const { signal } = new AbortController();

function portOf(env: Record<string, string>): CrmPort {
  const choice = chooseCrm(
    { CRM_API_KEY: 'crm-key', ...env },
    { fetch: (url, init) => fetch(url, init), now: () => 0 },
    false,
  );
  if (choice.kind !== 'ready') throw new Error(JSON.stringify(choice));
  return choice.port;
}

const uuid = (at: number): string => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`;
const salesforceId = (at: number): string => `${at % 2 === 0 ? '003' : '00Q'}${String(at).padStart(15, '0')}`;

/** What differs between the three. */
const cases = [
  {
    name: 'HubSpot',
    env: { CRM_PROVIDER: 'hubspot' },
    fake: (): FakeCrm => new FakeHubSpot(),
    id: (at: number) => String(at),
    field: 'lead_activation',
    most: 100,
    missing: 'object_not_found',
    refuses: true,
  },
  {
    name: 'Salesforce',
    env: {
      CRM_PROVIDER: 'salesforce',
      CRM_API_URL: 'https://acme.my.salesforce.com',
      CRM_CLIENT_ID: 'client',
    },
    fake: (): FakeCrm => new FakeSalesforce(),
    id: salesforceId,
    field: 'Lead_Activation__c',
    most: 200,
    missing: 'entity_is_deleted',
    refuses: true,
  },
  {
    name: 'Twenty',
    env: { CRM_PROVIDER: 'twenty', CRM_API_URL: 'https://crm.acme.com' },
    fake: (): FakeCrm => new FakeTwenty(),
    id: uuid,
    field: 'leadActivation',
    most: 60,
    missing: 'not_found',
    refuses: false,
  },
];

afterEach(() => {
  vi.unstubAllGlobals();
});

describe.each(cases)('$name', ({ env, fake: makeFake, id, field, most, missing, refuses }) => {
  let fake: FakeCrm;
  let port: CrmPort;
  const faults: string[] = [];

  beforeEach(() => {
    fake = makeFake().install();
    for (let at = 1; at <= 250; at++) fake.records.set(id(at), { [field]: 'new' });
    if (fake instanceof FakeHubSpot) fake.onExchange = (exchange) => faults.push(...exchangeFaults(exchange));
    port = portOf(env);
  });

  afterEach(() => {
    // Only HubSpot has an official description.
    expect(faults.splice(0)).toEqual([]);
  });

  const set = (ids: readonly string[], values = port.target.active): ReturnType<CrmPort['set']> =>
    port.set({
      ...{ sessionId: 'activation_1', batch: 1, order: 1, set: values, signal },
      records: ids.map((recordId, index) => ({ leadId: index + 1, recordId })),
    });

  it('sets a whole call of records, and undoes it', async () => {
    const ids = Array.from({ length: port.maxBatch }, (_, index) => id(index + 1));
    expect(port.maxBatch).toBe(most);
    expect(await set(ids)).toEqual({ kind: 'set', refusals: [] });
    expect(fake.idsWith(field, 'active')).toEqual([...ids].sort());
    expect(await set(ids, port.target.undone)).toEqual({ kind: 'set', refusals: [] });
    expect(fake.idsWith(field, 'active')).toEqual([]);
  });

  it('says which record is not there, and sets the others', async () => {
    fake.records.delete(id(2));
    const answer = await set([id(1), id(2), id(3)]);
    expect(answer).toMatchObject({ kind: 'set', refusals: [{ index: 1, code: missing }] });
    expect(fake.idsWith(field, 'active')).toEqual([id(1), id(3)].sort());
  });

  it('refuses ids in another form without a call for them, and none of them reaches a filter', async () => {
    const strange = ['', 'ana@example.com', '1],deletedAt[is]:NOT_NULL', '../x'];
    const answer = await set([strange[0] ?? '', id(1), ...strange.slice(1)]);
    expect(answer.kind === 'set' ? answer.refusals.map(({ index, code }) => [index, code]) : answer).toEqual([
      [0, 'invalid_id'],
      [2, 'invalid_id'],
      [3, 'invalid_id'],
      [4, 'invalid_id'],
    ]);
    expect(fake.idsWith(field, 'active')).toEqual([id(1)]);
    const callCount = fake.callTimes.length;
    expect(await set(strange)).toMatchObject({ kind: 'set' });
    expect(fake.callTimes).toHaveLength(callCount);
    expect(fake.idsWith(field, 'active')).toEqual([id(1)]);
  });

  it.runIf(refuses)('names the reason of a record that it refuses', async () => {
    fake.refused.set(id(1), 'READ_ONLY');
    expect(await set([id(1), id(2)])).toMatchObject({
      kind: 'set',
      refusals: [{ index: 0, code: 'read_only' }],
    });
  });

  it('is asked for too many: comes back later; by a proxy: is repeated; with a wrong key: waits for a person', async () => {
    fake.fault = () => ({ kind: 'answer', status: 429, headers: { 'retry-after': '7' } });
    expect(await set([id(1)])).toEqual({ kind: 'throttled', retryAfterMs: 7_000 });
    for (const status of [200, 401, 403, 500, 502, 503]) {
      fake.fault = () => ({ kind: 'page', status });
      expect([status, (await set([id(1)])).kind]).toEqual([status, 'unavailable']);
    }
    fake.fault = () => ({ kind: 'loseAfter' });
    expect((await set([id(1)])).kind).toBe('unavailable');
    fake.fault = () => ({ kind: 'none' });
    if (fake instanceof FakeSalesforce) return;
    port = portOf({ ...env, CRM_API_KEY: 'wrong' });
    expect((await set([id(1)])).kind).toBe('auth');
    expect((await port.test(signal)).kind).toBe('auth');
  });

  it('answers a test of the connection', async () => {
    expect(await port.test(signal)).toEqual({ kind: 'set', refusals: [] });
    expect(fake.writes).toEqual([]);
  });
});

describe('HubSpot', () => {
  it('is read in both forms of an answer with errors', async () => {
    for (const isNewer of [false, true]) {
      const fake = new FakeHubSpot().install();
      fake.isNewer = isNewer;
      const faults: string[] = [];
      fake.onExchange = (exchange) => faults.push(...exchangeFaults(exchange, isNewer));
      fake.records.set('1', {});
      const port = portOf({ CRM_PROVIDER: 'hubspot' });
      const answer = await port.set({
        ...{ sessionId: 's', batch: 1, order: 1, set: { lead_activation: 'active' }, signal },
        records: [
          { leadId: 1, recordId: '1' },
          { leadId: 2, recordId: '2' },
        ],
      });
      expect(answer).toMatchObject({ kind: 'set', refusals: [{ index: 1, code: 'object_not_found' }] });
      expect(faults).toEqual([]);
    }
  });

  it('with a property that it does not have is a fault of the settings and not of the records', async () => {
    const fake = new FakeHubSpot().install();
    fake.records.set('1', {});
    const env = {
      CRM_PROVIDER: 'hubspot',
      CRM_ACTIVE: 'unknown_property=1',
      CRM_NOT_ACTIVE: 'unknown_property=0',
    };
    const answer = await portOf(env).set({
      ...{ sessionId: 's', batch: 1, order: 1, set: { unknown_property: '1' }, signal },
      records: [{ leadId: 1, recordId: '1' }],
    });
    expect(answer).toMatchObject({ kind: 'auth', code: 'VALIDATION_ERROR' });
  });

  it('tells the daily limit from that of ten seconds', async () => {
    const fake = new FakeHubSpot().install();
    const port = portOf({ CRM_PROVIDER: 'hubspot' });
    const kinds: string[] = [];
    for (const policyName of ['TEN_SECONDLY_ROLLING', 'DAILY']) {
      fake.fault = () => ({
        ...{ kind: 'answer', status: 429 },
        body: { status: 'error', category: 'RATE_LIMITS', message: 'limit', policyName },
      });
      kinds.push((await port.test(signal)).kind);
    }
    expect(kinds).toEqual(['throttled', 'quota']);
  });

  it('reads a list of more than one page by its cursor, without members that are gone', async () => {
    const fake = new FakeHubSpot().install();
    const faults: string[] = [];
    fake.onExchange = (exchange) => faults.push(...exchangeFaults(exchange));
    for (let at = 1; at <= 150; at++)
      fake.records.set(String(at), { email: `a${at}@example.com`, company: 'Acme' });
    fake.lists.set('7', [...fake.records.keys(), '999']);
    const port = portOf({ CRM_PROVIDER: 'hubspot' });
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<NonNullable<CrmPort['readList']>>> | undefined = await port.readList?.({
        ...{ listId: '7', cursor, fields: ['email', 'company'], signal },
      });
      if (page?.kind !== 'ok') throw new Error(JSON.stringify(page));
      seen.push(...page.contacts.map(({ recordId, fields }) => `${recordId} ${fields['email'] ?? ''}`));
      cursor = page.next;
    } while (cursor !== null);
    expect(seen).toEqual([...fake.records.keys()].map((id) => `${id} a${id}@example.com`));
    expect(await port.readList?.({ listId: '8', cursor: null, fields: [], signal })).toMatchObject({
      kind: 'not_found',
    });
    expect(faults).toEqual([]);
  });
});

describe('HubSpot’s properties', () => {
  it('are read with their labels, without those that people cannot see', async () => {
    const fake = new FakeHubSpot().install();
    const faults: string[] = [];
    fake.onExchange = (exchange) => faults.push(...exchangeFaults(exchange));
    const port = portOf({ CRM_PROVIDER: 'hubspot' });
    const answer = await port.readFields?.(signal);
    expect(answer).toEqual({
      kind: 'ok',
      fields: [...fake.properties].map(([name, label]) => ({ name, label })),
    });
    fake.mayReadProperties = false;
    expect(await port.readFields?.(signal)).toMatchObject({ kind: 'auth', code: 'MISSING_SCOPES' });
    expect(faults).toEqual([]);
  });
});

describe('Twenty', () => {
  it('refuses the test where the field of the state is missing', async () => {
    const fake = new FakeTwenty().install();
    fake.fields.delete('leadActivation');
    expect(await portOf(cases[2]?.env ?? {}).test(signal)).toMatchObject({
      kind: 'auth',
      message: 'Field leadActivation does not exist',
    });
  });
});

describe('Salesforce', () => {
  const env = cases[1]?.env ?? {};

  it('tells how many calls of the day are used, in whichever form the header has it', async () => {
    const fake = new FakeSalesforce().install();
    const port = portOf(env);
    expect(port.allowance).toBeNull();
    fake.allowance = 15_000;
    await port.test(signal);
    expect(port.allowance).toEqual({ usedCount: 2, maxCount: 15_000, at: 0 });
    for (const [header, used] of [
      ['api-usage=10018/100000; api-bursts=1/750', 10_018],
      ['api-bursts=1/750; api-usage=10019/100000', 10_019],
      ['per-app-api-usage=17/250(appName=sample)', 10_019],
      ['api-usage=x/y', 10_019],
    ] as const) {
      fake.fault = () => ({ kind: 'answer', status: 200, headers: { 'sforce-limit-info': header } });
      await port.test(signal);
      expect([header, port.allowance?.usedCount]).toEqual([header, used]);
    }
  });

  it('knows the fields of leads and of contacts', async () => {
    const fake = new FakeSalesforce().install();
    expect(await portOf(env).readFields?.(signal)).toMatchObject({
      kind: 'ok',
      fields: [{ name: 'Id' }, { name: 'Email' }, { name: 'Lead_Activation__c', label: 'Lead_Activation' }],
    });
    // A token, and a call for each object.
    expect(fake.callTimes).toHaveLength(3);
  });

  it('asks for a token once, and for another one when it has expired', async () => {
    const fake = new FakeSalesforce().install();
    const port = portOf(env);
    await port.test(signal);
    await port.test(signal);
    expect(fake.tokenCount).toBe(1);
    fake.tokenCount = 5;
    expect((await port.test(signal)).kind).toBe('set');
    expect(fake.tokenCount).toBe(6);
  });

  it('pauses when the day’s allowance is used up, and repeats where a row is locked', async () => {
    const fake = new FakeSalesforce().install();
    fake.records.set(salesforceId(1), {});
    fake.refused.set(salesforceId(1), 'UNABLE_TO_LOCK_ROW');
    const port = portOf(env);
    const one = {
      ...{ sessionId: 's', batch: 1, order: 1, set: { Lead_Activation__c: 'active' }, signal },
      records: [{ leadId: 1, recordId: salesforceId(1) }],
    };
    expect((await port.set(one)).kind).toBe('unavailable');
    fake.allowance = 1;
    expect((await port.set(one)).kind).toBe('quota');
  });

  it('refuses a wrong secret in OAuth’s words', async () => {
    const fake = new FakeSalesforce().install();
    fake.fault = () => ({
      ...{ kind: 'answer', status: 400 },
      body: { error: 'invalid_client', error_description: 'invalid client credentials' },
    });
    expect(await portOf(env).test(signal)).toEqual({
      ...{ kind: 'auth', code: 'invalid_client', message: 'invalid client credentials' },
    });
  });
});
