import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { leadSorts, type LeadFilter, type LeadSort } from '../../src/shared/schemas/leads.ts';
import { isRange, leadConditions } from '../../src/crm/leads/filter.ts';
import { leadPageQuery, listLeads } from '../../src/crm/leads/list.ts';
import { eraseLead, getLead, updateLead } from '../../src/crm/leads/lead.ts';
import { addLeads, countsAndRecount, emptyCrm, hashEmail, type TestLead } from '../support/crm-database.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

async function page(
  filter: LeadFilter,
  options: { sort?: LeadSort; cursor?: string | null; limit?: number } = {},
): Promise<{ ids: number[]; nextCursor: string | null; total: number }> {
  const answer = await listLeads(db, { filter, sort: 'id', cursor: null, limit: 50, ...options });
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  const { leads, nextCursor, total } = answer.page;
  return { ids: leads.map((lead) => lead.id), nextCursor, total };
}

async function allPages(filter: LeadFilter, sort: LeadSort, limit: number): Promise<number[]> {
  const ids: number[] = [];
  let cursor: string | null = null;
  do {
    const next = await page(filter, { sort, cursor, limit });
    ids.push(...next.ids);
    cursor = next.nextCursor;
  } while (cursor !== null);
  return ids;
}

describe('listLeads', () => {
  const people: TestLead[] = [
    { firstName: 'Zoë', lastName: 'Ångström', company: 'Beta', email: 'zoe@a.example', source: 'Fair' },
    { firstName: 'bob', lastName: 'adams', company: 'acme', email: 'bob@b.example', importId: 'i1' },
    { firstName: 'Ann', lastName: 'Adams', company: 'Acme', email: 'Ann.Lee@c.example', status: 'active' },
    { firstName: 'Ann', lastName: '', company: '', email: 'x@d.example', source: 'Fair', status: 'active' },
    {
      firstName: "O'Neil",
      lastName: 'Zimt-Stern',
      company: 'Beta "B" GmbH',
      email: 'o@e.example',
      importId: 'i1',
    },
  ];
  const orders: Record<LeadSort, number[]> = {
    id: [1, 2, 3, 4, 5],
    '-id': [5, 4, 3, 2, 1],
    email: [3, 2, 5, 4, 1],
    '-email': [1, 4, 5, 2, 3],
    lastName: [4, 2, 3, 5, 1],
    '-lastName': [1, 5, 3, 2, 4],
    company: [4, 2, 3, 1, 5],
    '-company': [5, 1, 3, 2, 4],
  };

  it.each(leadSorts)('returns every lead once in the order of %s, however small the pages', async (sort) => {
    await addLeads(db, people);
    for (const limit of [1, 2, 3, 5, 6]) expect(await allPages({}, sort, limit)).toEqual(orders[sort]);
    for (const filter of [
      { search: 'ann' },
      { source: 'Fair' },
      { status: 'active' },
      { importId: 'i1' },
    ] as const) {
      const all = await page(filter, { sort });
      expect(all.ids).toEqual(orders[sort].filter((id) => all.ids.includes(id)));
      expect(await allPages(filter, sort, 1)).toEqual(all.ids);
    }
  });

  it.each<[string, LeadFilter, number[]]>([
    ['a status', { status: 'active' }, [3, 4]],
    ['a source', { source: 'Fair' }, [1, 4]],
    ['an import', { importId: 'i1' }, [2, 5]],
    ['several at once', { status: 'active', source: 'Fair' }, [4]],
    ['the beginning of a name', { search: 'ann' }, [3, 4]],
    ['words of several fields', { search: 'adams acme' }, [2, 3]],
    ['an accent left out', { search: 'ang zoe' }, [1]],
    ['an address', { search: 'ann.lee@c.example' }, [3]],
    ['a part of an address', { search: 'ann.l' }, [3]],
    ['a domain', { search: '@c.example' }, [3]],
    ['the beginning of a domain', { search: '@c' }, [3]],
    ['a domain that is not typed to its end', { search: '@c.exam' }, []],
    ['spaces only', { search: '   ' }, [1, 2, 3, 4, 5]],
    ['a time of activation', { activatedFrom: 500, activatedTo: 500 }, [3, 4]],
    ['a time of creation', { createdFrom: 1 }, []],
  ])('finds by %s, and counts what it finds', async (_, filter, ids) => {
    await addLeads(db, people);
    expect(await page(filter)).toEqual({ ids, nextCursor: null, total: ids.length });
  });

  it.each([
    '"',
    '""',
    "'",
    "o'neil",
    '*',
    'a*',
    '^ann',
    'ann OR bob',
    'NOT ann',
    'NEAR(ann bob)',
    'first_name:ann',
    '{first_name}: ann',
    '-ann',
    'ann AND',
    '(((',
    'beta "b"',
    '🎉',
    'ann 🎉',
    '\0',
    'ann\0bob',
    '\ud800',
    '%',
    '_',
    "'; DROP TABLE leads; --",
    '日本',
    'a b c d e f g h i j k l',
  ])('takes %j as words, never as a command', async (search) => {
    await addLeads(db, people);
    const { ids, total } = await page({ search });
    expect(total).toBe(ids.length);
    // A search of spaces matches everyone.
    expect(total).toBeLessThan(people.length);
  });

  it('takes any text as words, and counts what it lists', async () => {
    await addLeads(db, people);
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ unit: 'grapheme', maxLength: 20 }),
    );
    await fc.assert(
      fc.asyncProperty(text, async (search) => {
        const { ids, total } = await page({ search });
        expect(total).toBe(ids.length);
        // It matches as many as without a filter only when nothing was typed.
        if (search.trim() !== '') expect(ids.length).toBeLessThan(people.length);
      }),
      { numRuns: 150, seed: 20_261_123 },
    );
  });

  it('looks for quoted and operator-like text literally', async () => {
    await addLeads(db, people);
    expect((await page({ search: "o'neil" })).ids).toEqual([5]);
    expect((await page({ search: 'gmbh "b"' })).ids).toEqual([5]);
    expect((await page({ search: 'a*' })).ids).toEqual((await page({ search: 'a' })).ids);
    expect((await page({ search: 'ann\0lee' })).ids).toEqual([3]);
  });

  it('keeps its place when leads come and go between two pages', async () => {
    await addLeads(db, people);
    const first = await page({}, { sort: 'lastName', limit: 2 });
    expect(first.ids).toEqual([4, 2]);
    await eraseLead(db, 2);
    await addLeads(db, [{ id: 9, lastName: 'Aaa' }]);
    expect((await page({}, { sort: 'lastName', limit: 2, cursor: first.nextCursor })).ids).toEqual([3, 5]);
  });

  it('refuses a foreign cursor', async () => {
    await addLeads(db, people);
    const { nextCursor } = await page({}, { sort: 'lastName', limit: 1 });
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const bad: [string, LeadSort][] = [
      ['', 'id'],
      ['%%%', 'id'],
      ['bm90IGpzb24', 'id'],
      [encode({ id: 1 }), 'id'],
      [encode(['id']), 'id'],
      [encode(['id', 1.5]), 'id'],
      [encode(['id', '1']), 'id'],
      [encode(['id', 1, 'x']), 'id'],
      [encode(['lastName', 1]), 'lastName'],
      [encode(['lastName', 1, 2]), 'lastName'],
      [encode(['email', 404]), 'email'],
      [nextCursor ?? '', 'company'],
      ['a'.repeat(100_000), 'id'],
    ];
    for (const [cursor, sort] of bad) {
      expect(await listLeads(db, { filter: {}, sort, cursor, limit: 1 })).toEqual({ kind: 'invalid_cursor' });
    }
  });

  it('has no address in a cursor', async () => {
    await addLeads(db, people);
    for (const sort of leadSorts) {
      const { nextCursor } = await page({}, { sort, limit: 1 });
      expect(Buffer.from(nextCursor ?? '', 'base64url').toString()).not.toContain('example');
    }
  });
});

describe('the cost of a page', () => {
  const leadCount = 6_000;
  const filters: [string, LeadFilter][] = [
    ['no filter', {}],
    ['a common status', { status: 'new' }],
    ['a rare status', { status: 'active' }],
    ['a rare source', { source: 'Rare' }],
    ['a common source', { source: 'Web' }],
    ['a small import', { importId: 'small' }],
    ['a stage', { stage: 'Won' }],
    ['a consent source', { consentSource: 'fair' }],
    ['a time of creation', { createdFrom: 1, createdTo: 2 }],
    ['a time of activation', { activatedFrom: 1 }],
    ['an import and a word', { importId: 'small', search: 'unusual' }],
    ['an import and a status', { importId: 'small', status: 'new' }],
    ['a rare word', { search: 'unusual' }],
  ];
  const cases = filters.flatMap(([name, filter]) => leadSorts.map((sort) => [name, sort, filter] as const));

  it.each(cases)('with %s in the order of %s is not a scan of the table', async (_, sort, filter) => {
    await addLeads(db, [{}]);
    for (const matchCount of [10, 1_000_000]) {
      for (const after of [
        null,
        { value: sort.endsWith('ame') || sort.endsWith('ny') ? 'K' : null, id: 1 },
      ]) {
        // Without knowledge of the filter, and with each condition that may leave the fewest leads.
        for (const driver of [undefined, ...leadConditions(filter)]) {
          const { sql, params } = leadPageQuery({ filter, sort, after, limit: 50, matchCount, driver });
          const { results } = await db
            .prepare(`EXPLAIN QUERY PLAN ${sql}`)
            .bind(...params)
            .all<{ detail: string }>();
          const plan = results.map((row) => row.detail);
          // `SCAN l` alone reads the rows in the order of ids, as an order by id requires. When a range has many
          // leads, this scan meets them often.
          const isLargeRange = isRange(filter) && matchCount === 1_000_000;
          const isWalkById = sort.endsWith('id') && (Object.keys(filter).length === 0 || isLargeRange);
          if (!isWalkById) expect(plan).not.toContain('SCAN l');
          const isSorted = plan.some((step) => step.includes('TEMP B-TREE'));
          const mayBeSorted = sort.endsWith('id')
            ? isRange(filter) && matchCount < 1_000_000
            : filter.search !== undefined || matchCount < 1_000_000;
          expect(isSorted && !(mayBeSorted && Object.keys(filter).length > 0), plan.join('\n')).toBe(false);
        }
      }
    }
  });

  it('is a fraction of the table in rows read, for the first page and for a deep page', async () => {
    await addLeads(
      db,
      Array.from({ length: leadCount }, (_, index): TestLead => ({
        source: index % 1_000 === 0 ? 'Rare' : 'Web',
        lastName: index % 600 === 0 ? 'Unusual' : `Name${(index * 7919) % leadCount}`,
        company: `Company ${(index * 104_729) % 500}`,
        ...(index % 500 === 0 ? { status: 'active' as const, importId: 'small' } : {}),
      })),
    );
    let rowsRead = 0;
    const measure = async (filter: LeadFilter, sort: LeadSort): Promise<void> => {
      const { total } = await page(filter);
      let after: { value: string | null; id: number } | null = null;
      for (const deep of [false, true]) {
        if (deep)
          after = { value: sort.endsWith('id') || sort.endsWith('email') ? null : 'M', id: leadCount / 2 };
        const { sql, params } = leadPageQuery({ filter, sort, after, limit: 50, matchCount: total });
        const { meta } = await db
          .prepare(sql)
          .bind(...params)
          .all();
        rowsRead = meta.rows_read;
        expect(rowsRead, `${JSON.stringify(filter)} ${sort} ${deep}`).toBeLessThan(leadCount / 20);
      }
    };
    for (const [, filter] of filters) for (const sort of leadSorts) await measure(filter, sort);
  });
});

describe('updateLead', () => {
  const update = (leadId: number, patch: object, nowMs = 9): ReturnType<typeof updateLead> =>
    updateLead(db, { leadId, patch, nowMs, hashEmail });

  it('changes the given fields, and the time of the edit', async () => {
    await addLeads(db, [{ firstName: 'Ann', company: 'Acme' }]);
    const result = await update(1, { company: ' Beta ', email: 'New@EXAMPLE.org' });
    expect(result).toMatchObject({
      kind: 'ok',
      lead: { firstName: 'Ann', company: 'Beta', email: 'New@example.org', updatedAt: 9 },
    });
    expect((await page({ search: 'beta' })).ids).toEqual([1]);
    expect((await page({ search: 'acme' })).ids).toEqual([]);
    const hash = await db.prepare('SELECT email_hash FROM leads').first('email_hash');
    expect(hash).toBe(hashEmail('new@example.org'));
  });

  it('notices a change of case, and leaves the time alone where nothing changes', async () => {
    await addLeads(db, [{ lastName: 'smith' }]);
    expect(await update(1, { lastName: 'Smith' }, 5)).toMatchObject({
      lead: { lastName: 'Smith', updatedAt: 5 },
    });
    expect(await update(1, { lastName: 'Smith' }, 6)).toMatchObject({ lead: { updatedAt: 5 } });
    expect(await update(1, {}, 7)).toMatchObject({ lead: { updatedAt: 5 } });
  });

  it('refuses the address of another lead in any case, and changes nothing', async () => {
    await addLeads(db, [{ email: 'a@example.com' }, { email: 'b@example.com' }]);
    expect(await update(2, { email: 'A@Example.com', firstName: 'X' })).toEqual({
      kind: 'email_taken',
      leadId: 1,
    });
    expect(await getLead(db, 2)).toMatchObject({ email: 'b@example.com', firstName: 'Ann', updatedAt: 0 });
    expect(await update(2, { email: 'B@example.com' })).toMatchObject({
      kind: 'ok',
      lead: { email: 'B@example.com' },
    });
  });

  it('makes a lead with a corrected address mailable again', async () => {
    await addLeads(db, [{ email: 'broken@', emailValid: false }]);
    await update(1, { email: 'mended@example.com' });
    expect(await db.prepare('SELECT email_valid FROM leads').first('email_valid')).toBe(1);
  });

  it('reports when there is no such lead', async () => {
    expect(await update(1, { firstName: 'X' })).toEqual({ kind: 'not_found' });
    expect(await update(1, {})).toEqual({ kind: 'not_found' });
  });
});

describe('eraseLead', () => {
  it('removes the lead, its words in the index, and its part of the counts', async () => {
    await addLeads(db, [{ lastName: 'Gone' }, { status: 'active' }, {}]);
    expect(await eraseLead(db, 1)).toBe(true);
    expect(await eraseLead(db, 1)).toBe(false);
    expect(await eraseLead(db, 2)).toBe(true);
    expect(await getLead(db, 1)).toBeNull();
    expect(await page({ search: 'gone' })).toMatchObject({ ids: [], total: 0 });
    expect((await page({})).total).toBe(1);
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);
  });
});

describe('custom fields', () => {
  const patch = (custom: Record<string, string>, nowMs = 2_000) =>
    updateLead(db, { leadId: 1, patch: { custom }, nowMs, hashEmail });

  it('are kept by name, without those that are empty, and are all replaced by the next edit', async () => {
    await addLeads(db, [{}]);
    expect((await getLead(db, 1))?.custom).toEqual({});
    await patch({ seats: ' 3 ', plan: 'gold', note: ' ' });
    expect((await getLead(db, 1))?.custom).toEqual({ plan: 'gold', seats: '3' });
    await patch({ plan: 'silver' });
    expect((await getLead(db, 1))?.custom).toEqual({ plan: 'silver' });
  });

  it('that are the same leave the lead as it was, so that running sessions keep it', async () => {
    await addLeads(db, [{}]);
    await patch({ plan: 'gold', seats: '3' }, 2_000);
    await patch({ seats: '3', plan: 'gold' }, 3_000);
    expect((await getLead(db, 1))?.updatedAt).toBe(2_000);
  });
});
