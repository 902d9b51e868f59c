/**
 * Words of the suppression list.
 *
 * @module
 */
import type { SuppressionReason } from '../../../../src/shared/schemas/mail.ts';
import { formatCount, plural } from './format.ts';

/** So many bad lines are shown; the others are in the field. */
const maxShownLines = 3;

export const suppressionsMessages = {
  title: 'Suppressions',
  subtitle: (count: number, zone: string) =>
    `${formatCount(count)} ${plural(count, 'address is', 'addresses are')} never emailed · Times in ${zone}`,
  failed: 'The list couldn’t be loaded',
  actionFailed: 'That didn’t work',
  search: 'Look up an address',
  searchPlaceholder: 'name@example.com',
  searchAction: 'Look up',
  searchClear: 'Show all',
  notFound: { title: 'This address is not suppressed', text: 'Activations may email it.' },
  noneOfReason: { title: 'No address is suppressed for this reason', text: '' },
  empty: {
    title: 'Nobody is suppressed',
    text: 'Hard bounces, spam complaints and unsubscribes are added automatically.',
  },
  reason: 'Reason',
  anyReason: 'Any reason',
  reasons: {
    unsubscribed: 'Unsubscribed',
    complained: 'Marked as spam',
    hard_bounce: 'Hard bounce',
    provider: 'Blocked by the provider',
    manual: 'Added by hand',
    imported: 'Imported',
  } satisfies Record<SuppressionReason, string>,
  columns: { person: 'Person', reason: 'Reason', since: 'Since', note: 'Note', actions: 'Actions' },
  erased: 'Erased person',
  erasedHint: 'Address not stored',
  by: (person: string) => `by ${person}`,
  table: 'Suppressed addresses',
  add: 'Add addresses',
  addHint: 'One per line, or separated by commas. A CSV file works too. They are never emailed from now on.',
  addresses: 'Addresses',
  file: 'Choose a file',
  note: 'Reason or source',
  noteHint: 'For example: asked by phone',
  addAction: 'Suppress',
  added: (added: number, known: number) =>
    [`${formatCount(added)} added`, ...(known > 0 ? [`${formatCount(known)} already suppressed`] : [])].join(
      ', ',
    ),
  bad: (lines: readonly string[]) => {
    const shown = lines
      .slice(0, maxShownLines)
      .map((line) => (line.length > 60 ? `${line.slice(0, 59)}…` : line));
    const more = lines.length - shown.length;
    return `${formatCount(lines.length)} ${plural(lines.length, 'line is not an address', 'lines are not addresses')}: ${shown.join(', ')}${more > 0 ? ` and ${formatCount(more)} more` : ''}`;
  },
  badKept: 'They are still in the field. Correct them, or close.',
  remove: 'Allow again',
  removeOf: (address: string) => `Allow again: ${address}`,
  removeNote: 'Why may this address be emailed again?',
  removeAction: 'Allow',
  removed: 'The address may be emailed again',
} as const;
