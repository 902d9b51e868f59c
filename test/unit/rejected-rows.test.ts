import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readImportRow } from '../../src/shared/imports/parse-row.ts';
import {
  escapeFormula,
  rejectedColumns,
  rejectedFileName,
  unescapeFormula,
} from '../../src/shared/imports/csv-cells.ts';
import { attachment, csvStream } from '../../src/worker/http/csv-stream.ts';
import { lookAtFile, readChunks } from '../../web/src/lib/imports/read-file.ts';

/** Text that is difficult in CSV files: formulas, our own apostrophes, quotes, line ends, delimiters. */
const difficultCell = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "'",
        '"',
        '=',
        '+',
        '-',
        '@',
        '\t',
        '\r',
        '\n',
        '\r\n',
        ',',
        ';',
        '|',
        ' ',
        '＝',
        '＋',
        '－',
        '＠',
      ),
      fc.constantFrom('+49 30 901820', '=1+1', "'=1", 'Ann', 'Müller', 'x@y.example', '\ufeff', '日本', '0'),
      fc.string({ unit: 'grapheme', maxLength: 6 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));

/** The downloaded file of rejected rows. */
async function download(columns: readonly string[], rows: readonly (readonly string[])[]): Promise<File> {
  async function* pages() {
    for (const [at, cells] of rows.entries()) yield [[at + 2, 'there is no email address', ...cells]];
  }
  const text = await new Response(csvStream([...rejectedColumns, ...columns], pages())).arrayBuffer();
  return new File([text], 'import_1-rejected.csv');
}

/** Its rows, as sent when the file is imported again. */
async function importAgain(file: File): Promise<{ columns: string[]; rows: string[][] }> {
  const { reading, layout } = await lookAtFile(file);
  const rows: string[][] = [];
  for await (const { body } of readChunks(file, reading, { line: 1, mapping: layout.mapping })) {
    const sent = JSON.parse(body) as { rows: { cells: string[] }[] };
    rows.push(...sent.rows.map(({ cells }) => cells.slice(rejectedColumns.length)));
  }
  return { columns: layout.columns.slice(rejectedColumns.length), rows };
}

describe('a cell that a spreadsheet might run', () => {
  it('is read back as it was before it was escaped', () => {
    fc.assert(
      fc.property(difficultCell, (cell) => {
        expect(unescapeFormula(escapeFormula(cell))).toBe(cell);
        expect(escapeFormula(cell)).not.toMatch(/^[=+\-@\t\r＝＋－＠]/);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('rejected rows that are downloaded and imported again', () => {
  it('have the same cells', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(difficultCell, { minLength: 3, maxLength: 5 }), { minLength: 1, maxLength: 8 }),
        async (rows) => {
          const again = await importAgain(await download(['Email', 'Phone', 'a;b;c;d;e'], rows));
          expect(again.rows).toEqual(rows);
          expect(again.columns.slice(0, 3)).toEqual(['Email', 'Phone', 'a;b;c;d;e']);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('keep the phone number of a lead when the address is corrected', async () => {
    const file = await download(['Email', 'Phone'], [['', '+49 30 901820']]);
    const mended = new File(
      [(await file.text()).replace('email address,,', 'email address,ann@leads.example,')],
      'mended.csv',
    );
    expect(await mended.text()).toContain("'+49 30 901820");
    const { layout } = await lookAtFile(mended);
    const { rows } = await importAgain(mended);
    expect(layout.mapping).toMatchObject({ email: [2], phone: [3] });
    const read = readImportRow(layout.mapping, ['2', '', ...(rows[0] ?? [])], 2);
    expect(read).toMatchObject({ kind: 'lead', lead: { phone: '+49 30 901820' } });
  });

  it('can come from a spreadsheet that writes semicolons', async () => {
    const file = new File(
      ["\ufeffline;reason;Email;Phone\r\n2;none;ann@leads.example;'+49 30\r\n"],
      'mended.csv',
    );
    expect((await importAgain(file)).rows).toEqual([['ann@leads.example', '+49 30']]);
  });
});

describe('any other file', () => {
  it('keeps an apostrophe that its author wrote', async () => {
    const file = new File(["Email,Phone\r\nann@leads.example,'+49 30\r\n"], 'theirs.csv');
    const { reading, layout } = await lookAtFile(file);
    const chunks = [];
    for await (const { body } of readChunks(file, reading, { line: 1, mapping: layout.mapping }))
      chunks.push(body);
    expect(chunks.join('')).toContain("'+49 30");
  });
});

describe('the download of rejected rows', () => {
  it('is named after the file', () => {
    expect(rejectedFileName('Fair 2026.csv', 'rejected')).toBe('Fair 2026-rejected.csv');
    expect(rejectedFileName('leads.v2.xlsx', 'duplicate_in_file')).toBe('leads.v2-repeated.csv');
    expect(rejectedFileName('.csv', 'rejected')).toBe('import-rejected.csv');
  });

  it('keeps a name of any letters, and nothing of it can end the header', () => {
    expect(attachment('a.csv')).toBe('attachment; filename="a.csv"');
    expect(attachment('Käufer\r\n"x"/..\\y.csv')).toBe(
      `attachment; filename="K_ufer___x__.._y.csv"; filename*=UTF-8''K%C3%A4ufer___x__.._y.csv`,
    );
  });

  it('has the separator of the file', async () => {
    async function* pages() {
      yield [[2, 'no address', 'a;b', 'c,d']];
    }
    const text = await new Response(csvStream(['line', 'reason', 'A', 'B'], pages(), ';')).text();
    expect(text).toBe('line;reason;A;B\r\n2;no address;"a;b";c,d\r\n');
  });
});
