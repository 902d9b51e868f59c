import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { countEmptyFields, planPage, resolveAudience, sampleAudience } from '../../src/crm/audience.ts';
import { listLeads } from '../../src/crm/leads/list.ts';
import { updateLead } from '../../src/crm/leads/lead.ts';
import { searchTermCount } from '../../src/crm/leads/search-terms.ts';
import { limits } from '../../src/shared/limits.ts';
import type { LeadPage } from '../../src/shared/schemas/leads.ts';
import { addLeads, emptyCrm, hashEmail, type TestLead } from '../support/crm-database.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

async function pageOf(search: string): Promise<LeadPage> {
  const answer = await listLeads(db, { filter: { search }, sort: 'id', cursor: null, limit: 500 });
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  return answer.page;
}
const idsOf = async (search: string): Promise<number[]> => (await pageOf(search)).leads.map(({ id }) => id);

type Person = Required<Pick<TestLead, 'email' | 'firstName' | 'lastName' | 'company'>>;
const person = (email: string, company = '', firstName = '', lastName = ''): Person => ({
  email,
  company,
  firstName,
  lastName,
});

describe('a term with a dot', () => {
  const people = [
    person('x@example.com'), // 1
    person('x2@mail.example.com'), // 2
    person('jvink@driessen-combinatie.example'), // 3
    person('tfranco@example.org', 'Barros Comércio'), // 4
    person('a@web.test', 'Example.com, the shop'), // 5
    person('b@web.test', 'https://www.example.com/about'), // 6
    person('jane.doe@exact.test'), // 7
    person('x3@myexample.com'), // 8
    person('x4@example.com.br', 'Example.community'), // 9
    person('example.com@web.test'), // 10
    person('c@web.test', 'ACME B.V.', 'J.R.R.', 'Tolkien'), // 11
    person('Jane_Doe.O+news@Web.Test', 'Élan.Vital (asp.net)'), // 12
    person('jane@doe.test', 'St.John’s & Dr.O'), // 13
  ];

  it.each<[string, number[]]>([
    ['example.com', [1, 2, 5, 6, 10]],
    ['EXAMPLE.COM', [1, 2, 5, 6, 10]],
    ['(example.com).', [1, 2, 5, 6, 10]],
    ['mail.example.com', [2]],
    ['ample.com', []],
    ['example.c', [10]],
    ['example. com', [1, 2, 3, 4, 5, 6, 9, 10]],
    ['.com', [1, 2, 5, 6, 8]],
    ['.example.com', [2, 6]],
    ['combinatie.example', []],
    ['driessen-combinatie.example', [3]],
    ['@example.com', [1]],
    ['@exa', [1, 4, 7, 9]],
    ['@exa example.org', [4]],
    ['@mail.example.com', [2]],
    ['jane.doe@exa', [7]],
    ['jane.d', [7]],
    ['doe.t', []],
    ['jane_doe.o', [12]],
    ['jane_doe.o+n', [12]],
    ['elan.vital', [12]],
    ['asp.net', [12]],
    ['.net', [12]],
    ['b.v', [11]],
    ['B.V.', [11]],
    ['j.r.r. tolkien', [11]],
    ['r.r', [11]],
    ['st.john’s', [13]],
    ['example.com AND', []],
    ['example.com OR x', []],
    ['"example.com" x*', [1, 2]],
    ['-example.com', [1, 2, 5, 6, 10]],
    ['NEAR(example.com)', []],
    ['email:example.com', []],
  ])('%j finds %j', async (search, ids) => {
    await addLeads(db, people);
    expect(await idsOf(search)).toEqual(ids);
  });

  it('is one term, however many dots it has', () => {
    expect(searchTermCount('a.b.c.d.e.f.g.h.i.example.com')).toBe(1);
    expect(searchTermCount('@mail.example.co.uk')).toBe(1);
    expect(searchTermCount('ann.lee@mail.example.co.uk miller')).toBe(2);
    expect(searchTermCount("jo_o'neil.smith")).toBe(3);
  });

  it('is found by its new text after an edit, and no longer by its old text', async () => {
    await addLeads(db, people);
    const patch = { email: 'x@new.example.net', company: 'Was.It Ltd' };
    await updateLead(db, { leadId: 1, patch, nowMs: 1, hashEmail });
    expect(await idsOf('example.com')).toEqual([2, 5, 6, 10]);
    expect(await idsOf('example.net was.it')).toEqual([1]);
    await db.prepare('DELETE FROM leads WHERE id = 1').run();
    // The index has exactly the words of the leads (sqlite.org/fts5.html, "integrity-check").
    await db.prepare("INSERT INTO leads_fts (leads_fts, rank) VALUES ('integrity-check', 1)").run();
  });
});

describe('the matches of a search', () => {
  it('are reported for each lead, field by field', async () => {
    await addLeads(db, [
      person('Jane.Doe@mail.example.com', 'www.example.com, Example', 'Ex', 'Élodie'),
      person('x@y.test', 'E\u0301lodie & Co', 'Elodie'),
    ]);
    const matched = async (search: string): Promise<unknown> =>
      (await pageOf(search)).leads.map((lead) =>
        lead.matched?.map(({ field, ranges }) => [
          field,
          ...ranges.map(([from, to]) => lead[field].slice(from, to)),
        ]),
      );
    expect(await matched('example.com')).toEqual([
      [
        ['company', 'example.com'],
        ['email', 'example.com'],
      ],
    ]);
    expect(await matched('elod')).toEqual([
      [['lastName', 'Élod']],
      [
        ['firstName', 'Elod'],
        ['company', 'E\u0301lod'],
      ],
    ]);
    expect(await matched('ex jane.d')).toEqual([
      [
        ['firstName', 'Ex'],
        ['company', 'ex', 'Ex'],
        ['email', 'Jane.D', 'ex'],
      ],
    ]);
    expect(await matched('@mail')).toEqual([[['email', '@mail']]]);
    expect(await matched('jane.doe@mail.ex')).toEqual([[['email', 'Jane.Doe@mail.ex']]]);
    expect(await matched('')).toEqual([undefined, undefined]);
  });
});

// ── what a search means, implemented a second time without an index ─────────────────────────────────

const fold = (text: string): string => text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '');
const runs = (text: string, of: RegExp): string[] => text.match(of) ?? [];

function means(lead: Person, search: string): boolean {
  const typed = fold(search)
    .split(/\s+/)
    .filter((word) => word !== '');
  const email = fold(lead.email);
  const [local = '', domain = ''] = email.split('@');
  const names = [lead.firstName, lead.lastName, lead.company].map(fold);
  const allWords = [...names, email].flatMap((text) => runs(text, /[\p{L}\p{N}]+/gu));
  const dotted = [...names, domain].flatMap((text) => runs(text, /[\p{L}\p{N}.-]+/gu));

  const hasWords = (text: string, isLast: boolean): boolean =>
    runs(text, /[\p{L}\p{N}]+/gu).every((word, index, { length }) =>
      allWords.some((it) => (isLast && index === length - 1 ? it.startsWith(word) : it === word)),
    );
  const hasDotted = (text: string): boolean =>
    dotted.some((run) =>
      [run, run.replace(/\.$/, '')].some(
        (it) => it === text || it.endsWith(text.startsWith('.') ? text : `.${text}`),
      ),
    );
  const hasPiece = (piece: string, isLast: boolean): boolean => {
    const text = /\.?[\p{L}\p{N}](?:.*[\p{L}\p{N}])?/u.exec(piece)?.[0] ?? '';
    if (!text.includes('.')) return hasWords(text, isLast);
    if (!text.startsWith('.') && local.includes('.') && local.startsWith(text)) return true;
    const parts = text.split(/[+_']+/);
    return parts.length === 1
      ? hasDotted(text)
      : parts.every((part, index) => hasPiece(part, isLast && index === parts.length - 1));
  };
  const hasWord = (word: string): boolean => {
    if (!/[\p{L}\p{N}]/u.test(word)) return true;
    if (word.indexOf('@') > 0) return email.startsWith(word);
    const pieces = runs(word, /[\p{L}\p{N}.+_'-]+/gu).filter((piece) => /[\p{L}\p{N}]/u.test(piece));
    if (!word.startsWith('@')) {
      return pieces.every((piece, index) => hasPiece(piece, index === pieces.length - 1));
    }
    const text = /^@([\p{L}\p{N}.-]*[\p{L}\p{N}])/u.exec(word)?.[1] ?? '';
    return text.includes('.') ? domain === text : domain.startsWith(text);
  };
  return /[\p{L}\p{N}]/u.test(search) && typed.every(hasWord);
}

describe('every query', () => {
  const searchCount = 150;
  const label = fc.constantFrom('example', 'exam', 'com', 'org', 'mail', 'my-example', 'co', 'bücher', 'x1');
  const domain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const localPart = fc
    .array(fc.constantFrom('jane', 'doe', 'o', 'com', 'example', 'news', 'jörg'), {
      minLength: 1,
      maxLength: 3,
    })
    .chain((parts) => fc.constantFrom('.', '-', '_', '+', "'", '').map((by) => parts.join(by)));
  const word = fc.oneof(
    label,
    domain,
    fc.constantFrom('Jane', 'DOE', "O'Brien", 'Comércio', 'Com', 'J.R.', 'B.V.', '.NET', 'AND', 'NEAR', 'OR'),
    fc.constantFrom(
      '"Ex"',
      'ex*',
      '-com',
      '(com)',
      'col:com',
      '東京',
      'a"b',
      '100%',
      '^ex',
      '{com}',
      '\\',
      "'",
    ),
  );
  const text = fc
    .array(word, { maxLength: 3 })
    .chain((parts) => fc.constantFrom(' ', ', ', '/', ' - ').map((by) => parts.join(by)));
  const people = fc.record({ local: localPart, domain, firstName: text, lastName: text, company: text });
  const term = fc.oneof(
    word,
    domain,
    label.map((it) => `@${it}`),
    domain.map((it) => `@${it}`),
    domain.map((it) => `.${it}`),
    domain.map((it) => `${it}.`),
    localPart,
    fc.tuple(localPart, domain).map((parts) => parts.join('@')),
    fc.tuple(fc.oneof(word, domain, localPart), fc.nat(8)).map(([it, length]) => it.slice(0, length + 1)),
    fc.constantFrom(
      "'",
      '--',
      'AND',
      'NOT',
      'NEAR(exam com)',
      'email : com',
      'exam + com',
      '"',
      '@',
      '.',
      '..',
    ),
  );
  const search = fc
    .array(term, { minLength: 1, maxLength: 3 })
    .map((terms) => terms.join(' '))
    .filter((it) => searchTermCount(it) <= limits.maxSearchTermCount);

  it('returns the leads that the search means: the list, its count, the audience, its preview and a start', async () => {
    const leads = fc
      .sample(people, { numRuns: 80, seed: 7 })
      // Each address once, as in the CRM.
      .map(({ local, domain: at, ...rest }, index) => ({ ...rest, email: `${local}${index}@${at}` }));
    await addLeads(db, leads);
    let foundCount = 0;
    await fc.assert(
      fc.asyncProperty(search, async (typed) => {
        const expected = leads.flatMap((lead, index) => (means(lead, typed) ? [index + 1] : []));
        const total = expected.length;
        if (total > 0) foundCount += 1;
        const audience = { filter: { search: typed } };
        const [page, resolved, sample, empty, planned] = await Promise.all([
          pageOf(typed),
          resolveAudience(db, audience),
          sampleAudience(db, audience, 100),
          countEmptyFields(db, audience, ['phone']),
          planPage(db, { audience, afterLeadId: 0, maxLeadId: 100, revision: 0, limit: 100 }),
        ]);
        expect({
          list: page.leads.map(({ id }) => id),
          count: page.total,
          start: resolved.kind === 'ok' ? resolved.total : 0,
          sample: sample.map(({ leadId }) => leadId),
          checked: empty.leadCount,
          planned: planned.leadIds,
        }).toEqual({
          list: expected,
          count: total,
          start: total,
          sample: expected,
          checked: total,
          planned: expected,
        });
        // Every lead that was found has a match to show.
        for (const lead of page.leads) expect(lead.matched).not.toEqual([]);
      }),
      { numRuns: searchCount, seed: 20_261_124 },
    );
    // The test proves something only if some searches find leads.
    expect(foundCount).toBeGreaterThan(searchCount / 4);
  });
});
