/**
 * The budget of an import in rows of D1, which Cloudflare bills. The figures are the platform's own
 * (test/support/meter.ts).
 */
import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import { putChunk } from '../../src/crm/imports/chunks.ts';
import { openImport } from '../../src/crm/imports/import.ts';
import { emptyCrm, hashEmail } from '../support/crm-database.ts';
import { meter, meterDatabase, resetMeter } from '../support/meter.ts';

const chunkRowCount = 2_000;
const chunkCount = 3;

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
  meterDatabase(env.DB);
});

async function importAll(importId: string, externalSource = ''): Promise<number> {
  const columns = ['Email', 'First', 'Last', 'Company', 'Source', 'Stage', 'External ID'];
  const mapping = {
    email: [0],
    firstName: [1],
    lastName: [2],
    company: [3],
    phone: [],
    source: [4],
    stage: [5],
    notes: [],
    consentSource: [],
    tags: [],
    externalId: externalSource === '' ? [] : [6],
    fullName: [],
  };
  const request = {
    fileName: 'a.csv',
    sizeBytes: null,
    headHash: null,
    columns,
    mapping,
    consentSource: 'fair',
    source: '',
    externalSource,
    reading: null,
  };
  await openImport(db, { request, importId, owner: 'ana@example.com', nowMs: 1 });
  resetMeter();
  for (let seq = 0; seq < chunkCount; seq++) {
    const rows = Array.from({ length: chunkRowCount }, (_, at) => {
      const index = seq * chunkRowCount + at;
      const cells = [
        `lead${index}@example${index % 200}.com`,
        'Ann',
        `Name${(index * 7_919) % 50_000}`,
        `Example ${index % 500} Ltd`,
        'Fair',
        'New',
        `${index}`,
      ];
      return { line: index + 2, cells };
    });
    const answer = await putChunk(db, { importId, seq, rows, bodyHash: `${seq}`, nowMs: 2, hashEmail });
    expect(answer.kind).toBe('ok');
  }
  return meter.d1RowsWritten / (chunkRowCount * chunkCount);
}

describe('an import', () => {
  it('writes 6 rows in D1 for a new lead, and 1 for one that is there as in the file', async () => {
    const first = await importAll('first');
    // The lead, its words, and its entries in four indexes: address, status, last name, company. The rest are some
    // rows for each chunk.
    expect(first).toBeGreaterThanOrEqual(6);
    expect(first).toBeLessThanOrEqual(6.01);
    const again = await importAll('again');
    expect(again).toBeGreaterThanOrEqual(1);
    expect(again).toBeLessThanOrEqual(1.01);
  });

  it('writes one row more for an external id, and none for one that the lead has', async () => {
    const first = await importAll('first', 'hubspot');
    expect(first).toBeGreaterThanOrEqual(7);
    expect(first).toBeLessThanOrEqual(7.01);
    expect(await importAll('again', 'hubspot')).toBeLessThanOrEqual(1.01);
    // A file without the column costs such leads what it costs others.
    expect(await importAll('without')).toBeLessThanOrEqual(1.01);
  });
});
