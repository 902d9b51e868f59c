import { env } from 'cloudflare:workers';
import { parse } from 'csv-parse/sync';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { limits } from '../../src/shared/limits.ts';
import type { ActivationPreview, LeadHistory } from '../../src/shared/schemas/activation.ts';
import type { Import, ImportCheck, ImportChunk, ImportList } from '../../src/shared/schemas/imports.ts';
import type { LeadValues, View } from '../../src/shared/schemas/leads.ts';
import worker from '../../src/worker/index.ts';
import { addLeads, emptyCrm, suppress } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { resetHooks } from '../support/hooks.ts';
import { freshSessionId, request, send, startSession, waitForEnd } from '../support/session-driver.ts';
import { identityHeader } from '../support/worker.ts';

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  resetHooks();
  db = await emptyCrm();
  mail = new FakeMailApi().install();
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const file = {
  importId: 'import_1',
  fileName: 'people.csv',
  columns: ['E-mail', 'Name', 'Consent'],
  mapping: { email: [0], fullName: [1], consentSource: [2] },
  consentSource: 'fair 2026',
};

const rowsOf = (records: readonly (readonly string[])[], firstLine = 2) =>
  records.map((cells, index) => ({ line: firstLine + index, cells }));

async function json<T>(response: Response | Promise<Response>, status = 200): Promise<T> {
  const answer = await response;
  const body = await answer.text();
  expect(answer.status, body).toBe(status);
  return JSON.parse(body) as T;
}

const open = (change = {}) => send('POST', '/crm/imports', { ...file, ...change });
const put = (records: readonly (readonly string[])[], seq = 0, firstLine = 2) =>
  send('PUT', `/crm/imports/import_1/chunks/${seq}`, { rows: rowsOf(records, firstLine) });
const codeOf = async (response: Promise<Response>) => {
  const answer = await response;
  const { code } = await answer.json<{ code: string }>();
  return `${answer.status} ${code}`;
};

describe('an import over HTTP', () => {
  it('opens once, takes chunks, reports the outcome of each row, and finishes', async () => {
    const opened = await open();
    expect(opened.headers.get('location')).toBe('/crm/imports/import_1');
    expect(await json<Import>(opened, 201)).toMatchObject({
      owner: 'ana@example.com',
      state: 'open',
      nextSeq: 0,
    });
    expect(await json<Import>(open())).toMatchObject({ nextSeq: 0 });
    expect(await codeOf(open({ consentSource: 'other' }))).toBe('409 import_conflict');

    const chunk = await json<ImportChunk>(
      put([
        ['ann@example.org', 'Ann Lee', ''],
        ['ANN@example.org', 'Ann Lee', 'form'],
        ['nobody', '=1+1', ''],
      ]),
    );
    expect(chunk).toMatchObject({
      seq: 0,
      counts: { created: 1, updated: 0, unchanged: 0, duplicate: 1, rejected: 1 },
      issues: [
        { line: 3, outcome: 'duplicate_in_file', reason: 'the same address as in line 2' },
        { line: 4, outcome: 'rejected', reason: 'the email cell holds no address' },
      ],
      import: { nextSeq: 1, nextLine: 5 },
    });
    await json(put([['bob@example.org', 'Bob', 'form']], 1, 5));
    expect(await json<Import>(send('POST', '/crm/imports/import_1/finish'))).toMatchObject({ state: 'done' });
    expect(await json<Import>(request('/crm/imports/import_1'))).toMatchObject({
      state: 'done',
      counts: { created: 2, duplicate: 1, rejected: 1 },
    });
    const { leads } = await json<{ leads: { consentSource: string; lastName: string }[] }>(
      request('/crm/leads?importId=import_1&sort=id'),
    );
    expect(leads.map((lead) => [lead.lastName, lead.consentSource])).toEqual([
      ['Lee', 'fair 2026'],
      ['', 'form'],
    ]);
  });

  it('gives the rejected rows as a CSV that no spreadsheet runs', async () => {
    await open();
    await put([
      ['nobody', '=HYPERLINK("http://x")', '@x'],
      ['a@b.example', '', ''],
      ['A@b.example', '-1', ''],
    ]);
    await put([['ann@example.org', '', '']], 1, 6);
    await put([['', '+49 "x"\nsecond', '']], 2, 9);
    const csv = await request('/crm/imports/import_1/rejected.csv');
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(csv.headers.get('content-disposition')).toBe('attachment; filename="people-rejected.csv"');
    expect(parse(await csv.text(), { bom: true })).toEqual([
      ['line', 'reason', 'E-mail', 'Name', 'Consent'],
      ['2', 'the email cell holds no address', 'nobody', `'=HYPERLINK("http://x")`, `'@x`],
      ['9', 'there is no email address', '', `'+49 "x"\nsecond`, ''],
    ]);
    const duplicates = await request('/crm/imports/import_1/rejected.csv?outcome=duplicate_in_file');
    expect(parse(await duplicates.text(), { bom: true })[1]).toEqual([
      '4',
      'the same address as in line 3',
      'A@b.example',
      `'-1`,
      '',
    ]);
  });

  it('lists imports, newest first, in pages', async () => {
    for (const importId of ['first', 'second', 'third']) await open({ importId });
    const page = await json<ImportList>(request('/crm/imports?limit=2'));
    expect(page.imports.map((it) => it.importId)).toEqual(['third', 'second']);
    const next = await json<ImportList>(request(`/crm/imports?limit=2&cursor=${page.nextCursor}`));
    expect(next).toMatchObject({ imports: [{ importId: 'first' }], nextCursor: null });
    expect(await codeOf(request('/crm/imports?cursor=x'))).toBe('422 invalid_cursor');
  });

  it('makes an id where none is given', async () => {
    const made = await json<Import>(open({ importId: undefined }), 201);
    expect(made.importId).toMatch(/^import_/);
  });

  it('is undone, and reports how many leads were removed', async () => {
    await open();
    await put([
      ['a@b.example', '', ''],
      ['b@b.example', '', ''],
    ]);
    expect(await json<Import>(send('POST', '/crm/imports/import_1/undo'))).toMatchObject({
      state: 'undone',
      removed: 2,
    });
    expect(await json(request('/crm/leads'))).toMatchObject({ total: 0 });
    expect(await codeOf(put([['c@b.example', '', '']], 1, 9))).toBe('409 import_closed');
  });

  it('is deleted with its rejected rows, and the audit says by whom', async () => {
    await open();
    await put([
      ['a@b.example', '', ''],
      ['nobody', '', ''],
    ]);
    expect((await send('DELETE', '/crm/imports/import_1')).status).toBe(204);
    expect(await codeOf(Promise.resolve(request('/crm/imports/import_1')))).toBe('404 import_not_found');
    expect(await codeOf(Promise.resolve(send('DELETE', '/crm/imports/import_1')))).toBe(
      '404 import_not_found',
    );
    expect(await json(request('/crm/leads'))).toMatchObject({ total: 1 });
    const { entries } = await json<{ entries: { action: string; target: string; actor: string }[] }>(
      request('/crm/audit'),
    );
    expect(entries.filter(({ action }) => action === 'import.delete')).toMatchObject([
      { target: 'import_1', actor: 'ana@example.com' },
    ]);
  });

  it('keeps the cells of rejected rows until the nightly cleanup after the configured time', async () => {
    await open();
    await put([['nobody', 'Secret Person', '']]);
    const csv = async () => (await request('/crm/imports/import_1/rejected.csv')).text();
    const dayMs = 86_400_000;
    const ring = (daysLater: number) => {
      vi.useFakeTimers({ now: Date.now() + daysLater * dayMs, toFake: ['Date'] });
      return Promise.resolve(
        worker.scheduled({} as ScheduledController, env, {} as ExecutionContext),
      ).finally(() => vi.useRealTimers());
    };
    await ring(29);
    expect(await csv()).toContain('Secret Person');
    await ring(31);
    expect(await csv()).not.toContain('Secret Person');
    expect(await csv()).toContain('the email cell holds no address');
  });

  it('refuses invalid requests, and writes nothing then', async () => {
    await open();
    const tooMany = Array.from({ length: limits.maxImportChunkRowCount + 1 }, () => ['a@b.example']);
    expect(await codeOf(put(tooMany))).toMatch(/^422 /);
    expect(await codeOf(send('PUT', '/crm/imports/import_1/chunks/0', { rows: [] }))).toBe(
      '422 invalid_request',
    );
    const falling = [
      { line: 3, cells: ['a@b.example'] },
      { line: 3, cells: ['b@b.example'] },
    ];
    expect(await codeOf(send('PUT', '/crm/imports/import_1/chunks/0', { rows: falling }))).toBe(
      '422 invalid_request',
    );
    expect(await codeOf(put([['x'.repeat(limits.maxImportChunkBytes)]]))).toBe('413 body_too_large');
    expect(await codeOf(put([['a@b.example']], 1))).toBe('409 chunk_out_of_order');
    expect(await codeOf(send('PUT', '/crm/imports/none/chunks/0', { rows: rowsOf([['a']]) }))).toBe(
      '404 import_not_found',
    );
    expect(await codeOf(send('PUT', '/crm/imports/import_1/chunks/x', { rows: rowsOf([['a']]) }))).toBe(
      '422 invalid_request',
    );
    expect(await codeOf(open({ importId: 'other', mapping: { fullName: [0] } }))).toBe('422 invalid_request');
    expect(await codeOf(open({ importId: 'a b' }))).toBe('422 invalid_request');
    for (const path of ['', '/rejected.csv'])
      expect(await codeOf(request(`/crm/imports/none${path}`))).toBe('404 import_not_found');
    for (const path of ['finish', 'undo'])
      expect(await codeOf(send('POST', `/crm/imports/none/${path}`))).toBe('404 import_not_found');
    expect(await json<Import>(request('/crm/imports/import_1'))).toMatchObject({ nextSeq: 0 });
    expect(await json(request('/crm/leads'))).toMatchObject({ total: 0 });
    await put([['a@b.example']]);
    expect(await codeOf(put([['b@b.example']]))).toBe('409 chunk_conflict');
  });

  it('takes chunks larger than the limit of other bodies', async () => {
    await open();
    const name = 'x'.repeat(900);
    const rows = Array.from({ length: 1_000 }, (_, index) => [`n${index}@example.org`, name, '']);
    expect(JSON.stringify(rowsOf(rows)).length).toBeGreaterThan(limits.maxJsonBodyBytes);
    expect(await json<ImportChunk>(put(rows))).toMatchObject({ counts: { created: 1_000 } });
    expect(await codeOf(open({ importId: 'large', fileName: 'x'.repeat(limits.maxJsonBodyBytes) }))).toBe(
      '413 body_too_large',
    );
  });
});

describe('an import as an audience', () => {
  it('has every lead of its file, and the preview predicts the activation', async () => {
    await addLeads(db, [
      { email: 'old@example.org' },
      { email: 'active@example.org', status: 'active' },
      { email: 'other@example.org' },
      { email: 'no@example.org' },
    ]);
    await suppress(db, 'no@example.org');
    await open();
    const addresses = ['old', 'active', 'new1', 'NEW2', 'no'].map((name) => [
      `${name}@example.org`,
      'A B',
      '',
    ]);
    await put([...addresses, ['ann@localhost', '', ''], ['nobody', '', '']]);
    await send('POST', '/crm/imports/import_1/finish');

    const audience = { filter: { importId: 'import_1' } };
    const preview = await json<ActivationPreview>(
      send('POST', '/crm/activation/preview', { audience, templateId: 'welcome' }),
    );
    expect(preview).toMatchObject({
      total: 6,
      willActivate: 3,
      alreadyActive: 1,
      suppressed: 1,
      invalidAddress: 1,
    });
    expect(preview.sample).toHaveLength(3);

    const sessionId = freshSessionId();
    await startSession(sessionId, audience);
    const end = await waitForEnd(sessionId);
    expect(end.total).toBe(preview.total);
    expect(end.activation).toEqual({
      activated: preview.willActivate,
      skipped: preview.alreadyActive + preview.suppressed + preview.invalidAddress,
      failed: 0,
    });
    expect(end.email.sent).toBe(preview.willActivate);
    expect([...mail.countByAddress().keys()].sort()).toEqual([
      'NEW2@example.org',
      'new1@example.org',
      'old@example.org',
    ]);
    const issues = await json<{ issues: { code: string; count: number }[] }>(
      request(`/crm/activation/${sessionId}/issues`),
    );
    expect(Object.fromEntries(issues.issues.map(({ code, count }) => [code, count]))).toEqual({
      already_active: preview.alreadyActive,
      suppressed: preview.suppressed,
      invalid_address: preview.invalidAddress,
    });
  });

  it('is frozen when an activation starts: leads that are imported later are not included', async () => {
    await addLeads(db, [{ email: 'old@example.org' }]);
    await open();
    await put([['new@example.org', '', '']]);
    const sessionId = freshSessionId();
    await startSession(sessionId, { filter: { importId: 'import_1' } });
    await put([['old@example.org', '', '']], 1, 5);
    const end = await waitForEnd(sessionId);
    expect(end).toMatchObject({ total: 1, activation: { activated: 1 } });
    expect([...mail.countByAddress().keys()]).toEqual(['new@example.org']);
  });
});

describe('the history of a lead', () => {
  it('says where it comes from, who activated it, and the outcome of its mail', async () => {
    await open();
    await put([['ann@example.org', 'Ann Lee', '']]);
    const before = await json<LeadHistory>(request('/crm/leads/1/history'));
    expect(before).toMatchObject({
      imports: [
        {
          importId: 'import_1',
          fileName: 'people.csv',
          owner: 'ana@example.com',
          line: 2,
          outcome: 'created',
        },
      ],
      activation: null,
    });
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1] });
    await waitForEnd(sessionId);
    await vi.waitFor(async () => {
      const { activation } = await json<LeadHistory>(request('/crm/leads/1/history'));
      expect(activation).toMatchObject({
        sessionId,
        owner: 'ana@example.com',
        result: { leadId: 1, activation: 'activated', emailState: 'sent' },
      });
      expect(activation?.name).not.toBeNull();
    }, 10_000);
    expect(await codeOf(request('/crm/leads/99/history'))).toBe('404 lead_not_found');
  });

  it('finds one lead among the batches of a large session', async () => {
    await addLeads(
      db,
      Array.from({ length: 450 }, () => ({})),
    );
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    for (const id of [1, 100, 101, 333, 450]) {
      const { activation } = await json<LeadHistory>(request(`/crm/leads/${id}/history`));
      expect(activation?.result).toMatchObject({ leadId: id, emailState: 'sent' });
    }
  });
});

describe('what the leads page offers', () => {
  it('has the values of the leads, each once', async () => {
    await addLeads(db, [
      { source: 'Web', stage: 'Won' },
      { source: 'Fair' },
      { source: 'Web', stage: 'New' },
      {},
    ]);
    expect(await json<LeadValues>(request('/crm/lead-values'))).toEqual({
      source: ['Fair', 'Web'],
      stage: ['New', 'Won'],
      consentSource: [],
      tag: [],
      externalSource: [],
      custom: [],
    });
  });

  it('costs in proportion to the number of values, not of leads, and stops at a hundred', async () => {
    await addLeads(
      db,
      Array.from({ length: 3_000 }, (_, index) => ({ source: `S${index % 150}`, stage: 'New' })),
    );
    const { source, stage } = await json<LeadValues>(request('/crm/lead-values'));
    expect(source).toHaveLength(limits.maxLeadValueCount);
    expect(stage).toEqual(['New']);
  });

  it('has saved views, separate for each person', async () => {
    const as = (email: string, method: string, path: string, body?: unknown) =>
      request(path, {
        method,
        headers: { [identityHeader]: email, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const saved = await json<View>(send('POST', '/crm/views', { name: 'New ones', query: '?status=new' }));
    expect(saved).toMatchObject({ name: 'New ones', query: '?status=new' });
    const again = await json<View>(
      send('POST', '/crm/views', { name: 'NEW ones', query: '?status=new&source=Web' }),
    );
    expect(again.viewId).toBe(saved.viewId);
    await json(send('POST', '/crm/views', { name: 'Active', query: '?status=active' }));
    const { views } = await json<{ views: View[] }>(request('/crm/views'));
    expect(views.map((view) => view.name)).toEqual(['Active', 'NEW ones']);

    const bob = 'bob@example.com';
    expect(await json(as(bob, 'GET', '/crm/views'))).toEqual({ views: [] });
    expect(await codeOf(as(bob, 'DELETE', `/crm/views/${saved.viewId}`, {}))).toBe('404 view_not_found');
    expect((await request(`/crm/views/${saved.viewId}`, { method: 'DELETE' })).status).toBe(204);
    expect(await codeOf(request(`/crm/views/${saved.viewId}`, { method: 'DELETE' }))).toBe(
      '404 view_not_found',
    );
    expect(await codeOf(send('POST', '/crm/views', { name: ' ', query: '' }))).toBe('422 invalid_request');
  });

  it('has at most a hundred views per person', async () => {
    await db.batch(
      Array.from({ length: limits.maxViewCount }, (_, index) =>
        db
          .prepare("INSERT INTO views (owner, name, query, created_at) VALUES ('ana@example.com', ?, '', 0)")
          .bind(`View ${index}`),
      ),
    );
    expect(await codeOf(send('POST', '/crm/views', { name: 'One more', query: '' }))).toBe(
      '409 too_many_views',
    );
    await json(send('POST', '/crm/views', { name: 'View 7', query: '?x' }));
  });
});

it('needs an identity, like everything else', async () => {
  for (const path of ['/crm/imports', '/crm/views', '/crm/lead-values', '/crm/leads/1/history']) {
    const response = await request(path, { headers: { [identityHeader]: 'none' } });
    expect(response.status).toBe(401);
  }
});

it('describes every route with the codes it refuses with', async () => {
  const { paths } = await json<{ paths: Record<string, Record<string, { responses: object }>> }>(
    request('/openapi.json'),
  );
  const codes = (path: string, method: string) => Object.keys(paths[path]?.[method]?.responses ?? {});
  expect(codes('/crm/imports', 'post')).toEqual(
    expect.arrayContaining(['200', '201', '400', '401', '409', '413', '415', '422']),
  );
  expect(codes('/crm/imports/{importId}/chunks/{seq}', 'put')).toEqual(
    expect.arrayContaining(['200', '404', '409', '413', '422']),
  );
  for (const path of [
    '/crm/imports/{importId}/rejected.csv',
    '/crm/lead-values',
    '/crm/views',
    '/crm/leads/{leadId}/history',
  ])
    expect(codes(path, 'get')).toContain('401');
});

describe('a check before an import', () => {
  const checkRowsOf = (records: readonly (readonly string[])[]) =>
    json<ImportCheck>(
      send('POST', '/crm/imports/check', {
        mapping: file.mapping,
        consentSource: file.consentSource,
        rows: rowsOf(records),
      }),
    );
  const people = [
    ['ann@example.org', 'Ann Lee', ''],
    ['bob@example.org', 'Bob Ray', ''],
    ['cem@localhost', 'Cem', ''],
    ['ANN@example.org', 'Ann again', ''],
    ['no address', 'Nobody', ''],
  ];
  const counted = ['leads', 'imports', 'import_chunks', 'import_leads', 'lead_counts', 'custom_fields'];
  const everything = async (): Promise<unknown> =>
    Promise.all(counted.map(async (table) => (await db.prepare(`SELECT * FROM ${table}`).all()).results));

  it('says what the import then does, and writes nothing', async () => {
    await json(open(), 201);
    await put([['bob@example.org', 'Bob Old', '']]);
    await json(send('POST', '/crm/imports/import_1/finish', {}));
    const before = await everything();
    const { issues, ...counts } = await checkRowsOf(people);
    expect(await everything()).toEqual(before);
    expect(counts).toEqual({
      created: 2,
      updated: 1,
      unchanged: 0,
      duplicate: 1,
      rejected: 1,
      unmailable: 1,
    });

    await json(open({ importId: 'import_2' }), 201);
    const chunk = await json<ImportChunk>(
      send('PUT', '/crm/imports/import_2/chunks/0', { rows: rowsOf(people) }),
    );
    expect(chunk.counts).toEqual(counts);
    expect(chunk.issues).toEqual(issues);
    expect(await checkRowsOf(people)).toMatchObject({ created: 0, updated: 0, unchanged: 3 });
  });

  it('refuses rows that a chunk would be refused for', async () => {
    expect(await codeOf(send('POST', '/crm/imports/check', { mapping: file.mapping, rows: [] }))).toBe(
      '422 invalid_request',
    );
  });

  it('needs the name of the system where a column of external ids is read, as the import does', async () => {
    const mapping = { email: [0], externalId: [1] };
    const rows = rowsOf([['ann@example.org', '901']]);
    const check = (externalSource?: string) =>
      send('POST', '/crm/imports/check', { mapping, rows, externalSource });
    const problem = await json<{ errors: unknown }>(check(), 422);
    expect(problem.errors).toEqual([
      { path: '/externalSource', message: 'name the system that the external ids are of' },
    ]);
    expect(await codeOf(check('Hub Spot'))).toBe('422 invalid_request');
    expect(await codeOf(open({ mapping }))).toBe('422 invalid_request');
    expect(await json<ImportCheck>(check('hubspot'))).toMatchObject({ created: 1, issues: [] });
    expect(await json<Import>(open({ mapping, externalSource: 'hubspot' }), 201)).toMatchObject({
      externalSource: 'hubspot',
      mapping,
    });
    expect((await open({ mapping, externalSource: 'hubspot' })).status).toBe(200);
    expect(await codeOf(open({ mapping, externalSource: 'salesforce' }))).toBe('409 import_conflict');
  });
});
