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
  it('has the same word boundaries as the index, for every letter', async () => {
    // Each letter stands between two others: the index refuses a word that it splits, as a phrase.
    await db.exec(
      `CREATE VIRTUAL TABLE letters USING fts5 (a, content = '', prefix = '1', detail = none, columnsize = 0, tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'")`,
    );
    await db.exec("CREATE VIRTUAL TABLE words USING fts5vocab ('letters', 'row')");
    const isOneWord = /^[\p{L}\p{M}\p{N}\p{Co}]$/u;
    const letters: number[] = [];
    // Planes 15 and 16 are private use; all of their characters are alike.
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
    // The end of a split word would be a word itself.
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

  it('counts words as a person does: an address is one word, and so is a domain', () => {
    expect(searchTermCount('')).toBe(0);
    expect(searchTermCount(' - & ')).toBe(0);
    expect(searchTermCount('ann miller')).toBe(2);
    expect(searchTermCount('ann.lee@mail.example.co.uk')).toBe(1);
    expect(searchTermCount('@mail.example.co.uk')).toBe(1);
    expect(searchTermCount('a/b/c/d/e/f/g/h/i')).toBe(9);
  });

  it('with too many words matches nobody, rather than the leads that fewer words match', async () => {
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

  /** Leads of an import: first and last ids of its spans. */
  const spans = [
    [3, 3],
    [10, 44],
    [45, 45],
    [60, 88],
  ] as const;
  const isInSpans = (id: number): boolean => spans.some(([first, last]) => id >= first && id <= last);
  const addSpans = async (): Promise<void> => {
    await db.batch([
      db.prepare(
        `INSERT INTO imports (number, import_id, owner, file_name, state, spec, created_at, updated_at, member_count)
         VALUES (50, 'spans', 'ana@example.com', 'r.csv', 'done', '{}', 0, 0, ${people.filter((_, at) => isInSpans(at + 1)).length})`,
      ),
      ...spans.map(([first, last]) =>
        db
          .prepare(
            `INSERT INTO import_leads (import_number, lead_id, more_count, line, outcome, added_at)
             VALUES (50, ?1, ?2 - ?1, 2, 'created', 0)`,
          )
          .bind(first, last),
      ),
    ]);
  };

  /** The meaning of a filter, implemented a second time without SQL. */
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
      (filter.source === undefined || [filter.source].flat().includes(lead.source ?? '')) &&
      (filter.stage === undefined || filter.stage === lead.stage) &&
      (filter.importId === undefined ||
        filter.importId === lead.importId ||
        (filter.importId === 'spans' && isInSpans(people.indexOf(lead) + 1))) &&
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
    source: maybe(
      fc.constantFrom<string | string[]>(...values, 'None', ['Web', ''], ['Fair', 'Web', 'None']),
    ),
    stage: maybe(fc.constantFrom(...values)),
    importId: maybe(fc.constantFrom('i0', 'i1', 'i2', 'spans')),
    consentSource: maybe(fc.constantFrom('', 'x')),
    createdFrom: maybe(fc.nat(90)),
    createdTo: maybe(fc.nat(90)),
    activatedFrom: maybe(fc.nat(200)),
    activatedTo: maybe(fc.nat(200)),
  });

  it('finds the leads that match all conditions, for every driving condition and every order', async () => {
    await addLeads(db, people);
    await addSpans();
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

describe('the pages of a list', () => {
  it('have every lead once, in order, whatever finds them, also around erased leads of a span', async () => {
    const leads = Array.from({ length: 60 }, (_, index): TestLead => ({
      source: index % 2 === 0 ? 'Fair' : 'Web',
      lastName: `N${index % 5}`,
      createdAt: 1_000 + (index % 7),
    }));
    await addLeads(db, leads);
    await db.batch([
      db.prepare(
        `INSERT INTO imports (number, import_id, owner, file_name, state, spec, created_at, updated_at, member_count)
         VALUES (9, 'spans', 'ana@example.com', 'r.csv', 'done', '{}', 0, 0, 51)`,
      ),
      db.prepare(
        `INSERT INTO import_leads (import_number, lead_id, more_count, line, outcome, added_at)
         VALUES (9, 2, 19, 2, 'created', 0), (9, 22, 0, 22, 'unchanged', 0), (9, 30, 29, 30, 'created', 0)`,
      ),
    ]);
    const erased = [2, 13, 30, 59];
    for (const id of erased) await eraseLead(db, id);
    const ids = leads.map((_, index) => index + 1).filter((id) => !erased.includes(id));
    const inSpans = ids.filter((id) => (id >= 2 && id <= 22) || (id >= 30 && id <= 59));
    const cases: [LeadFilter, number[]][] = [
      [{ importId: 'spans' }, inSpans],
      [{ importId: 'spans', source: 'Fair' }, inSpans.filter((id) => id % 2 === 1)],
      [{ source: ['Fair', 'Web'] }, ids],
      [{ createdFrom: 1_002, createdTo: 1_003 }, ids.filter((id) => [2, 3].includes((id - 1) % 7))],
      [{ createdTo: 999 }, []],
    ];
    for (const [filter, expected] of cases) {
      for (const sort of ['id', '-id', 'lastName'] as const) {
        const seen: number[] = [];
        let cursor: string | null = null;
        do {
          const answer = await listLeads(db, { filter, sort, cursor, limit: 17 });
          if (answer.kind !== 'ok') throw new Error(answer.kind);
          expect(answer.page).toMatchObject({ total: expected.length, isTotalExact: true });
          seen.push(...answer.page.leads.map(({ id }) => id));
          cursor = answer.page.nextCursor;
        } while (cursor !== null);
        expect(
          [...seen].sort((a, b) => a - b),
          `${JSON.stringify(filter)} ${sort}`,
        ).toEqual(expected);
        if (sort === 'id') expect(seen).toEqual(expected);
        if (sort === '-id') expect(seen).toEqual(expected.toReversed());
      }
    }
  });
});

describe('the count of a page', () => {
  /** More leads than a count of several conditions reads. */
  const leadCount = 26_000;

  it('is a lower bound for several common conditions, and exact when one is rare', async () => {
    await db.batch([
      db.prepare(
        `INSERT INTO leads (email, email_hash, first_name, source, stage, created_at, updated_at)
         WITH RECURSIVE ids (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < ${leadCount})
         SELECT 'lead' || id || '@example.com', '', 'Ann', 'Fair',
           CASE WHEN id % 2 = 0 THEN 'Won' WHEN id = 25999 THEN 'Rare' ELSE 'New' END, 1, 1 FROM ids`,
      ),
      db.prepare(`UPDATE lead_counts SET new_count = ${leadCount}`),
    ]);
    const common = await find({ source: 'Fair', status: 'new' }, '-id');
    expect(common).toMatchObject({ total: 25_000, isTotalExact: false });
    expect(common.ids[0]).toBe(leadCount);
    // The full-text index counts its own conditions together.
    expect(await find({ source: 'Fair', search: 'ann' })).toMatchObject({
      total: leadCount,
      isTotalExact: true,
    });
    expect(await find({ source: 'Fair', stage: 'Won' })).toMatchObject({
      total: leadCount / 2,
      isTotalExact: true,
    });
    expect(await find({ source: 'Fair', stage: 'Rare' })).toEqual({
      ids: [25_999],
      total: 1,
      isTotalExact: true,
    });
    // One match is beyond the leads that the count read: the page has found all matches.
    expect(await find({ search: 'ann', stage: 'Rare' })).toEqual({
      ids: [25_999],
      total: 1,
      isTotalExact: true,
    });
    expect(await find({ source: 'Fair' })).toMatchObject({ total: leadCount, isTotalExact: true });
    expect(await find({ search: 'ann' })).toMatchObject({ total: leadCount, isTotalExact: true });
  });

  it('of an import is stored, and correct after leads are erased', async () => {
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
