/**
 * The story: activate a HubSpot list, in waves; HubSpot shows who is active, and Slack hears of the end.
 */
import { runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CrmConnectionView, CrmPulled } from '../../src/shared/schemas/crm.ts';
import { exchangeFaults } from '../support/hubspot-description.ts';
import { expectCounted, expectLedger } from '../support/crm-setup.ts';
import { EventReceiver } from '../support/event-receiver.ts';
import { FakeHubSpot } from '../support/fake-crms.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { drive, request, send, type DrivenClock } from '../support/session-driver.ts';
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
