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
import { limits } from '../../../../src/shared/limits.ts';
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;
const rows = (count: number): string => `${formatCount(count)} ${plural(count, 'row', 'rows')}`;
const sizes = ['B', 'KB', 'MB', 'GB'] as const;

/** `820 B`, `1.6 KB`, `42 MB`. */
export function formatBytes(byteCount: number): string {
  let [value, unit] = [byteCount, 0];
  while (value >= 999.5 && unit < sizes.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const rounded = unit > 0 && value < 9.95 ? Math.round(value * 10) / 10 : Math.round(value);
  return `${rounded.toLocaleString()} ${sizes[unit] ?? ''}`;
}

export const importMessages = {
  title: 'Imports',
  subtitle: 'Bring in a file of leads. Importing never sends email.',
  steps: { label: 'Steps', upload: 'Upload', match: 'Match', check: 'Check', done: 'Done' },
  drop: {
    title: 'Drop a CSV or Excel file here',
    text: 'or choose one. Up to a million rows. Nothing is saved before you have seen the check.',
    choose: 'Choose a file',
    label: 'File of leads',
  },
  looking: (name: string) => `Reading ${name}…`,
  unreadable: {
    title: (name: string) => `${name} can’t be read to the end`,
    line: (line: number) =>
      `Line ${formatCount(line)} opens a quote that is never closed, or is far too long. Fix that line and choose the file again.`,
    kept: 'The rows before it are imported.',
    file: 'It was moved, changed or locked after you chose it. Choose it again.',
  },
  refused: {
    title: (name: string) => `${name} can’t be imported`,
    why: {
      xls: 'This is an old Excel file (.xls). Open it, save it as .xlsx or CSV, and choose that file.',
      ods: 'This is an OpenDocument spreadsheet. Open it, save it as .xlsx or CSV, and choose that file.',
      numbers:
        'This is a Numbers document. In Numbers, choose File → Export To → CSV or Excel, and choose that file.',
      pdf: 'This is a PDF. Export the list from the program that made it, as CSV or Excel.',
      word: 'This is a Word document. Copy the table into a spreadsheet and save it as CSV or Excel.',
      archive: 'This is an archive. Unpack it and choose the CSV or Excel file inside.',
      image: 'This is a picture. Choose a CSV or Excel file.',
      encrypted:
        'This workbook has a password. Open it in Excel, remove the password (File → Info → Protect Workbook), save it and choose it again.',
      too_large:
        'This workbook is too large to unpack in a browser. Save the sheet as CSV and choose that file.',
      damaged: 'This workbook is damaged or incomplete. Open it in Excel, save a copy and choose the copy.',
    },
  },
  empty: {
    title: 'There are no rows in this file',
    sheet: (name: string) => `The sheet “${name}” has no rows`,
    text: 'Choose another file.',
    chooseSheet: 'Choose another sheet or another file.',
  },
  /** What is in hand: its name, rows and size. */
  file: {
    rows: (count: number | null) => (count === null ? 'Counting rows…' : rows(count)),
    size: formatBytes,
  },

  mapping: {
    title: 'Match your columns',
    used: (used: number, all: number) =>
      `${formatCount(used)} of ${formatCount(all)} ${plural(all, 'column', 'columns')} used`,
    remembered: 'Matched as last time',
    column: 'Column',
    samples: 'Examples',
    field: 'Field',
    fieldOf: (name: string) => `Field for the column ${name}`,
    noValue: 'No values in the first rows',
    ignored: 'Don’t import',
    fields: {
      email: 'Email',
      firstName: 'First name',
      lastName: 'Last name',
      fullName: 'Full name',
      company: 'Company',
      phone: 'Phone',
      source: 'Source',
      stage: 'Stage',
      notes: 'Notes',
      consentSource: 'Consent source',
      tags: 'Tags',
      externalId: 'External ID',
    } satisfies Record<ImportField, string>,
    fullNameHint: 'Split into first and last name',
    externalSource: 'From which system?',
    externalSourcePlaceholder: 'hubspot, salesforce, …',
    externalSourceHint: 'Its name in lower case, the same for every file from it.',
    customField: (name: string, isKnown: boolean) =>
      isKnown ? `Custom field “${name}”` : `New field “${name}”`,
    emailFrom: 'Several columns hold addresses. Use',
    firstValid: 'the first usable of them',
    problems: {
      email: 'Choose the email column: each lead is found by its address.',
      consent: 'Say how these people agreed to get email, or match a column to “Consent source”.',
      externalSource:
        'Name the system the external IDs come from: lower-case letters, digits, dots, _ and -.',
      customFields: `A lead has at most ${formatCount(limits.maxCustomFieldCount)} custom fields. Set some columns to “Don’t import”.`,
    },
    cannotCheck: (count: number) =>
      count === 1 ? 'One thing is missing above.' : `${formatCount(count)} things are missing above.`,
    reading: 'How the file is read',
    sheet: 'Sheet',
    encoding: 'Encoding',
    encodings: {
      'utf-8': 'UTF-8',
      'utf-16le': 'UTF-16 LE',
      'utf-16be': 'UTF-16 BE',
      'windows-1252': 'Windows (Western)',
    } satisfies Record<ImportEncoding, string>,
    anyEncoding: 'Detect automatically (UTF-8)',
    delimiter: 'Separator',
    delimiters: { ',': 'Comma', ';': 'Semicolon', '\t': 'Tab', '|': 'Pipe' } satisfies Record<
      ImportDelimiter,
      string
    >,
    hasHeader: 'First row is a header',
    consent: 'How did these people agree to get email?',
    consentHint: 'Used when a row has no consent of its own.',
    consentPlaceholder: 'Trade fair 2026, sign-up form, …',
    check: 'Check',
  },

  check: {
    title: 'Check before importing',
    reading: (count: number) => `Checking… ${rows(count)} read`,
    nothingSaved: 'Nothing has been saved yet.',
    /** First what happens, in one sentence. */
    verdict: (count: number) => `${leads(count)} will be imported.`,
    none: 'No row can be imported.',
    estimate: (count: number) =>
      `New, updated and unchanged are estimated from the first ${leads(count)}. Rejected and repeated rows are exact.`,
    estimatedIds: 'External IDs of the other leads are compared during the import.',
    unanswered: 'Which leads are new could not be checked',
    unmailable: (count: number) =>
      `${leads(count)} with an address that no email can reach: imported, never emailed until the address is fixed.`,
    problems: 'Rows that will not be imported',
    reason: 'Reason',
    rows,
    count: 'Rows',
    lines: 'Lines',
    /** Lines of one reason: those that are named, and how many more. */
    linesOf: (lines: readonly number[], count: number) =>
      `${plural(count, 'Line', 'Lines')} ${lines.join(', ')}` +
      (count > lines.length ? ` and ${formatCount(count - lines.length)} more` : ''),
    examples: (shown: number, all: number) =>
      shown < all ? `Show the first ${formatCount(shown)} of ${rows(all)}` : `Show ${rows(all)}`,
    line: 'Line',
    cell: 'Email cell',
    downloadLater: 'You can download these rows after the import, fix them and import them again.',
    import: (count: number | null) => (count === null ? 'Import' : `Import ${leads(count)}`),
    starting: 'Starting…',
    back: 'Back',
    failed: 'The import could not be started',
  },

  upload: {
    title: (name: string) => `Importing ${name}`,
    resumed: 'This import was interrupted and continues where it stopped.',
    bar: (name: string) => `Import progress of ${name}`,
    progress: (done: number, all: number | null) =>
      all === null ? `${rows(done)} done` : `${formatCount(done)} of ${rows(all)}`,
    retrying: (attempt: number) =>
      `Reconnecting… (attempt ${formatCount(attempt)}). Nothing is lost or imported twice.`,
    stay: 'You can use other pages meanwhile. Keep this tab open; if it closes, choose the same file again to continue.',
    stopped: 'The import stopped',
    stop: 'Stop',
    show: 'Show',
    done: (name: string) => `${name} imported`,
  },

  states: {
    importing: 'Importing',
    open: 'Interrupted',
    done: 'Done',
    undoing: 'Undoing',
    undone: 'Undone',
  },
  counts: {
    created: 'New',
    updated: 'Updated',
    unchanged: 'Unchanged',
    duplicate: 'Repeated in the file',
    rejected: 'Rejected',
    unmailable: 'Address can’t be reached',
  },
  removed: (count: number) => `${leads(count)} removed by undo.`,
  result: (name: string) => `${name} imported`,
  activate: 'Activate these leads',
  showLeads: 'Show leads',
  downloadRejected: (count: number) =>
    `Download ${formatCount(count)} rejected ${plural(count, 'row', 'rows')}`,
  downloadDuplicates: (count: number) =>
    `Download ${formatCount(count)} repeated ${plural(count, 'row', 'rows')}`,
  undo: 'Undo import',
  undoing: 'Removing…',
  finish: 'Keep imported rows',
  another: 'Import another file',
  undoConfirm: {
    title: 'Undo this import?',
    text: (count: number) =>
      `Removes up to ${leads(count)} it created; active leads stay. Changes to other leads stay.`,
    action: 'Undo import',
  },
  delete: 'Delete import',
  deleteConfirm: {
    title: 'Delete this import?',
    text: 'Removes it from this list, with its rejected rows and the record of which leads were in it. The leads stay; to remove them, undo the import first.',
    action: 'Delete import',
  },
  cellsDropped: (at: string) =>
    `The contents of the rows that were not imported were deleted ${at}. Their lines and reasons are kept.`,
  interrupted: 'Choose the same file again to continue.',
  list: {
    title: 'Recent imports',
    table: 'Imports',
    columns: {
      file: 'File',
      state: 'State',
      created: 'New',
      updated: 'Updated',
      other: 'Skipped',
    },
    by: (owner: string) => `by ${owner}`,
    /** Zeros are not said. */
    other: (unchanged: number, duplicate: number, rejected: number) =>
      [
        unchanged > 0 ? `${formatCount(unchanged)} unchanged` : '',
        duplicate > 0 ? `${formatCount(duplicate)} repeated` : '',
        rejected > 0 ? `${formatCount(rejected)} rejected` : '',
      ]
        .filter((part) => part !== '')
        .join(', ') || '–',
    empty: {
      title: 'No imports yet',
      text: 'Your imports appear here, with what happened to every row.',
    },
    failed: 'The imports could not be loaded',
    more: 'Load more',
  },
  one: {
    back: 'Imports',
    notFound: { title: 'This import doesn’t exist', text: 'The link may be old.', action: 'Go to imports' },
    failed: 'The import could not be loaded',
    consent: 'Consent source',
    rows: 'Rows read',
    size: 'Size',
  },
} as const;
