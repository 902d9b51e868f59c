/**
 * `npm run leads:import -- FILE.csv`: imports a CSV file into the local CRM.
 *
 * The file is read twice as a stream (packages/cli/src/csv-file.ts): first to see that it can be read to its end, then to
 * import it. Invariants: a file that cannot be read changes nothing and gives one sentence and exit code 1;
 * every row that was not taken is named with its line.
 *
 * @module
 */
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { FileError, mappingFor, openCsv, readRows, type CsvFile } from '../packages/cli/src/csv-file.ts';
import type { Import, ImportIssue } from '../src/shared/schemas/imports.ts';
import { importRows } from './lib/import-rows.ts';
import { UserError } from './lib/processes.ts';

const usage = 'usage: npm run leads:import -- FILE.csv [--consent-source WORDS]';

/** Rows of one kind that are named one by one; the others are counted. */
const maxNamedRowCount = 20;

function readArguments(): { path: string; consentSource: string } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { 'consent-source': { type: 'string' } },
    });
    const [path, ...others] = positionals;
    if (path === undefined || others.length > 0) throw new UserError(usage);
    // npm runs us in the project's root, wherever it was called.
    const callerDir = process.env['INIT_CWD'] ?? process.cwd();
    return { path: resolve(callerDir, path), consentSource: values['consent-source']?.trim() ?? '' };
  } catch {
    throw new UserError(usage);
  }
}

async function importFile(
  file: CsvFile,
  consentSource: string,
): Promise<{ done: Import; issues: ImportIssue[] }> {
  // Imported here, because it loads wrangler, which takes seconds; a refusal need not wait for that.
  const { openLocalCrm } = await import('./lib/local-crm.ts');
  const crm = await openLocalCrm();
  try {
    const issues: ImportIssue[] = [];
    const { columns } = file.layout;
    const mapping = mappingFor(file, '');
    const done = await importRows(crm.db, {
      importId: `import_${String(Date.now())}`,
      owner: 'command line',
      request: {
        fileName: basename(file.path),
        sizeBytes: file.sizeBytes,
        headHash: null,
        columns,
        mapping,
        consentSource,
        source: '',
        externalSource: '',
        reading: null,
      },
      rows: readRows(file),
      now: () => Date.now(),
      hashEmail: crm.hashEmail,
      onChunk: (_, found) => issues.push(...found),
    });
    return { done, issues };
  } finally {
    await crm.close();
  }
}

/** `3 rejected (line 4: …; line 9: …; line 12: …)` */
function countAndName(words: string, issues: ImportIssue[]): string {
  if (issues.length === 0) return `0 ${words}`;
  const shown = issues
    .slice(0, maxNamedRowCount)
    .map(({ line, reason }) => `line ${String(line)}: ${reason}`);
  if (issues.length > shown.length) shown.push(`and ${String(issues.length - shown.length)} more`);
  return `${String(issues.length)} ${words} (${shown.join('; ')})`;
}

function summarize(path: string, done: Import, issues: ImportIssue[]): string {
  const { created, updated, unchanged, unmailable } = done.counts;
  const duplicates = issues.filter((issue) => issue.outcome === 'duplicate_in_file');
  const rejected = issues.filter((issue) => issue.outcome === 'rejected');
  const parts = [
    `${String(created)} created`,
    `${String(updated)} updated`,
    `${String(unchanged)} unchanged`,
    countAndName(duplicates.length === 1 ? 'duplicate' : 'duplicates', duplicates),
    countAndName('rejected', rejected),
  ];
  if (unmailable > 0) parts.push(`${String(unmailable)} with an address that no mail can reach`);
  return `${basename(path)}: ${parts.join(', ')}.`;
}

try {
  const { path, consentSource } = readArguments();
  const { done, issues } = await importFile(await openCsv(path), consentSource);
  console.log(summarize(path, done, issues));
} catch (error) {
  console.error(error instanceof UserError || error instanceof FileError ? error.message : error);
  process.exitCode = 1;
}
