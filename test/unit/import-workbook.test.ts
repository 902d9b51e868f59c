/** Workbooks and files of other kinds: what is read of them, and what is refused and why. */
import { writeXlsx } from 'hucre/xlsx';
import { describe, expect, it } from 'vitest';
import { fileKind, RefusedFile } from '../../web/src/lib/imports/file-kind.ts';
import { lookAtFile, readChunks } from '../../web/src/lib/imports/read-file.ts';
import { cellText } from '../../web/src/lib/imports/read-workbook.ts';
import { zipParts } from '../../web/src/lib/imports/zip-directory.ts';

const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));
const fileOf = (bytes: Uint8Array<ArrayBuffer>, name = 'people.xlsx'): File => new File([bytes], name);
const workbook = async (sheets: Parameters<typeof writeXlsx>[0]['sheets']) =>
  Uint8Array.from(await writeXlsx({ sheets }));

async function rowsOf(file: File, sheet = 0): Promise<{ line: number; cells: string[] }[]> {
  const { reading, layout } = await lookAtFile(file, { sheet });
  const rows = [];
  for await (const { body } of readChunks(file, reading, { line: 1, mapping: layout.mapping }))
    rows.push(...(JSON.parse(body) as { rows: { line: number; cells: string[] }[] }).rows);
  return rows;
}
const refusal = async (file: File): Promise<string> => {
  try {
    await lookAtFile(file);
    return 'read';
  } catch (error) {
    return error instanceof RefusedFile ? error.why : String(error);
  }
};

describe('a workbook', () => {
  it('has the rows of its sheet, under their numbers in Excel', async () => {
    const file = fileOf(
      await workbook([
        { name: 'First', rows: [['Email', 'Notes', 'Age'], [], ['ann@example.org', 'two\nlines', 41]] },
        { name: 'Übersicht & <Co>', rows: [['bob@example.org']] },
      ]),
    );
    const look = await lookAtFile(file);
    expect(look.sheets).toEqual(['First', 'Übersicht & <Co>']);
    expect(look.reading).toEqual({ encoding: 'utf-8', delimiter: ',', hasHeader: true, sheet: 0 });
    expect(look.layout).toMatchObject({ columns: ['Email', 'Notes', 'Age'], mapping: { email: [0] } });
    expect(await rowsOf(file)).toEqual([{ line: 3, cells: ['ann@example.org', 'two\nlines', '41'] }]);
    expect(await rowsOf(file, 1)).toEqual([{ line: 1, cells: ['bob@example.org'] }]);
  });

  it('gives cells as a CSV would have them', () => {
    expect(
      [
        4915112345678,
        1e20,
        0.5,
        true,
        null,
        new Date('2026-03-01T00:00:00Z'),
        new Date('2026-03-01T09:30:00Z'),
      ].map(cellText),
    ).toEqual([
      '4915112345678',
      '100000000000000000000',
      '0.5',
      'TRUE',
      '',
      '2026-03-01',
      '2026-03-01 09:30:00',
    ]);
  });

  it('without rows is looked at like an empty file', async () => {
    expect(await lookAtFile(fileOf(await workbook([{ name: 'Empty', rows: [] }])))).toMatchObject({
      rows: [],
      sheets: ['Empty'],
    });
  });

  it('that would unpack to more than fits is refused by what it declares, before any of it is unpacked', async () => {
    const bytes = await workbook([{ name: 'A', rows: [['Email']] }]);
    const sheet = zipParts(bytes)?.find(({ name }) => name.endsWith('sheet1.xml'));
    const view = new DataView(bytes.buffer);
    // The central directory's entry of the sheet, by its offset.
    for (let at = 0; at < bytes.length - 46; at++) {
      if (view.getUint32(at, true) === 0x02014b50 && view.getUint32(at + 42, true) === sheet?.offset)
        view.setUint32(at + 24, 4_000_000_000, true);
    }
    expect(await refusal(fileOf(bytes))).toBe('too_large');
  });

  it('that declares less than it unpacks to is refused where it goes beyond', async () => {
    const rows = Array.from({ length: 2_000 }, (_, at) => [`n${at}@example.org`, 'x'.repeat(100)]);
    const bytes = await workbook([{ name: 'A', rows: [['Email', 'Notes'], ...rows] }]);
    const view = new DataView(bytes.buffer);
    const sheet = zipParts(bytes)?.find(({ name }) => name.endsWith('sheet1.xml'));
    for (let at = 0; at < bytes.length - 46; at++) {
      if (view.getUint32(at, true) === 0x02014b50 && view.getUint32(at + 42, true) === sheet?.offset)
        view.setUint32(at + 24, 1_000, true);
    }
    if (sheet !== undefined) view.setUint32(sheet.offset + 22, 1_000, true);
    await expect(rowsOf(fileOf(bytes))).rejects.toThrow(RefusedFile);
  });

  it.each([
    ['cut in the middle', (bytes: Uint8Array<ArrayBuffer>) => bytes.slice(0, bytes.length / 2), 'damaged'],
    ['with a password', () => bytesOf('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'), 'encrypted'],
    ['that is a ZIP of something else', () => bytesOf('PK\x05\x06' + '\0'.repeat(18)), 'damaged'],
    ['that is text', () => bytesOf('Email\nann@example.org'), 'damaged'],
  ] as const)('%s is refused', async (_, change, why) => {
    const bytes = await workbook([{ name: 'A', rows: [['Email'], ['ann@example.org']] }]);
    expect(await refusal(fileOf(change(bytes)))).toBe(why);
  });
});

describe('what a file is', () => {
  it.each([
    ['list.pdf', '%PDF-1.7', 'pdf'],
    ['list.csv', '%PDF-1.7', 'pdf'],
    ['list.xls', '\xd0\xcf\x11\xe0', 'xls'],
    ['list.ods', 'PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet', 'ods'],
    ['list.numbers', 'PK\x03\x04....Index/Document.iwa', 'numbers'],
    ['list.docx', 'PK\x03\x04....[Content_Types].xml', 'word'],
    ['list.zip', 'PK\x03\x04....list.csv', 'archive'],
    ['list.csv.gz', '\x1f\x8b\x08', 'archive'],
    ['list.png', '\x89PNG', 'image'],
  ])('%s is refused as %s', (name, head, why) => {
    expect(fileKind(name, bytesOf(head))).toEqual({ kind: 'refused', why });
  });

  it.each([
    ['list.csv', 'Email\n', 'text'],
    ['list', 'PDF,Email\n', 'text'],
    ['list.txt', '', 'text'],
    ['list', 'PK\x03\x04....[Content_Types].xml', 'xlsx'],
    ['list.XLSX', 'PK\x03\x04....xl/worksheets', 'xlsx'],
  ])('%s is read', (name, head, kind) => {
    expect(fileKind(name, bytesOf(head))).toEqual({ kind });
  });
});
