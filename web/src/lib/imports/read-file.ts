/**
 * Reads a file of leads as a stream: examines its beginning, and turns its rows into chunks that are ready to
 * be sent. Runs in a worker, so that the page stays responsive; in tests it runs in Node.
 *
 * Invariants: no more of the file is in memory than some slices and one chunk; the same file read with the
 * same settings gives the same rows at the same lines, however it is sliced.
 *
 * @module
 */
import { parse } from 'csv-parse/browser/esm';
import {
  FileDecoder,
  ImportRecordReader,
  csvParseOptions,
  guessDelimiter,
  guessLayout,
  layoutRecordCount,
  mappedColumns,
  sniffEncoding,
  type ColumnMapping,
  type FileLayout,
} from '../../../../src/shared/imports/import-file.ts';
import { limits } from '../../../../src/shared/limits.ts';
import type { ImportReading } from '../../../../src/shared/schemas/imports.ts';

/** What a `File` has of it; a `Blob` of Node has it too. */
export type FileSource = Pick<File, 'size' | 'slice' | 'stream'>;

/** The beginning that is looked at for encoding and delimiter, and hashed to know the file again. */
const headByteCount = 1024 * 1024;
/** Slices handed to the parser: short enough that few records wait at once. */
const maxSliceByteCount = 256 * 1024;
/** Characters of one chunk as JSON, of up to three bytes each: below the server's bound. */
const maxChunkLength = 300_000;

export interface FileLook {
  reading: ImportReading;
  layout: FileLayout;
  /** The first rows below the header. */
  rows: readonly (readonly string[])[];
  /** SHA-256 of the file's beginning, in hex. */
  headHash: string;
}

/** A file that cannot be read on; the text is for a person. */
export class UnreadableFile extends Error {
  readonly line: number;

  constructor(line: number) {
    super(`line ${String(line)}`);
    this.line = line;
  }
}

/** Looks at the beginning of a file. What is given in `overrides` is not guessed. */
export async function lookAtFile(
  file: FileSource,
  overrides: Partial<ImportReading> = {},
): Promise<FileLook> {
  const head = new Uint8Array(await file.slice(0, headByteCount).arrayBuffer());
  const encoding = overrides.encoding ?? sniffEncoding(head);
  const delimiter = overrides.delimiter ?? guessDelimiter(new FileDecoder(encoding).decode(head));
  const records: (readonly string[])[] = [];
  const reader = new ImportRecordReader(false);
  try {
    for await (const { cells } of readRecords(file, { encoding, delimiter }, reader)) {
      records.push(cells);
      if (records.length === layoutRecordCount) break;
    }
  } catch (error) {
    // What comes before can be shown; that it ends there is told when it is read.
    if (!(error instanceof UnreadableFile)) throw error;
  }
  const layout = guessLayout(records, overrides.hasHeader);
  layout.columns = layout.columns
    .slice(0, limits.maxImportColumnCount)
    .map((name) => name.slice(0, limits.maxFieldLength));
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', head));
  return {
    reading: { encoding, delimiter, hasHeader: layout.hasHeader },
    layout,
    rows: layout.hasHeader ? records.slice(1) : records.slice(0, layoutRecordCount - 1),
    headHash: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
  };
}

export interface FileChunk {
  /** The body of the request. */
  body: string;
  rowCount: number;
  /** Bytes of the file that were read so far. */
  endByte: number;
}

/**
 * The rows of a file from a line on, in chunks.
 *
 * @throws UnreadableFile where the records end before the file does
 */
export async function* readChunks(
  file: FileSource,
  reading: ImportReading,
  from: { line: number; mapping: ColumnMapping },
): AsyncGenerator<FileChunk> {
  const mapped = new Set(mappedColumns(from.mapping));
  let rows: string[] = [];
  let length = 0;
  let endByte = 0;
  const chunk = (): FileChunk => {
    const made = { body: `{"rows":[${rows.join(',')}]}`, rowCount: rows.length, endByte };
    rows = [];
    length = 0;
    return made;
  };
  const reader = new ImportRecordReader(reading.hasHeader);
  const track = (bytes: number): void => {
    endByte = bytes;
  };
  let fault: Error | null = null;
  try {
    for await (const { line, cells } of readRecords(file, reading, reader, track)) {
      if (line < from.line) continue;
      const row = rowJson(line, cells, mapped);
      const isFull = rows.length === limits.maxImportChunkRowCount || length + row.length > maxChunkLength;
      if (isFull && rows.length > 0) yield chunk();
      rows.push(row);
      length += row.length;
    }
  } catch (error) {
    fault = error instanceof Error ? error : new Error(String(error));
  }
  // What came before the fault is whole.
  if (rows.length > 0) yield chunk();
  if (fault !== null) throw fault;
}

/** A row as it is sent. A cell far too long is sent long enough to be rejected. */
function rowJson(line: number, cells: readonly string[], mapped: ReadonlySet<number>): string {
  const max = limits.maxImportCellLength + 1;
  const sent = cells.slice(0, limits.maxImportColumnCount).map((cell) => cell.slice(0, max));
  const json = JSON.stringify({ line, cells: sent });
  if (json.length <= maxChunkLength) return json;
  // No row that could become a lead is as long as this: its unread cells are left out, the others keep
  // enough to break their bounds.
  return JSON.stringify({
    line,
    cells: sent.map((cell, index) =>
      mapped.has(index) ? cell.trim().slice(0, limits.maxNotesLength + 1) : '',
    ),
  });
}

/** All rows, the header left out where the reader knows of one. */
async function* readRecords(
  file: FileSource,
  { encoding, delimiter }: Pick<ImportReading, 'encoding' | 'delimiter'>,
  reader: ImportRecordReader,
  onRead: (endByte: number) => void = () => undefined,
): AsyncGenerator<{ line: number; cells: readonly string[] }> {
  const parser = parse(csvParseOptions(delimiter));
  let waiting: string[][] = [];
  let fault: Error | null = null;
  const drain = (): void => {
    for (
      let record = parser.read() as string[] | null;
      record !== null;
      record = parser.read() as string[] | null
    )
      waiting.push(record);
  };
  parser.on('readable', drain);
  parser.on('error', (error: Error) => {
    fault = error;
  });
  const ended = new Promise<void>((resolve) => {
    for (const event of ['end', 'error', 'close']) parser.once(event, () => resolve());
  });
  function* take(): Generator<{ line: number; cells: readonly string[] }> {
    const records = waiting;
    waiting = [];
    for (const record of records) {
      const read = reader.read(record);
      if (read.kind === 'row') yield read;
    }
    if (fault !== null) throw new UnreadableFile(reader.nextLine);
  }
  // After a fault nobody says that a write is done.
  const write = (text: string): Promise<void> =>
    text === ''
      ? Promise.resolve()
      : Promise.race([new Promise<void>((resolve) => parser.write(text, () => resolve())), ended]);

  const decoder = new FileDecoder(encoding);
  let endByte = 0;
  let hasText = false;
  for await (const bytes of slices(file)) {
    const text = decoder.decode(bytes);
    hasText ||= text !== '';
    await write(text);
    drain();
    endByte += bytes.length;
    onRead(endByte);
    yield* take();
  }
  // The parser's end throws where it has had nothing.
  if (!hasText) return;
  await write(decoder.end());
  parser.end();
  await ended;
  drain();
  yield* take();
}

async function* slices(file: FileSource): AsyncGenerator<Uint8Array> {
  const reader = file.stream().getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (let at = 0; at < value.length; at += maxSliceByteCount)
        yield value.subarray(at, at + maxSliceByteCount);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
