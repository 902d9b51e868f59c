/**
 * Words of the suppression list.
 *
 * @module
 */
import type { SuppressionReason } from '../../../../src/shared/schemas/mail.ts';
import { formatCount, plural } from './format.ts';

export const suppressionsMessages = {
  title: 'Suppressions',
  subtitle: (count: number) =>
    `${formatCount(count)} ${plural(count, 'address', 'addresses')} that no run mails`,
  failed: 'The list could not be loaded',
  search: 'Look an address up',
  searchPlaceholder: 'name@example.com',
  searchAction: 'Look up',
  searchClear: 'Show all',
  notFound: { title: 'This address is not suppressed', text: 'Runs may mail it.' },
  empty: {
    title: 'Nobody is suppressed',
    text: 'Hard bounces, complaints and unsubscribes come here by themselves.',
  },
  reason: 'Reason',
  anyReason: 'Any reason',
  reasons: {
    unsubscribed: 'Unsubscribed',
    complained: 'Reported spam',
    hard_bounce: 'Hard bounce',
    provider: 'Held back by the provider',
    manual: 'Added by hand',
    imported: 'Imported',
  } satisfies Record<SuppressionReason, string>,
  columns: { address: 'Address', reason: 'Reason', since: 'Since', note: 'Note', actions: 'Actions' },
  unknownAddress: 'Known by its hash only',
  by: (person: string) => `by ${person}`,
  table: 'Suppressed addresses',
  add: 'Add addresses',
  addHint: 'One in each line, or separated by commas. A CSV file works too.',
  addresses: 'Addresses',
  file: 'Take them from a file',
  note: 'Note',
  noteHint: 'Where the wish came from',
  addAction: 'Suppress',
  added: (added: number, known: number) =>
    `${formatCount(added)} added${known > 0 ? `, ${formatCount(known)} were there already` : ''}`,
  invalid: (count: number) =>
    `${formatCount(count)} ${plural(count, 'entry is', 'entries are')} no address and ${plural(count, 'was', 'were')} left out.`,
  remove: 'Allow again',
  removeOf: (address: string) => `Allow again: ${address}`,
  removeNote: 'Why may this address be mailed again?',
  removeAction: 'Allow',
  removed: 'The address may be mailed again',
} as const;
