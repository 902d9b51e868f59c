/**
 * Reads the rows of an Excel workbook. Loaded on demand, in the worker that files are read in.
 *
 * hucre unpacks and parses; this file bounds it and turns cells into the text that a CSV would have.
 * Invariant: a row's line is its row number in Excel.
 *
 * @module
 */
import { streamXlsxRows } from 'hucre/xlsx';
import { limits } from '../../../../src/shared/limits.ts';
import { RefusedFile } from './file-kind.ts';
import { zipParts, zipText } from './zip-directory.ts';

export interface Workbook {
  bytes: Uint8Array;
  /** Names of the sheets, in the order of their tabs. */
  sheets: readonly string[];
}

/** A workbook is unpacked in memory: 100 MB hold about a million rows of ten short cells. */
export const maxWorkbookByteCount = 100 * 1024 * 1024;
/** Of all parts together. Real workbooks unpack to ten to twenty times their size, a bomb to a thousand. */
export const maxUnpackedByteCount = 600 * 1024 * 1024;
/** The list of sheets is some kilobytes. */
const maxWorkbookPartByteCount = 4 * 1024 * 1024;

/** @throws RefusedFile where it is too large, encrypted, or not whole */
export async function openWorkbook(file: Blob | Pick<File, 'size' | 'slice'>): Promise<Workbook> {
  if (file.size > maxWorkbookByteCount) throw new RefusedFile('too_large');
  const bytes = new Uint8Array(await file.slice(0, file.size).arrayBuffer());
  const parts = zipParts(bytes);
  if (parts === null) throw new RefusedFile('damaged');
  if (parts.some(({ isEncrypted }) => isEncrypted)) throw new RefusedFile('encrypted');
  if (parts.reduce((sum, { size }) => sum + size, 0) > maxUnpackedByteCount)
    throw new RefusedFile('too_large');
  const list = parts.find(({ name }) => name === 'xl/workbook.xml');
  if (list === undefined || list.size > maxWorkbookPartByteCount) throw new RefusedFile('damaged');
  const xml = await zipText(bytes, list);
  const sheets = xml === null ? [] : sheetNames(xml);
  if (sheets.length === 0) throw new RefusedFile('damaged');
  return { bytes, sheets };
}

/** Names in the order of the tabs. */
function sheetNames(xml: string): string[] {
  return [...xml.matchAll(/<(?:\w+:)?sheet\s[^>]*?\bname="([^"]*)"/g)].map(([, name = '']) =>
    name.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(lt|gt|quot|apos|amp));/gi, (whole, hex, decimal, named) => {
      if (typeof named === 'string') return entities[named.toLowerCase()] ?? whole;
      const code = typeof hex === 'string' ? Number.parseInt(hex, 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
    }),
  );
}
const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

/**
 * The rows of one sheet that have something in them, with their row numbers.
 *
 * @throws RefusedFile where the sheet cannot be read
 */
export async function* workbookRows(
  { bytes }: Workbook,
  sheet: number,
): AsyncGenerator<{ line: number; cells: string[] }> {
  try {
    for await (const { index, values } of streamXlsxRows(bytes, { sheet })) {
      yield { line: index + 1, cells: values.slice(0, limits.maxImportColumnCount).map(cellText) };
    }
  } catch (error) {
    if (error instanceof Error) throw new RefusedFile('damaged');
    throw error;
  }
}

/** A cell as Excel would write it into a CSV, with dates as ISO 8601. */
export function cellText(value: string | number | boolean | Date | null): string {
  if (value === null) return '';
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) return '';
    const iso = value.toISOString();
    return iso.endsWith('T00:00:00.000Z') ? iso.slice(0, 10) : iso.slice(0, 19).replace('T', ' ');
  }
  // A phone number that Excel took for a number: no exponent, no grouping.
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value).toString() : String(value);
  return typeof value === 'boolean' ? (value ? 'TRUE' : 'FALSE') : value;
}
