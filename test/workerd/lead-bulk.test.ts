import { beforeEach, describe, expect, it } from 'vitest';
import type { BulkStep, LastResults } from '../../src/shared/schemas/lead-bulk.ts';
import type { LeadDetail, LeadPage } from '../../src/shared/schemas/leads.ts';
import { bulkPage, exportPages } from '../../src/crm/leads/bulk.ts';
import { addLeads, countsAndRecount, emptyCrm, suppress } from '../support/crm-database.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import { plansOf } from '../support/query-plans.ts';
import { request, send } from '../support/session-driver.ts';

let db: D1Database;

beforeEach(async () => {
  resetHooks();
  db = await emptyCrm();
});

async function ask<T>(path: string, body?: unknown): Promise<T> {
  const response = body === undefined ? await request(path) : await send('POST', path, body);
  expect(response.status, path).toBeLessThan(300);
  return response.json();
}
const idsOf = async (query: string): Promise<number[]> =>
  (await ask<LeadPage>(`/crm/leads?sort=id&${query}`)).leads.map(({ id }) => id);

describe('a filter with several values', () => {
  beforeEach(() =>
    addLeads(
      db,
      ['Fair', 'Web', 'Phone', 'Fair', 'Web', ''].map((source, at) => ({
        source,
        stage: at < 3 ? 'Hot' : 'Cold',
        company: `Company ${9 - at}`,
      })),
    ),
  );

  it('matches leads that have any of them, in every order and over pages', async () => {
    expect(await idsOf('source=Fair&source=Web')).toEqual([1, 2, 4, 5]);
    expect(await idsOf('source=Fair&source=Web&stage=Hot')).toEqual([1, 2]);
    expect(await idsOf('source=Fair&source=Fair')).toEqual([1, 4]);
    const first = await ask<LeadPage>('/crm/leads?source=Fair&source=Web&sort=-company&limit=3');
    expect([first.total, first.leads.map(({ id }) => id)]).toEqual([4, [1, 2, 4]]);
    const cursor = encodeURIComponent(first.nextCursor ?? '');
    expect(await idsOf(`source=Fair&source=Web`)).toHaveLength(4);
    const next = await ask<LeadPage>(
      `/crm/leads?source=Fair&source=Web&sort=-company&limit=3&cursor=${cursor}`,
    );
    expect(next.leads.map(({ id }) => id)).toEqual([5]);
  });

  it('is an audience, and is bounded', async () => {
    const audience = { filter: { source: ['Fair', 'Web'] }, excludedIds: [1] };
    const preview = await ask('/crm/activation/preview', { audience, templateId: 'welcome' });
    expect(preview).toMatchObject({ total: 3, willActivate: 3 });
    const values = Array.from({ length: 21 }, (_, at) => `source=${at}`).join('&');
    expect((await request(`/crm/leads?${values}`)).status).toBe(422);
  });
});

describe('what is done with many leads', () => {
  beforeEach(() =>
    addLeads(
      db,
      Array.from({ length: 1_205 }, (_, at) => ({ source: at % 2 === 0 ? 'Fair' : 'Web' })),
    ),
  );

  it('is done a bounded number at a time, and not with leads that came later', async () => {
    const edit = { audience: { filter: {} }, field: 'stage', value: 'Hot' };
    const first = await ask<BulkStep>('/crm/leads/bulk/edit', edit);
    expect(first).toEqual({
      seenCount: 1_000,
      changedCount: 1_000,
      next: { afterId: 1_000, untilId: 1_205 },
    });
    await ask('/crm/leads', { email: 'later@example.org' });
    const second = await ask<BulkStep>('/crm/leads/bulk/edit', { ...edit, ...first.next });
    expect(second).toEqual({ seenCount: 205, changedCount: 205, next: null });
    expect((await ask<LeadPage>('/crm/leads?stage=Hot&limit=1')).total).toBe(1_205);
    // Again, it changes nothing.
    expect(await ask('/crm/leads/bulk/edit', edit)).toMatchObject({ seenCount: 1_000, changedCount: 0 });
  });

  it('needs the whole place of the answer before', async () => {
    for (const place of [{ afterId: 1_000 }, { untilId: 1_205 }]) {
      for (const [path, body] of [
        ['edit', { field: 'stage', value: 'Hot' }],
        ['suppress', {}],
        ['erase', {}],
      ] as const) {
        const response = await send('POST', `/crm/leads/bulk/${path}`, {
          audience: { filter: {} },
          ...body,
          ...place,
        });
        expect(response.status, path).toBe(422);
        expect(JSON.stringify(await response.json())).toContain('give afterId and untilId together');
      }
    }
    expect((await ask<LeadPage>('/crm/leads?stage=Hot&limit=1')).total).toBe(0);
  });

  it('suppresses the addresses of leads, and the list says so', async () => {
    const audience = { leadIds: [3, 1, 7] };
    await ask('/crm/leads/bulk/suppress', { audience, note: 'asked by phone' });
    expect(await ask('/crm/leads/bulk/suppress', { audience })).toMatchObject({ changedCount: 0 });
    const { leads } = await ask<LeadPage>('/crm/leads?sort=id&limit=4');
    expect(leads.map(({ unmailable }) => unmailable)).toEqual(['manual', null, 'manual', null]);
    expect(await ask<LeadDetail>('/crm/leads/7')).toMatchObject({
      unmailable: 'manual',
      suppression: { reason: 'manual', note: 'asked by phone', addedBy: 'ana@example.com' },
    });
  });

  it('erases them as one by one, and the counts stay true', async () => {
    const audience = { leadIds: Array.from({ length: 25 }, (_, at) => at + 1) };
    const first = await ask<BulkStep>('/crm/leads/bulk/erase', { audience });
    expect(first).toMatchObject({ seenCount: 20, changedCount: 20 });
    const second = await ask<BulkStep>('/crm/leads/bulk/erase', { audience, ...first.next });
    expect(second).toEqual({ seenCount: 5, changedCount: 5, next: null });
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);
    expect((await ask<LeadPage>('/crm/leads?limit=1')).total).toBe(1_180);
  });

  it('exports all of an audience as CSV, over its pages', async () => {
    const response = await send('POST', '/crm/leads.csv', { audience: { filter: {}, excludedIds: [2] } });
    expect(response.headers.get('content-type')).toContain('text/csv');
    const lines = (await response.text()).trim().split('\r\n');
    expect(lines).toHaveLength(1_205);
    expect(lines[0]).toContain('id,email,firstName');
    expect(lines[2]?.split(',')[0]).toBe('3');
    const audit = await ask<{ entries: { action: string; detail: unknown }[] }>(
      '/crm/audit?action=lead.download',
    );
    expect(audit.entries[0]).toMatchObject({ action: 'lead.download' });
  });

  it('tells the last results that are known while one activation does not answer', async () => {
    await db
      .prepare(
        "UPDATE leads SET status = 'active', activated_at = 1, activated_by = CASE id WHEN 1 THEN 'ill' ELSE 'well' END WHERE id < 4",
      )
      .run();
    const nothing: Omit<LastResults['results'][number], 'leadId'> = {
      ...{ name: '', email: null, activation: 'activated', skipReason: null },
      ...{ emailState: null, code: null, message: null, messageId: null },
    };
    const leadResults = (leadIds: readonly number[]) =>
      Promise.resolve(leadIds.map((leadId) => ({ ...nothing, leadId })));
    const getByName = (name: string) =>
      name === 'well' ? { leadResults } : { leadResults: () => Promise.reject(new Error('overloaded')) };
    hooks.env = { ACTIVATION_SESSION: { getByName } as unknown as Env['ACTIVATION_SESSION'] };
    const { results } = await ask<LastResults>('/crm/leads/results', { leadIds: [1, 2, 3, 4] });
    expect(results.map(({ leadId }) => leadId)).toEqual([2, 3]);
  });

  it('exports long leads in pages that stay below the size of an answer', async () => {
    await db.prepare('UPDATE leads SET notes = ? WHERE id <= 1000').bind('n'.repeat(10_000)).run();
    const pages: number[] = [];
    const ids: number[] = [];
    for await (const page of exportPages(db, { filter: {}, excludedIds: [1_205] })) {
      pages.push(page.length);
      ids.push(...page.map(({ id }) => id));
    }
    expect(ids).toEqual(Array.from({ length: 1_204 }, (_, at) => at + 1));
    // 8 M characters: notes of 10,000, and a little for the rest of a lead.
    expect(pages[0]).toBeGreaterThan(750);
    expect(pages[0]).toBeLessThan(800);
  });

  it('seeks its place by id, and does not count on from the beginning', async () => {
    const plans = await plansOf(db, (recorder) =>
      bulkPage(recorder, {
        audience: { filter: {} },
        place: { afterId: 1_000, untilId: 1_205 },
        limit: 1_000,
      }),
    );
    expect(plans.flatMap(({ steps }) => steps).join(' ')).toMatch(/SEARCH l USING INTEGER PRIMARY KEY/);
  });
});

describe('a lead that is added by hand', () => {
  it('is there once, with its fields, and is counted', async () => {
    const lead = { email: 'Ann@Example.org', firstName: ' Ann ', custom: { plan: 'pro' } };
    const response = await send('POST', '/crm/leads', lead);
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({
      email: 'Ann@example.org',
      firstName: 'Ann',
      lastName: '',
      custom: { plan: 'pro' },
      status: 'new',
      unmailable: null,
      suppression: null,
    });
    const again = await send('POST', '/crm/leads', { email: 'ann@example.org' });
    expect([again.status, await again.json()]).toMatchObject([409, { code: 'email_taken' }]);
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);
    expect(await idsOf('search=ann')).toHaveLength(1);
    expect(await ask('/crm/lead-values')).toMatchObject({ custom: ['plan'] });
  });

  it('needs an address', async () => {
    for (const body of [{}, { email: 'no address' }, { email: 'a@b.example', status: 'active' }]) {
      expect((await send('POST', '/crm/leads', body)).status).toBe(422);
    }
  });
});

describe('who an activation would skip', () => {
  it('is named by reason, the first of them', async () => {
    await addLeads(db, [
      { email: 'a@example.com', status: 'active' },
      { email: 'b@example.com' },
      { email: 'c', emailValid: false },
      { email: 'd@example.com', status: 'active' },
    ]);
    await suppress(db, 'b@example.com');
    const of = async (reason: string) =>
      (
        await ask<LeadPage>('/crm/leads/skipped', { audience: { filter: {}, excludedIds: [4] }, reason })
      ).leads.map(({ id, unmailable }) => [id, unmailable]);
    expect([await of('already_active'), await of('suppressed'), await of('invalid_address')]).toEqual([
      [[1, null]],
      [[2, 'unsubscribed']],
      [[3, 'invalid_address']],
    ]);
  });
});
