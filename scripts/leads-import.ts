/**
 * `npm run leads:import -- FILE.csv`: brings a CSV file into the local CRM.
 *
 * The file is read twice as a stream, so its size is bounded by the disk: first to see that it can be
 * read to its end, then to import it. Keeps true: a file that cannot be read changes nothing and is one
 * sentence and exit code 1; every row that was not taken is named with its line.
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
import { importLeads, type ImportRowResult } from '../src/crm/import-leads.ts';
import {
  ImportRecordReader,
  csvParseOptions,
  guessDelimiter,
  type ImportRow,
} from '../src/crm/import-rows.ts';
import { UserError } from './lib/processes.ts';

const usage = 'usage: npm run leads:import -- FILE.csv [--consent-source WORDS]';

/** Rows handed to the CRM at once; it makes its own transactions of them. */
const maxPendingRowCount = 5_000;

/** Bytes looked at for the encoding and the delimiter: more than any header line. */
const headByteCount = 64 * 1024;

/** Rows of one kind that are named one by one; the others are counted. */
const maxNamedRowCount = 20;

interface CsvFile {
  path: string;
  encoding: 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';
  delimiter: string;
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

/** How a file is written down, from its beginning. Without a mark it is taken for UTF-8. */
async function sniff(path: string): Promise<Pick<CsvFile, 'encoding' | 'delimiter'>> {
  let head: Buffer;
  try {
    await using handle = await open(path);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headByteCount), 0, headByteCount, 0);
    head = buffer.subarray(0, bytesRead);
  } catch (error) {
    throw new UserError(`${path} cannot be read: ${reasonOf(error)}.`);
  }
  const mark = head.toString('hex', 0, 2);
  const encoding = mark === 'fffe' ? 'utf-16le' : mark === 'feff' ? 'utf-16be' : 'utf-8';
  const text = new TextDecoder(encoding).decode(head);
  if (text.trim() === '') throw new UserError(`${path} cannot be imported: it is empty.`);
  if (text.includes('\0')) throw new UserError(`${path} cannot be imported: it is not a CSV file.`);
  const firstLine = text.split(/[\r\n]+/).find((line) => line.trim() !== '') ?? '';
  return { encoding, delimiter: guessDelimiter(firstLine) };
}

/** The text of a file; refuses bytes that its encoding does not have. */
async function* readText({ path, encoding }: CsvFile): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: false });
  for await (const chunk of createReadStream(path)) yield decoder.decode(chunk as Buffer, { stream: true });
  yield decoder.decode();
}

/** The rows of a file, from the one below the header. */
async function* readRows(file: CsvFile): AsyncGenerator<ImportRow> {
  const parser = parse(csvParseOptions(file.delimiter));
  // A fault of the source ends the parser with it, and is thrown where the records are read.
  const piped = pipeline(Readable.from(readText(file)), parser);
  piped.catch(() => undefined);
  const reader = new ImportRecordReader({ consentSource: file.consentSource });
  try {
    for await (const record of parser) {
      const row = reader.read(record as string[]);
      if (row.kind === 'lead' || row.kind === 'rejected') yield row;
      else if (row.kind === 'no_email_column') {
        throw new UserError(
          `${file.path} cannot be imported: no column of its first line is one of e-mail addresses.`,
        );
      }
    }
  } catch (error) {
    if (error instanceof CsvError) {
      const what = 'a quote is opened and not closed, or the line is far too long';
      throw new UserError(`${file.path} cannot be imported: in line ${String(reader.nextLine)} ${what}.`);
    }
    throw error;
  }
}

/** Reads the file to its end, so that nothing of it is imported unless all of it can be read. */
async function check(file: CsvFile): Promise<CsvFile> {
  try {
    let lastLine = 0;
    for await (const row of readRows(file)) lastLine = row.line;
    if (lastLine === 0)
      throw new UserError(`${file.path} cannot be imported: there is nothing below its header.`);
    return file;
  } catch (error) {
    if (error instanceof UserError) throw error;
    const isOtherEncoding =
      error instanceof TypeError && 'code' in error && error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA';
    // Not UTF-8 after all: older programs write the Windows code page.
    if (isOtherEncoding && file.encoding === 'utf-8') return check({ ...file, encoding: 'windows-1252' });
    throw new UserError(`${file.path} cannot be read: ${reasonOf(error)}.`);
  }
}

async function importFile(file: CsvFile): Promise<ImportRowResult[]> {
  // Here, because it brings in wrangler, which takes seconds; a refusal need not wait for that.
  const { openLocalCrm } = await import('./lib/local-crm.ts');
  const crm = await openLocalCrm();
  try {
    const nowMs = Date.now();
    const results: ImportRowResult[] = [];
    const seenLines = new Map<string, number>();
    let pending: ImportRow[] = [];
    const flush = async (): Promise<void> => {
      const options = { importId: `import_${String(nowMs)}`, nowMs, hashEmail: crm.hashEmail, seenLines };
      results.push(...(await importLeads(crm.db, { ...options, rows: pending })));
      pending = [];
    };
    for await (const row of readRows(file)) {
      pending.push(row);
      if (pending.length === maxPendingRowCount) await flush();
    }
    await flush();
    return results;
  } finally {
    await crm.close();
  }
}

/** `3 rejected (line 4: …; line 9: …; line 12: …)` */
function countAndName(words: string, named: string[]): string {
  if (named.length === 0) return `0 ${words}`;
  const shown = named.slice(0, maxNamedRowCount);
  if (named.length > shown.length) shown.push(`and ${String(named.length - shown.length)} more`);
  return `${String(named.length)} ${words} (${shown.join('; ')})`;
}

function summarize(path: string, results: ImportRowResult[]): string {
  const counts = { created: 0, updated: 0, unchanged: 0 };
  const duplicates: string[] = [];
  const rejected: string[] = [];
  const unmailable: string[] = [];
  for (const result of results) {
    const line = `line ${String(result.line)}`;
    if (result.outcome === 'rejected') rejected.push(`${line}: ${result.reason}`);
    else if (result.outcome === 'duplicate_in_file')
      duplicates.push(`${line} repeats line ${String(result.firstLine)}`);
    else {
      counts[result.outcome] += 1;
      if (result.unmailable) unmailable.push(line);
    }
  }
  const parts = [
    `${String(counts.created)} created`,
    `${String(counts.updated)} updated`,
    `${String(counts.unchanged)} unchanged`,
    countAndName(duplicates.length === 1 ? 'duplicate' : 'duplicates', duplicates),
    countAndName('rejected', rejected),
  ];
  if (unmailable.length > 0) parts.push(countAndName('with an address that no mail can reach', unmailable));
  return `${basename(path)}: ${parts.join(', ')}.`;
}

try {
  const { path, consentSource } = readArguments();
  const file = await check({ path, consentSource, ...(await sniff(path)) });
  console.log(summarize(path, await importFile(file)));
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
