/**
 * The English sentences of the mail screens, in the shape of messages.ts.
 *
 * @module
 */
import type { SenderCheck, SuppressionReason } from '../../../../src/shared/schemas/mail.ts';
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

export const mailMessages = {
  nav: { templates: 'Templates', suppressions: 'Suppressions', settings: 'Settings' },

  templates: {
    title: 'Templates',
    subtitle: 'What a run can send. A run keeps the version that it started with.',
    create: 'New template',
    failed: 'The templates could not be loaded',
    builtin: 'Built-in',
    version: (version: number) => `Version ${version}`,
  },

  template: {
    newTitle: 'New template',
    failed: 'The template could not be loaded',
    back: 'All templates',
    name: 'Name',
    description: 'What it is for',
    subject: 'Subject',
    html: 'HTML',
    text: 'Plain text',
    textHint: 'Left empty, it is made from the HTML.',
    fields: 'Fields',
    fieldsHint:
      'firstName, lastName, company, email, phone, source, stage, senderName, actionUrl, unsubscribeUrl, postalAddress. With a fallback: {{ firstName | default: "there" }}',
    customFields: (names: readonly string[]) =>
      `Own fields: ${names.map((name) => `custom.${name}`).join(', ')}.`,
    save: 'Save',
    saving: 'Saving',
    saved: (version: number) => `Saved as version ${version}`,
    saveFailed: 'It could not be saved',
    copy: 'Copy to edit',
    copyName: (name: string) => `Copy of ${name}`,
    readOnly: 'This template comes with the product. Copy it to change it.',
    test: 'Send a test to me',
    testSent: (to: string) => `A test is on its way to ${to}`,
    testFailed: 'The test could not be sent',
    remove: 'Delete',
    removeTitle: 'Delete this template?',
    removeText: 'Its versions are deleted too. Runs that have started keep their copy.',
    versions: 'Versions',
    versionBy: (version: number, by: string) => `Version ${version}, by ${by}`,
    shownVersion: 'Shown here',
    preview: 'Preview',
    previewFrame: 'Rendered e-mail',
    previewFailed: 'The preview could not be made',
    lead: 'As this lead gets it',
    madeUpLead: 'A made-up lead',
    findLead: 'Find a lead',
    findLeadPlaceholder: 'Name or e-mail',
    views: 'Saved views',
    imports: 'Imports',
    widths: { desktop: 'Desktop', phone: 'Phone', text: 'Plain text' },
    faultIn: { subject: 'The subject', html: 'The HTML', text: 'The plain text' },
    textMade: 'Made from the HTML',
    check: 'Fields across an audience',
    audiences: { new: 'New leads', all: 'All leads' },
    checked: (count: number) => `${leads(count)} would get it.`,
    unknownField: (field: string) => `No lead has a field named “${field}”.`,
    emptyField: (field: string, count: number) => `${field} is empty for ${leads(count)}.`,
    noEmptyField: 'Every field that it uses is filled in.',
  },

  suppressions: {
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
    addFailed: 'They could not be added',
    noneFound: 'There is no address in it.',
    remove: 'Allow again',
    removeOf: (address: string) => `Allow again: ${address}`,
    removeNote: 'Why may this address be mailed again?',
    removeAction: 'Allow',
    removed: 'The address may be mailed again',
    removeFailed: 'It could not be removed',
  },

  settings: {
    title: 'Settings',
    subtitle: 'Whether mail can be sent, and whether it would arrive.',
    failed: 'The settings could not be checked',
    again: 'Check again',
    standIn: {
      title: 'Nothing really leaves',
      text: 'Mail goes to a stand-in on this machine. Choose a provider to send for real: docs/MAIL.md says how.',
    },
    ready: { title: 'Mail can be sent', text: (domain: string) => `From ${domain}.` },
    notReady: { title: 'A run would be refused', text: 'What is missing is marked below.' },
    statuses: {
      ok: 'In place',
      missing: 'Missing',
      warning: 'Look at this',
      unknown: 'Unknown',
      not_needed: 'Not needed yet',
    } satisfies Record<SenderCheck['checks'][number]['status'], string>,
    required: 'needed to start',
    checks: 'Checks',
    dataLocation: {
      title: 'Data location',
      /** Jurisdictions as Cloudflare names them, and what they are. */
      places: { eu: 'European Union', us: 'United States', fedramp: 'FedRAMP data centers (United States)' },
      none: 'Not restricted to a region',
      text: 'The database and all activations. Chosen when this app was first deployed; it cannot be changed.',
    },
  },
} as const;
