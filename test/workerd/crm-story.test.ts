/**
 * The story: activate a HubSpot list, in waves; HubSpot shows who is active, and Slack hears of the end.
 */
import { runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CrmConnectionView, CrmPulled } from '../../src/shared/schemas/crm.ts';
import { readSamples } from '../../src/worker/operations/health.ts';
import { exchangeFaults } from '../support/hubspot-description.ts';
import { addLeads } from '../support/crm-database.ts';
import { expectCounted, expectLedger, httpCrm } from '../support/crm-setup.ts';
import { EventReceiver } from '../support/event-receiver.ts';
import { FakeHttpCrm } from '../support/fake-crm.ts';
import { FakeHubSpot, FakeSalesforce } from '../support/fake-crms.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { drive, request, send, startSession, type DrivenClock } from '../support/session-driver.ts';
import { last, setUpSession, tearDownSession } from '../support/session-setup.ts';

let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;
let hubspot: FakeHubSpot;
const faults: string[] = [];

beforeEach(async () => {
  ({ db, mail, clock, sessionId } = await setUpSession());
  await db.prepare('DELETE FROM event_endpoints').run();
  hubspot = new FakeHubSpot().install();
  hubspot.onExchange = (exchange) => faults.push(...exchangeFaults(exchange));
  for (let at = 1; at <= 150; at++)
    hubspot.records.set(String(at), {
      ...{ email: `contact${at}@example.com`, firstname: `Ann${at}`, lastname: 'Lee', company: 'Acme' },
      lead_activation: 'new',
    });
  hubspot.lists.set('42', [...hubspot.records.keys()].slice(0, 140));
  hooks.env = { ...hooks.env, CRM_PROVIDER: 'hubspot', CRM_API_KEY: 'crm-key' };
});

afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
  tearDownSession();
});

const pull = async (body: object): Promise<CrmPulled> => {
  const response = await send('POST', '/crm/connection/pull', body);
  expect(response.status, await response.clone().text()).toBe(200);
  return response.json();
};

/** All pages of a list. */
async function pullAll(listId: string): Promise<CrmPulled[]> {
  const pages: CrmPulled[] = [];
  for (let cursor: string | null = null; ;) {
    const page: CrmPulled = await pull({ listId, cursor });
    pages.push(page);
    if (page.nextCursor === null) return pages;
    cursor = page.nextCursor;
  }
}

describe('a HubSpot list', () => {
  it('is activated in waves: HubSpot shows who is active, and Slack hears of the end', async () => {
    const receiver = new EventReceiver().install();
    const told: string[] = [];
    receiver.refuse = async (attempt) => {
      told.push(await attempt.text());
      return new Response('ok');
    };
    const made = await send('POST', '/crm/webhooks', {
      ...{ kind: 'slack', target: 'https://hooks.slack.com/services/T/B/secret' },
      types: ['activation.completed'],
    });
    const { endpoint } = await made.json<{ endpoint: { endpointId: string } }>();
    const pages = await pullAll('42');
    expect(pages.map(({ created }) => created)).toEqual([100, 40]);
    const tag = pages[0]?.tag ?? '';
    expect(tag).toBe('HubSpot list 42');

    const started = await send('POST', '/crm/activation', {
      ...{ sessionId, audience: { filter: { tag } }, templateId: 'welcome' },
      waves: { sizes: [{ leads: 20 }], watchMinutes: 60 },
    });
    expect(started.status, await started.clone().text()).toBe(201);
    const watched = last(await drive(sessionId, clock, ({ waves }) => waves?.[0]?.state === 'watching'));
    // Only the first wave is active there.
    expect(watched.crm).toEqual({ provider: 'hubspot', inCrm: 20, limitedBy: 'crm' });
    expect(hubspot.idsWith('lead_activation', 'active')).toHaveLength(20);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: 140 }, crm: { inCrm: 140 } });
    expect(hubspot.idsWith('lead_activation', 'active')).toHaveLength(140);
    // One call for a hundred.
    expect(hubspot.writes).toHaveLength(140);
    expect(mail.mails).toHaveLength(140);
    await expectLedger(db, hubspot);
    await expectCounted(sessionId);
    for (let look = 0; look < 20 && told.length === 0; look++)
      await runDurableObjectAlarm(env.WEBHOOK_ENDPOINT.getByName(endpoint.endpointId));
    expect(told.join()).toContain('Activation done');
    await send('DELETE', `/crm/webhooks/${endpoint.endpointId}`);
  });

  it('can be pulled again: what is known stays, what has changed is changed, tags of others stay', async () => {
    await pullAll('42');
    hubspot.records.set('1', { ...hubspot.records.get('1'), company: 'Beta' });
    hubspot.records.delete('2');
    const again = await pullAll('42');
    expect(again.map(({ created, updated, unchanged }) => [created, updated, unchanged])).toEqual([
      [0, 1, 98],
      [0, 0, 40],
    ]);
    hubspot.lists.set('43', ['1']);
    await pullAll('43');
    const found = await request('/crm/leads?externalSource=hubspot&tag=HubSpot%20list%2042&limit=200');
    const { leads } = await found.json<{ leads: { company: string; tags: string[]; email: string }[] }>();
    const first = leads.find(({ email }) => email === 'contact1@example.com');
    expect(first?.company).toBe('Beta');
    expect([...(first?.tags ?? [])].sort()).toEqual(['HubSpot list 42', 'HubSpot list 43']);
  });

  it('tells of contacts that cannot become leads', async () => {
    hubspot.records.set('1', { firstname: 'Ann' });
    hubspot.lists.set('7', ['1', '3']);
    const page = await pull({ listId: '7', tag: 'Fair' });
    expect(page).toMatchObject({ created: 1, refused: 1, tag: 'Fair', problems: [{ recordId: '1' }] });
  });

  it('tells of leads that have too many tags to get that of the list', async () => {
    hubspot.lists.set('8', ['1', '3']);
    await pull({ listId: '8', tag: 'Tag 0' });
    for (let tag = 1; tag < 20; tag++) {
      hubspot.lists.set('9', ['1']);
      await pull({ listId: '9', tag: `Tag ${String(tag)}` });
    }
    expect(await pull({ listId: '8', tag: 'One more' })).toMatchObject({
      ...{ unchanged: 2, refused: 0, untagged: 1, problems: [] },
    });
  });

  it('that is not there, or with a wrong key, is refused with what to do', async () => {
    const codeOf = async (body: object): Promise<unknown> => {
      const response = await send('POST', '/crm/connection/pull', body);
      return [response.status, (await response.json<{ code: string }>()).code];
    };
    expect(await codeOf({ listId: '404' })).toEqual([404, 'not_found']);
    hooks.env = { ...hooks.env, CRM_API_KEY: 'wrong' };
    expect(await codeOf({ listId: '42' })).toEqual([409, 'crm_not_configured']);
    hooks.env = { ...hooks.env, CRM_PROVIDER: '' };
    expect(await codeOf({ listId: '42' })).toEqual([409, 'crm_not_configured']);
  });
});

describe('the connection', () => {
  it('is shown without its key, and tested', async () => {
    const shown = await request('/crm/connection');
    const text = await shown.text();
    expect(text).not.toContain('crm-key');
    expect(JSON.parse(text) as CrmConnectionView).toMatchObject({
      ...{ provider: 'hubspot', title: 'HubSpot', host: 'api.hubapi.com', problem: null, canPull: true },
      active: { lead_activation: 'active' },
    });
    const test = async (): Promise<unknown> => (await send('POST', '/crm/connection/test')).json();
    expect(await test()).toEqual({ isOk: true, message: 'HubSpot took the key.' });
    hooks.env = { ...hooks.env, CRM_API_KEY: 'wrong' };
    expect(await test()).toMatchObject({ isOk: false });
    hooks.env = { ...hooks.env, CRM_API_URL: 'http://10.0.0.1' };
    const broken = await (await request('/crm/connection')).json<CrmConnectionView>();
    expect(broken.problem).toContain('CRM_API_URL');
    hooks.env = { ...hooks.env, CRM_PROVIDER: '', CRM_API_URL: '' };
    expect(await (await request('/crm/connection')).json()).toMatchObject({ provider: null, canPull: false });
  });
});

describe('the fields of a list', () => {
  const choose = (fields: Record<string, string> | null, who = 'ana@example.com'): Promise<Response> =>
    request('/crm/connection/fields', {
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'test-identity': who },
      body: JSON.stringify({ fields }),
    });
  const shown = async (): Promise<CrmConnectionView> => (await request('/crm/connection')).json();
  const firstLead = async (): Promise<Record<string, string>> => {
    const found = await request('/crm/leads?search=contact1%40example.com');
    const { leads } = await found.json<{ leads: Record<string, string>[] }>();
    return leads[0] ?? {};
  };
  const ours = { email: 'email', firstname: 'firstName', jobtitle: 'stage' };

  it('are those that HubSpot has, and a pull fills the leads from those that were chosen', async () => {
    const list = await (await request('/crm/connection/fields')).json<{ fields: object[] }>();
    expect(list.fields).toContainEqual({ name: 'jobtitle', label: 'Job Title' });
    hubspot.records.set('1', { ...hubspot.records.get('1'), jobtitle: 'CTO' });
    const answer = await choose(ours);
    expect(await answer.json()).toMatchObject({ fields: ours, areFieldsChosen: true });
    await pullAll('42');
    expect(await firstLead()).toMatchObject({ firstName: 'Ann1', lastName: '', stage: 'CTO' });

    // The same choice again is no change, and null gives it back to the settings.
    await choose(ours);
    hooks.env = { ...hooks.env, CRM_FIELDS: 'email=email,lastname=lastName' };
    expect((await shown()).fields).toEqual(ours);
    expect(await (await choose(null)).json()).toMatchObject({
      fields: { email: 'email', lastname: 'lastName' },
      areFieldsChosen: false,
    });
    const { results } = await db
      .prepare("SELECT actor, detail FROM audit WHERE action = 'crm.mapFields' ORDER BY id")
      .all<{ actor: string; detail: string }>();
    expect(results.map(({ actor, detail }) => [actor, JSON.parse(detail) as unknown])).toEqual([
      [
        'ana@example.com',
        {
          before: {
            fields: { email: 'email', firstname: 'firstName', lastname: 'lastName', company: 'company' },
          },
          after: { fields: ours },
        },
      ],
      [
        'ana@example.com',
        { before: { fields: ours }, after: { fields: { email: 'email', lastname: 'lastName' } } },
      ],
    ]);
  });

  it('are refused in words where HubSpot has none of that name, or nothing fills the address', async () => {
    const refusal = async (fields: Record<string, string>): Promise<unknown[]> => {
      const answer = await choose(fields);
      const { code, detail } = await answer.json<{ code: string; detail: string }>();
      return [answer.status, code, detail];
    };
    expect(await refusal({ email: 'email', jobtitel: 'stage' })).toEqual([
      422,
      'invalid_request',
      'HubSpot has no field “jobtitel”. Choose one that it has.',
    ]);
    expect(await refusal({ email: 'email', firstname: 'firstName', lastname: 'firstName' })).toEqual([
      422,
      'invalid_request',
      'Two fields fill the first name of a lead. Choose one of them.',
    ]);
    expect((await refusal({ company: 'company' }))[2]).toContain('No field fills the email address');
    expect((await refusal({ email: 'status' }))[0]).toBe(422);
    expect((await shown()).areFieldsChosen).toBe(false);
    hubspot.mayReadProperties = false;
    expect((await refusal(ours)).slice(0, 2)).toEqual([409, 'crm_not_configured']);
  });

  it('are chosen by admins only, and belong to one account', async () => {
    hooks.env = { ...hooks.env, ROLE_OPERATOR: 'olga@example.com' };
    expect((await choose(ours, '{"email":"olga@example.com"}')).status).toBe(403);
    const read = await request('/crm/connection/fields', {
      headers: { 'test-identity': '{"email":"olga@example.com"}' },
    });
    expect(read.status).toBe(403);
    await choose(ours);
    hooks.env = { ...hooks.env, CRM_API_URL: 'https://eu.api.hubapi.com' };
    expect((await shown()).areFieldsChosen).toBe(false);
  });
});

describe('the last pull', () => {
  const lastPull = async (): Promise<CrmConnectionView['lastPull']> =>
    (await (await request('/crm/connection')).json<CrmConnectionView>()).lastPull;

  it('is shown with its sums, who pulled it and whether pages are left', async () => {
    expect(await lastPull()).toBeNull();
    const { nextCursor } = await pull({ listId: '42' });
    expect(await lastPull()).toMatchObject({ listId: '42', created: 100, isDone: false, error: null });
    await pull({ listId: '42', cursor: nextCursor });
    expect(await lastPull()).toEqual({
      ...{ listId: '42', by: 'ana@example.com', at: expect.any(Number) as number },
      ...{ created: 140, updated: 0, unchanged: 0, refused: 0, isDone: true, error: null },
    });
    // From the beginning again, its sums are those of this pull.
    await pull({ listId: '42' });
    expect(await lastPull()).toMatchObject({ created: 0, unchanged: 100, isDone: false });
  });

  it('says why it failed, and keeps what it had pulled', async () => {
    const { nextCursor } = await pull({ listId: '42' });
    hubspot.fault = () => ({ kind: 'page', status: 502 });
    await send('POST', '/crm/connection/pull', { listId: '42', cursor: nextCursor });
    expect(await lastPull()).toMatchObject({
      ...{ created: 100, isDone: false },
      error: expect.stringContaining('answered 502') as string,
    });
    hubspot.fault = () => ({ kind: 'none' });
    await send('POST', '/crm/connection/pull', { listId: '404' });
    expect(await lastPull()).toMatchObject({
      ...{ listId: '404', created: 0 },
      error: 'HubSpot has no list with this id, or the key may not read it.',
    });
  });
});

describe('a CRM over HTTP', () => {
  it('is pulled from in our own form, with fields that are typed freely', async () => {
    const crm = new FakeHttpCrm().install();
    for (let at = 1; at <= 150; at++)
      crm.records.set(`C-${at}`, { mail: `person${at}@example.com`, vorname: `Bea${at}`, secret: 'x' });
    crm.lists.set('fair-2026', [...crm.records.keys()]);
    hooks.env = { ...hooks.env, ...httpCrm };
    expect(await (await request('/crm/connection/fields')).json()).toEqual({ fields: null });
    const chosen = await send('PUT', '/crm/connection/fields', {
      fields: { mail: 'email', vorname: 'firstName' },
    });
    expect(chosen.status).toBe(200);
    const pages = await pullAll('fair-2026');
    expect(pages.map(({ created, refused }) => [created, refused])).toEqual([
      [100, 0],
      [50, 0],
    ]);
    const found = await request('/crm/leads?externalSource=crm&limit=1&sort=id');
    const { leads } = await found.json<{ leads: { firstName: string; email: string }[] }>();
    expect(leads[0]).toMatchObject({ email: expect.stringMatching(/^person\d+@/) as string });
    const missing = await send('POST', '/crm/connection/pull', { listId: 'nothing' });
    expect(missing.status).toBe(404);
    crm.fault = () => ({ kind: 'answer', status: 200, body: { contacts: 'no' } });
    expect((await send('POST', '/crm/connection/pull', { listId: 'fair-2026' })).status).toBe(503);
  });
});

describe('the allowance of calls', () => {
  it('is what Salesforce said last, to a test and to an activation', async () => {
    const crm = new FakeSalesforce().install();
    crm.allowance = 15_000;
    const id = '00Q000000000000001';
    crm.records.set(id, { Lead_Activation__c: 'new' });
    await addLeads(db, [{}]);
    await db.prepare("UPDATE leads SET external_source = 'salesforce', external_id = ?").bind(id).run();
    hooks.env = {
      ...{ CRM_PROVIDER: 'salesforce', CRM_API_KEY: 'secret', CRM_CLIENT_ID: 'client' },
      CRM_API_URL: 'https://acme.my.salesforce.com',
    };
    const shown = async (): Promise<CrmConnectionView> => (await request('/crm/connection')).json();
    expect((await shown()).allowance).toBeNull();
    expect(await (await send('POST', '/crm/connection/test')).json()).toMatchObject({ isOk: true });
    expect((await shown()).allowance).toMatchObject({ usedCount: 2, maxCount: 15_000 });
    await startSession(sessionId);
    await drive(sessionId, clock);
    const used = (await shown()).allowance?.usedCount ?? 0;
    expect(used).toBeGreaterThan(4);
    expect(used).toBe(crm.callTimes.length);
    const samples = await readSamples({ ...env, ...hooks.env }, clock.now());
    expect(samples).toContainEqual(
      expect.objectContaining({ metric: 'crm_allowance_percent', value: (100 * used) / 15_000 }),
    );
  });
});

describe('the test of the connection', () => {
  it('fails where the field of the state is not there', async () => {
    hubspot.properties.delete('lead_activation');
    const answer = await (
      await send('POST', '/crm/connection/test')
    ).json<{ isOk: boolean; message: string }>();
    expect(answer.isOk).toBe(false);
    expect(answer.message).toContain('HubSpot took the key, but has no field lead_activation.');
    // A key that may set contacts and not read their properties is good enough.
    hubspot.mayReadProperties = false;
    expect(await (await send('POST', '/crm/connection/test')).json()).toMatchObject({ isOk: true });
  });
});
