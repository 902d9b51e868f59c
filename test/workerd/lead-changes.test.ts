/**
 * The changes of leads as another system reads them: in their order, none missed, and told where some are not known.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { takeBackLeads } from '../../src/crm/take-back.ts';
import { flipLeads, unflipLeads } from '../../src/crm/flip.ts';
import { dropOldChanges, readChanges, type ChangedLeads } from '../../src/crm/leads/changes.ts';
import { editLeads, tagLeads } from '../../src/crm/leads/bulk.ts';
import { eraseLead, updateLead } from '../../src/crm/leads/lead.ts';
import { upsertLeads } from '../../src/crm/leads/upsert.ts';
import { putChunk } from '../../src/crm/imports/chunks.ts';
import { openImport } from '../../src/crm/imports/import.ts';
import { undoImport } from '../../src/crm/imports/removal.ts';
import { limits } from '../../src/shared/limits.ts';
import type { LeadPage } from '../../src/shared/schemas/leads.ts';
import { addLeads, emptyCrm, hashEmail } from '../support/crm-database.ts';
import { request, send } from '../support/session-driver.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

const sessionId = 'activation_0000000000001_changes00';

async function read(cursor: string | null, limit = 100, since = 0): Promise<ChangedLeads> {
  const answer = await readChanges(db, { since, cursor, limit });
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  return answer.page;
}

/** Reads to the end; what the pages had, in their order. */
async function readOn(
  cursor: string | null,
  limit = 100,
): Promise<{ ids: number[]; erased: number[]; cursor: string }> {
  const ids: number[] = [];
  const erased: number[] = [];
  for (;;) {
    const page = await read(cursor, limit);
    ids.push(...page.leads.map(({ id }) => id));
    erased.push(...page.erasedIds);
    cursor = page.nextCursor;
    if (!page.hasMore) return { ids, erased, cursor };
  }
}

async function page(query: string): Promise<LeadPage> {
  const response = await request(`/crm/leads?${query}`);
  expect(response.status, query).toBe(200);
  return response.json();
}

const upsert = (lead: object) => upsertLeads(db, { items: [{ lead }], nowMs: 1, hashEmail });

async function importRows(importId: string, emails: readonly string[], name: string): Promise<void> {
  const none = {
    phone: [],
    company: [],
    source: [],
    stage: [],
    notes: [],
    consentSource: [],
    fullName: [],
    tags: [],
    externalId: [],
  };
  const request = {
    fileName: 'a.csv',
    sizeBytes: null,
    headHash: null,
    columns: ['Email', 'Name'],
    mapping: { email: [0], firstName: [1], lastName: [], ...none },
    consentSource: 'fair',
    source: '',
    externalSource: '',
    reading: null,
  };
  await openImport(db, { request, importId, owner: 'ana@example.com', nowMs: 1 });
  const rows = emails.map((email, at) => ({ line: at + 2, cells: [email, name] }));
  const answer = await putChunk(db, { importId, seq: 0, rows, bodyHash: importId, nowMs: 2, hashEmail });
  expect(answer.kind).toBe('ok');
}

describe('the changes of leads', () => {
  it('come after all leads, each once and in their order, with erased ones', async () => {
    await addLeads(db, [{}, {}, {}, {}, {}]);
    const first = await page('updatedSince=0&limit=2');
    expect([first.leads.map(({ id }) => id), first.hasMore]).toEqual([[1, 2], true]);
    const all = await readOn(first.nextCursor, 2);
    expect(all.ids).toEqual([3, 4, 5]);
    await send('PATCH', '/crm/leads/4', { stage: 'hot' });
    await send('PATCH', '/crm/leads/2', { stage: 'hot' });
    await send('PATCH', '/crm/leads/4', { stage: 'cold' });
    await send('DELETE', '/crm/leads/3');
    const next = await page(`updatedSince=0&cursor=${encodeURIComponent(all.cursor)}`);
    expect(next).toMatchObject({
      leads: [
        { id: 2, stage: 'hot' },
        { id: 4, stage: 'cold' },
      ],
      erasedIds: [3],
      hasMore: false,
    });
    const end = await page(`updatedSince=0&cursor=${encodeURIComponent(next.nextCursor ?? '')}`);
    expect(end).toMatchObject({ leads: [], erasedIds: [], hasMore: false, nextCursor: next.nextCursor });
  });

  it('begin at a time, however many there were before', async () => {
    await addLeads(
      db,
      Array.from({ length: 40 }, () => ({})),
    );
    for (let id = 1; id <= 40; id++)
      await updateLead(db, { leadId: id, patch: { stage: 'x' }, nowMs: 1, hashEmail });
    // Times of the log that can be told apart: two changes have each time.
    await db.exec(
      'UPDATE lead_changes SET at = 1000 + 10 * ((revision - (SELECT min(revision) FROM lead_changes) + 1) / 2)',
    );
    for (const [since, firstId] of [
      [1_001, 1],
      [1_011, 3],
      [1_020, 3],
      [1_021, 5],
      [1_200, 39],
    ] as const) {
      const { leads } = await read(null, 100, since);
      expect([since, leads[0]?.id, leads.length]).toEqual([since, firstId, 41 - firstId]);
    }
    expect((await read(null, 100, 1_201)).leads).toEqual([]);
    // The log does not say what was before it.
    expect((await read(null, 100, 1_000)).leads).toHaveLength(40);
    expect((await read(null, 100, 1_000)).leads[0]?.id).toBe(1);
  });

  it('are those of every way in which a lead changes', async () => {
    await addLeads(db, [{}, {}, {}, {}]);
    let { cursor } = await readOn(null);
    const changedBy = async (change: () => Promise<unknown>): Promise<[ids: number[], erased: number[]]> => {
      await change();
      const read = await readOn(cursor);
      cursor = read.cursor;
      return [read.ids, read.erased];
    };
    const flip = (number: number) => ({ sessionId, number, leadIds: [1, 2, 99], nowMs: 5 });
    expect(await changedBy(() => flipLeads(db, flip(1)))).toEqual([[1, 2], [99]]);
    expect(await changedBy(() => flipLeads(db, flip(1)))).toEqual([[], []]);
    expect(await changedBy(() => unflipLeads(db, { sessionId, number: 2, leadIds: [1] }))).toEqual([[1], []]);
    expect(
      await changedBy(() => takeBackLeads(db, { sessionId, number: 3, unmailed: [2], mailed: [], nowMs: 6 })),
    ).toEqual([[2], []]);
    expect(
      await changedBy(() => editLeads(db, { leadIds: [1, 3], field: 'stage', value: 'hot', nowMs: 7 })),
    ).toEqual([[1, 3], []]);
    expect(
      await changedBy(() => tagLeads(db, { leadIds: [2, 4], add: ['x'], remove: [], nowMs: 7 })),
    ).toEqual([[2, 4], []]);
    expect(await changedBy(() => upsert({ email: 'new@example.com' }))).toEqual([[5], []]);
    expect(await changedBy(() => upsert({ email: 'new@example.com', stage: 'hot' }))).toEqual([[5], []]);
    expect(await changedBy(() => upsert({ email: 'new@example.com', stage: 'hot' }))).toEqual([[], []]);
    expect(
      await changedBy(() => importRows('one', ['x@example.com', 'new@example.com', 'y@example.com'], 'Ann')),
    ).toEqual([[5, 6, 7], []]);
    expect(await changedBy(() => importRows('two', ['x@example.com', 'y@example.com'], 'Ann'))).toEqual([
      [],
      [],
    ]);
    const now = (): number => 8;
    expect(await changedBy(() => undoImport(db, { importId: 'one', now, deadlineMs: 100 }))).toEqual([
      [],
      [6, 7],
    ]);
    expect(await changedBy(() => eraseLead(db, 4))).toEqual([[], [4]]);
    expect(await changedBy(() => eraseLead(db, 4))).toEqual([[], []]);
  });

  it('are refused where some are not known, and read anew from all leads then', async () => {
    await addLeads(db, [{}, {}]);
    const { cursor } = await readOn(null);
    // A version without the log.
    await db.exec('UPDATE lead_counts SET revision = revision + 1');
    const refused = await request(`/crm/leads?updatedSince=0&cursor=${encodeURIComponent(cursor)}`);
    expect([refused.status, await refused.json()]).toMatchObject([410, { code: 'changes_expired' }]);
    await upsert({ email: 'c@example.com' });
    expect(await readChanges(db, { since: 0, cursor, limit: 10 })).toEqual({ kind: 'expired' });
    const anew = await readOn(null);
    expect(anew.ids).toEqual([1, 2, 3]);

    await upsert({ email: 'd@example.com' });
    expect((await readOn(anew.cursor)).ids).toEqual([4]);
    const monthLaterMs = Date.now() + (limits.leadChangeDays + 1) * 86_400_000;
    await dropOldChanges(db, monthLaterMs);
    expect(await readChanges(db, { since: 0, cursor: anew.cursor, limit: 10 })).toEqual({ kind: 'expired' });
    // The last row stays, so that a reader who knows everything goes on.
    const present = await readOn(null);
    await dropOldChanges(db, monthLaterMs);
    await upsert({ email: 'e@example.com' });
    expect((await readOn(present.cursor)).ids).toEqual([5]);

    // After a restore the same revision is another change, made at another time.
    await db.exec('UPDATE lead_changes SET at = at + 1');
    expect(await readChanges(db, { since: 0, cursor: present.cursor, limit: 10 })).toEqual({
      kind: 'expired',
    });
  });

  it('take no filter, no sort and no foreign cursor', async () => {
    for (const query of ['status=new', 'tag=x', 'sort=id', 'search=a', 'externalId=1']) {
      const response = await request(`/crm/leads?updatedSince=0&${query}`);
      expect([query, response.status]).toEqual([query, 422]);
      expect(JSON.stringify(await response.json())).toContain('cannot be combined with updatedSince');
    }
    const list = await (await request('/crm/leads?limit=1')).json<LeadPage>();
    for (const cursor of ['x', 'WyJhbGwiXQ', list.nextCursor ?? 'W10']) {
      expect((await request(`/crm/leads?updatedSince=0&cursor=${cursor}`)).status).toBe(422);
    }
    expect((await request('/crm/leads?updatedSince=-1')).status).toBe(422);
  });

  it('are audited as read, like a list', async () => {
    await addLeads(db, [{}, {}]);
    await page('updatedSince=0');
    expect(await db.prepare('SELECT sum(lead_count) AS n FROM lead_reads').first('n')).toBe(2);
  });
});

it('whatever changes while they are read, the reader ends with the leads that there are', async () => {
  const change = fc.oneof(
    fc.record({
      kind: fc.constant('upsert'),
      name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      stage: fc.nat(3),
    }),
    fc.record({ kind: fc.constantFrom('erase', 'flip', 'unflip'), id: fc.integer({ min: 1, max: 8 }) }),
    fc.record({ kind: fc.constant('edit'), id: fc.integer({ min: 1, max: 8 }), stage: fc.nat(3) }),
    fc.record({ kind: fc.constant('read'), limit: fc.integer({ min: 1, max: 3 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 5, maxLength: 40 }), async (changes) => {
      await emptyCrm();
      const copy = new Map<number, string>();
      let cursor: string | null = null;
      let number = 0;
      const readPage = async (limit: number): Promise<boolean> => {
        const { leads, erasedIds, nextCursor, hasMore } = await read(cursor, limit);
        for (const { id, stage, status } of leads) copy.set(id, `${stage} ${status}`);
        for (const id of erasedIds) copy.delete(id);
        cursor = nextCursor;
        return hasMore;
      };
      for (const it of changes) {
        if ('limit' in it) await readPage(it.limit);
        else if ('name' in it) await upsert({ email: `${it.name}@x.test`, stage: `${it.stage}` });
        else if ('stage' in it) {
          await editLeads(db, { leadIds: [it.id], field: 'stage', value: `${it.stage}`, nowMs: 1 });
        } else if (it.kind === 'erase') await eraseLead(db, it.id);
        else if (it.kind === 'flip') {
          await flipLeads(db, { sessionId, number: ++number, leadIds: [it.id, it.id + 1], nowMs: 1 });
        } else await unflipLeads(db, { sessionId, number: ++number, leadIds: [it.id] });
      }
      while (await readPage(2));
      const { results } = await db
        .prepare("SELECT id, stage || ' ' || status AS text FROM leads ORDER BY id")
        .all<{ id: number; text: string }>();
      const wanted = results.map(({ id, text }) => [id, text]);
      expect([...copy].sort(([a], [b]) => a - b)).toEqual(wanted);
    }),
    { numRuns: 40, seed: 20_261_129 },
  );
});
