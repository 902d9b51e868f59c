/**
 * `npm run leads:seed`: fills an empty local CRM with sample leads, so that the app can be used at once.
 *
 * `--count N` makes another number of them. Leaves a CRM that has leads alone, unless `--force`; the
 * sample leads that are there already then stay as they are.
 *
 * @module
 */
import { parseArgs } from 'node:util';
import { importRows } from './lib/import-rows.ts';
import { countLeads } from '../src/crm/leads/lead.ts';
import { openLocalCrm } from './lib/local-crm.ts';
import { UserError } from './lib/processes.ts';
import { sampleLeads } from './lib/sample-leads.ts';
import { guessColumns, type ImportedLead } from '../src/shared/imports/import-file.ts';

const usage = 'usage: npm run leads:seed -- [--count N] [--force]';

/** Enough for many pages and for an activation that can be watched; made in a second. */
const defaultCount = 3_000;
const maxCount = 1_000_000;

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
] as const satisfies (keyof ImportedLead)[];
const mapping = {
  ...guessColumns([]),
  ...Object.fromEntries(fields.map((field, index) => [field, [index]])),
};

function readArguments(): { count: number; force: boolean } {
  try {
    const { values } = parseArgs({ options: { count: { type: 'string' }, force: { type: 'boolean' } } });
    const count = Number(values.count ?? defaultCount);
    if (!Number.isSafeInteger(count) || count < 1 || count > maxCount) throw new UserError(usage);
    return { count, force: values.force ?? false };
  } catch {
    throw new UserError(usage);
  }
}

async function seed(): Promise<void> {
  const { count, force } = readArguments();
  const crm = await openLocalCrm();
  try {
    const presentCount = await countLeads(crm.db);
    if (presentCount > 0 && !force) {
      console.log(
        `Nothing was added: there are ${String(presentCount)} leads already (--force adds to them).`,
      );
      return;
    }
    const nowMs = Date.now();
    const { counts } = await importRows(crm.db, {
      importId: `sample_${String(nowMs)}`,
      owner: 'command line',
      request: {
        fileName: 'Sample leads',
        sizeBytes: null,
        headHash: null,
        columns: [...fields],
        mapping,
        consentSource: '',
        source: '',
        externalSource: '',
        reading: null,
      },
      rows: sampleLeads(count).map((lead, index) => ({
        line: index + 1,
        cells: fields.map((field) => lead[field]),
      })),
      now: () => Date.now(),
      hashEmail: crm.hashEmail,
    });
    console.log(`${String(counts.created)} sample leads were added.`);
  } finally {
    await crm.close();
  }
}

try {
  await seed();
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
