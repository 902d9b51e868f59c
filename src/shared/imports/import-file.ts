/**
 * Reads a file of leads up to its records: encoding, delimiter, header, and the meaning of its columns. The browser,
 * the import command and the tests use it, so that they agree.
 *
 * Pure. Does not use zod, because the web app loads this file. Invariant: a person can correct every guess.
 *
 * @module
 */
import { foreignHeaders } from './foreign-headers.ts';
import { isRejectedHeader, rejectedColumns, unescapeFormula } from './csv-cells.ts';
import type { CustomFields } from '../custom-fields.ts';
import { leadFieldNames, leadFields, type LeadField } from '../lead-fields.ts';

/** A lead as a file describes it; `''` for fields without a value. */
export interface ImportedLead extends Record<LeadField, string> {
  /** Left out when the file has none for the lead. */
  custom?: CustomFields;
  /** Left out when the file has none for the lead. */
  tags?: string[];
  /** In the system that the import names. Left out when the file has none for the lead. */
  externalId?: string;
}

/**
 * A column may hold a whole name, which is split into first and last name, tags, with commas between, or what another
 * system knows the lead by.
 */
export type ImportField = LeadField | OtherImportField;
type OtherImportField = 'fullName' | 'tags' | 'externalId';

/** The possible meanings of a column, in their order on the screen. */
export const importFields: readonly ImportField[] = [
  ...leadFieldNames.flatMap((field): ImportField[] => (field === 'lastName' ? [field, 'fullName'] : [field])),
  'tags',
  'externalId',
];

/** For each field the indexes of its columns, the preferred one first. */
export interface ColumnMapping extends Record<ImportField, number[]> {
  /** The same for custom fields, by name. */
  custom?: Record<string, number[]>;
}

/** Indexes of all columns that are read. */
export function mappedColumns({ custom = {}, ...fields }: ColumnMapping): number[] {
  return [...Object.values(fields), ...Object.values(custom)].flat();
}

/** Headers of what is no field of a lead; those of the fields are in {@link leadFields}. */
const otherHeaders: Readonly<Record<OtherImportField, readonly string[]>> = {
  fullName: ['name', 'full name', 'fullname', 'display name', 'contact', 'nom complet', 'nombre completo'],
  tags: ['tags', 'tag', 'labels', 'label'],
  // Not "id" or "record id": whose they are, only a person knows.
  externalId: ['external id', 'externalid'],
};

const isOther = (field: ImportField): field is OtherImportField => field in otherHeaders;

/**
 * A header without the differences between exports: case, accents, punctuation, the number of a repeated column
 * ("E-mail 1 - Value", "Phone 2") and the kind of record ("Person - Email").
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
 * Guesses the meaning of a file's columns from its headers.
 *
 * Unknown columns are left out; headers may repeat. A file with an empty `email` list has no column of addresses and
 * cannot be imported.
 */
export function guessColumns(headers: readonly string[]): ColumnMapping {
  const folded = headers.map(foldHeader);
  const columnsOf = (field: ImportField): number[] =>
    headersOf(field).flatMap((name) => folded.flatMap((header, index) => (header === name ? [index] : [])));
  return columnMapping(columnsOf);
}

/** A header is of one field: those of `lead-fields.ts` come first. */
const headersOf = (field: ImportField): readonly string[] => [
  ...(isOther(field) ? otherHeaders[field] : leadFields[field].headers),
  ...foreignHeaders[field],
];

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
 * The encoding of a file, from its beginning; null when that is plain ASCII. Then the file may be UTF-8 or the
 * Windows code page, and only a later part decides.
 */
export function sniffEncoding(head: Uint8Array): ImportEncoding | null {
  const [first, second, third] = head;
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8';
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  // Without a byte order mark: Latin text in UTF-16 has a zero in every other byte. A single stray NUL does not
  // count.
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

/** UTF-8, unless most of the bytes beyond ASCII are invalid in it: older programs write the Windows code page. */
function eightBitEncoding(bytes: Uint8Array): ImportEncoding {
  // `stream` holds back a character that the end cuts in two.
  const text = new TextDecoder('utf-8').decode(bytes, { stream: true });
  const brokenCount = text.match(/\ufffd/g)?.length ?? 0;
  const letterCount = text.match(/[^\u0000-\u007f\ufffd]/g)?.length ?? 0;
  return brokenCount > letterCount ? 'windows-1252' : 'utf-8';
}

/**
 * Reads the bytes of one file as text, part by part. An invalid byte becomes U+FFFD, which a person sees; the byte
 * order mark is removed.
 */
export class FileDecoder {
  #decoder: TextDecoder | null;

  /** @param encoding - null: it is determined at the first byte beyond ASCII */
  constructor(encoding: ImportEncoding | null) {
    this.#decoder = encoding === null ? null : new TextDecoder(encoding);
  }

  decode(bytes: Uint8Array): string {
    if (this.#decoder === null) {
      // Everything before was ASCII, which is the same in both.
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
 * The delimiter of a file, from its beginning: the one in Excel's `sep=` line, or the one that splits the first
 * non-empty line into the most columns, outside quotes.
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
  // A file of rejected rows. The name of a column in it may contain more semicolons than there are columns.
  const own = importDelimiters.find((delimiter) =>
    first.startsWith(rejectedColumns.join(delimiter) + delimiter),
  );
  if (own !== undefined) return own;
  const counts = importDelimiters.map((delimiter) => first.split(delimiter).length);
  return importDelimiters[counts.indexOf(Math.max(...counts))] ?? ',';
}

/** Excel's `sep=;`, which names the delimiter and is not a row. */
function isSeparatorLine(record: readonly string[]): boolean {
  return /^sep=.?$/i.test(record[0]?.trim() ?? '') && record.slice(1).every((cell) => cell.trim() === '');
}

function isBlank(record: readonly string[]): boolean {
  return record.every((cell) => cell.trim() === '');
}

/** The number of lines of a record in its file: one, and one more for each line end in its cells. */
function lineCountOf(record: readonly string[]): number {
  return 1 + record.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);
}

/** Records that are read for the layout, and shown to a person. */
export const layoutRecordCount = 21;

/** The layout of a file: which of its first records is the header, and the meaning of the columns. */
export interface FileLayout {
  hasHeader: boolean;
  /** Names of the columns; `Column 3` for one without a name. */
  columns: string[];
  mapping: ColumnMapping;
}

const looksLikeAddress = (cell: string): boolean => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(cell.trim());

/**
 * Guesses the layout from the first records that are not blank. A first record with an address in it is not a
 * header. Then, or when no header names addresses, the columns of addresses are found by their cells.
 *
 * @param hasHeader - the person's choice, if there is one
 */
export function guessLayout(records: readonly (readonly string[])[], hasHeader?: boolean): FileLayout {
  const first = records[0] ?? [];
  const isHeader = hasHeader ?? !first.some(looksLikeAddress);
  const body = isHeader ? records.slice(1) : records;
  // Records may be longer than the header: the additional cells have columns too.
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
  if (isHeader) takeFullName(mapping, columns, body);
  return { hasHeader: isHeader, columns, mapping };
}

/** "Name" in French, Italian, Portuguese and Spanish: the first, the last or the whole name. */
const anyNameHeaders: readonly string[] = ['nom', 'nome', 'nombre'];

/** A column called just "name" beside no other name holds whole names, where most of its cells have two words. */
function takeFullName(
  mapping: ColumnMapping,
  columns: readonly string[],
  body: readonly (readonly string[])[],
): void {
  const [index, ...others] = [...mapping.firstName, ...mapping.lastName];
  if (index === undefined || others.length > 0 || mapping.fullName.length > 0) return;
  if (!anyNameHeaders.includes(foldHeader(columns[index] ?? ''))) return;
  const filled = body.map((record) => (record[index] ?? '').trim()).filter((cell) => cell !== '');
  if (filled.filter((cell) => cell.includes(' ')).length * 2 < filled.length || filled.length === 0) return;
  mapping.firstName = [];
  mapping.lastName = [];
  mapping.fullName = [index];
}

/**
 * Options for csv-parse that accept the files of real programs: quotes in the middle of a cell, records shorter or
 * longer than the header. Empty lines are kept, because lines are counted.
 */
export function csvParseOptions(delimiter: string) {
  return {
    delimiter,
    bom: true,
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: false,
    // Cells of megabytes are read, and their rows rejected. Without a limit an unclosed quote would read the rest of
    // the file as one cell.
    max_record_size: 16 * 1024 * 1024,
  } as const;
}

/** The result of {@link ImportRecordReader.read}. `line` is where the record begins, counted from 1. */
export type ImportRecord =
  | { kind: 'row'; line: number; cells: readonly string[] }
  | { kind: 'header'; line: number; cells: readonly string[] }
  | { kind: 'blank' };

/** Reads the records of one file in order, and counts lines so that a person can find a row. */
export class ImportRecordReader {
  readonly #hasHeader: boolean;
  #nextLine = 1;
  #isFirst = true;
  /** The file has corrected rejected rows: its cells are escaped for spreadsheets. */
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
