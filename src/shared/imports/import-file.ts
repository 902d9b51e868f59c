/**
 * What a file of leads is before any row is read as a lead: its encoding, delimiter, header, and what its
 * columns mean. The browser, the import command and the tests read files with this, so that they agree.
 *
 * Pure, and free of zod, because the web app runs it. Invariant: a guess is only a start; a person can change
 * every one.
 *
 * @module
 */
import { isRejectedHeader, rejectedColumns, unescapeFormula } from './csv-cells.ts';
import type { CustomFields } from '../custom-fields.ts';
import { leadFieldNames, leadFields, type LeadField } from '../lead-fields.ts';

/** A lead as a file describes it; `''` where the file says nothing. */
export interface ImportedLead extends Record<LeadField, string> {
  /** Left out where the file has none for the lead. */
  custom?: CustomFields;
}

/** A column may hold a whole name, which is split into first and last name. */
export type ImportField = LeadField | 'fullName';

/** What a column can mean, in the order in which people are shown it. */
export const importFields: readonly ImportField[] = leadFieldNames.flatMap((field): ImportField[] =>
  field === 'lastName' ? [field, 'fullName'] : [field],
);

/** For each field the indexes of the columns it is read from, the preferred first. */
export interface ColumnMapping extends Record<ImportField, number[]> {
  /** The same for custom fields, by name. */
  custom?: Record<string, number[]>;
}

/** Indexes of all columns that are read. */
export function mappedColumns({ custom = {}, ...fields }: ColumnMapping): number[] {
  return [...Object.values(fields), ...Object.values(custom)].flat();
}

/** Headers of a whole name; those of the fields are in {@link leadFields}. */
const fullNameHeaders: readonly string[] = [
  'name',
  'full name',
  'fullname',
  'display name',
  'contact',
  'nom complet',
  'nombre completo',
];

/**
 * A header without what differs between exports: case, accents, punctuation, the number of a repeated
 * column ("E-mail 1 - Value", "Phone 2") and the record it is of ("Person - Email").
 */
function foldHeader(header: string): string {
  return header
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}]+/gu, ' ')
    .trim()
    .replace(/^(?:person|contact) (?=.)/, '');
}

/**
 * Guesses what the columns of a file mean from its headers.
 *
 * Unknown columns are left out; headers may repeat. A file whose `email` list comes out empty has no
 * column of addresses and cannot be imported.
 */
export function guessColumns(headers: readonly string[]): ColumnMapping {
  const folded = headers.map(foldHeader);
  const columnsOf = (field: ImportField): number[] =>
    (field === 'fullName' ? fullNameHeaders : leadFields[field].headers).flatMap((name) =>
      folded.flatMap((header, index) => (header === name ? [index] : [])),
    );
  return columnMapping(columnsOf);
}

/** A mapping with the columns of each field. */
export function columnMapping(columnsOf: (field: ImportField) => number[]): ColumnMapping {
  return Object.fromEntries(importFields.map((field) => [field, columnsOf(field)])) as Record<
    ImportField,
    number[]
  >;
}

// ── encoding ─────────────────────────────────────────────────────────────────────────────────────

export const importEncodings = ['utf-8', 'utf-16le', 'utf-16be', 'windows-1252'] as const;
export type ImportEncoding = (typeof importEncodings)[number];

/**
 * The encoding of a file, from its beginning; null where that is plain ASCII, so that it may be UTF-8 or
 * the Windows code page, and only a later part can tell.
 */
export function sniffEncoding(head: Uint8Array): ImportEncoding | null {
  const [first, second, third] = head;
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8';
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  // Without a mark: Latin text in UTF-16 has a zero in every other byte. A stray NUL is no such thing.
  const zeros = [0, 0];
  let hasOther = false;
  for (let at = 0; at < head.length; at++) {
    const byte = head[at] ?? 0;
    if (byte === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1;
    else if (byte > 0x7f) hasOther = true;
  }
  const [even = 0, odd = 0] = zeros;
  const pairCount = head.length / 2;
  if (odd > pairCount * 0.4 && even < pairCount * 0.1) return 'utf-16le';
  if (even > pairCount * 0.4 && odd < pairCount * 0.1) return 'utf-16be';
  return hasOther ? eightBitEncoding(head) : null;
}

/** UTF-8, unless its letters beyond ASCII are mostly none: older programs write the Windows code page. */
function eightBitEncoding(bytes: Uint8Array): ImportEncoding {
  // `stream` holds back a character that the end cuts in two.
  const text = new TextDecoder('utf-8').decode(bytes, { stream: true });
  const brokenCount = text.match(/\ufffd/g)?.length ?? 0;
  const letterCount = text.match(/[^\u0000-\u007f\ufffd]/g)?.length ?? 0;
  return brokenCount > letterCount ? 'windows-1252' : 'utf-8';
}

/**
 * Reads the bytes of one file as text, part by part. A byte that its encoding does not have becomes U+FFFD,
 * which a person sees; the byte order mark is left out.
 */
export class FileDecoder {
  #decoder: TextDecoder | null;

  /** @param encoding - null: found out at the first byte beyond ASCII */
  constructor(encoding: ImportEncoding | null) {
    this.#decoder = encoding === null ? null : new TextDecoder(encoding);
  }

  decode(bytes: Uint8Array): string {
    if (this.#decoder === null) {
      // All that came before was ASCII, which is the same in both.
      if (!bytes.some((byte) => byte > 0x7f)) return new TextDecoder('windows-1252').decode(bytes);
      this.#decoder = new TextDecoder(eightBitEncoding(bytes));
    }
    return this.#decoder.decode(bytes, { stream: true });
  }

  end(): string {
    return this.#decoder?.decode() ?? '';
  }
}

// ── records ──────────────────────────────────────────────────────────────────────────────────────

export const importDelimiters = [',', ';', '\t', '|'] as const;
export type ImportDelimiter = (typeof importDelimiters)[number];

/**
 * The delimiter of a file, from its beginning: the one that makes most columns of its first line with
 * something in it, outside quotes; or the one that Excel's `sep=` line names.
 */
export function guessDelimiter(head: string): ImportDelimiter {
  const lines = head
    .replace(/^\ufeff/, '')
    .replace(/"(?:[^"]|"")*"/g, '""')
    .split(/[\r\n]+/);
  const first = lines.find((line) => line.trim() !== '') ?? '';
  const named = importDelimiters.find(
    (delimiter) => first.trimEnd().toLowerCase() === `sep=${delimiter}`.trimEnd(),
  );
  if (named !== undefined && /^sep=/i.test(first)) return named;
  // A file of our own, in which a name of a column may have more semicolons than there are columns.
  const own = importDelimiters.find((delimiter) =>
    first.startsWith(rejectedColumns.join(delimiter) + delimiter),
  );
  if (own !== undefined) return own;
  const counts = importDelimiters.map((delimiter) => first.split(delimiter).length);
  return importDelimiters[counts.indexOf(Math.max(...counts))] ?? ',';
}

/** Excel's `sep=;`, which says how the file is delimited and is no row. */
function isSeparatorLine(record: readonly string[]): boolean {
  return /^sep=.?$/i.test(record[0]?.trim() ?? '') && record.slice(1).every((cell) => cell.trim() === '');
}

function isBlank(record: readonly string[]): boolean {
  return record.every((cell) => cell.trim() === '');
}

/** How many lines of its file a record takes: one, and one more for each line end in its cells. */
function lineCountOf(record: readonly string[]): number {
  return 1 + record.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);
}

/** Records that are looked at for the layout, and shown to a person. */
export const layoutRecordCount = 21;

/** How a file is laid out: which of its first records is the header, and what the columns mean. */
export interface FileLayout {
  hasHeader: boolean;
  /** Names of the columns; `Column 3` where the file gives none. */
  columns: string[];
  mapping: ColumnMapping;
}

const looksLikeAddress = (cell: string): boolean => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(cell.trim());

/**
 * Guesses the layout from the first records that are not blank. A first record with an address in it is
 * no header; then, and where no header is one of addresses, the columns that hold addresses are found by
 * looking into the cells.
 *
 * @param hasHeader - what a person says, where a person says it
 */
export function guessLayout(records: readonly (readonly string[])[], hasHeader?: boolean): FileLayout {
  const first = records[0] ?? [];
  const isHeader = hasHeader ?? !first.some(looksLikeAddress);
  const body = isHeader ? records.slice(1) : records;
  // Records may be longer than the header: the cells beyond have columns too.
  const columnCount = Math.max(0, ...records.map((record) => record.length));
  const columns = Array.from({ length: columnCount }, (_, index) => {
    const name = isHeader ? (first[index] ?? '').replace(/\s+/g, ' ').trim() : '';
    return name === '' ? `Column ${String(index + 1)}` : name;
  });
  const mapping = guessColumns(isHeader ? columns : []);
  if (mapping.email.length === 0) {
    mapping.email = columns.flatMap((_, index) => {
      const filled = body.map((record) => record[index] ?? '').filter((cell) => cell.trim() !== '');
      return filled.length > 0 && filled.filter(looksLikeAddress).length * 2 >= filled.length ? [index] : [];
    });
  }
  return { hasHeader: isHeader, columns, mapping };
}

/**
 * Options for csv-parse that read what real programs write: quotes in the middle of a cell, records
 * shorter or longer than the header. Empty lines are kept, because lines are counted.
 */
export function csvParseOptions(delimiter: string) {
  return {
    delimiter,
    bom: true,
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: false,
    // Cells of megabytes are read, and their rows rejected; a quote that is never closed would take in
    // the rest of the file, however long.
    max_record_size: 16 * 1024 * 1024,
  } as const;
}

/** What {@link ImportRecordReader.read} makes of a record. `line` is where it begins, counted from 1. */
export type ImportRecord =
  | { kind: 'row'; line: number; cells: readonly string[] }
  | { kind: 'header'; line: number; cells: readonly string[] }
  | { kind: 'blank' };

/** Reads the records of one file in their order, and counts lines so that a person finds a row again. */
export class ImportRecordReader {
  readonly #hasHeader: boolean;
  #nextLine = 1;
  #isFirst = true;
  /** The file holds corrected rows that an import did not take: its cells are escaped for spreadsheets. */
  #isOwn = false;

  constructor(hasHeader: boolean) {
    this.#hasHeader = hasHeader;
  }

  /** Where the next record begins. */
  get nextLine(): number {
    return this.#nextLine;
  }

  read(record: readonly string[]): ImportRecord {
    const line = this.#nextLine;
    this.#nextLine += lineCountOf(record);
    if (isBlank(record) || (line === 1 && isSeparatorLine(record))) return { kind: 'blank' };
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (isFirst) this.#isOwn = isRejectedHeader(record);
    const cells = this.#isOwn ? record.map(unescapeFormula) : record;
    return isFirst && this.#hasHeader ? { kind: 'header', line, cells } : { kind: 'row', line, cells };
  }
}
