/**
 * Rows of a CSV file on a disk, read as a stream, so that only the disk bounds its size.
 *
 * Invariant: a file that cannot be read to its end is refused in one sentence before anything of it is used.
 *
 * @module
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';
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
} from '../../../src/shared/imports/import-file.ts';

/** The file cannot be used; the message names it, and says why. */
export class FileError extends Error {
  override readonly name = 'FileError';
}

export interface CsvFile {
  path: string;
  sizeBytes: number;
  encoding: ImportEncoding | null;
  delimiter: ImportDelimiter;
  layout: FileLayout;
}
export interface CsvRow {
  line: number;
  cells: readonly string[];
}

/** Bytes looked at for the encoding and the delimiter: more than any header line. */
const headByteCount = 64 * 1024;

/** Why a file cannot be opened, in words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'access is denied';
  if (code === 'EISDIR') return 'it is a folder';
  return error.message;
}

/**
 * Finds the encoding and the layout of a file from its beginning, and reads it to its end.
 *
 * @throws FileError
 */
export async function openCsv(path: string): Promise<CsvFile> {
  let head: Buffer;
  let sizeBytes: number;
  try {
    await using handle = await open(path);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headByteCount), 0, headByteCount, 0);
    head = buffer.subarray(0, bytesRead);
    sizeBytes = (await handle.stat()).size;
  } catch (error) {
    throw new FileError(`${path} cannot be read: ${reasonOf(error)}.`);
  }
  const encoding = sniffEncoding(head);
  const text = new FileDecoder(encoding).decode(head);
  if (text.trim() === '') throw new FileError(`${path} cannot be imported: it is empty.`);
  const file = { path, sizeBytes, encoding, delimiter: guessDelimiter(text) };
  const records: (readonly string[])[] = [];
  const reader = new ImportRecordReader(false);
  for await (const record of readRecords(file, reader)) {
    if (record.kind === 'row') records.push(record.cells);
    if (records.length === layoutRecordCount) break;
  }
  const layout = guessLayout(records);
  if (layout.mapping.email.length === 0)
    throw new FileError(`${path} cannot be imported: no column is one of e-mail addresses.`);
  const whole = { ...file, layout };
  // Nothing is imported unless all of it can be read.
  let lastLine = 0;
  for await (const row of readRows(whole)) lastLine = row.line;
  if (lastLine === 0) throw new FileError(`${path} cannot be imported: there is nothing below its header.`);
  return whole;
}

/**
 * The meaning of a file's columns, where its external ids are of this system. Without one they are not read.
 *
 * @throws FileError
 */
export function mappingFor({ path, layout }: CsvFile, externalSource: string): FileLayout['mapping'] {
  if (externalSource === '') return { ...layout.mapping, externalId: [] };
  if (layout.mapping.externalId.length === 0)
    throw new FileError(
      `${path} cannot be imported: no column is one of external ids. Name it “External ID”.`,
    );
  return layout.mapping;
}

/** The rows below the header. */
export async function* readRows(file: CsvFile): AsyncGenerator<CsvRow> {
  for await (const record of readRecords(file, new ImportRecordReader(file.layout.hasHeader))) {
    if (record.kind === 'row') yield record;
  }
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
      throw new FileError(`${file.path} cannot be imported: in line ${String(reader.nextLine)} ${what}.`);
    }
    throw new FileError(`${file.path} cannot be read: ${reasonOf(error)}.`);
  }
}
