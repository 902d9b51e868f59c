/**
 * An import over the audience of a running session: known addresses with other names, and new leads.
 *
 * @module
 */
import { putChunk } from '../../../src/crm/imports/chunks.ts';
import type { FileRow } from '../../../src/crm/imports/sort-rows.ts';
import { finishImport, openImport } from '../../../src/crm/imports/import.ts';
import { emailHash } from '../../../src/crm/email.ts';
import { leadFieldNames } from '../../../src/shared/lead-fields.ts';
import type { ImportOpenRequest } from '../../../src/shared/schemas/imports.ts';

/** Two columns: address and first name. */
const columns = ['email', 'firstName'] as const;
const mapping = {
  ...Object.fromEntries([...leadFieldNames, 'fullName'].map((field) => [field, [] as number[]])),
  email: [0],
  firstName: [1],
} as unknown as ImportOpenRequest['mapping'];

/**
 * Imports rows as the Worker does. A chunk is sent twice, as after a lost answer.
 *
 * @throws what the database throws
 */
export async function importLeads(
  env: Env,
  file: { importId: string; rows: readonly (readonly [email: string, firstName: string])[]; nowMs: number },
): Promise<void> {
  const { importId, rows, nowMs } = file;
  const request = {
    fileName: 'leads.csv',
    sizeBytes: 1,
    headHash: importId,
    columns: [...columns],
    mapping,
    consentSource: '',
    source: '',
    externalSource: '',
    reading: null,
  };
  await openImport(env.DB, { request, importId, owner: 'ana@sim.test', nowMs });
  const chunk = {
    importId,
    seq: 0,
    rows: rows.map((cells, index): FileRow => ({ line: index + 2, cells })),
    bodyHash: importId,
    nowMs,
    hashEmail: (email: string) => emailHash(env.ADDRESS_HASH_KEY, email),
  };
  await putChunk(env.DB, chunk);
  await putChunk(env.DB, chunk);
  await finishImport(env.DB, { importId, nowMs });
}
