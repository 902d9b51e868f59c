/**
 * Makes a lead of one record of a file, or says why it cannot be one. The Worker imports with it; the browser
 * checks a file with it before anything is sent.
 *
 * Reads no file and no database. Invariant: nothing is cut off or guessed silently. A record that cannot become a
 * lead is rejected with its line and a reason.
 *
 * @module
 */
import { mappedColumns, type ColumnMapping, type ImportedLead, type ImportField } from './import-file.ts';
import { leadFieldNames, leadFields, perField } from '../lead-fields.ts';
import { limits } from '../limits.ts';
import { isUsableEmail, normalizeEmail } from '../email-address.ts';

/** One record of a file. `line` is where it begins in the file, counted from 1. */
export type ImportRow =
  { kind: 'lead'; line: number; lead: ImportedLead } | { kind: 'rejected'; line: number; reason: string };

/**
 * Removes spaces at the ends, control characters and lone surrogates, which have no meaning, and the private letters that
 * mark values in the search index (migration 0020): a name must not pass for one.
 */
function cleanCell(cell: string): string {
  return cell
    .toWellFormed()
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ue008-\ue00a]/g, '')
    .trim();
}

/** What {@link oneLine} would change. Most cells have none of it, and are read faster so. */
const unclean = /^\s|\s$|\s\s|[^\S ]|[\u0000-\u001f\u007f\ud800-\udfff\ue008-\ue00a]/;

/** A name, a company and similar fields are one line, even if the cell has line breaks. */
function oneLine(cell: string): string {
  return unclean.test(cell) ? cleanCell(cell).replace(/\s+/g, ' ') : cell;
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

/** The tags of some cells, each once. */
function tagsIn(cells: readonly string[]): string[] {
  const tags = cells.flatMap((cell) => oneLine(cell).split(/[,;]/)).map((tag) => tag.trim());
  return [...new Set(tags.filter((tag) => tag !== ''))];
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

/**
 * Makes a lead from one record.
 *
 * The first valid address becomes the lead's. A lead whose only address is invalid for mail providers
 * (`ann@localhost`) is kept for a person to correct, and never mailed. A record without anything like an address is
 * rejected. Records may be shorter or longer than the header.
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
  // Checked before anything reads the cells: a cell of megabytes is a broken file.
  if (mappedColumns(mapping).some((index) => (record[index] ?? '').length > limits.maxImportCellLength)) {
    return {
      kind: 'rejected',
      line,
      reason: `a cell is longer than ${limits.maxImportCellLength} characters`,
    };
  }
  const firstOf = (columns: readonly number[]): string =>
    columns.map((index) => oneLine(record[index] ?? '')).find((cell) => cell !== '') ?? '';
  const first = (field: ImportField): string => firstOf(mapping[field]);

  const addresses = cells('email').flatMap(addressesOf);
  const email = addresses.find(isUsableEmail) ?? addresses[0];
  if (email === undefined) return { kind: 'rejected', line, reason: 'there is no email address' };
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) {
    return { kind: 'rejected', line, reason: 'the email cell holds no address' };
  }

  const lead: ImportedLead = { ...perField(leadFieldNames, first), email };
  // The only field that keeps its line breaks.
  lead.notes =
    cells('notes')
      .map(cleanCell)
      .find((cell) => cell !== '') ?? '';
  lead.source ||= defaults.source ?? '';
  lead.consentSource ||= defaults.consentSource ?? '';
  const tags = tagsIn(cells('tags'));
  if (tags.length > 0) lead.tags = tags;
  const externalId = first('externalId');
  if (externalId !== '') lead.externalId = externalId;
  const custom = Object.entries(mapping.custom ?? {})
    .map(([name, columns]): [string, string] => [name, firstOf(columns)])
    .filter(([, value]) => value !== '');
  if (custom.length > 0) lead.custom = Object.fromEntries(custom);
  if (lead.firstName === '' && lead.lastName === '') Object.assign(lead, splitName(first('fullName')));

  for (const field of leadFieldNames) {
    const { label, maxLength } = leadFields[field];
    if (lead[field].length > maxLength) {
      return { kind: 'rejected', line, reason: `the ${label} is longer than ${maxLength} characters` };
    }
  }
  if (tags.length > limits.maxTagCount) {
    return { kind: 'rejected', line, reason: `there are more than ${limits.maxTagCount} tags` };
  }
  if (tags.some((tag) => tag.length > limits.maxTagLength)) {
    return { kind: 'rejected', line, reason: `a tag is longer than ${limits.maxTagLength} characters` };
  }
  if (externalId.length > limits.maxExternalIdLength) {
    return {
      kind: 'rejected',
      line,
      reason: `the external id is longer than ${limits.maxExternalIdLength} characters`,
    };
  }
  // As the API refuses them; the others that it refuses are no part of a cell that was cleaned.
  if (/\p{Cc}/u.test(externalId)) {
    return { kind: 'rejected', line, reason: 'the external id has control characters' };
  }
  for (const [name, value] of custom) {
    if (value.length > limits.maxCustomValueLength) {
      return {
        kind: 'rejected',
        line,
        reason: `the field “${name}” is longer than ${limits.maxCustomValueLength} characters`,
      };
    }
  }
  return { kind: 'lead', line, lead };
}
