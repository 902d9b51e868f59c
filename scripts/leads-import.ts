/**
 * `npm run leads:import -- FILE.csv`: imports a CSV file into the local CRM.
 *
 * The file is read twice as a stream, so only the disk bounds its size: first to see that it can be read to its end,
 * then to import it. Invariants: a file that cannot be read changes nothing and gives one sentence and exit code 1;
 * every row that was not taken is named with its line.
 *
 * @module
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { CsvError, parse } from 'csv-parse';
import type { FileRow } from '../src/crm/imports/chunks.ts';
import {
  FileDecoder,
  ImportRecordReader,
  csvParseOptions,
  guessDelimiter,
  guessLayout,
  layoutRecordCount,
  sniffEncoding,
  type FileLayout,
  type ImportDelimiter,
  type ImportEncoding,
} from '../src/shared/imports/import-file.ts';
import type { Import, ImportIssue } from '../src/shared/schemas/imports.ts';
import { importRows } from './lib/import-rows.ts';
import { UserError } from './lib/processes.ts';

const usage = 'usage: npm run leads:import -- FILE.csv [--consent-source WORDS]';

/** Bytes looked at for the encoding and the delimiter: more than any header line. */
const headByteCount = 64 * 1024;

/** Rows of one kind that are named one by one; the others are counted. */
const maxNamedRowCount = 20;

interface CsvFile {
  path: string;
  sizeBytes: number;
  encoding: ImportEncoding | null;
  delimiter: ImportDelimiter;
  layout: FileLayout;
  consentSource: string;
}

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

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'access is denied';
  if (code === 'EISDIR') return 'it is a folder';
  return error.message;
}

/** How a file is written down and laid out, from its beginning. */
async function look(path: string, consentSource: string): Promise<CsvFile> {
  let head: Buffer;
  let sizeBytes: number;
  try {
    await using handle = await open(path);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headByteCount), 0, headByteCount, 0);
    head = buffer.subarray(0, bytesRead);
    sizeBytes = (await handle.stat()).size;
  } catch (error) {
    throw new UserError(`${path} cannot be read: ${reasonOf(error)}.`);
  }
  const encoding = sniffEncoding(head);
  const text = new FileDecoder(encoding).decode(head);
  if (text.trim() === '') throw new UserError(`${path} cannot be imported: it is empty.`);
  const file = { path, sizeBytes, encoding, delimiter: guessDelimiter(text), consentSource };
  const records: (readonly string[])[] = [];
  const reader = new ImportRecordReader(false);
  for await (const record of readRecords(file, reader)) {
    if (record.kind === 'row') records.push(record.cells);
    if (records.length === layoutRecordCount) break;
  }
  const layout = guessLayout(records);
  if (layout.mapping.email.length === 0)
    throw new UserError(`${path} cannot be imported: no column is one of e-mail addresses.`);
  return { ...file, layout };
}

async function* readText(file: Pick<CsvFile, 'path' | 'encoding'>): AsyncGenerator<string> {
  const decoder = new FileDecoder(file.encoding);
  for await (const chunk of createReadStream(file.path)) yield decoder.decode(chunk as Buffer);
  yield decoder.end();
}

async function* readRecords(
  file: Pick<CsvFile, 'path' | 'encoding' | 'delimiter'>,
  reader: ImportRecordReader,
): AsyncGenerator<ReturnType<ImportRecordReader['read']>> {
  const parser = parse(csvParseOptions(file.delimiter));
  // A fault of the source ends the parser with it, and is thrown where the records are read.
  const piped = pipeline(Readable.from(readText(file)), parser);
  piped.catch(() => undefined);
  try {
    for await (const record of parser) yield reader.read(record as string[]);
  } catch (error) {
    if (error instanceof CsvError) {
      const what = 'a quote is opened and not closed, or the line is far too long';
      throw new UserError(`${file.path} cannot be imported: in line ${String(reader.nextLine)} ${what}.`);
    }
    throw new UserError(`${file.path} cannot be read: ${reasonOf(error)}.`);
  }
}

async function* readRows(file: CsvFile): AsyncGenerator<FileRow> {
  for await (const record of readRecords(file, new ImportRecordReader(file.layout.hasHeader))) {
    if (record.kind === 'row') yield record;
  }
}

/** Reads the file to its end, so that nothing of it is imported unless all of it can be read. */
async function check(file: CsvFile): Promise<void> {
  let lastLine = 0;
  for await (const row of readRows(file)) lastLine = row.line;
  if (lastLine === 0)
    throw new UserError(`${file.path} cannot be imported: there is nothing below its header.`);
}

async function importFile(file: CsvFile): Promise<{ done: Import; issues: ImportIssue[] }> {
  // Here, because it brings in wrangler, which takes seconds; a refusal need not wait for that.
  const { openLocalCrm } = await import('./lib/local-crm.ts');
  const crm = await openLocalCrm();
  try {
    const issues: ImportIssue[] = [];
    const { columns, mapping } = file.layout;
    const done = await importRows(crm.db, {
      importId: `import_${String(Date.now())}`,
      owner: 'command line',
      request: {
        fileName: basename(file.path),
        sizeBytes: file.sizeBytes,
        headHash: null,
        columns,
        mapping,
        consentSource: file.consentSource,
        source: '',
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
  const file = await look(path, consentSource);
  await check(file);
  const { done, issues } = await importFile(file);
  console.log(summarize(path, done, issues));
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
