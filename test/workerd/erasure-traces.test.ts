import { env } from 'cloudflare:workers';
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PersonExport } from '../../src/shared/schemas/audit.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { ActivationList } from '../../src/shared/schemas/activation.ts';
import type { Import } from '../../src/shared/schemas/imports.ts';
import { deletingMany } from '../../src/crm/leads/search-index.ts';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import { databaseContent } from '../support/routes.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import {
  command,
  freshSessionId,
  readProgress,
  request,
  send,
  sessionContent,
  startSession,
  stubOf,
  waitFor,
  waitForEnd,
} from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';

/** Each text stands for one place that stores a person; none is a part of another. */
const now = { email: 'qmarknow@leads.example', firstName: 'Xquinn', lastName: 'Yzelda' };
const before = { email: 'qmarkold@leads.example', firstName: 'Oldquinn', lastName: 'Oldzelda' };

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  ({ db, mail } = await setUpSession({ isRealTime: true }));
});

afterEach(tearDownSession);

/** The parts of a person that a text contains, regardless of case. */
const found = (text: string): string => /qmark\w+|x?quinn|o?zelda/i.exec(text)?.[0] ?? 'nothing';

/** The bytes of the shadow tables of the full-text index. */
async function indexContent(): Promise<string> {
  const tables = ['data', 'idx', 'config'];
  const columns = { data: 'block', idx: 'term', config: 'v' } as Record<string, string>;
  const results = await db.batch<{ bytes: string }>(
    tables.map((table) =>
      db.prepare(`SELECT hex(CAST(${columns[table] ?? ''} AS BLOB)) AS bytes FROM leads_fts_${table}`),
    ),
  );
  return results
    .flatMap(({ results: rows }) => rows)
    .map(({ bytes }) => bytes.replace(/../g, (pair) => String.fromCharCode(Number.parseInt(pair, 16))))
    .join('|');
}

const erase = (leadId: number): Promise<Response> => send('DELETE', `/crm/leads/${leadId}`);

async function openFile(fileName: string): Promise<void> {
  const mapping = { email: [0], lastName: [1] };
  const request = { importId: 'file', fileName, columns: ['Email', 'Name'], mapping };
  expect((await send('POST', '/crm/imports', request)).status).toBe(201);
}

const edit = async (leadId: number, patch: object): Promise<void> => {
  expect((await send('PATCH', `/crm/leads/${leadId}`, patch)).status).toBe(200);
};

describe('the search index', () => {
  it('contains nothing of an erased lead, and finds the others', async () => {
    await addLeads(db, [{ lastName: 'Yzabel' }, now, { lastName: 'Yzora' }]);
    expect(await indexContent()).toContain('quinn');
    expect((await erase(2)).status).toBe(204);
    expect(found(await indexContent())).toBe('nothing');
    const { total } = await (await request('/crm/leads?search=Yz')).json<{ total: number }>();
    expect(total).toBe(2);
    await db.prepare("INSERT INTO leads_fts (leads_fts) VALUES ('integrity-check')").run();
  });

  it('contains nothing of a former name, nor of leads that an undone import removes', async () => {
    await addLeads(db, [{ ...before }]);
    await edit(1, { firstName: 'Other', lastName: 'Name', email: 'other@leads.example' });
    expect(found(await indexContent())).toBe('nothing');
    await openFile('people.csv');
    const rows = [{ line: 2, cells: [now.email, now.lastName] }];
    expect((await send('PUT', '/crm/imports/file/chunks/0', { rows })).status).toBe(200);
    expect(await indexContent()).toContain('zelda');
    expect((await send('POST', '/crm/imports/file/undo')).status).toBe(200);
    expect(found(await indexContent())).toBe('nothing');
  });
});

describe('the search index after any changes', () => {
  it('is intact, and agrees with the leads', async () => {
    expect(await db.prepare("SELECT v FROM leads_fts_config WHERE k = 'secure-delete'").first('v')).toBe(1);
    const name = fc.constantFrom('ann', 'anna', 'a', 'zoe', 'muller', 'qz', 'qzj', 'omega');
    const change = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), name, id: fc.constant(0) }),
      fc.record({ kind: fc.constantFrom('edit' as const, 'erase' as const), name, id: fc.nat({ max: 60 }) }),
    );
    const batch = fc.record({ changes: fc.array(change, { maxLength: 40 }), undone: fc.nat({ max: 3 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 12 }), async (batches) => {
        await emptyCrm();
        for (const { changes, undone } of batches) {
          const statements = changes.map((it) =>
            it.kind === 'add'
              ? db
                  .prepare(
                    `INSERT INTO leads (email, email_hash, first_name, created_at, updated_at)
                     SELECT ?1 || (1 + coalesce(max(id), 0)) || '@leads.example', '', ?1, 0, 0 FROM leads`,
                  )
                  .bind(it.name)
              : it.kind === 'edit'
                ? db.prepare('UPDATE leads SET first_name = ? WHERE id = ?').bind(it.name, it.id)
                : db.prepare('DELETE FROM leads WHERE id = ?').bind(it.id),
          );
          // Like an undone import, whose leads are among the others; nothing is merged before the next edit.
          if (undone > 0) {
            statements.push(
              ...deletingMany(db, [db.prepare('DELETE FROM leads WHERE id % 4 = ?').bind(undone)]),
            );
          }
          if (statements.length > 0) await db.batch(statements);
        }
        await db.prepare("INSERT INTO leads_fts (leads_fts) VALUES ('integrity-check')").run();
        const counts = await db
          .prepare(
            `SELECT (SELECT count(*) FROM leads_fts WHERE leads_fts MATCH '"an"*') AS found,
                    (SELECT count(*) FROM leads WHERE first_name LIKE 'an%' OR email LIKE 'an%') AS held`,
          )
          .first<{ found: number; held: number }>();
        expect(counts?.found).toBe(counts?.held);
      }),
      { numRuns: 15, seed: 20261124 },
    );
  });
});

describe('erasing a lead', () => {
  it('erases data under its earlier address and name: in a session, rejected rows and suppressions', async () => {
    await addLeads(db, [{}, before]);
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1, 2] });
    await waitForEnd(sessionId);
    await openFile('people.csv');
    const rows = [
      { line: 2, cells: ['twice@leads.example', 'Twice'] },
      { line: 3, cells: ['twice@leads.example', `was ${before.email}`] },
    ];
    await send('PUT', '/crm/imports/file/chunks/0', { rows });
    await send('POST', '/crm/suppressions', { addresses: [before.email], reason: 'manual' });
    await edit(2, now);
    const held: PersonExport = await (await send('POST', '/crm/leads/export', { email: now.email })).json();
    expect(held.formerEmails).toEqual([before.email]);
    expect(held.imports).toMatchObject([{ line: 3 }]);

    expect((await erase(2)).status).toBe(204);
    expect(found(await databaseContent())).toBe('nothing');
    expect(found(await sessionContent(sessionId))).toBe('nothing');
    expect(found(await indexContent())).toBe('nothing');
  });

  it('keeps data of another lead that has its earlier address now', async () => {
    await addLeads(db, [before]);
    await edit(1, now);
    await addLeads(db, [{ id: 2, email: before.email, firstName: 'Somebody', lastName: 'Else' }]);
    await send('POST', '/crm/suppressions', { addresses: [before.email], reason: 'manual' });
    expect((await erase(1)).status).toBe(204);
    expect(await db.prepare('SELECT label FROM suppressions').first('label')).toBe(before.email);
    expect((await request('/crm/leads/2')).status).toBe(200);
  });

  it('deletes the person from notes, names of activations, files and columns, and views', async () => {
    await addLeads(db, [{}, now]);
    const sessionId = freshSessionId();
    const name = `Welcome ${now.firstName} ${now.lastName.toUpperCase()} <${now.email}>`;
    await send('POST', '/crm/activation', {
      sessionId,
      name,
      audience: { leadIds: [1] },
      templateId: 'welcome',
    });
    await waitForEnd(sessionId);
    await send('POST', '/crm/suppressions', {
      addresses: ['third@leads.example'],
      reason: 'manual',
      note: `sister of ${now.email}`,
    });
    await send('POST', '/crm/suppressions', { addresses: [now.email], reason: 'manual', note: 'by phone' });
    const { id } = (await db
      .prepare('SELECT email_hash AS id FROM suppressions WHERE label = ?')
      .bind('third@leads.example')
      .first<{ id: string }>()) ?? { id: '' };
    await send('POST', `/crm/suppressions/${id}/remove`, {
      note: `${now.firstName} ${now.lastName} says so`,
    });
    await send('POST', '/crm/imports', {
      importId: 'hers',
      fileName: `${now.lastName}, ${now.firstName}.csv`,
      columns: [now.email, 'Name'],
      mapping: { email: [0], lastName: [1] },
    });
    await send('POST', '/crm/views', { name: 'Her', query: `search=${now.firstName}+${now.lastName}` });

    expect((await erase(2)).status).toBe(204);
    expect(found(await databaseContent())).toBe('nothing');
    expect(found(await sessionContent(sessionId))).toBe('nothing');
    expect((await readProgress(sessionId)).name).toBe('Welcome … <…>');
    const list: ActivationList = await (await request('/crm/activation')).json();
    expect(list.activations.map((activation) => activation.name)).toEqual(['Welcome … <…>']);
    const kept: Import = await (await request('/crm/imports/hers')).json();
    expect(kept).toMatchObject({ fileName: '….csv', columns: ['…', 'Name'] });
    const { results } = await db.prepare('SELECT note FROM suppressions ORDER BY note').all();
    expect(results).toEqual([{ note: '' }]);
    const removed = await db.prepare('SELECT note FROM suppression_removals').first('note');
    expect(removed).toBe('… says so');
  });

  it.each([true, false])(
    'deletes the search words of a running session (completely planned: %s)',
    async (isPlanned) => {
      await addLeads(db, [{}, now]);
      mail.fault = () => ({ kind: 'answer', status: 401, body: { name: 'invalid_api_key', message: 'No.' } });
      const sessionId = freshSessionId();
      await startSession(sessionId, { filter: { search: now.email.toUpperCase() } });
      await waitFor(sessionId, ({ state }) => state === 'paused');
      if (!isPlanned) {
        // The state before the planner has finished.
        await runInDurableObject(stubOf(sessionId), (_, { storage }) =>
          storage.sql.exec("UPDATE session SET plan = json_set(plan, '$.isDone', json('false'))").toArray(),
        );
        await evictDurableObject(stubOf(sessionId));
      }
      expect((await erase(2)).status).toBe(204);
      expect(found(await sessionContent(sessionId))).toBe('nothing');
      mail.fault = () => ({ kind: 'none' });
      expect((await command(sessionId, 'resume')).status).toBe(200);
      const end: Progress = await waitForEnd(sessionId);
      expect(end.processed).toBe(end.total);
      expect(mail.mails).toEqual([]);
    },
  );

  it('does not ask sessions that are anonymized', async () => {
    await addLeads(db, [{}, now]);
    const [kept, reduced] = [freshSessionId(), freshSessionId()];
    await startSession(kept, { leadIds: [1] });
    await waitForEnd(kept);
    await startSession(reduced, { leadIds: [2] });
    await waitForEnd(reduced);
    // The end of a session is known before it is in the list.
    const reduce = db.prepare('UPDATE activations SET reduced_at = 1 WHERE session_id = ?').bind(reduced);
    await vi.waitUntil(async () => (await reduce.run()).meta.changes > 0);
    await db
      .prepare("UPDATE leads SET activated_by = 'activation_0000000000001_other0000' WHERE id = 2")
      .run();
    const asked: string[] = [];
    const spy = vi.spyOn(env.ACTIVATION_SESSION, 'getByName').mockImplementation(
      (name) =>
        ({
          forgetPerson: () => Promise.resolve(void asked.push(name)),
          frozenRecipient: () => Promise.resolve(null),
        }) as unknown as ReturnType<typeof env.ACTIVATION_SESSION.getByName>,
    );
    expect((await erase(2)).status).toBe(204);
    spy.mockRestore();
    expect(asked.sort()).toEqual(['activation_0000000000001_other0000', kept].sort());
  });
});

describe('erasing by a text that many other texts contain', () => {
  it.each(['e', '@', 'a@', 'one@leads.example'])('does not change those: %s', async (text) => {
    await addLeads(db, [{ email: 'someone@leads.example' }]);
    await openFile('someone@leads.example.csv');
    const rows = [{ line: 2, cells: ['', 'e, a@ and another'] }];
    expect((await send('PUT', '/crm/imports/file/chunks/0', { rows })).status).toBe(200);
    await send('POST', '/crm/views', { name: 'Theirs', query: 'search=someone@leads.example' });
    const kept = await databaseContent();
    expect((await send('POST', '/crm/leads/erase', { email: text })).status).toBe(204);
    // Except the audit entry about it.
    const withoutAudit = (content: string): string =>
      content.replaceAll(/\{"(?:max\(id\)|name":"audit","seq)":\d+\}/g, '');
    expect(withoutAudit(await databaseContent())).toBe(withoutAudit(kept));
  });
});

describe('erasing by an address that a lead had before', () => {
  it('keeps the lead, and deletes everything with the address', async () => {
    await addLeads(db, [{}, before]);
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1, 2] });
    await waitForEnd(sessionId);
    await edit(2, now);
    expect((await send('POST', '/crm/leads/erase', { email: before.email })).status).toBe(204);
    expect((await request('/crm/leads/2')).status).toBe(200);
    expect(await databaseContent()).not.toContain(before.email);
    expect(await sessionContent(sessionId)).not.toContain(before.email);
  });
});
