import { beforeEach, expect, it } from 'vitest';
import { putChunk } from '../../src/crm/imports/chunks.ts';
import { openImport } from '../../src/crm/imports/import.ts';
import { getLead, updateLead } from '../../src/crm/leads/lead.ts';
import { guessColumns } from '../../src/shared/imports/import-file.ts';
import { addLeads, emptyCrm, hashEmail } from '../support/crm-database.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

/** Imports rows of an address and the cells of custom fields. */
async function run(importId: string, custom: Record<string, number[]>, rows: string[][]): Promise<unknown> {
  await openImport(db, {
    request: {
      fileName: 'people.csv',
      sizeBytes: 1,
      headHash: null,
      columns: [],
      mapping: { ...guessColumns([]), email: [0], custom },
      consentSource: 'form',
      source: '',
      externalSource: '',
      reading: null,
    },
    importId,
    owner: 'ana@example.com',
    nowMs: 1_000,
  });
  return putChunk(db, {
    importId,
    seq: 0,
    rows: rows.map((cells, index) => ({ line: 2 + index, cells })),
    bodyHash: importId,
    nowMs: 1_000,
    hashEmail,
  });
}

it('an import fills custom fields from their columns, replaces earlier values and keeps other fields', async () => {
  const first = await run('import1', { plan: [1], seats: [2, 3] }, [
    ['a@x.test', 'gold', '', '5'],
    ['b@x.test', '', '', ''],
    ['c@x.test', 'x'.repeat(301), '', ''],
  ]);
  expect(first).toMatchObject({ counts: { created: 2, rejected: 1 } });
  const second = await run('import2', { plan: [1], city: [2] }, [
    ['a@x.test', 'silver', 'Bonn'],
    ['b@x.test', '', ''],
  ]);
  expect(second).toMatchObject({ counts: { updated: 1, unchanged: 1 } });
  expect((await getLead(db, 1))?.custom).toEqual({ plan: 'silver', seats: '5', city: 'Bonn' });
  expect((await getLead(db, 2))?.custom).toEqual({});
  expect(await run('import3', { plan: [1] }, [['a@x.test', 'silver']])).toMatchObject({
    counts: { unchanged: 1 },
  });
});

it('an import does not exceed the number of custom fields of a lead: it leaves out those of the file', async () => {
  await addLeads(db, [{ email: 'a@x.test' }]);
  const full = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`f${n}`, 'x']));
  await updateLead(db, { leadId: 1, patch: { custom: full }, nowMs: 900, hashEmail });
  await run('import1', { f0: [1], more: [2] }, [['a@x.test', 'y', 'z']]);
  expect((await getLead(db, 1))?.custom).toEqual(full);
});

it('a refused request adds no field name', async () => {
  const names = async (): Promise<unknown[]> =>
    (await db.prepare('SELECT name FROM custom_fields ORDER BY name').raw()).flat();
  await addLeads(db, [{ email: 'a@x.test' }, { email: 'b@x.test' }]);
  const patch = (leadId: number, email: string, name: string) =>
    updateLead(db, { leadId, patch: { email, custom: { [name]: 'x' } }, nowMs: 900, hashEmail });
  expect(await patch(7, 'c@x.test', 'of_nobody')).toEqual({ kind: 'not_found' });
  expect(await patch(1, 'B@x.test', 'of_a_taken_address')).toEqual({
    kind: 'email_taken',
    leadId: 2,
  });
  expect(await names()).toEqual([]);
  expect(await patch(1, 'A@x.test', 'of_its_own')).toMatchObject({ kind: 'ok' });
  expect(await names()).toEqual(['of_its_own']);

  await run('import1', { first: [1] }, []);
  await run('import1', { second: [1] }, []);
  expect(await names()).toEqual(['first', 'of_its_own']);
});
