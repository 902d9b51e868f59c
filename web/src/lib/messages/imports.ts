/**
 * Words of the pages of imports.
 *
 * @module
 */
import type {
  ImportEncoding,
  ImportDelimiter,
  ImportField,
} from '../../../../src/shared/imports/import-file.ts';
import type { ImportState } from '../../../../src/shared/schemas/imports.ts';
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;
const rows = (count: number): string => `${formatCount(count)} ${plural(count, 'row', 'rows')}`;

export const importMessages = {
  title: 'Imports',
  subtitle: 'Bring in a file of leads, of any size. Nobody is mailed by an import.',
  drop: {
    title: 'Drop a CSV file here',
    text: 'or choose one. Up to a million rows; it is read in your browser and sent in parts.',
    choose: 'Choose a file',
    label: 'File of leads',
  },
  looking: (name: string) => `Looking at ${name}…`,
  unreadable: {
    title: 'The file cannot be read on',
    line: (line: number) =>
      `In line ${formatCount(line)} a quote is opened and not closed, or the line is far too long.`,
    file: 'It may have been moved, changed or locked since you chose it. Choose it again.',
  },
  empty: { title: 'There are no rows in this file', text: 'Choose another one.' },

  mapping: {
    title: 'What the columns mean',
    text: 'Guessed from the names of the columns. Change what is wrong; columns without a meaning are left out.',
    column: (name: string) => `Meaning of the column ${name}`,
    ignored: 'Leave out',
    fields: {
      email: 'E-mail',
      firstName: 'First name',
      lastName: 'Last name',
      fullName: 'Full name',
      company: 'Company',
      phone: 'Phone',
      source: 'Source',
      stage: 'Stage',
      notes: 'Notes',
      consentSource: 'Consent source',
    } satisfies Record<ImportField, string>,
    ownField: (name: string) => `Own field: ${name}`,
    emailFrom: 'E-mail address from',
    firstValid: (names: string) => `the first usable of ${names}`,
    noEmail: 'Say which column holds the e-mail addresses.',
    encoding: 'Encoding',
    encodings: {
      'utf-8': 'UTF-8',
      'utf-16le': 'UTF-16 (little end first)',
      'utf-16be': 'UTF-16 (big end first)',
      'windows-1252': 'Windows (Western)',
    } satisfies Record<ImportEncoding, string>,
    anyEncoding: 'Plain letters so far',
    delimiter: 'Columns are split by',
    delimiters: { ',': 'Comma', ';': 'Semicolon', '\t': 'Tab', '|': 'Bar' } satisfies Record<
      ImportDelimiter,
      string
    >,
    hasHeader: 'The first row names the columns',
    consent: 'How did these people agree to be mailed?',
    consentHint: 'Kept with every lead whose row does not say so itself.',
    consentPlaceholder: 'Trade fair 2026, sign-up form, …',
    preview: 'First rows of the file',
    start: 'Import',
    starting: 'Starting…',
    failed: 'The import could not be opened',
  },

  upload: {
    title: (name: string) => `Importing ${name}`,
    resumed: 'This file was interrupted before; it goes on where it was.',
    bar: (name: string) => `Import progress of ${name}`,
    retrying: (attempt: number) =>
      `The server does not answer; trying again (attempt ${formatCount(attempt)}). Nothing is lost.`,
    stay: 'You can go to other pages of the app. After a reload, choose the same file again and it goes on.',
    stopped: 'The import could not go on',
    cancel: 'Stop',
  },

  states: {
    open: 'Unfinished',
    done: 'Done',
    undoing: 'Being undone',
    undone: 'Undone',
  } satisfies Record<ImportState, string>,
  counts: {
    created: 'created',
    updated: 'updated',
    unchanged: 'unchanged',
    duplicate: 'repeated in the file',
    rejected: 'rejected',
    unmailable: 'with an address that no mail can reach',
  },
  removed: (count: number) => `${leads(count)} removed by undoing.`,
  result: (name: string) => `${name} is in`,
  activate: 'Activate this import',
  showLeads: 'Show its leads',
  downloadRejected: (count: number) => `Download ${rows(count)} rejected`,
  downloadDuplicates: (count: number) => `Download ${rows(count)} repeated`,
  undo: 'Undo import',
  undoing: 'Removing…',
  finish: 'Finish as it is',
  another: 'Import another file',
  undoConfirm: {
    title: 'Undo this import?',
    text: (count: number) =>
      `Up to ${leads(count)} that it created are removed, but for those that are active. What it changed in other leads stays changed.`,
    action: 'Undo import',
  },
  delete: 'Delete import',
  deleteConfirm: {
    title: 'Delete this import?',
    text: 'Its entry in this list, the rows that were not taken and which leads were in it are removed for good. The leads stay; undo the import first to remove them.',
    action: 'Delete import',
  },
  cellsDropped: (at: string) =>
    `What was in the rows that were not taken was removed ${at}; their lines and reasons are kept.`,
  interrupted: 'Choose the same file again to go on.',
  list: {
    table: 'Imports',
    columns: {
      file: 'File',
      state: 'State',
      created: 'Created',
      updated: 'Updated',
      other: 'Left',
    },
    by: (owner: string) => `by ${owner}`,
    other: (unchanged: number, duplicate: number, rejected: number) =>
      `${formatCount(unchanged)} unchanged, ${formatCount(duplicate)} repeated, ${formatCount(rejected)} rejected`,
    empty: {
      title: 'Nothing has been imported yet',
      text: 'Imports show up here, with what became of each row.',
    },
    failed: 'The imports could not be loaded',
    more: 'Load more',
  },
  one: {
    back: 'Imports',
    notFound: { title: 'There is no such import', text: 'The link may be old.', action: 'Go to imports' },
    failed: 'The import could not be loaded',
    consent: 'Consent source',
    rows: 'Rows read',
    size: 'Size',
    bytes: (mebibytes: string) => `${mebibytes} MB`,
  },
} as const;
