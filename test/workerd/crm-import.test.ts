import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { flipLeads, unflipLeads } from '../../src/crm/flip.ts';
import { importLeads, type ImportRowResult } from '../../src/crm/import-leads.ts';
import type { ImportedLead, ImportRow } from '../../src/crm/import-rows.ts';
import { eraseLead, getLead, listLeads } from '../../src/crm/leads.ts';
import { addLeads, countsAndRecount, emptyCrm, hashEmail } from '../support/crm-database.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

const empty: ImportedLead = {
  email: '',
  firstName: '',
  lastName: '',
  company: '',
  phone: '',
  source: '',
  stage: '',
  notes: '',
  consentSource: '',
};

function rows(...leads: Partial<ImportedLead>[]): ImportRow[] {
  return leads.map((lead, index) => ({ kind: 'lead', line: index + 2, lead: { ...empty, ...lead } }));
}

function run(imported: ImportRow[], importId = 'import1', nowMs = 1_000): Promise<ImportRowResult[]> {
  return importLeads(db, { rows: imported, importId, nowMs, hashEmail });
}

const outcomes = (results: ImportRowResult[]): string[] => results.map((result) => result.outcome);

describe('importLeads', () => {
  it('creates leads with everything that the file says', async () => {
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
    expect(await run(rows(lead))).toEqual([{ line: 2, outcome: 'created', unmailable: false }]);
    expect(await getLead(db, 1)).toEqual({
      ...lead,
      id: 1,
      status: 'new',
      activatedAt: null,
      activatedBy: null,
      importId: 'import1',
      createdAt: 1_000,
      updatedAt: 1_000,
    });
    const found = await listLeads(db, { filter: { search: 'lee' }, sort: 'id', cursor: null, limit: 1 });
    expect(found).toMatchObject({ page: { total: 1 } });
    expect(await db.prepare('SELECT email_hash FROM leads').first('email_hash')).toBe(
      hashEmail('ann@example.org'),
    );
  });

  it('changes nothing when the same file comes again', async () => {
    const file = rows({ email: 'a@example.org', company: 'Acme' }, { email: 'b@example.org' });
    await run(file);
    expect(outcomes(await run(file, 'import2', 2_000))).toEqual(['unchanged', 'unchanged']);
    expect(await getLead(db, 1)).toMatchObject({ importId: 'import1', updatedAt: 1_000 });
    await run(rows({ email: 'c@example.org' }), 'import3', 3_000);
    expect(await getLead(db, 3)).toMatchObject({ email: 'c@example.org' });
  });

  it('updates what differs, and lets empty cells erase nothing', async () => {
    await run(rows({ email: 'a@example.org', company: 'Acme', phone: '+1', lastName: 'lee' }));
    const again = rows({ email: 'A@EXAMPLE.org', company: '', phone: '+2', lastName: 'Lee' });
    expect(outcomes(await run(again, 'import2', 2_000))).toEqual(['updated']);
    expect(await getLead(db, 1)).toMatchObject({
      email: 'a@example.org',
      company: 'Acme',
      phone: '+2',
      lastName: 'Lee',
      importId: 'import2',
      createdAt: 1_000,
      updatedAt: 2_000,
    });
  });

  it('never changes a status or whose activation it was', async () => {
    await addLeads(db, [{ email: 'a@example.org' }]);
    const sessionId = 'activation_1700000000000_mine00000';
    await flipLeads(db, { sessionId, leadIds: [1], nowMs: 500 });
    expect(outcomes(await run(rows({ email: 'a@example.org', company: 'Other' })))).toEqual(['updated']);
    expect(await getLead(db, 1)).toMatchObject({
      status: 'active',
      activatedAt: 500,
      activatedBy: sessionId,
    });
  });

  it('takes the first of several rows with one address, whatever its case, and names that line', async () => {
    const seenLines = new Map<string, number>();
    const file = rows(
      { email: 'a@example.org', company: 'First' },
      { email: 'A@example.org', company: 'Second' },
    );
    const options = { importId: 'import1', nowMs: 1_000, hashEmail, seenLines };
    expect(await importLeads(db, { ...options, rows: file })).toEqual([
      { line: 2, outcome: 'created', unmailable: false },
      { line: 3, outcome: 'duplicate_in_file', firstLine: 2 },
    ]);
    expect(outcomes(await importLeads(db, { ...options, rows: rows({ email: 'a@example.org' }) }))).toEqual([
      'duplicate_in_file',
    ]);
    expect(await getLead(db, 1)).toMatchObject({ company: 'First' });
  });

  it('keeps a lead that cannot be mailed, and says so', async () => {
    expect(await run(rows({ email: 'ann@localhost' }))).toEqual([
      { line: 2, outcome: 'created', unmailable: true },
    ]);
    const flip = await flipLeads(db, {
      sessionId: 'activation_1700000000000_mine00000',
      leadIds: [1],
      nowMs: 1,
    });
    expect(flip.skipped).toEqual([{ leadId: 1, reason: 'invalid_address' }]);
  });

  it('answers for every row in the order of the file, also over several transactions', async () => {
    await addLeads(db, [{ email: 'old1200@example.org' }]);
    const file: ImportRow[] = Array.from({ length: 1_300 }, (_, index) => ({
      kind: 'lead',
      line: index + 2,
      lead: { ...empty, email: index === 1_200 ? 'old1200@example.org' : `n${index}@example.org` },
    }));
    file[3] = { kind: 'rejected', line: 5, reason: 'there is no e-mail address' };
    file[700] = { kind: 'lead', line: 702, lead: { ...empty, email: 'N0@example.org' } };
    const results = await run(file);
    expect(results.map((result) => result.line)).toEqual(file.map((row) => row.line));
    expect(results[3]).toEqual({ line: 5, outcome: 'rejected', reason: 'there is no e-mail address' });
    expect(results[700]).toEqual({ line: 702, outcome: 'duplicate_in_file', firstLine: 2 });
    expect(results[1_200]).toMatchObject({ outcome: 'unchanged' });
    expect(outcomes(results).filter((outcome) => outcome === 'created')).toHaveLength(1_297);
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual({ new: 1_298, active: 0 });
    expect(recount).toEqual(kept);
  });

  it('takes rows as long as they may be', async () => {
    const notes = '"\n'.repeat(5_000);
    const file = rows(
      ...Array.from({ length: 120 }, (_, index) => ({ email: `n${index}@example.org`, notes })),
    );
    expect(new Set(outcomes(await run(file)))).toEqual(new Set(['created']));
    expect(await getLead(db, 120)).toMatchObject({ notes });
  });

  it('finds known leads by index, not by reading them all', async () => {
    await addLeads(
      db,
      Array.from({ length: 3_000 }, () => ({})),
    );
    let rowsRead = 0;
    const batch = db.batch.bind(db);
    const measured = new Proxy(db, {
      get: (target, property): unknown =>
        property === 'batch'
          ? async (statements: D1PreparedStatement[]) => {
              const results = await batch(statements);
              for (const result of results) rowsRead += result.meta.rows_read;
              return results;
            }
          : Reflect.get(target, property),
    });
    const file = rows({ email: 'lead7@example.com', company: 'Other' }, { email: 'fresh@example.com' });
    await importLeads(measured, { rows: file, importId: 'import1', nowMs: 1_000, hashEmail });
    expect(rowsRead).toBeGreaterThan(0);
    expect(rowsRead).toBeLessThan(200);
  });
});

it('the counts of leads stay true through any order of imports, flips, cancels and erasures', async () => {
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
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      await emptyCrm();
      for (const next of steps) {
        if (next.kind === 'import')
          await run(rows(...next.numbers.map((n) => ({ email: `n${n}@example.org` }))));
        else if (next.kind === 'flip') await flipLeads(db, { ...next, nowMs: 1 });
        else if (next.kind === 'unflip') await unflipLeads(db, next);
        else await eraseLead(db, next.leadId);
        const { kept, recount } = await countsAndRecount(db);
        expect(kept).toEqual(recount);
      }
    }),
    { numRuns: 25, seed: 20_261_123 },
  );
});
