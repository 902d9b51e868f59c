import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { flipLeads, unflipLeads } from '../../src/crm/flip.ts';
import { putChunk, rejectedRows, type ChunkAnswer } from '../../src/crm/imports/chunks.ts';
import { checkRows } from '../../src/crm/imports/check.ts';
import { finishImport, getImport, importsOfLead, openImport } from '../../src/crm/imports/import.ts';
import { deleteImport, dropOldCells, undoImport } from '../../src/crm/imports/removal.ts';
import { listLeads } from '../../src/crm/leads/list.ts';
import { eraseLead, getLead } from '../../src/crm/leads/lead.ts';
import { upsertLeads } from '../../src/crm/leads/upsert.ts';
import { leadFieldNames, perField } from '../../src/shared/lead-fields.ts';
import { guessColumns, type ImportedLead } from '../../src/shared/imports/import-file.ts';
import type { ImportCounts } from '../../src/shared/schemas/imports.ts';
import { addLeads, countsAndRecount, emptyCrm, hashEmail } from '../support/crm-database.ts';
import { meter, meterDatabase, resetMeter } from '../support/meter.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

const fields = [
  'email',
  'firstName',
  'lastName',
  'company',
  'phone',
  'source',
  'stage',
  'notes',
  'consentSource',
] as const;
const mapping = {
  ...guessColumns([]),
  ...Object.fromEntries(fields.map((field, index) => [field, [index]])),
};
const request = {
  fileName: 'people.csv',
  sizeBytes: 1,
  headHash: null,
  columns: [...fields],
  mapping,
  consentSource: '',
  source: '',
  externalSource: '',
  reading: null,
};

type Row = Partial<ImportedLead>;
const fileRows = (rows: readonly Row[], firstLine: number) =>
  rows.map((row, index) => ({ line: firstLine + index, cells: fields.map((field) => row[field] ?? '') }));

const open = (importId = 'import1', nowMs = 1_000) =>
  openImport(db, { request, importId, owner: 'ana@example.com', nowMs });

function put(
  rows: readonly Row[],
  seq = 0,
  options: { importId?: string; nowMs?: number; firstLine?: number } = {},
): Promise<ChunkAnswer> {
  const { importId = 'import1', nowMs = 1_000, firstLine = 2 } = options;
  const bodyHash = JSON.stringify(rows).length.toString();
  return putChunk(db, { importId, seq, rows: fileRows(rows, firstLine), bodyHash, nowMs, hashEmail });
}

/** Imports one small file; returns the outcome of its rows. */
async function run(rows: readonly Row[], importId = 'import1', nowMs = 1_000): Promise<ImportCounts> {
  await open(importId, nowMs);
  const answer = await put(rows, 0, { importId, nowMs });
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  return answer.counts;
}

const none: ImportCounts = { created: 0, updated: 0, unchanged: 0, duplicate: 0, rejected: 0, unmailable: 0 };
const members = async (importId: string): Promise<number[]> => {
  const { results } = await db
    .prepare(
      `SELECT l.id FROM imports i JOIN import_leads m ON m.import_number = i.number
       JOIN leads l ON l.id BETWEEN m.lead_id AND m.lead_id + m.more_count WHERE i.import_id = ? ORDER BY 1`,
    )
    .bind(importId)
    .all<{ id: number }>();
  return results.map((row) => row.id);
};

const openIds = (importId: string, externalSource: string) => {
  const ids = { ...guessColumns([]), email: [0], externalId: [1], company: [2] };
  const idRequest = { ...request, mapping: ids, externalSource };
  return openImport(db, { request: idRequest, importId, owner: 'ana@example.com', nowMs: 1_000 });
};

/** Imports a small file of addresses, external ids and companies; what was foretold is what happened. */
async function importIds(importId: string, content: readonly string[][], externalSource = 'hubspot') {
  const opened = await openIds(importId, externalSource);
  if (opened.kind === 'conflict') throw new Error(opened.kind);
  const rows = content.map((cells, index) => ({ line: index + 2, cells }));
  const foretold = await checkRows(db, { ...opened.import, rows });
  const chunk = { importId, seq: 0, bodyHash: importId, nowMs: 1_000, hashEmail, rows };
  const answer = await putChunk(db, chunk);
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  expect(foretold).toEqual({ ...answer.counts, issues: answer.issues });
  const issues = answer.issues.map(({ line, outcome, reason }) => [line, outcome, reason] as const);
  return { ...answer.counts, issues };
}

async function externalIds(): Promise<Record<string, string | null>> {
  const { results } = await db
    .prepare(`SELECT email, external_source || ' ' || external_id AS id FROM leads ORDER BY email`)
    .all<{ email: string; id: string | null }>();
  return Object.fromEntries(results.map(({ email, id }) => [email, id]));
}

describe('an import', () => {
  it('creates leads with all data of the file', async () => {
    const lead = {
      email: 'Ann@example.org',
      firstName: 'Ann',
      lastName: 'Lée',
      company: 'Acme "A" \\ Co',
      phone: '+1',
      source: 'Fair',
      stage: 'New',
      notes: 'one\ntwo 🎉',
      consentSource: 'form',
    };
    expect(await run([lead])).toEqual({ ...none, created: 1 });
    expect(await getLead(db, 1)).toEqual({
      ...perField(leadFieldNames, () => ''),
      ...lead,
      id: 1,
      status: 'new',
      activatedAt: null,
      activatedBy: null,
      importId: 'import1',
      externalId: null,
      tags: [],
      custom: {},
      createdAt: 1_000,
      updatedAt: 1_000,
    });
    const found = await listLeads(db, { filter: { search: 'lee' }, sort: 'id', cursor: null, limit: 1 });
    expect(found).toMatchObject({ page: { total: 1 } });
    expect(await db.prepare('SELECT email_hash FROM leads').first('email_hash')).toBe(
      hashEmail('ann@example.org'),
    );
  });

  it('changes no lead when the same file is imported again, and still has them as its audience', async () => {
    const file = [{ email: 'a@example.org', company: 'Acme' }, { email: 'b@example.org' }];
    await run(file);
    expect(await run(file, 'import2', 2_000)).toEqual({ ...none, unchanged: 2 });
    expect(await getLead(db, 1)).toMatchObject({ importId: 'import1', updatedAt: 1_000 });
    await run([{ email: 'c@example.org' }], 'import3', 3_000);
    expect(await getLead(db, 3)).toMatchObject({ email: 'c@example.org' });
    for (const importId of ['import1', 'import2']) {
      const found = await listLeads(db, { filter: { importId }, sort: 'id', cursor: null, limit: 9 });
      expect(found).toMatchObject({ page: { total: 2, leads: [{ id: 1 }, { id: 2 }] } });
    }
    expect((await importsOfLead(db, 1)).map((it) => [it.importId, it.outcome, it.line])).toEqual([
      ['import2', 'unchanged', 2],
      ['import1', 'created', 2],
    ]);
  });

  it('adds tags to those that a lead has, and an empty cell takes none away', async () => {
    const tagRequest = { ...request, mapping: { ...guessColumns([]), email: [0], tags: [1] } };
    const importTags = async (importId: string, rows: string[][]): Promise<ImportCounts> => {
      await openImport(db, { request: tagRequest, importId, owner: 'ana@example.com', nowMs: 1_000 });
      const answer = await putChunk(db, {
        ...{ importId, seq: 0, bodyHash: importId, nowMs: 1_000, hashEmail },
        rows: rows.map((cells, index) => ({ line: index + 2, cells })),
      });
      if (answer.kind !== 'ok') throw new Error(answer.kind);
      return answer.counts;
    };
    const tagged = async (id: number): Promise<string[] | undefined> => (await getLead(db, id))?.tags;
    const many = Array.from({ length: 19 }, (_, index) => `t${index}`).join(',');
    const first = [
      ['a@example.org', 'fair, vip;fair'],
      ['b@example.org', ''],
      ['c@example.org', many],
    ];
    expect(await importTags('one', first)).toEqual({ ...none, created: 3 });
    expect(await tagged(1)).toEqual(['fair', 'vip']);
    expect(await tagged(2)).toEqual([]);
    expect(await importTags('two', first)).toEqual({ ...none, unchanged: 3 });
    const more = [
      ['a@example.org', 'autumn'],
      ['b@example.org', 'autumn'],
      // It would have 21.
      ['c@example.org', 'autumn,winter'],
      ['d@example.org', 'x'.repeat(51)],
    ];
    expect(await importTags('three', more)).toEqual({ ...none, updated: 2, unchanged: 1, rejected: 1 });
    expect(await tagged(1)).toEqual(['autumn', 'fair', 'vip']);
    expect(await tagged(3)).toHaveLength(19);
    expect(await importTags('four', [['a@example.org', '']])).toEqual({ ...none, unchanged: 1 });
    const found = await listLeads(db, { filter: { tag: 'autumn' }, sort: 'id', cursor: null, limit: 9 });
    expect(found).toMatchObject({ page: { total: 2, leads: [{ id: 1 }, { id: 2 }] } });
  });

  it('gives leads their external ids, known ones too, and changes nothing at a repeat', async () => {
    await addLeads(db, [{ email: 'known@example.org' }]);
    const first = [
      ['new@example.org', '901', 'Acme'],
      ['KNOWN@example.org', 'a/B 7', ''],
      ['none@example.org', '', ''],
    ];
    expect(await importIds('one', first)).toEqual({ ...none, created: 2, updated: 1, issues: [] });
    expect(await externalIds()).toEqual({
      'known@example.org': 'hubspot a/B 7',
      'new@example.org': 'hubspot 901',
      'none@example.org': null,
    });
    expect(await importIds('two', first)).toEqual({ ...none, unchanged: 3, issues: [] });
    // The lead that has the id is changed; an empty cell takes none away.
    const next = [
      ['new@example.org', '901', 'Other'],
      ['known@example.org', '', 'Initech'],
    ];
    expect(await importIds('three', next)).toEqual({ ...none, updated: 2, issues: [] });
    expect(await getLead(db, 2)).toMatchObject({ company: 'Other', externalId: { id: '901' } });
    expect(await getLead(db, 1)).toMatchObject({ company: 'Initech', externalId: { id: 'a/B 7' } });
    const query = { filter: { externalSource: 'hubspot' }, sort: 'id', cursor: null, limit: 9 } as const;
    expect(await listLeads(db, query)).toMatchObject({ page: { total: 2 } });
    expect(await countsAndRecount(db)).toMatchObject({ kept: { new: 3 }, recount: { new: 3 } });
  });

  it('rejects a row whose external id means another lead, and says so', async () => {
    await importIds('one', [
      ['ann@example.org', '1', ''],
      ['bob@example.org', '2', ''],
    ]);
    const file = [
      ['new@example.org', '1', ''],
      ['ann@example.org', '3', 'Acme'],
      ['cem@example.org', '4', ''],
      ['dan@example.org', '4', ''],
      ['CEM@example.org', '5', ''],
      ['eve@example.org', 'x'.repeat(201), ''],
      // The first line with this address was rejected.
      ['ann@example.org', '', 'Acme'],
    ];
    const said = await importIds('two', file);
    expect(said).toEqual({
      ...{ ...none, created: 1, updated: 1, duplicate: 2, rejected: 3 },
      issues: [
        [2, 'rejected', 'the external id belongs to a lead with another address'],
        [3, 'rejected', 'the lead with this address has another external id'],
        [5, 'duplicate_in_file', 'the same external id as in line 4'],
        [6, 'duplicate_in_file', 'the same address as in line 4'],
        [7, 'rejected', 'the external id is longer than 200 characters'],
      ],
    });
    expect(await externalIds()).toEqual({
      'ann@example.org': 'hubspot 1',
      'bob@example.org': 'hubspot 2',
      'cem@example.org': 'hubspot 4',
    });
    // An id of another system is another id, and a lead has one.
    expect(await importIds('three', [['bob@example.org', '2', '']], 'salesforce')).toMatchObject({
      rejected: 1,
      issues: [[2, 'rejected', 'the lead with this address has another external id']],
    });
    expect(await importIds('four', [['fay@example.org', '1', '']], 'salesforce')).toMatchObject({
      created: 1,
    });
    const rejected = await rejectedRows(db, { importId: 'two', outcome: 'rejected', fromSeq: 0 });
    expect(rejected.rows[0]).toMatchObject({ line: 2, cells: ['new@example.org', '1', ''] });
  });

  it('knows an external id of an earlier chunk of its file', async () => {
    await openIds('one', 'hubspot');
    const chunk = (seq: number, line: number, email: string) =>
      putChunk(db, {
        ...{ importId: 'one', seq, bodyHash: email, nowMs: 1_000, hashEmail },
        rows: [{ line, cells: [email, '1', ''] }],
      });
    expect(await chunk(0, 7, 'a@example.org')).toMatchObject({ counts: { created: 1 } });
    expect(await chunk(1, 9, 'b@example.org')).toMatchObject({
      counts: { duplicate: 1 },
      issues: [{ line: 9, reason: 'the same external id as in line 7' }],
    });
  });

  it.each([
    [
      'the external id',
      { email: 'other@example.org', externalId: { source: 'hubspot', id: '1' } },
      'another address',
    ],
    [
      'another external id',
      { email: 'a@example.org', externalId: { source: 'hubspot', id: '2' } },
      'another external id',
    ],
    [
      'another one of another system',
      { email: 'a@example.org', externalId: { source: 'crm', id: '1' } },
      'another external id',
    ],
  ])('sorts its rows anew where a lead got %s meanwhile', async (_, lead, reason) => {
    await addLeads(db, [{ email: 'a@example.org' }]);
    await openIds('one', 'hubspot');
    let isDone = false;
    const racing = new Proxy(db, {
      get: (target, name) =>
        name === 'batch'
          ? async (statements: D1PreparedStatement[]) => {
              if (!isDone) {
                isDone = true;
                await upsertLeads(db, { items: [{ lead }], nowMs: 1, hashEmail });
              }
              return target.batch(statements);
            }
          : (sql: string) => target.prepare(sql),
    });
    const rows = [{ line: 2, cells: ['a@example.org', '1', 'Acme'] }];
    const answer = await putChunk(racing, {
      ...{ importId: 'one', seq: 0, bodyHash: '', nowMs: 1_000, hashEmail, rows },
    });
    expect(answer).toMatchObject({ counts: { ...none, rejected: 1 } });
    expect(answer).toMatchObject({ issues: [{ reason: expect.stringContaining(reason) as string }] });
    expect(await getLead(db, 1)).toMatchObject({ company: 'Example Ltd' });
  });

  it('of any files leaves each external id with one lead, and each lead with its first', async () => {
    const row = fc.tuple(
      fc.constantFrom('a@x.example', 'b@x.example', 'c@x.example', 'd@x.example'),
      fc.constantFrom('', '1', '2', '3'),
      fc.constantFrom('', 'Acme', 'Other'),
    );
    const files = fc.array(fc.array(row, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(files, async (contents) => {
        db = await emptyCrm();
        let before: Record<string, string | null> = {};
        for (const [at, content] of contents.entries()) {
          const { issues, ...counts } = await importIds(`i${at}`, content);
          const { created, updated, unchanged } = counts;
          expect(created + updated + unchanged + issues.length).toBe(content.length);
          const after = await externalIds();
          for (const [email, id] of Object.entries(before)) if (id !== null) expect(after[email]).toBe(id);
          const owners = Object.values(after).filter((id) => id !== null);
          expect(new Set(owners).size).toBe(owners.length);
          before = after;
          // Each row says the same a second time, and nothing is left to do.
          const again = await importIds(`again${at}`, content);
          expect(again).toMatchObject({ created: 0, unchanged: created + updated + unchanged, updated: 0 });
          expect(again.issues.map(([line]) => line)).toEqual(issues.map(([line]) => line));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('updates fields that differ, and empty cells erase nothing', async () => {
    await run([{ email: 'a@example.org', company: 'Acme', phone: '+1', lastName: 'lee' }]);
    const again = [{ email: 'A@EXAMPLE.org', company: '', phone: '+2', lastName: 'Lee' }];
    expect(await run(again, 'import2', 2_000)).toEqual({ ...none, updated: 1 });
    expect(await getLead(db, 1)).toMatchObject({
      email: 'a@example.org',
      company: 'Acme',
      phone: '+2',
      lastName: 'Lee',
      importId: 'import1',
      createdAt: 1_000,
      updatedAt: 2_000,
    });
  });

  it('never changes the status or the owner of a lead', async () => {
    await addLeads(db, [{ email: 'a@example.org' }]);
    const sessionId = 'activation_1700000000000_mine00000';
    await flipLeads(db, { sessionId, number: 1, leadIds: [1], nowMs: 500 });
    expect(await run([{ email: 'a@example.org', company: 'Other' }])).toEqual({ ...none, updated: 1 });
    expect(await getLead(db, 1)).toMatchObject({
      status: 'active',
      activatedAt: 500,
      activatedBy: sessionId,
    });
  });

  it('takes the first of several rows with one address, even across chunks, and names its line', async () => {
    await addLeads(db, [{ email: 'old@example.org', company: 'Example Ltd' }]);
    await open();
    const first = [
      { email: 'a@example.org', company: 'First' },
      { email: 'A@example.org', company: 'Second' },
      { email: 'OLD@example.org' },
    ];
    expect(await put(first)).toMatchObject({
      counts: { ...none, created: 1, unchanged: 1, duplicate: 1 },
      issues: [{ line: 3, outcome: 'duplicate_in_file', reason: 'the same address as in line 2' }],
    });
    const second = [
      { email: 'old@EXAMPLE.org', company: 'X' },
      { email: 'a@example.org' },
      { email: 'b@example.org' },
    ];
    expect(await put(second, 1, { firstLine: 5 })).toMatchObject({
      counts: { ...none, created: 1, duplicate: 2 },
      issues: [
        { line: 5, reason: 'the same address as in line 4' },
        { line: 6, reason: 'the same address as in line 2' },
      ],
    });
    expect(await getLead(db, 2)).toMatchObject({ company: 'First' });
    expect(await getLead(db, 1)).toMatchObject({ company: 'Example Ltd' });
    expect(await getImport(db, 'import1')).toMatchObject({
      counts: { created: 2, updated: 0, unchanged: 1, duplicate: 3, rejected: 0, unmailable: 0 },
      nextSeq: 2,
      nextLine: 8,
    });
  });

  it('keeps a lead that cannot be mailed, and says so', async () => {
    expect(await run([{ email: 'ann@localhost' }])).toEqual({ ...none, created: 1, unmailable: 1 });
    const flip = await flipLeads(db, {
      sessionId: 'activation_1700000000000_mine00000',
      number: 1,
      leadIds: [1],
      nowMs: 1,
    });
    expect(flip.skipped).toEqual([{ leadId: 1, reason: 'invalid_address' }]);
  });

  it('accepts rows of the maximum length', async () => {
    const notes = '"\n'.repeat(3_300);
    const file = Array.from({ length: 200 }, (_, index) => ({ email: `n${index}@example.org`, notes }));
    expect(await run(file)).toEqual({ ...none, created: 200 });
    expect(await getLead(db, 200)).toMatchObject({ notes: notes.trim() });
  });

  it('finds known leads by index and does not read all, however much of the file is imported', async () => {
    await open();
    for (const seq of [0, 1]) {
      const known = Array.from({ length: 1_500 }, (_, at) => ({
        email: `lead${seq * 1_500 + at}@example.com`,
      }));
      await put(known, seq, { firstLine: 2 + seq * 1_500 });
    }
    meterDatabase(db);
    resetMeter();
    const file = [{ email: 'lead7@example.com', company: 'Other' }, { email: 'fresh@example.com' }];
    expect(await put(file, 2, { firstLine: 5_000 })).toMatchObject({ counts: { created: 1, duplicate: 1 } });
    expect(meter.d1RowsRead).toBeGreaterThan(0);
    expect(meter.d1RowsRead).toBeLessThan(200);
    await open('import2');
    resetMeter();
    expect(await put(file, 0, { importId: 'import2' })).toMatchObject({
      counts: { unchanged: 1, updated: 1 },
    });
    expect(meter.d1RowsRead).toBeLessThan(200);
    // The check before an import looks into the same few leads, and writes none.
    resetMeter();
    const rows = fileRows(
      [
        { email: 'lead8@example.com' },
        { email: 'lead9@example.com', company: 'New' },
        { email: 'new@example.com' },
      ],
      2,
    );
    expect(await checkRows(db, { ...request, rows })).toEqual({
      ...none,
      issues: [],
      created: 1,
      updated: 1,
      unchanged: 1,
    });
    expect(meter.d1RowsRead).toBeLessThan(20);
    expect(meter.d1RowsWritten).toBe(0);
  });
});

describe('a chunk', () => {
  const file = [{ email: 'a@example.org' }, { email: 'nobody' }, { email: 'a@example.org' }];

  it('that is repeated changes nothing and has the same answer', async () => {
    await open();
    const first = await put(file);
    expect(first).toMatchObject({ kind: 'ok', counts: { ...none, created: 1, rejected: 1, duplicate: 1 } });
    expect(await put(file, 0, { nowMs: 9_000 })).toEqual(first);
    expect(await countsAndRecount(db)).toMatchObject({ kept: { new: 1 }, recount: { new: 1 } });
  });

  it('that comes twice at once is taken once', async () => {
    await open();
    const answers = await Promise.all([put(file), put(file), put(file)]);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await getImport(db, 'import1')).toMatchObject({ counts: { created: 1, rejected: 1 }, nextSeq: 1 });
  });

  it('with other rows under a used number is refused', async () => {
    await open();
    await put(file);
    expect(await put([{ email: 'other@example.org' }])).toEqual({ kind: 'conflict' });
  });

  it('that is not the next one is refused, and so are rows from before the imported ones', async () => {
    await open();
    expect(await put(file, 1)).toEqual({ kind: 'out_of_order', nextSeq: 0, nextLine: 1 });
    await put(file);
    expect(await put(file, 1)).toEqual({ kind: 'out_of_order', nextSeq: 1, nextLine: 5 });
    expect(await put(file, 0, { importId: 'unknown' })).toEqual({ kind: 'not_found' });
  });

  it('is refused when the import is finished, unless it is a repeat', async () => {
    await open();
    const first = await put(file);
    await finishImport(db, { importId: 'import1', nowMs: 5 });
    expect(await put([{ email: 'b@example.org' }], 1, { firstLine: 9 })).toEqual({ kind: 'closed' });
    expect(await put(file)).toMatchObject({ ...first, import: { state: 'done' } });
  });

  it('keeps the cells of rejected rows', async () => {
    await open();
    await put(file);
    const { rows } = await rejectedRows(db, { importId: 'import1', outcome: 'rejected', fromSeq: 0 });
    expect(rows).toMatchObject([{ line: 3, reason: 'the email cell holds no address' }]);
    expect(rows[0]?.cells[0]).toBe('nobody');
    expect(await rejectedRows(db, { importId: 'import1', outcome: 'rejected', fromSeq: 1 })).toEqual({
      rows: [],
      nextSeq: null,
    });
  });
});

describe('opening an import', () => {
  it('again with the same request finds it, and with another request is a conflict', async () => {
    expect(await open()).toMatchObject({
      kind: 'opened',
      import: { nextSeq: 0, nextLine: 1, state: 'open' },
    });
    await put([{ email: 'a@example.org' }]);
    expect(await open('import1', 9)).toMatchObject({
      kind: 'exists',
      import: { nextSeq: 1, createdAt: 1_000 },
    });
    const other = {
      request: { ...request, consentSource: 'fair' },
      importId: 'import1',
      owner: 'ana@example.com',
      nowMs: 1,
    };
    expect(await openImport(db, other)).toEqual({ kind: 'conflict' });
  });
});

describe('undoing an import', () => {
  const undo = (importId = 'import1', deadlineMs = 1) =>
    undoImport(db, { importId, now: () => 0, deadlineMs });

  it('removes the leads it created that are not active, and says how many', async () => {
    await addLeads(db, [{ email: 'old@example.org', company: 'Before' }]);
    await run([
      { email: 'old@example.org', company: 'After' },
      { email: 'new@example.org' },
      { email: 'active@example.org' },
    ]);
    await flipLeads(db, {
      sessionId: 'activation_1700000000000_mine00000',
      number: 1,
      leadIds: [3],
      nowMs: 1,
    });
    expect(await undo()).toMatchObject({ state: 'undone', removed: 1, counts: { created: 2 } });
    expect(await members('import1')).toEqual([1, 3]);
    expect(await getLead(db, 2)).toBeNull();
    // Nothing else is undone.
    expect(await getLead(db, 1)).toMatchObject({ company: 'After' });
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);
    expect(await undo()).toMatchObject({ state: 'undone', removed: 1 });
    expect(await undo('unknown')).toBeNull();
  });

  it('continues where its time was over, and closes the import to chunks', async () => {
    await run(Array.from({ length: 1_200 }, (_, index) => ({ email: `n${index}@example.org` })));
    expect(await undo('import1', 0)).toMatchObject({ state: 'undoing', removed: 500 });
    expect(await put([{ email: 'x@example.org' }], 1, { firstLine: 5_000 })).toEqual({ kind: 'closed' });
    expect(await undo('import1', 0)).toMatchObject({ state: 'undoing', removed: 1_000 });
    expect(await undo()).toMatchObject({ state: 'undone', removed: 1_200 });
    expect(await countsAndRecount(db)).toMatchObject({ kept: { new: 0 }, recount: { new: 0 } });
  });
});

describe('the cells of rejected rows of an import', () => {
  const dayMs = 86_400_000;
  const file: Row[] = [
    { email: 'a@example.org' },
    { email: 'nobody', lastName: 'Secret' },
    { email: 'a@example.org', lastName: 'Secret' },
  ];
  const drop = (untouchedSinceMs: number, deadlineMs = Number.MAX_SAFE_INTEGER) =>
    dropOldCells(db, { untouchedSinceMs, now: () => 99 * dayMs, deadlineMs });
  const stored = async (importId: string) => {
    const { results } = await db
      .prepare(
        `SELECT issues FROM import_chunks c JOIN imports i ON i.number = c.import_number
         WHERE import_id = ? ORDER BY seq`,
      )
      .bind(importId)
      .all<{ issues: string }>();
    return results.map(({ issues }) => issues).join('\n');
  };

  it('are deleted when nothing was imported for long enough, and not before; lines and reasons stay', async () => {
    await run(file, 'old', dayMs);
    await run(file, 'new', 2 * dayMs);
    expect(await drop(dayMs - 1)).toBe(0);
    expect(await stored('old')).toContain('Secret');

    expect(await drop(dayMs)).toBe(1);
    expect(await stored('old')).not.toMatch(/Secret|nobody|example/);
    expect(await stored('new')).toContain('Secret');
    expect(await getImport(db, 'old')).toMatchObject({
      cellsDroppedAt: 99 * dayMs,
      counts: { rejected: 1, duplicate: 1 },
    });
    for (const [outcome, line, reason] of [
      ['rejected', 3, 'the email cell holds no address'],
      ['duplicate_in_file', 4, 'the same address as in line 2'],
    ] as const) {
      const { rows } = await rejectedRows(db, { importId: 'old', outcome, fromSeq: 0 });
      expect(rows).toEqual([{ line, outcome, reason, cells: [] }]);
    }
    expect(await drop(dayMs)).toBe(0);
  });

  it('do not affect the answer to a repeated chunk', async () => {
    await open('old', dayMs);
    const before = await put(file, 0, { importId: 'old', nowMs: dayMs });
    await drop(dayMs);
    const again = await put(file, 0, { importId: 'old', nowMs: 9 * dayMs });
    if (before.kind !== 'ok' || again.kind !== 'ok') throw new Error('It was not taken.');
    expect(again).toEqual({ ...before, import: again.import });
  });

  it('are kept again when the import continues', async () => {
    await run(file, 'old', dayMs);
    await drop(dayMs);
    await put([{ email: 'x', lastName: 'Later' }], 1, { importId: 'old', nowMs: 3 * dayMs, firstLine: 9 });
    expect(await getImport(db, 'old')).toMatchObject({ cellsDroppedAt: null });
    expect(await drop(2 * dayMs)).toBe(0);
    expect(await stored('old')).toContain('Later');
    expect(await drop(3 * dayMs)).toBe(1);
    expect(await stored('old')).not.toContain('Later');
  });

  it('are deleted in several calls when the time is over', async () => {
    await run(file, 'old', dayMs);
    expect(await drop(dayMs, 0)).toBe(0);
    expect(await getImport(db, 'old')).toMatchObject({ cellsDroppedAt: null });
    expect(await drop(dayMs)).toBe(1);
  });
});

describe('the leads that an import created', () => {
  const rowsOf = async () => {
    const { results } = await db
      .prepare(
        'SELECT lead_id AS id, more_count AS more, outcome FROM import_leads ORDER BY import_number, lead_id',
      )
      .all();
    return results;
  };
  const file = ['a', 'b', 'c', 'd'].map((name) => ({ email: `${name}@example.org` }));

  it('are one row for each chunk, and keep their lines', async () => {
    await run([{ email: 'b@example.org' }], 'first');
    await run([file[0] ?? {}, {}, ...file.slice(1)], 'mine');
    expect(await rowsOf()).toEqual([
      { id: 1, more: 0, outcome: 'created' },
      { id: 1, more: 0, outcome: 'unchanged' },
      { id: 2, more: 2, outcome: 'created' },
    ]);
    const places = await Promise.all([1, 2, 3, 4].map((id) => importsOfLead(db, id)));
    expect(places.map((of) => of.map(({ importId, line }) => [importId, line]))).toEqual([
      [
        ['mine', 4],
        ['first', 2],
      ],
      [['mine', 2]],
      [['mine', 5]],
      [['mine', 6]],
    ]);
  });

  it('are a row each as long as a version may answer that does not know of longer ones', async () => {
    await db.exec('CREATE INDEX leads_created_at ON leads (created_at)');
    await run(file, 'mine');
    await db.exec('DROP INDEX leads_created_at');
    expect(await rowsOf()).toEqual([1, 2, 3, 4].map((id) => ({ id, more: 0, outcome: 'created' })));
    expect(await importsOfLead(db, 4)).toMatchObject([{ line: 5, outcome: 'created' }]);
  });

  it('are found again when somebody adds one of them while the chunk is on its way', async () => {
    await open('mine');
    // After the chunk has looked for known addresses, and before its transaction.
    let isAdded = false;
    const racing = new Proxy(db, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name !== 'batch') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return async (statements: D1PreparedStatement[]) => {
          if (!isAdded) {
            isAdded = true;
            await run([{ email: 'c@example.org' }], 'other');
          }
          return target.batch(statements);
        };
      },
    });
    const [own, before] = [racing, db];
    db = own;
    const answer = await put(file, 0, { importId: 'mine' });
    db = before;
    expect(answer).toMatchObject({ kind: 'ok', counts: { created: 3, unchanged: 1 } });
    expect(await members('mine')).toHaveLength(4);
    expect(await countsAndRecount(db)).toMatchObject({ recount: { new: 4 } });
  });
});

describe('deleting an import', () => {
  const remove = (importId: string, deadlineMs = 1) =>
    deleteImport(db, { importId, now: () => 0, deadlineMs });

  it('leaves its leads and nothing of the import', async () => {
    await run([{ email: 'a@example.org' }, { email: 'nobody' }], 'mine');
    await run([{ email: 'a@example.org' }], 'other');
    expect(await remove('mine')).toBe('deleted');
    expect(await getImport(db, 'mine')).toBeNull();
    expect(await getLead(db, 1)).toMatchObject({ email: 'a@example.org' });
    const left = (table: string) => db.prepare(`SELECT count(*) AS n FROM ${table}`).first('n');
    expect([await left('imports'), await left('import_chunks'), await left('import_leads')]).toEqual([
      1, 1, 1,
    ]);
    expect(await importsOfLead(db, 1)).toMatchObject([{ importId: 'other' }]);
    expect(await remove('mine')).toBe('not_found');
  });

  it('continues where its time was over, and takes no chunk after its beginning', async () => {
    const rows = Array.from({ length: 1_900 }, (_, index) => ({ email: `n${index}@example.org` }));
    // The leads of the second import were there before, so each is a row of its own.
    for (const importId of ['first', 'large']) {
      await open(importId);
      for (let seq = 0; seq < 3; seq++) {
        const part = rows.map(({ email }) => ({ email: `${seq}${email}` }));
        await put(part, seq, { importId, firstLine: 2 + 2_000 * seq });
      }
    }
    expect(await remove('large', 0)).toBe('more');
    const total = (await members('large')).length;
    expect(total).toBeLessThan(5_700);
    const count = db.prepare("SELECT member_count AS n FROM imports WHERE import_id = 'large'");
    expect(await count.first('n')).toBe(total);
    expect(await put([{ email: 'x@example.org' }], 3, { importId: 'large', firstLine: 9_000 })).toEqual({
      kind: 'closed',
    });
    expect(await remove('large', 0)).toBe('deleted');
    expect(await members('large')).toEqual([]);
    expect(await members('first')).toHaveLength(5_700);
    expect(await remove('first', 0)).toBe('deleted');
    expect(await db.prepare('SELECT count(*) AS n FROM import_leads').first('n')).toBe(0);
  });
});

it('an erased lead is in no import any more', async () => {
  await run([{ email: 'a@example.org' }, { email: 'b@example.org' }]);
  await eraseLead(db, 1);
  expect(await members('import1')).toEqual([2]);
  expect(
    await listLeads(db, { filter: { importId: 'import1' }, sort: 'id', cursor: null, limit: 9 }),
  ).toMatchObject({
    page: { total: 1 },
  });
});

it('the counts of leads stay correct through any order of imports, undoings, flips, cancels and erasures', async () => {
  const leadId = fc.integer({ min: 1, max: 12 });
  const leadIds = fc.array(leadId, { minLength: 1, maxLength: 5 });
  const sessionId = fc.constantFrom(
    'activation_1700000000000_aaaaaaaaa',
    'activation_1700000000000_bbbbbbbbb',
  );
  const step = fc.oneof(
    fc.record({ kind: fc.constant('import' as const), numbers: leadIds }),
    fc.record({ kind: fc.constant('flip' as const), sessionId, leadIds }),
    fc.record({ kind: fc.constant('unflip' as const), sessionId, leadIds }),
    fc.record({ kind: fc.constant('erase' as const), leadId }),
    fc.record({ kind: fc.constant('undo' as const), importNumber: fc.integer({ min: 1, max: 5 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      await emptyCrm();
      let importCount = 0;
      for (const [number, next] of steps.entries()) {
        if (next.kind === 'import')
          await run(
            next.numbers.map((n) => ({ email: `n${n}@example.org` })),
            `import${(importCount += 1)}`,
          );
        else if (next.kind === 'flip') await flipLeads(db, { ...next, number, nowMs: 1 });
        else if (next.kind === 'unflip') await unflipLeads(db, { ...next, number });
        else if (next.kind === 'undo')
          await undoImport(db, { importId: `import${next.importNumber}`, now: () => 0, deadlineMs: 1 });
        else await eraseLead(db, next.leadId);
        const { kept, recount } = await countsAndRecount(db);
        expect(kept).toEqual(recount);
        const wrong = await db
          .prepare(
            `SELECT import_id FROM imports i WHERE member_count <>
               (SELECT count(*) FROM import_leads m JOIN leads l ON l.id BETWEEN m.lead_id AND m.lead_id + m.more_count
                WHERE m.import_number = i.number)`,
          )
          .first();
        expect(wrong).toBeNull();
      }
    }),
    { numRuns: 25, seed: 20_261_123 },
  );
});
