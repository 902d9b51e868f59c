import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { leadConditions } from '../../src/crm/leads/filter.ts';
import { leadPageQuery, listLeads } from '../../src/crm/leads/list.ts';
import { eraseLead } from '../../src/crm/leads/lead.ts';
import { searchTermCount } from '../../src/crm/leads/search-terms.ts';
import { limits } from '../../src/shared/limits.ts';
import { leadSorts, type LeadFilter, type LeadSort } from '../../src/shared/schemas/leads.ts';
import { addLeads, emptyCrm, type TestLead } from '../support/crm-database.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

async function find(
  filter: LeadFilter,
  sort: LeadSort = 'id',
): Promise<{ ids: number[]; total: number; isTotalExact: boolean }> {
  const answer = await listLeads(db, { filter, sort, cursor: null, limit: 50 });
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  const { leads, total, isTotalExact } = answer.page;
  return { ids: leads.map(({ id }) => id), total, isTotalExact };
}

describe('a search', () => {
  it('makes one word of the index of each of its own, whatever letters there are', async () => {
    // One letter at a time between two others: a word that the index splits is refused as a phrase.
    await db.exec(
      `CREATE VIRTUAL TABLE letters USING fts5 (a, content = '', prefix = '1', detail = none, columnsize = 0, tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'")`,
    );
    await db.exec("CREATE VIRTUAL TABLE words USING fts5vocab ('letters', 'row')");
    const isOneWord = /^[\p{L}\p{M}\p{N}\p{Co}]$/u;
    const letters: number[] = [];
    // Planes 15 and 16 are of private use, all alike.
    for (let code = 1; code < 0xf0000; code++) {
      if (!(code >= 0xd800 && code < 0xe000) && isOneWord.test(String.fromCodePoint(code)))
        letters.push(code);
    }
    expect(letters.length).toBeGreaterThan(140_000);
    for (let at = 0; at < letters.length; at += 25_000) {
      await db
        .prepare("INSERT INTO letters (rowid, a) SELECT value, 'a' || char(value) || 'zzz' FROM json_each(?)")
        .bind(JSON.stringify(letters.slice(at, at + 25_000)))
        .run();
    }
    // The end of one that was split would be a word of its own.
    expect(await db.prepare("SELECT count(*) AS n FROM words WHERE term = 'zzz'").first('n')).toBe(0);
    await db.exec('DROP TABLE words; DROP TABLE letters;'.replaceAll('; ', ';\n'));
  });

  it.each<[string, number[]]>([
    ['ann.lee@c.example', [1]],
    ['ANN.LEE@C.EXAMPLE', [1]],
    ['ann.lee@', [1]],
    ['lee@c.example', [2]],
    ['ann.lee@c.example miller', [1]],
    ['ann.lee@c.example smith', []],
    ['smith lee@c', [2]],
    ['ann.lee@c.example lee@c.example', []],
    ['@c.example', [1, 2, 3]],
    ['c.example', [1, 2, 3]],
    ['ann.l', [1]],
    ['news', [3]],
    ["o'br", [3]],
    ["o'b o", [3]],
    ['obrien', []],
    ['elodie', [2]],
    ['e\u0301lodie', [2]],
    ['lodie', []],
    ['100%_@x', []],
    ['@', []],
    ['\u0301', []],
  ])('for %j finds %j', async (search, ids) => {
    await addLeads(db, [
      { firstName: 'Ann', lastName: 'Miller', email: 'Ann.Lee@c.example' },
      { firstName: 'Élodie', lastName: 'Smith', email: 'lee@c.example' },
      { firstName: 'Jo', lastName: "O'Brien", email: 'jo+news@c.example' },
    ]);
    expect(await find({ search })).toEqual({ ids, total: ids.length, isTotalExact: true });
  });

  it('counts its words as a person does: an address is one, a domain is one', () => {
    expect(searchTermCount('')).toBe(0);
    expect(searchTermCount(' - & ')).toBe(0);
    expect(searchTermCount('ann miller')).toBe(2);
    expect(searchTermCount('ann.lee@mail.example.co.uk')).toBe(1);
    expect(searchTermCount('@mail.example.co.uk')).toBe(1);
    expect(searchTermCount('a/b/c/d/e/f/g/h/i')).toBe(9);
  });

  it('with more words than may be matches nobody, rather than whom fewer words match', async () => {
    await addLeads(db, [{ company: 'a b c d e f g h i' }]);
    const words = 'a b c d e f g h i'.split(' ');
    const most = words.slice(0, limits.maxSearchTermCount).join(' ');
    expect((await find({ search: most })).total).toBe(1);
    expect((await find({ search: words.join(' ') })).total).toBe(0);
  });
});

describe('a filter', () => {
  const values = ['Fair', 'Web', ''];
  const people: TestLead[] = Array.from({ length: 90 }, (_, index): TestLead => ({
    firstName: ['Ann', 'Bob', 'Chloé'][index % 3] ?? '',
    lastName: `Name${index % 7}`,
    company: `Acme ${index % 11}`,
    email: `${index % 2 === 0 ? 'ann' : 'bob'}${index}@example${index % 4}.com`,
    source: values[index % 3] ?? '',
    stage: values[(index * 7) % 2] ?? '',
    ...(index % 5 === 0 ? { status: 'active' as const, activatedAt: 100 + index } : {}),
    ...(index % 3 === 1 ? { importId: `i${index % 2}` } : {}),
    createdAt: index,
  }));

  /** What a filter means, said a second time without SQL. */
  function matches(lead: TestLead, filter: LeadFilter): boolean {
    const isActive = lead.status === 'active';
    const at = lead.activatedAt ?? 0;
    const text = [lead.firstName, lead.lastName, lead.company, lead.email].join(' ').toLowerCase();
    const words = text.replaceAll('é', 'e').split(/[^a-z0-9]+/);
    const hasWord = (word: string): boolean =>
      word.includes('@')
        ? (lead.email ?? '').startsWith(word)
        : words.some((candidate) => candidate.startsWith(word));
    return (
      (filter.search ?? '')
        .split(' ')
        .filter((word) => word !== '')
        .every(hasWord) &&
      (filter.status === undefined || (filter.status === 'active') === isActive) &&
      (filter.source === undefined || filter.source === lead.source) &&
      (filter.stage === undefined || filter.stage === lead.stage) &&
      (filter.importId === undefined || filter.importId === lead.importId) &&
      (filter.consentSource === undefined || filter.consentSource === '') &&
      (filter.createdFrom === undefined || (lead.createdAt ?? 0) >= filter.createdFrom) &&
      (filter.createdTo === undefined || (lead.createdAt ?? 0) <= filter.createdTo) &&
      (filter.activatedFrom === undefined || (isActive && at >= filter.activatedFrom)) &&
      (filter.activatedTo === undefined || (isActive && at <= filter.activatedTo))
    );
  }

  const maybe = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
    fc.option(of, { nil: undefined, freq: 1 });
  const filters: fc.Arbitrary<LeadFilter> = fc.record({
    search: maybe(fc.constantFrom('ann', 'name3', 'acme 1', 'chloe', 'ann2', 'bob1 acme', 'ann4@', 'b@ x')),
    status: maybe(fc.constantFrom('new', 'active')),
    source: maybe(fc.constantFrom(...values, 'None')),
    stage: maybe(fc.constantFrom(...values)),
    importId: maybe(fc.constantFrom('i0', 'i1', 'i2')),
    consentSource: maybe(fc.constantFrom('', 'x')),
    createdFrom: maybe(fc.nat(90)),
    createdTo: maybe(fc.nat(90)),
    activatedFrom: maybe(fc.nat(200)),
    activatedTo: maybe(fc.nat(200)),
  });

  it('finds who matches all of it, whichever of its conditions finds them and in whatever order', async () => {
    await addLeads(db, people);
    await fc.assert(
      fc.asyncProperty(filters, fc.constantFrom(...leadSorts), async (filter, sort) => {
        const expected = people.flatMap((lead, index) => (matches(lead, filter) ? [index + 1] : []));
        const { total, isTotalExact } = await find(filter, sort);
        expect({ total, isTotalExact }).toEqual({ total: expected.length, isTotalExact: true });
        const orders = new Set<string>();
        for (const driver of [undefined, ...leadConditions(filter)]) {
          for (const matchCount of [total, 1_000_000]) {
            const { sql, params } = leadPageQuery({
              filter,
              sort,
              after: null,
              limit: 100,
              matchCount,
              driver,
            });
            const { results } = await db
              .prepare(sql)
              .bind(...params)
              .all<{ id: number }>();
            const ids = results.map(({ id }) => id);
            orders.add(ids.join());
            expect([...ids].sort((a, b) => a - b)).toEqual(expected);
          }
        }
        expect(orders.size).toBe(1);
      }),
      { numRuns: 60, seed: 20_261_123 },
    );
  });
});

describe('the count of a page', () => {
  /** More than are looked at for a count of several conditions. */
  const leadCount = 26_000;

  it('says of several common conditions at least how many match, and all of it where one is rare', async () => {
    await db.batch([
      db.prepare(
        `INSERT INTO leads (email, email_hash, first_name, source, stage, created_at, updated_at)
         WITH RECURSIVE ids (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < ${leadCount})
         SELECT 'lead' || id || '@example.com', '', 'Ann', 'Fair',
           CASE WHEN id % 2 = 0 THEN 'Won' WHEN id = 25999 THEN 'Rare' ELSE 'New' END, 1, 1 FROM ids`,
      ),
      db.prepare(`UPDATE lead_counts SET new_count = ${leadCount}`),
    ]);
    const common = await find({ source: 'Fair', search: 'ann' }, '-id');
    expect(common).toMatchObject({ total: 25_000, isTotalExact: false });
    expect(common.ids[0]).toBe(leadCount);
    expect(await find({ source: 'Fair', stage: 'Won' })).toMatchObject({
      total: leadCount / 2,
      isTotalExact: true,
    });
    expect(await find({ source: 'Fair', stage: 'Rare' })).toEqual({
      ids: [25_999],
      total: 1,
      isTotalExact: true,
    });
    // Beyond what was looked at there is one: the page has found all that there are.
    expect(await find({ search: 'ann', stage: 'Rare' })).toEqual({
      ids: [25_999],
      total: 1,
      isTotalExact: true,
    });
    expect(await find({ source: 'Fair' })).toMatchObject({ total: leadCount, isTotalExact: true });
    expect(await find({ search: 'ann' })).toMatchObject({ total: leadCount, isTotalExact: true });
  });

  it('of an import is kept, and true after leads are erased', async () => {
    await addLeads(
      db,
      Array.from({ length: 5 }, () => ({ importId: 'i1' })),
    );
    expect((await find({ importId: 'i1' })).total).toBe(5);
    await eraseLead(db, 2);
    expect(await find({ importId: 'i1' })).toEqual({ ids: [1, 3, 4, 5], total: 4, isTotalExact: true });
    expect((await find({ importId: 'none' })).total).toBe(0);
  });
});
