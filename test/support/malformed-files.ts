/**
 * Files as people really have them, each with the expected layout and the expected outcome of every row. The
 * browser's file reader and the server's row reader are tested with the same table.
 *
 * @module
 */
import type { ImportedLead, ImportEncoding } from '../../src/shared/imports/import-file.ts';

/** The expected outcome of one row: the lead's fields that are not empty, or a part of the reason. */
export type Expected = { line: number; lead: Partial<ImportedLead> } | { line: number; rejected: string };

export interface MalformedFile {
  name: string;
  bytes: Uint8Array;
  encoding?: ImportEncoding | null;
  delimiter?: string;
  hasHeader?: boolean;
  rows: Expected[];
  /** The line from which on the file cannot be read. */
  unreadableFrom?: number;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const withBom = (text: string): Uint8Array => new Uint8Array([0xef, 0xbb, 0xbf, ...utf8(text)]);

/** Characters of the Windows code page that are not Latin-1. */
const windows = new Map([
  ['€', 0x80],
  ['’', 0x92],
  ['“', 0x93],
  ['–', 0x96],
]);
const windows1252 = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => windows.get(character) ?? character.charCodeAt(0));

function utf16(text: string, order: 'le' | 'be', hasBom = true): Uint8Array {
  const bytes = new Uint8Array((text.length + (hasBom ? 1 : 0)) * 2);
  const view = new DataView(bytes.buffer);
  [...(hasBom ? [0xfeff] : []), ...Array.from(text, (_, at) => text.charCodeAt(at))].forEach((unit, at) => {
    view.setUint16(at * 2, unit, order === 'le');
  });
  return bytes;
}

const ann = { email: 'ann@example.org', firstName: 'Ann', lastName: 'Lee' };
const head = 'Email,First name,Last name\n';

export const malformedFiles: MalformedFile[] = [
  {
    name: 'a byte order mark before the first header',
    bytes: withBom(`${head}ann@example.org,Ann,Lee\n`),
    encoding: 'utf-8',
    rows: [{ line: 2, lead: ann }],
  },
  {
    name: 'little-endian UTF-16, as Excel saves "Unicode text"',
    bytes: utf16('Email\tFirst name\tLast name\r\nann@example.org\tZoë\t李\r\n', 'le'),
    encoding: 'utf-16le',
    delimiter: '\t',
    rows: [{ line: 2, lead: { email: 'ann@example.org', firstName: 'Zoë', lastName: '李' } }],
  },
  {
    name: 'big-endian UTF-16',
    bytes: utf16(`${head}ann@example.org,Ann,Lee\n`, 'be'),
    encoding: 'utf-16be',
    rows: [{ line: 2, lead: ann }],
  },
  {
    name: 'UTF-16 without a byte order mark',
    bytes: utf16(`${head}ann@example.org,Ann,Lee\n`, 'le', false),
    encoding: 'utf-16le',
    rows: [{ line: 2, lead: ann }],
  },
  {
    name: 'the Windows code page',
    bytes: windows1252(
      'E-Mail;Vorname;Nachname;Notes\r\nann@example.org;Jörg;Müller-Lüdenscheidt;5 € – “ok”\r\n'.replace(
        '”',
        '“',
      ),
    ),
    encoding: 'windows-1252',
    delimiter: ';',
    rows: [
      {
        line: 2,
        lead: {
          email: 'ann@example.org',
          firstName: 'Jörg',
          lastName: 'Müller-Lüdenscheidt',
          notes: '5 € – “ok“',
        },
      },
    ],
  },
  {
    name: 'a letter of the Windows code page after a megabyte of ASCII',
    bytes: new Uint8Array([
      ...utf8(head),
      ...utf8(`none,${'x'.repeat(98)},\n`.repeat(11_000)),
      ...windows1252('ann@example.org,Zoé,\n'),
    ]),
    encoding: null,
    rows: [
      ...Array.from({ length: 11_000 }, (_, at) => ({ line: at + 2, rejected: 'no address' })),
      { line: 11_002, lead: { email: 'ann@example.org', firstName: 'Zoé' } },
    ],
  },
  {
    name: 'one broken byte in a UTF-8 file, which stays UTF-8',
    bytes: new Uint8Array([
      ...utf8('Email,First name\n'),
      ...utf8('a@example.org,Zoë Çelik Łukasz Ñandú Ångström Œuvre\n'),
      ...utf8('b@example.org,B'),
      0xff,
      ...utf8('b\n'),
    ]),
    encoding: 'utf-8',
    rows: [
      { line: 2, lead: { email: 'a@example.org', firstName: 'Zoë Çelik Łukasz Ñandú Ångström Œuvre' } },
      { line: 3, lead: { email: 'b@example.org', firstName: 'B\ufffdb' } },
    ],
  },
  {
    name: 'semicolons, with commas in the cells',
    bytes: utf8('Email;Company\nann@example.org;"Lee, Lee; Sons"\nbob@example.org;Bob, Inc\n'),
    delimiter: ';',
    rows: [
      { line: 2, lead: { email: 'ann@example.org', company: 'Lee, Lee; Sons' } },
      { line: 3, lead: { email: 'bob@example.org', company: 'Bob, Inc' } },
    ],
  },
  {
    name: "Excel's line that names the delimiter",
    bytes: utf8('sep=;\r\nEmail;Company\r\nann@example.org;A,B,C,D\r\n'),
    delimiter: ';',
    rows: [{ line: 3, lead: { email: 'ann@example.org', company: 'A,B,C,D' } }],
  },
  {
    name: 'tabs, with quotes that mean nothing',
    bytes: utf8('Email\tCompany\nann@example.org\t5" Disks Ltd\n'),
    delimiter: '\t',
    rows: [{ line: 2, lead: { email: 'ann@example.org', company: '5" Disks Ltd' } }],
  },
  {
    name: 'pipes',
    bytes: utf8('Email|First name\nann@example.org|Ann\n'),
    delimiter: '|',
    rows: [{ line: 2, lead: { email: 'ann@example.org', firstName: 'Ann' } }],
  },
  {
    name: 'line ends within quotes, of both kinds, in header and cells',
    bytes: utf8(
      '"E-mail\naddress",Notes\r\nann@example.org,"one\r\n\r\nthree, ""four"""\r\nbob@example.org,x\r\n',
    ),
    rows: [
      { line: 3, lead: { email: 'ann@example.org', notes: 'one\n\nthree, "four"' } },
      { line: 6, lead: { email: 'bob@example.org', notes: 'x' } },
    ],
  },
  {
    name: 'line ends of old Macs',
    bytes: utf8('Email,First name\rann@example.org,Ann\rbob@example.org,Bob\r'),
    rows: [
      { line: 2, lead: { email: 'ann@example.org', firstName: 'Ann' } },
      { line: 3, lead: { email: 'bob@example.org', firstName: 'Bob' } },
    ],
  },
  {
    name: 'no line end after the last row',
    bytes: utf8(`${head}ann@example.org,Ann,Lee`),
    rows: [{ line: 2, lead: ann }],
  },
  {
    name: 'blank lines anywhere, and rows of nothing but delimiters',
    bytes: utf8(`\n\n${head}\n,,\nann@example.org,Ann,Lee\n\n`),
    rows: [{ line: 6, lead: ann }],
  },
  {
    name: 'headers that repeat: the first that is filled in counts',
    bytes: utf8('Email,Email,Name,Name\n,ann@example.org,,Ann Lee\nnone,,x,y\n'),
    rows: [
      { line: 2, lead: ann },
      { line: 3, rejected: 'no address' },
    ],
  },
  {
    name: 'ragged rows: too short, and too long',
    bytes: utf8('First name,Email,Company\nAnn,ann@example.org\nBob,bob@example.org,B,c,d,e\nCid\n'),
    rows: [
      { line: 2, lead: { firstName: 'Ann', email: 'ann@example.org' } },
      { line: 3, lead: { firstName: 'Bob', email: 'bob@example.org', company: 'B' } },
      { line: 4, rejected: 'there is no email address' },
    ],
  },
  {
    name: 'a cell of a megabyte in a column that is read',
    bytes: utf8(`Email,Notes\nann@example.org,"${'long '.repeat(210_000)}"\nbob@example.org,ok\n`),
    rows: [
      { line: 2, rejected: 'longer than 20000 characters' },
      { line: 3, lead: { email: 'bob@example.org', notes: 'ok' } },
    ],
  },
  {
    name: 'a cell of a megabyte that nobody reads',
    bytes: utf8(`Email,Picture\nann@example.org,"${'A'.repeat(1_050_000)}"\n`),
    rows: [{ line: 2, lead: { email: 'ann@example.org' } }],
  },
  {
    name: 'sixty cells of twenty thousand characters',
    bytes: utf8(
      `Email,Notes${',x'.repeat(60)}\nann@example.org,${'n'.repeat(9_000)},${`${'x'.repeat(19_999)},`.repeat(60)}\n`,
    ),
    rows: [{ line: 2, lead: { email: 'ann@example.org', notes: 'n'.repeat(9_000) } }],
  },
  {
    name: 'a company longer than may be, which is not cut off',
    bytes: utf8(
      `Email,Company\nann@example.org,${'x'.repeat(1_001)}\nbob@example.org,${'x'.repeat(1_000)}\n`,
    ),
    rows: [
      { line: 2, rejected: 'the company is longer than 1000 characters' },
      { line: 3, lead: { email: 'bob@example.org', company: 'x'.repeat(1_000) } },
    ],
  },
  {
    name: 'NUL bytes and other control characters',
    bytes: utf8('Email,First name\nan\u0000n@example.org,A\u0000n\u0007n\n'),
    rows: [{ line: 2, lead: { email: 'ann@example.org', firstName: 'Ann' } }],
  },
  {
    name: 'cells that are formulas, kept as the text they are',
    bytes: utf8(
      'Email,First name,Company,Phone\nann@example.org,"=HYPERLINK(""http://evil"")",@SUM(A1),+49 30 1\n=1+1,x,y,z\n',
    ),
    rows: [
      {
        line: 2,
        lead: {
          email: 'ann@example.org',
          firstName: '=HYPERLINK("http://evil")',
          company: '@SUM(A1)',
          phone: '+49 30 1',
        },
      },
      { line: 3, rejected: 'no address' },
    ],
  },
  {
    name: 'names written from the right, emoji, joined letters and combining marks',
    bytes: utf8(
      'Email,First name,Last name\na@example.org,\u202bשרה\u202c,כהן\nb@example.org,محمد,العلي\nc@example.org,👩‍🚀 Zoe\u0308,Nguyễn\n',
    ),
    rows: [
      { line: 2, lead: { email: 'a@example.org', firstName: '\u202bשרה\u202c', lastName: 'כהן' } },
      { line: 3, lead: { email: 'b@example.org', firstName: 'محمد', lastName: 'العلي' } },
      { line: 4, lead: { email: 'c@example.org', firstName: '👩‍🚀 Zoe\u0308', lastName: 'Nguyễn' } },
    ],
  },
  {
    name: 'addresses in spaces, capitals, brackets and with mailto',
    bytes: utf8(
      'Email\n"  Ann.Lee@EXAMPLE.Org "\nBob Ng <bob@example.org>\nmailto:cid@example.org\n"x@localhost; dee@example.org"\n',
    ),
    rows: [
      { line: 2, lead: { email: 'Ann.Lee@example.org' } },
      { line: 3, lead: { email: 'bob@example.org' } },
      { line: 4, lead: { email: 'cid@example.org' } },
      { line: 5, lead: { email: 'dee@example.org' } },
    ],
  },
  {
    name: 'addresses that are none',
    bytes: utf8('Email\nn/a\n@\nann@\n@example.org\na b@example@org\n'),
    rows: [2, 3, 4, 5, 6].map((line) => ({ line, rejected: 'address' })),
  },
  {
    name: 'two columns of addresses, of which the first holds a broken one',
    bytes: utf8('Email 1,Email 2\nann@,ann@example.org\nbob@example.org,\n'),
    rows: [
      { line: 2, lead: { email: 'ann@example.org' } },
      { line: 3, lead: { email: 'bob@example.org' } },
    ],
  },
  {
    name: 'no header at all',
    bytes: utf8('Ann Lee,ann@example.org\nBob Ng,bob@example.org\n'),
    hasHeader: false,
    rows: [
      { line: 1, lead: { email: 'ann@example.org' } },
      { line: 2, lead: { email: 'bob@example.org' } },
    ],
  },
  {
    name: 'headers that say nothing, over a column of addresses',
    bytes: utf8('Wer,Wohin\nAnn Lee,ann@example.org\nBob Ng,bob@example.org\n'),
    hasHeader: true,
    rows: [
      { line: 2, lead: { email: 'ann@example.org' } },
      { line: 3, lead: { email: 'bob@example.org' } },
    ],
  },
  {
    name: 'a single column',
    bytes: utf8('ann@example.org\nbob@example.org\n'),
    hasHeader: false,
    rows: [
      { line: 1, lead: { email: 'ann@example.org' } },
      { line: 2, lead: { email: 'bob@example.org' } },
    ],
  },
  {
    name: 'a quote in the middle of a cell, and one after a quoted cell',
    bytes: utf8('Email,First name\nann@example.org,Ann "Q" Lee\n"bob@example.org" ,Bob\n'),
    rows: [
      { line: 2, lead: { email: 'ann@example.org', firstName: 'Ann "Q" Lee' } },
      { line: 3, lead: { email: 'bob@example.org', firstName: 'Bob' } },
    ],
  },
  {
    name: 'a quote that is never closed: what came before it is read, and its line is named',
    bytes: utf8('Email\nann@example.org\n"bob@example.org\ncid@example.org\n'),
    rows: [{ line: 2, lead: { email: 'ann@example.org' } }],
    unreadableFrom: 3,
  },
  {
    name: 'three hundred columns, of which the last is beyond what is looked at',
    bytes: utf8(`Email${',x'.repeat(298)},Company\nann@example.org${','.repeat(299)}Acme\n`),
    rows: [{ line: 2, lead: { email: 'ann@example.org' } }],
  },
  {
    name: 'a header and nothing below',
    bytes: utf8(head),
    rows: [],
  },
  { name: 'nothing', bytes: new Uint8Array(), hasHeader: true, rows: [] },
];
