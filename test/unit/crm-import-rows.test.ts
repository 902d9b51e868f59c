import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { emailHash } from '../../src/crm/email.ts';
import { isUsableEmail, normalizeEmail, usableEmailPattern } from '../../src/shared/email-address.ts';
import { readImportRow } from '../../src/shared/imports/parse-row.ts';
import {
  ImportRecordReader,
  csvParseOptions,
  guessColumns,
  guessDelimiter,
  type ImportedLead,
} from '../../src/shared/imports/import-file.ts';

function read(headers: string[], record: string[], defaults = {}): Partial<ImportedLead> | string {
  const row = readImportRow(guessColumns(headers), record, 2, defaults);
  if (row.kind === 'rejected') return row.reason;
  return Object.fromEntries(Object.entries(row.lead).filter(([, value]) => value !== ''));
}

describe('tags', () => {
  it('are the parts of their cells, each once', () => {
    expect(read(['Email', 'Tags', 'Label'], ['a@b.example', ' fair ,vip; fair,', 'new'])).toEqual({
      email: 'a@b.example',
      tags: ['fair', 'vip', 'new'],
    });
  });

  it('that no lead can have make a row rejected', () => {
    const many = Array.from({ length: 21 }, (_, index) => `t${index}`).join(',');
    expect(read(['Email', 'Tags'], ['a@b.example', many])).toBe('there are more than 20 tags');
    expect(read(['Email', 'Tags'], ['a@b.example', 'x'.repeat(51)])).toBe(
      'a tag is longer than 50 characters',
    );
  });
});

describe('an external id', () => {
  it('is read as it is written, and says why it cannot be', () => {
    expect(read(['Email', 'External ID'], ['a@b.example', ' Ab-7/9 '])).toEqual({
      email: 'a@b.example',
      externalId: 'Ab-7/9',
    });
    expect(read(['Email', 'externalId'], ['a@b.example', ' '])).toEqual({ email: 'a@b.example' });
    expect(read(['Email', 'External ID'], ['a@b.example', 'x'.repeat(201)])).toBe(
      'the external id is longer than 200 characters',
    );
    expect(read(['Email', 'External ID'], ['a@b.example', 'a\u0085b'])).toBe(
      'the external id has control characters',
    );
  });

  it('is no column that is only called id', () => {
    expect(guessColumns(['Id', 'Record ID', 'Contact ID']).externalId).toEqual([]);
  });
});

describe('columns are found in', () => {
  it.each<[string, string[], string[], Partial<ImportedLead>]>([
    [
      'a sample with two addresses',
      'Index,Account Id,Lead Owner,First Name,Last Name,Company,Phone 1,Phone 2,Email 1,Email 2,Website,Source,Deal Stage,Notes'.split(
        ',',
      ),
      [
        '1',
        'X',
        'Bea Owner',
        'Victor',
        'Cochran',
        'Grimes',
        '+1',
        '+2',
        'a@b.example',
        'c@d.example',
        'http://x',
        'Ads',
        'New Lead',
        'Own such.',
      ],
      {
        email: 'a@b.example',
        firstName: 'Victor',
        lastName: 'Cochran',
        company: 'Grimes',
        phone: '+1',
        source: 'Ads',
        stage: 'New Lead',
        notes: 'Own such.',
      },
    ],
    [
      'a Salesforce export',
      [
        'Salutation',
        'First Name',
        'Last Name',
        'Title',
        'Company / Account',
        'Email',
        'Phone',
        'Mobile',
        'Lead Source',
        'Lead Status',
        'Lead Owner',
        'Description',
      ],
      ['Dr', 'Ann', 'Lee', 'CTO', 'Acme', 'ann@acme.example', '', '+49', 'Web', 'Open', 'Bob', 'Hi'],
      {
        email: 'ann@acme.example',
        firstName: 'Ann',
        lastName: 'Lee',
        company: 'Acme',
        phone: '+49',
        source: 'Web',
        stage: 'Open',
        notes: 'Hi',
      },
    ],
    [
      'a HubSpot export',
      [
        'Record ID',
        'First Name',
        'Last Name',
        'Email',
        'Phone Number',
        'Contact owner',
        'Company Name',
        'Lifecycle Stage',
        'Original Source',
        "Legal basis for processing contact's data",
      ],
      ['1', 'Ann', 'Lee', 'ann@acme.example', '+1', 'Bob', 'Acme', 'Lead', 'Organic', 'Freely given consent'],
      {
        email: 'ann@acme.example',
        firstName: 'Ann',
        lastName: 'Lee',
        phone: '+1',
        company: 'Acme',
        stage: 'Lead',
        source: 'Organic',
        consentSource: 'Freely given consent',
      },
    ],
    [
      'a Pipedrive export',
      [
        'Person - Name',
        'Person - Organization',
        'Person - Email - Work',
        'Person - Email - Home',
        'Person - Phone - Work',
        'Deal - Stage',
        'Organization - Name',
      ],
      ['Ann van der Lee', '', '', 'ann@home.example', '+1', 'Won', 'Acme'],
      {
        email: 'ann@home.example',
        firstName: 'Ann van der',
        lastName: 'Lee',
        phone: '+1',
        stage: 'Won',
        company: 'Acme',
      },
    ],
    [
      'Google Contacts',
      [
        'First Name',
        'Last Name',
        'Organization Name',
        'Notes',
        'E-mail 1 - Label',
        'E-mail 1 - Value',
        'E-mail 2 - Label',
        'E-mail 2 - Value',
        'Phone 1 - Label',
        'Phone 1 - Value',
      ],
      ['Ann', 'Lee', 'Acme', 'n', '* Work', 'no address', 'Home', 'ann@home.example', 'Mobile', '+1 ::: +2'],
      {
        email: 'ann@home.example',
        firstName: 'Ann',
        lastName: 'Lee',
        company: 'Acme',
        notes: 'n',
        phone: '+1 ::: +2',
      },
    ],
    [
      'Outlook',
      [
        'First Name',
        'Middle Name',
        'Last Name',
        'Company',
        'Business Phone',
        'Mobile Phone',
        'E-mail Address',
        'E-mail Display Name',
        'E-mail 2 Address',
      ],
      ['Ann', 'B', 'Lee', 'Acme', '', '+2', 'Ann Lee <ann@acme.example>', 'Ann (x@y.example)', ''],
      { email: 'ann@acme.example', firstName: 'Ann', lastName: 'Lee', company: 'Acme', phone: '+2' },
    ],
    [
      'a German file',
      ['Vorname', 'Nachname', 'Firma', 'E-Mail-Adresse', 'Telefon'],
      ['Jörg', 'Müller', 'Acme GmbH', 'joerg@acme.example', '030'],
      {
        email: 'joerg@acme.example',
        firstName: 'Jörg',
        lastName: 'Müller',
        company: 'Acme GmbH',
        phone: '030',
      },
    ],
    [
      'headers that repeat',
      ['Email', 'Email', 'Name'],
      ['', 'a@b.example', 'Lee, Ann'],
      { email: 'a@b.example', firstName: 'Ann', lastName: 'Lee' },
    ],
    [
      'headers in capitals with spaces',
      [' E_MAIL ', 'FIRST_NAME'],
      ['a@b.example', 'Ann'],
      { email: 'a@b.example', firstName: 'Ann' },
    ],
  ])('%s', (_, headers, record, lead) => {
    expect(read(headers, record)).toEqual(lead);
  });

  it('a file without a column of addresses: none', () => {
    expect(guessColumns(['Name', 'Email Opt Out', 'Email Type']).email).toEqual([]);
  });
});

describe('a cell', () => {
  const email = (cell: string): unknown => {
    const lead = read(['Email'], [cell]);
    return typeof lead === 'string' ? lead : lead.email;
  };

  it('of an address keeps the local part as typed, and the domain in lower case', () => {
    expect(email('  Ann.Lee@EXAMPLE.Org ')).toBe('Ann.Lee@example.org');
    expect(email('mailto:ann@example.org')).toBe('ann@example.org');
    expect(email('"ann@example.org" ')).toBe('ann@example.org');
  });

  it('with several addresses gives the first that is usable', () => {
    expect(email('ann@localhost; bob@example.org, cid@example.org')).toBe('bob@example.org');
    expect(email('a@x.example ::: b@y.example')).toBe('a@x.example');
  });

  it('with an invalid address is kept for a person to correct', () => {
    expect(email('ann@localhost')).toBe('ann@localhost');
    expect(isUsableEmail('ann@localhost')).toBe(false);
  });

  it.each(['', '   ', 'n/a', 'ann', '@', 'ann@', '@example.org', 'ann at example.org', 'a@@b.example'])(
    'of %j is not an address, and its record is rejected',
    (cell) => {
      expect(email(cell)).toMatch(/address/);
      expect(readImportRow(guessColumns(['Email']), [cell], 7)).toMatchObject({ kind: 'rejected', line: 7 });
    },
  );

  it('of a name is one line without control characters; notes keep their lines', () => {
    expect(
      read(['Email', 'Company', 'Notes'], ['a@b.example', ' Ac\u0000me\n  Ltd ', ' one\r\ntwo\u0007 ']),
    ).toEqual({
      email: 'a@b.example',
      company: 'Acme Ltd',
      notes: 'one\ntwo',
    });
  });

  it('that is too long rejects its record rather than being cut', () => {
    expect(read(['Email', 'Company'], ['a@b.example', 'x'.repeat(1_001)])).toBe(
      'the company is longer than 1000 characters',
    );
    expect(read(['Email'], [`${'a'.repeat(250)}@b.example`])).toBe(
      'the email address is longer than 254 characters',
    );
  });

  it('that is missing at the end of a short record is empty, and a surplus one is ignored', () => {
    expect(read(['Email', 'Company', 'Notes'], ['a@b.example'])).toEqual({ email: 'a@b.example' });
    expect(read(['Email'], ['a@b.example', 'x', 'y'])).toEqual({ email: 'a@b.example' });
  });

  it('that is empty gets the default of the import, and any other does not', () => {
    const defaults = { consentSource: 'fair 2026' };
    expect(read(['Email', 'Consent'], ['a@b.example', ''], defaults)).toMatchObject({
      consentSource: 'fair 2026',
    });
    expect(read(['Email', 'Consent'], ['a@b.example', 'form'], defaults)).toMatchObject({
      consentSource: 'form',
    });
  });
});

it.each([
  ['a,b,c', ','],
  ['a;b;c', ';'],
  ['a\tb', '\t'],
  ['a|b', '|'],
  ['"a,b,c";d', ';'],
  ['Email', ','],
])('the delimiter of %j is %j', (line, delimiter) => {
  expect(guessDelimiter(line)).toBe(delimiter);
});

describe('emailHash', () => {
  it('is the same for an address in any case, and differs under another key', () => {
    expect(emailHash('k', ' Ann@Example.ORG ')).toBe(emailHash('k', 'ann@example.org'));
    expect(emailHash('k', 'ann@example.org')).not.toBe(emailHash('l', 'ann@example.org'));
    expect(emailHash('k', 'ann@example.org')).not.toBe(emailHash('k', 'bob@example.org'));
  });

  it('is HMAC-SHA256 as base64url', () => {
    // echo -n a@b.example | openssl dgst -sha256 -hmac key -binary | basenc --base64url (without its =)
    expect(emailHash('key', 'A@b.example')).toBe('ejrZMyKI3_KHNiLzDB1_PY8YiideapdaTlrTBWkY7XM');
  });
});

it('normalizing an address twice is the same as once', () => {
  for (const email of [' A@B.Example', 'x', '@', 'a@b@C.D']) {
    expect(normalizeEmail(normalizeEmail(email))).toBe(normalizeEmail(email));
  }
});

describe('a whole file', () => {
  const readFile = (text: string): unknown[] => {
    const reader = new ImportRecordReader(true);
    return parse(text, csvParseOptions(guessDelimiter(text))).map((record) => {
      const it = reader.read(record);
      if (it.kind !== 'row') return it.kind;
      const row = readImportRow(guessColumns(['Email', 'Notes']), it.cells, it.line);
      return [row.line, row.kind === 'lead' ? row.lead.email : null];
    });
  };

  it.each(['\n', '\r\n', '\r'])('with line ends %j has the line at which each row begins', (end) => {
    const lines = ['Email;Notes', '"a@b.example";"one', '', 'three"', '', '  ', 'none;x', 'c@b.example'];
    expect(readFile(`\ufeff${lines.join(end)}${end}`)).toEqual([
      'header',
      [2, 'a@b.example'],
      'blank',
      'blank',
      [7, null],
      [8, 'c@b.example'],
    ]);
  });

  it('with quotes in the middle of cells is read', () => {
    expect(readFile('Email,Name\na@b.example,Ann "Q" Lee\n"c@b.example" ,x\n')).toEqual([
      'header',
      [2, 'a@b.example'],
      [3, 'c@b.example'],
    ]);
  });
});

it('takes an address for usable where the schemas of the API do', () => {
  expect(String(usableEmailPattern)).toBe(String(z.regexes.email));
});
