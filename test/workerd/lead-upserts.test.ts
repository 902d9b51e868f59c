/**
 * Leads as other systems write them: one and many, by external id or address, with tags, and with a key against repeats.
 */
import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { findAnswer } from '../../src/crm/leads/idempotency.ts';
import { tagsOf } from '../../src/crm/leads/labels.ts';
import { upsertLeads } from '../../src/crm/leads/upsert.ts';
import { limits } from '../../src/shared/limits.ts';
import type { BulkStep } from '../../src/shared/schemas/lead-bulk.ts';
import type {
  Lead,
  LeadBatchResult,
  LeadDetail,
  LeadPage,
  LeadUpsert,
  LeadUpsertResult,
} from '../../src/shared/schemas/leads.ts';
import { addLeads, countsAndRecount, emptyCrm, hashEmail, suppress } from '../support/crm-database.ts';
import { meter, meterDatabase, resetMeter } from '../support/meter.ts';
import { request, send } from '../support/session-driver.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
  meterDatabase(env.DB);
});

const crm = (id: string) => ({ source: 'hubspot', id });

async function put(lead: unknown): Promise<{ status: number; body: LeadDetail }> {
  const response = await send('PUT', '/crm/leads', lead);
  return { status: response.status, body: await response.json() };
}

async function putAll(leads: readonly unknown[], key?: string): Promise<LeadUpsertResult[]> {
  const response = await putRaw(leads, key);
  expect(response.status).toBe(200);
  return (await response.json<LeadBatchResult>()).results;
}
const putRaw = (leads: readonly unknown[], key?: string): Promise<Response> =>
  request('/crm/leads:batch', {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) },
    body: JSON.stringify({ leads }),
  });

async function found(query: string): Promise<number[]> {
  const response = await request(`/crm/leads?sort=id&${query}`);
  expect(response.status, query).toBe(200);
  return (await response.json<LeadPage>()).leads.map(({ id }) => id);
}
const lead = async (id: number): Promise<LeadDetail> => (await request(`/crm/leads/${id}`)).json();

describe('one lead', () => {
  it('is created, changed where it differs, and left alone by a repeat', async () => {
    const first = await put({
      externalId: crm('1'),
      email: 'Ada@Example.com',
      firstName: 'Ada',
      tags: ['b', 'a', 'b'],
    });
    expect([first.status, first.body]).toMatchObject([
      201,
      { id: 1, email: 'Ada@example.com', externalId: crm('1'), tags: ['a', 'b'], status: 'new' },
    ]);
    const changed = await put({ externalId: crm('1'), stage: 'qualified' });
    expect([changed.status, changed.body]).toMatchObject([
      200,
      { id: 1, firstName: 'Ada', stage: 'qualified', tags: ['a', 'b'] },
    ]);
    const before = await lead(1);
    const again = await put({
      externalId: crm('1'),
      email: 'ada@example.com',
      stage: 'qualified',
      tags: ['b', 'a'],
    });
    expect([again.status, again.body]).toEqual([200, before]);
  });

  it('is found by its address where it has no external id yet, and gets it', async () => {
    await addLeads(db, [{ email: 'ada@example.com' }]);
    expect((await put({ externalId: crm('7'), email: 'ADA@example.com' })).body).toMatchObject({
      id: 1,
      email: 'ada@example.com',
      externalId: crm('7'),
    });
    expect((await put({ externalId: crm('7'), email: 'ada@new.example' })).body.email).toBe(
      'ada@new.example',
    );
    expect(await found('externalSource=hubspot&externalId=7')).toEqual([1]);
    expect(await found('externalId=7')).toEqual([1]);
    expect(await found('externalSource=hubspot')).toEqual([1]);
    expect(await found('externalSource=pipedrive&externalId=7')).toEqual([]);
  });

  it('is refused where two leads are meant, with the one in the way', async () => {
    await put({ externalId: crm('1'), email: 'a@example.com' });
    await put({ externalId: crm('2'), email: 'b@example.com' });
    expect(await put({ externalId: crm('1'), email: 'b@example.com', firstName: 'X' })).toMatchObject({
      status: 409,
      body: { code: 'email_taken', leadId: 2 },
    });
    expect(await put({ externalId: crm('3'), email: 'b@example.com', firstName: 'X' })).toMatchObject({
      status: 409,
      body: { code: 'external_id_mismatch', leadId: 2 },
    });
    expect(await put({ externalId: crm('3'), firstName: 'X' })).toMatchObject({
      status: 422,
      body: { code: 'invalid_request', errors: [{ path: '/email' }] },
    });
    expect((await lead(1)).firstName).toBe('');
  });

  it('sets custom fields one by one, within their number', async () => {
    await put({ email: 'a@example.com', custom: { plan: 'pro', seats: '5' } });
    expect((await put({ email: 'a@example.com', custom: { plan: '', region: 'eu' } })).body.custom).toEqual({
      region: 'eu',
      seats: '5',
    });
    const many = Object.fromEntries(Array.from({ length: 19 }, (_, at) => [`f${at}`, 'x']));
    expect(await put({ email: 'a@example.com', custom: many })).toMatchObject({
      status: 422,
      body: { errors: [{ path: '/custom' }] },
    });
  });

  it('keeps its activation, and a suppressed address stays suppressed', async () => {
    await addLeads(db, [{ email: 'a@example.com', status: 'active', activatedAt: 5, mailedAt: 5 }]);
    await suppress(db, 'b@example.com');
    const mailed = await put({ externalId: crm('1'), email: 'a@example.com', firstName: 'New' });
    expect(mailed.body).toMatchObject({ status: 'active', activatedAt: 5, firstName: 'New' });
    expect(await db.prepare('SELECT mailed_at FROM leads WHERE id = 1').first('mailed_at')).toBe(5);
    const back = await put({ externalId: crm('2'), email: 'b@example.com' });
    expect(back.body).toMatchObject({ unmailable: 'unsubscribed', status: 'new' });
  });

  it.each([
    [{ email: 'no address' }, '/email'],
    [{ email: 'a@example.com', externalId: { source: 'Hub Spot', id: '1' } }, '/externalId/source'],
    [{ email: 'a@example.com', externalId: { source: 'hubspot', id: ' ' } }, '/externalId/id'],
    [{ email: 'a@example.com', externalId: { source: 'hubspot', id: 'a\nb' } }, '/externalId/id'],
    [{ email: 'a@example.com', externalId: null }, '/externalId'],
    [{ email: 'a@example.com', tags: ['a,b'] }, '/tags/0'],
    [{ email: 'a@example.com', tags: ['\ud800'] }, '/tags/0'],
    [{ email: 'a@example.com', tags: [''] }, '/tags/0'],
    [{ email: 'a@example.com', tags: Array.from({ length: 21 }, (_, at) => `${at}`) }, '/tags'],
    [{ email: 'a@example.com', tags: ['x'.repeat(51)] }, '/tags/0'],
    [{ email: 'a@example.com', status: 'active' }, ''],
    ['a@example.com', ''],
  ])('that is %j is refused at %j, alone and in a batch', async (bad, path) => {
    const one = await put(bad);
    const { errors = [] } = one.body as { errors?: { path: string }[] };
    expect([one.status, errors[0]?.path]).toEqual([422, path]);
    const [first, second] = await putAll([bad, { email: 'good@example.com' }]);
    expect(first).toMatchObject({ outcome: 'refused', leadId: null });
    expect(first?.problem?.errors[0]?.path).toBe(path);
    expect(second?.outcome).toBe('created');
  });
});

describe('adding and editing by hand', () => {
  it('takes an external id and tags, and names the lead that has them already', async () => {
    const made = await send('POST', '/crm/leads', {
      email: 'a@example.com',
      externalId: crm('1'),
      tags: ['vip'],
    });
    expect([made.status, await made.json()]).toMatchObject([201, { externalId: crm('1'), tags: ['vip'] }]);
    const byAddress = await send('POST', '/crm/leads', { email: 'A@example.com', externalId: crm('2') });
    expect([byAddress.status, await byAddress.json()]).toMatchObject([
      409,
      { code: 'email_taken', leadId: 1 },
    ]);
    const byId = await send('POST', '/crm/leads', { email: 'b@example.com', externalId: crm('1') });
    expect([byId.status, await byId.json()]).toMatchObject([409, { code: 'external_id_taken', leadId: 1 }]);
    await put({ externalId: crm('2'), email: 'b@example.com' });
    const patched = await send('PATCH', '/crm/leads/2', { externalId: crm('1'), custom: { never: 'kept' } });
    expect([patched.status, await patched.json()]).toMatchObject([
      409,
      { code: 'external_id_taken', leadId: 1 },
    ]);
    expect((await send('PATCH', '/crm/leads/1', { externalId: null, tags: [] })).status).toBe(200);
    expect(await lead(1)).toMatchObject({ externalId: null, tags: [] });
    expect((await send('PATCH', '/crm/leads/2', { externalId: crm('1') })).status).toBe(200);
    const { custom } = await (await request('/crm/lead-values')).json<{ custom: string[] }>();
    expect(custom).toEqual([]);
  });
});

describe('a batch', () => {
  it('has a result for each item in its order, and one bad item does not lose the others', async () => {
    await put({ externalId: crm('1'), email: 'a@example.com' });
    const results = await putAll([
      { externalId: crm('1'), firstName: 'Ann' },
      { externalId: crm('1'), firstName: 'Ann' },
      { email: 'nobody' },
      { externalId: crm('2'), email: 'b@example.com' },
      { externalId: crm('2'), tags: ['vip'] },
      { externalId: crm('3'), email: 'A@example.com' },
      { email: 'c@example.com' },
    ]);
    expect(results.map(({ outcome, leadId }) => [outcome, leadId])).toEqual([
      ['updated', 1],
      ['unchanged', 1],
      ['refused', null],
      ['created', 2],
      ['updated', 2],
      ['refused', null],
      ['created', 3],
    ]);
    expect(results[5]?.problem).toMatchObject({ code: 'external_id_mismatch', leadId: 1 });
    expect(await lead(2)).toMatchObject({ tags: ['vip'], externalId: crm('2') });
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);
  });

  it('does not give a lead the address that another had when the request came', async () => {
    await putAll([
      { externalId: crm('1'), email: 'a@example.com' },
      { externalId: crm('2'), email: 'b@example.com' },
    ]);
    const results = await putAll([
      { externalId: crm('1'), email: 'c@example.com' },
      { externalId: crm('2'), email: 'a@example.com' },
      { email: 'a@example.com' },
    ]);
    expect(results.map(({ outcome }) => outcome)).toEqual(['updated', 'refused', 'refused']);
    expect(results[1]?.problem).toMatchObject({ code: 'email_taken', leadId: 1 });
    expect((await putAll([{ externalId: crm('2'), email: 'a@example.com' }]))[0]?.outcome).toBe('updated');
  });

  it('of 1,000 leads takes few queries, and 7 rows for a new lead with an external id', async () => {
    const leads = Array.from({ length: limits.maxLeadBatchCount }, (_, at) => ({
      externalId: crm(`${at}`),
      email: `lead${at}@example.com`,
      firstName: 'Ann',
      lastName: `Name${at}`,
      company: 'Example Ltd',
      custom: { plan: 'pro' },
      tags: ['fair'],
    }));
    resetMeter();
    const queries = countingQueries(db);
    const create = await upsertLeads(queries.db, {
      items: leads.map((it) => ({ lead: it })),
      nowMs: 1,
      hashEmail,
    });
    expect(create.kind === 'ok' && create.results.every(({ outcome }) => outcome === 'created')).toBe(true);
    expect(queries.count()).toBeLessThanOrEqual(10);
    expect(queries.maxParameterCount()).toBeLessThanOrEqual(100);
    expect(meter.d1RowsWritten / leads.length).toBeLessThanOrEqual(7.01);

    // The longest texts that a body can have take more statements, and still few.
    const long = leads.map((it) => ({ lead: { ...it, notes: 'ü'.repeat(450) } }));
    await upsertLeads(queries.db, { items: long, nowMs: 2, hashEmail });
    expect(queries.count()).toBeLessThanOrEqual(10);
    expect((await found('tag=fair&limit=500')).length).toBe(500);
    const full = { ...leads[0], custom: { plan: 'free' } };
    expect((await putAll([full]))[0]).toMatchObject({ outcome: 'updated', leadId: 1 });
  });

  it('leaves every lead findable by its words, where it edits several at once', async () => {
    await addLeads(db, [
      { email: 'a@x.test', firstName: '' },
      { email: 'p@x.test', firstName: '' },
    ]);
    await putAll([
      { email: 'a@x.test', firstName: 'Ann' },
      { email: 'p@x.test', firstName: 'Ann' },
    ]);
    // The first has the word before and after; the second gets it.
    expect(await found('search=a')).toEqual([1, 2]);
  });

  it('is bounded, and needs a lead', async () => {
    const item = { email: 'a@example.com' };
    const tooMany = await putRaw(Array.from({ length: 1_001 }, () => item));
    expect([tooMany.status, await tooMany.json()]).toMatchObject([422, { code: 'too_many_items' }]);
    expect((await putRaw([])).status).toBe(422);
    const large = await putRaw([{ ...item, notes: 'x'.repeat(limits.maxLeadBatchBytes) }]);
    expect(large.status).toBe(413);
    expect(await found('')).toEqual([]);
  });

  it('is planned anew where a lead changes between reading and writing', async () => {
    await addLeads(db, [{ email: 'a@example.com', firstName: 'Old' }]);
    let isFirst = true;
    const racing = withBefore(db, async () => {
      if (!isFirst) return;
      isFirst = false;
      await send('PATCH', '/crm/leads/1', { email: 'z@example.com', firstName: 'New' });
    });
    const answer = await upsertLeads(racing, {
      items: [{ lead: { email: 'a@example.com', firstName: 'Ann' } }],
      nowMs: 1,
      hashEmail,
    });
    expect(answer).toMatchObject({ kind: 'ok', results: [{ outcome: 'created', leadId: 2 }] });
    expect(await lead(1)).toMatchObject({ email: 'z@example.com', firstName: 'New' });
    const always = withBefore(db, async () => {
      await db.prepare('UPDATE leads SET revision = revision + 1').run();
    });
    expect(
      await upsertLeads(always, {
        items: [{ lead: { email: 'a@example.com', lastName: 'X' } }],
        nowMs: 1,
        hashEmail,
      }),
    ).toEqual({ kind: 'busy' });
  });
});

describe('an Idempotency-Key', () => {
  it('gives a repeat the same answer and changes nothing, also when the lead has changed since', async () => {
    const leads = [{ externalId: crm('1'), email: 'a@example.com', firstName: 'Ann' }, { email: 'no' }];
    const first = await putAll(leads, 'k1');
    expect(first.map(({ outcome, leadId }) => [outcome, leadId])).toEqual([
      ['created', 1],
      ['refused', null],
    ]);
    await send('PATCH', '/crm/leads/1', { firstName: 'Bea' });
    const repeat = await putRaw(leads, 'k1');
    expect(repeat.headers.get('idempotent-replayed')).toBe('true');
    expect((await repeat.json<LeadBatchResult>()).results).toEqual(first);
    expect((await lead(1)).firstName).toBe('Bea');
    expect((await putAll(leads, 'k2'))[0]?.outcome).toBe('updated');
  });

  it('with another body is refused, and writes nothing', async () => {
    await putAll([{ email: 'a@example.com' }], 'k1');
    const other = await putRaw([{ email: 'b@example.com' }], 'k1');
    expect([other.status, await other.json()]).toMatchObject([422, { code: 'idempotency_key_reused' }]);
    expect(await found('')).toEqual([1]);
  });

  it('lets one of many requests at the same time through', async () => {
    const leads = [{ email: 'a@example.com', firstName: 'Ann' }];
    const answers = await Promise.all(Array.from({ length: 8 }, () => putAll(leads, 'k1')));
    for (const results of answers) expect(results).toEqual(answers[0]);
    expect(answers[0]?.[0]?.outcome).toBe('created');
    expect(await db.prepare('SELECT count(*) AS n FROM idempotency_keys').first('n')).toBe(1);
  });

  it('is kept for a day, in a bounded number for each person, and without any text of the request', async () => {
    await putAll([{ externalId: crm('secret-id'), email: 'secret@example.com' }], 'secret-key');
    const row = JSON.stringify(await db.prepare('SELECT * FROM idempotency_keys').first());
    expect(row).not.toContain('secret');
    const actor = (await db.prepare('SELECT actor FROM idempotency_keys').first<string>('actor')) ?? '';
    const others = Array.from({ length: limits.maxIdempotencyKeyCount - 1 }, (_, at) => `k${at}`);
    await db
      .prepare(
        `INSERT INTO idempotency_keys (actor, key_hash, body_hash, at, results, created_ids)
         SELECT ?1, value, 'b', ?2, '[]', '[]' FROM json_each(?3)`,
      )
      .bind(actor, Date.now(), JSON.stringify(others))
      .run();
    const refused = await putRaw([{ email: 'b@example.com' }], 'one more');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '3600']);
    expect((await refused.json<{ code: string }>()).code).toBe('too_many_keys');
    // A repeat of a kept one is still answered.
    const kept = await putRaw([{ externalId: crm('secret-id'), email: 'secret@example.com' }], 'secret-key');
    expect(kept.status).toBe(200);
    const later = { actor, keyHash: 'k1', bodyHash: 'b', nowMs: Date.now() + 25 * 3_600_000 };
    expect(await findAnswer(db, later)).toEqual({ kind: 'none' });
    expect(await db.prepare('SELECT count(*) AS n FROM idempotency_keys').first('n')).toBe(0);
  });
});

describe('tags', () => {
  beforeEach(() =>
    putAll(
      ['a', 'b', 'c', 'd'].map((name, at) => ({
        email: `${name}@example.com`,
        tags: [['vip'], ['vip', 'Fair 2026'], ['VIP'], []][at],
      })),
    ),
  );

  it('are found exactly, listed as values, and are an audience', async () => {
    expect(await found('tag=vip')).toEqual([1, 2]);
    expect(await found('tag=VIP&tag=Fair%202026')).toEqual([2, 3]);
    expect(await found('tag=vip&status=new&search=b')).toEqual([2]);
    const byAddress = await (await request('/crm/leads?tag=vip&sort=-email')).json<LeadPage>();
    expect(byAddress.leads.map(({ id }) => id)).toEqual([2, 1]);
    expect(await (await request('/crm/lead-values')).json()).toMatchObject({
      tag: ['Fair 2026', 'VIP', 'vip'],
    });
    const audience = { filter: { tag: 'vip' }, excludedIds: [1] };
    const preview = await send('POST', '/crm/activation/preview', { audience, templateId: 'welcome' });
    expect(await preview.json()).toMatchObject({ total: 1, willActivate: 1 });
    const manifest = await send('POST', '/crm/activation/manifest', { audience, templateId: 'welcome' });
    expect(JSON.stringify(await manifest.json())).toContain('with the tag “vip”');
  });

  it('are added and removed for many leads, and a lead that would have too many stays', async () => {
    const full = Array.from({ length: limits.maxTagCount }, (_, at) => `t${at}`);
    await send('PATCH', '/crm/leads/4', { tags: full });
    const edit = { audience: { filter: {} }, add: ['new'], remove: ['vip'] };
    const step = await send('POST', '/crm/leads/bulk/tags', edit);
    expect(await step.json<BulkStep>()).toEqual({
      seenCount: 4,
      changedCount: 3,
      next: null,
      fullCount: 1,
    });
    expect(await found('tag=vip')).toEqual([]);
    expect(await found('tag=new')).toEqual([1, 2, 3]);
    expect((await lead(2)).tags).toEqual(['Fair 2026', 'new']);
    const again = await send('POST', '/crm/leads/bulk/tags', edit);
    expect(await again.json()).toMatchObject({ changedCount: 0, fullCount: 1 });
    expect((await send('POST', '/crm/leads/bulk/tags', { audience: { filter: {} } })).status).toBe(422);
  });

  it('and the external id are in the file, in the export of the person, and gone with the lead', async () => {
    await put({ email: 'b@example.com', externalId: crm('x-42') });
    const csv = await (await send('POST', '/crm/leads.csv', { audience: { leadIds: [2] } })).text();
    expect(csv).toContain('hubspot,x-42,Fair 2026;vip');
    const person = await (await send('POST', '/crm/leads/export', { email: 'b@example.com' })).json();
    expect(person).toMatchObject({ lead: { externalId: crm('x-42'), tags: ['Fair 2026', 'vip'] } });
    expect((await send('DELETE', '/crm/leads/2')).status).toBe(204);
    expect(await found('tag=Fair%202026')).toEqual([]);
    expect(await found('externalId=x-42')).toEqual([]);
    expect(await (await request('/crm/lead-values')).json()).toMatchObject({
      tag: ['VIP', 'vip'],
      externalSource: [],
    });
    expect((await put({ externalId: crm('x-42'), email: 'other@example.com' })).status).toBe(201);
  });
});

// ── a model ──────────────────────────────────────────────────────────────────────────────────────

type ModelLead = Pick<Lead, 'email' | 'firstName' | 'tags' | 'externalId'>;

/** What upserts mean, item by item, without SQL or plans. */
function modelUpsert(leads: ModelLead[], batch: readonly LeadUpsert[]): string[] {
  const atFirst = leads.map(({ email }) => email.toLowerCase());
  const isSameId = (one: ModelLead['externalId'], other: LeadUpsert['externalId']): boolean =>
    one !== null && other !== undefined && one.source === other.source && one.id === other.id;
  return batch.map(({ externalId, email, firstName, tags }) => {
    const byId = leads.find((it) => isSameId(it.externalId, externalId));
    const byAddress = leads.find((it) => it.email.toLowerCase() === email?.toLowerCase());
    // A lead keeps its place, so the place tells whose an address was at first.
    const formerAt = email === undefined ? -1 : atFirst.indexOf(email.toLowerCase());
    const former = formerAt < 0 ? undefined : leads[formerAt];
    if (byId !== undefined && [byAddress, former].some((it) => it !== undefined && it !== byId))
      return 'email_taken';
    const target = byId ?? byAddress;
    if (target === undefined) {
      if (email === undefined) return 'invalid_request';
      if (former !== undefined) return 'email_taken';
      leads.push({
        email,
        firstName: firstName ?? '',
        tags: [...new Set(tags ?? [])].sort(),
        externalId: externalId ?? null,
      });
      return 'created';
    }
    if (byId === undefined && externalId !== undefined && target.externalId !== null)
      return 'external_id_mismatch';
    const before = JSON.stringify(target);
    if (email !== undefined && email.toLowerCase() !== target.email.toLowerCase()) target.email = email;
    target.firstName = firstName ?? target.firstName;
    target.tags = tags === undefined ? target.tags : [...new Set(tags)].sort();
    target.externalId = externalId ?? target.externalId;
    return JSON.stringify(target) === before ? 'unchanged' : 'updated';
  });
}

it('batches of any upserts leave the leads that a simple model has, and the words that find them', async () => {
  const upsert = fc.record(
    {
      externalId: fc.record({ source: fc.constantFrom('a', 'b'), id: fc.constantFrom('1', '2', '3') }),
      email: fc.constantFrom('p@x.test', 'P@x.test', 'q@x.test', 'r@x.test', 's@x.test'),
      firstName: fc.constantFrom('', 'Ann', 'Bo'),
      tags: fc.array(fc.constantFrom('x', 'y', 'z'), { maxLength: 3 }),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(upsert, { minLength: 1, maxLength: 8 }), { maxLength: 5 }),
      async (batches) => {
        await emptyCrm();
        // Ids begin at 1 again, which they never do outside of tests: the index must not know the former ones.
        await db.prepare("INSERT INTO leads_fts (leads_fts) VALUES ('rebuild')").run();
        const model: ModelLead[] = [];
        for (const batch of batches) {
          const items = batch.map((it) => ({ lead: it }));
          const answer = await upsertLeads(db, { items, nowMs: 1, hashEmail });
          const outcomes =
            answer.kind === 'ok' ? answer.results.map((it) => it.problem?.code ?? it.outcome) : [];
          expect(outcomes).toEqual(modelUpsert(model, batch as LeadUpsert[]));
        }
        const { results } = await db
          .prepare(
            `SELECT email, first_name AS firstName, tags, external_source AS source, external_id AS external, email_hash AS hash
           FROM leads ORDER BY id`,
          )
          .all<{
            email: string;
            firstName: string;
            tags: string;
            source: string | null;
            external: string;
            hash: string;
          }>();
        const rows = results.map(({ email, firstName, tags, source, external }) => {
          const externalId = source === null ? null : { source, id: external };
          return { email, firstName, tags: tagsOf(tags), externalId };
        });
        expect(rows).toEqual(model);
        expect(results.every(({ email, hash }) => hash === hashEmail(email))).toBe(true);
        const { kept, recount } = await countsAndRecount(db);
        expect(kept).toEqual(recount);
        await db.prepare("INSERT INTO leads_fts (leads_fts, rank) VALUES ('integrity-check', 1)").run();
      },
    ),
    { numRuns: 60, seed: 20_261_129 },
  );
});

// ── a database that counts, and one in which something happens before a write ─────────────────────────

/** The database with its queries counted, as D1 counts them: each statement, also of a batch. */
function countingQueries(real: D1Database): {
  db: D1Database;
  /** The queries since the last call. */
  count: () => number;
  maxParameterCount: () => number;
} {
  const queries: string[] = [];
  let countedBefore = 0;
  const wrapped = {
    prepare(sql: string) {
      queries.push(sql);
      return real.prepare(sql);
    },
    batch: (statements: D1PreparedStatement[]) => real.batch(statements),
  };
  const parameters = (sql: string): number =>
    Math.max(
      sql.match(/\?(?!\d)/g)?.length ?? 0,
      ...[...sql.matchAll(/\?(\d+)/g)].map(([, at]) => Number(at)),
    );
  return {
    db: wrapped as unknown as D1Database,
    count: () => {
      const count = queries.length - countedBefore;
      countedBefore = queries.length;
      return count;
    },
    maxParameterCount: () => Math.max(...queries.map(parameters)),
  };
}

const withBefore = (real: D1Database, before: () => Promise<void>): D1Database =>
  ({
    prepare: (sql: string) => real.prepare(sql),
    async batch(statements: D1PreparedStatement[]) {
      await before();
      return real.batch(statements);
    },
  }) as unknown as D1Database;
