/**
 * From the records of somebody's CSV file to leads: which column means what, and what a cell is worth.
 *
 * Pure: reads no file and no database (import-leads.ts writes, the scripts and the Worker read). Keeps
 * true: nothing is cut off or guessed away silently; a record that cannot become a lead is rejected
 * with its line and a sentence.
 *
 * @module
 */
import { limits } from '../shared/limits.ts';
import { isUsableEmail, normalizeEmail } from './email.ts';

/** A lead as a file describes it; `''` where the file says nothing. */
export interface ImportedLead {
  email: string;
  firstName: string;
  lastName: string;
  company: string;
  phone: string;
  source: string;
  stage: string;
  notes: string;
  consentSource: string;
}

/** One record of a file. `line` is where it begins in the file, counted from 1. */
export type ImportRow =
  { kind: 'lead'; line: number; lead: ImportedLead } | { kind: 'rejected'; line: number; reason: string };

type ImportField = keyof ImportedLead | 'fullName';

/** For each field the indexes of the columns it is read from, the preferred first. */
export type ColumnMapping = Record<ImportField, number[]>;

/**
 * Headers by what they mean, as {@link foldHeader} leaves them, the preferred first. They are those of
 * the exports of Salesforce, HubSpot, Pipedrive, Google Contacts and Outlook, with the usual words of
 * German, French and Spanish files.
 */
const headerNames: Record<ImportField, readonly string[]> = {
  email: [
    'email',
    'e mail',
    'email address',
    'e mail address',
    'email value',
    'e mail value',
    'email work',
    'e mail work',
    'work email',
    'business email',
    'primary email',
    'personal email',
    'private email',
    'email home',
    'email other',
    'other email',
    'secondary email',
    'mail',
    'e mail adresse',
    'adresse e mail',
    'adresse email',
    'courriel',
    'correo',
    'correo electronico',
  ],
  firstName: ['first name', 'firstname', 'given name', 'forename', 'vorname', 'prenom', 'nombre'],
  lastName: [
    'last name',
    'lastname',
    'family name',
    'surname',
    'nachname',
    'familienname',
    'nom',
    'nom de famille',
    'apellido',
    'apellidos',
  ],
  fullName: ['name', 'full name', 'fullname', 'display name', 'contact', 'nom complet', 'nombre completo'],
  company: [
    'company',
    'company name',
    'companyname',
    'company account',
    'organization',
    'organisation',
    'organization name',
    'organisation name',
    'account',
    'account name',
    'associated company',
    'employer',
    'business',
    'firma',
    'unternehmen',
    'societe',
    'entreprise',
    'empresa',
  ],
  phone: [
    'phone',
    'phone number',
    'phone value',
    'phone work',
    'business phone',
    'work phone',
    'mobile',
    'mobile phone',
    'mobile phone number',
    'phone mobile',
    'cell',
    'cell phone',
    'telephone',
    'primary phone',
    'home phone',
    'phone home',
    'phone other',
    'telefon',
    'telefonnummer',
    'mobil',
    'telefono',
  ],
  source: [
    'source',
    'lead source',
    'original source',
    'original traffic source',
    'latest source',
    'channel',
    'quelle',
  ],
  stage: ['stage', 'deal stage', 'lifecycle stage', 'lead status', 'status', 'deal status', 'phase'],
  notes: [
    'notes',
    'note',
    'description',
    'comment',
    'comments',
    'remarks',
    'notizen',
    'bemerkungen',
    'notas',
  ],
  consentSource: [
    'consent source',
    'consent',
    'opt in source',
    'opt in',
    'marketing consent',
    'legal basis for processing contact s data',
    'einwilligung',
  ],
};

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
    headerNames[field].flatMap((name) => folded.flatMap((header, index) => (header === name ? [index] : [])));
  return {
    email: columnsOf('email'),
    firstName: columnsOf('firstName'),
    lastName: columnsOf('lastName'),
    fullName: columnsOf('fullName'),
    company: columnsOf('company'),
    phone: columnsOf('phone'),
    source: columnsOf('source'),
    stage: columnsOf('stage'),
    notes: columnsOf('notes'),
    consentSource: columnsOf('consentSource'),
  };
}

const delimiters = [',', ';', '\t', '|'] as const;

/**
 * The delimiter of a file, from its first line: the one that makes most columns of it, outside quotes.
 */
export function guessDelimiter(firstLine: string): (typeof delimiters)[number] {
  const unquoted = firstLine.replace(/"(?:[^"]|"")*"/g, '');
  const counts = delimiters.map((delimiter) => unquoted.split(delimiter).length);
  return delimiters[counts.indexOf(Math.max(...counts))] ?? ',';
}

/** Spaces at the ends and control characters mean nothing; half of a surrogate pair is no text. */
function cleanCell(cell: string): string {
  return cell
    .toWellFormed()
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '')
    .trim();
}

/** A name, a company and the like are one line, however the cell was wrapped. */
function oneLine(cell: string): string {
  return cleanCell(cell).replace(/\s+/g, ' ');
}

/** The addresses of a cell: some exports put several into one, or a name before `<address>`. */
function addressesOf(cell: string): string[] {
  const clean = cleanCell(cell)
    .replace(/^["']+|["']+$/g, '')
    .trim()
    .replace(/^mailto:/i, '');
  if (clean === '' || isUsableEmail(normalizeEmail(clean)))
    return clean === '' ? [] : [normalizeEmail(clean)];
  const parts = clean.split(/[\s;,<>]+|:::/).filter((part) => part.includes('@'));
  return (parts.some((part) => isUsableEmail(part)) ? parts : [clean]).map(normalizeEmail);
}

/** `Last, First` or `First … Last`. */
function splitName(fullName: string): { firstName: string; lastName: string } {
  const comma = fullName.indexOf(',');
  if (comma >= 0)
    return { firstName: fullName.slice(comma + 1).trim(), lastName: fullName.slice(0, comma).trim() };
  const space = fullName.lastIndexOf(' ');
  return space < 0
    ? { firstName: fullName, lastName: '' }
    : { firstName: fullName.slice(0, space), lastName: fullName.slice(space + 1) };
}

const fieldNames: Record<keyof ImportedLead, string> = {
  email: 'e-mail address',
  firstName: 'first name',
  lastName: 'last name',
  company: 'company',
  phone: 'phone',
  source: 'source',
  stage: 'stage',
  notes: 'notes',
  consentSource: 'consent source',
};

/**
 * Makes a lead of one record.
 *
 * The first address that a mail provider would take becomes the lead's. A lead whose only address is
 * one that none would take (`ann@localhost`) is kept, to be mended by a person, and never mailed;
 * a record without anything like an address is rejected. Records may be shorter or longer than the
 * header.
 *
 * @param line - where the record begins in its file
 * @param defaults - for fields that the record leaves empty
 */
export function readImportRow(
  mapping: ColumnMapping,
  record: readonly string[],
  line: number,
  defaults: { consentSource?: string; source?: string } = {},
): ImportRow {
  const cells = (field: ImportField): string[] => mapping[field].map((index) => record[index] ?? '');
  const first = (field: ImportField): string =>
    cells(field)
      .map(oneLine)
      .find((cell) => cell !== '') ?? '';

  const addresses = cells('email').flatMap(addressesOf);
  const email = addresses.find(isUsableEmail) ?? addresses[0];
  if (email === undefined) return { kind: 'rejected', line, reason: 'there is no e-mail address' };
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) {
    return { kind: 'rejected', line, reason: 'the e-mail cell holds no address' };
  }

  const lead: ImportedLead = {
    email,
    firstName: first('firstName'),
    lastName: first('lastName'),
    company: first('company'),
    phone: first('phone'),
    source: first('source') || (defaults.source ?? ''),
    stage: first('stage'),
    notes:
      cells('notes')
        .map(cleanCell)
        .find((cell) => cell !== '') ?? '',
    consentSource: first('consentSource') || (defaults.consentSource ?? ''),
  };
  if (lead.firstName === '' && lead.lastName === '') Object.assign(lead, splitName(first('fullName')));

  for (const field of Object.keys(fieldNames) as (keyof ImportedLead)[]) {
    const max =
      field === 'email'
        ? limits.maxEmailLength
        : field === 'notes'
          ? limits.maxNotesLength
          : limits.maxFieldLength;
    if (lead[field].length > max) {
      return { kind: 'rejected', line, reason: `the ${fieldNames[field]} is longer than ${max} characters` };
    }
  }
  return { kind: 'lead', line, lead };
}

/**
 * Options for csv-parse that read what real programs write: quotes in the middle of a cell, records
 * shorter or longer than the header. Empty lines are kept, because {@link ImportRecordReader} counts.
 */
export function csvParseOptions(delimiter: string) {
  return {
    delimiter,
    bom: true,
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: false,
    // A quote that is never closed would take in the rest of the file, however long.
    max_record_size: 1024 * 1024,
  } as const;
}

/** What {@link ImportRecordReader.read} makes of a record that is no row. */
export type ImportNonRow = { kind: 'header' } | { kind: 'blank' } | { kind: 'no_email_column' };

/**
 * Reads the records of one file in their order: the first is the header, the others are rows. Counts
 * the lines that each takes, so that a person finds it in an editor.
 */
export class ImportRecordReader {
  #mapping: ColumnMapping | null = null;
  #nextLine = 1;
  readonly #defaults: { consentSource?: string; source?: string };

  constructor(defaults: { consentSource?: string; source?: string } = {}) {
    this.#defaults = defaults;
  }

  /** Where the next record begins, counted from 1. */
  get nextLine(): number {
    return this.#nextLine;
  }

  read(record: readonly string[]): ImportRow | ImportNonRow {
    const line = this.#nextLine;
    this.#nextLine += 1 + record.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);
    if (record.every((cell) => cell.trim() === '')) return { kind: 'blank' };
    if (this.#mapping !== null) return readImportRow(this.#mapping, record, line, this.#defaults);
    const mapping = guessColumns(record);
    if (mapping.email.length === 0) return { kind: 'no_email_column' };
    this.#mapping = mapping;
    return { kind: 'header' };
  }
}
