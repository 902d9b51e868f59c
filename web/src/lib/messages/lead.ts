/**
 * Words of the page of one lead.
 *
 * @module
 */
import { formatCount, formatList } from './format.ts';

const fields = {
  email: 'Email',
  firstName: 'First name',
  lastName: 'Last name',
  company: 'Company',
  phone: 'Phone',
  source: 'Source',
  stage: 'Stage',
  consentSource: 'Consent source',
  notes: 'Notes',
};

export const leadMessages = {
  back: 'Leads',
  notFound: { title: 'There is no such lead', text: 'It may have been erased.', action: 'Go to leads' },
  failed: 'The lead could not be loaded',
  fields,
  externalId: (system: string) => `Id in ${system}`,
  tags: 'Tags',
  custom: {
    title: 'Custom fields, for templates: {{ custom.name }}',
    name: 'Name',
    namePattern: 'Lower-case letters, digits and _, beginning with a letter',
    value: (name: string) => (name === '' ? 'Value' : `Value of ${name}`),
    add: 'Add a field',
    remove: (name: string) => (name === '' ? 'Remove this field' : `Remove ${name}`),
  },
  edit: 'Lead',
  details: 'Details',
  save: 'Save',
  saving: 'Saving…',
  saved: 'Saved',
  unsaved: 'Unsaved changes',
  saveFailed: 'The lead could not be saved',
  leave: {
    title: 'Discard your changes?',
    text: 'The fields you edited are not saved.',
    action: 'Discard changes',
    keep: 'Keep editing',
  },
  activate: 'Activate',
  activateFirst: 'Save your changes first',
  unmailable: (reason: string) => `Will not be emailed: ${reason}`,
  invalidAddress: 'Correct the email address to be able to activate this lead.',
  suppressedSince: (time: string) => `Suppressed since ${time}.`,
  suppressions: 'Open suppressions',
  history: 'Timeline',
  historyFailed: 'The timeline could not be loaded',
  imported: {
    created: (file: string) => `Imported from “${file}”`,
    updated: (file: string) => `Updated by import of “${file}”`,
    unchanged: (file: string) => `Found unchanged in “${file}”`,
  },
  importedBy: (owner: string, line: number) => `${owner}, line ${formatCount(line)}`,
  created: 'Added by hand',
  edited: (names: readonly string[]) => `Edited ${formatList(names)}`,
  editedSome: 'Edited',
  fieldName: (name: string) =>
    name === 'custom'
      ? 'custom fields'
      : ((fields as Record<string, string>)[name] ?? name).toLocaleLowerCase(),
  activated: (name: string) => `Activated in “${name}”`,
  takenBack: (name: string) => `Taken back: new again after “${name}”`,
  erasedActivation: 'an activation that was erased',
  mail: {
    pending: 'Email waiting to be sent',
    sent: 'Email sent',
    failed: 'Email failed',
    unknown: 'Email unconfirmed',
    delivered: 'Email delivered',
    bounced: 'Email bounced',
    complained: 'Email marked as spam',
  },
  showMail: 'Show email',
  hideMail: 'Hide email',
  mailTo: (to: string) => `To ${to}`,
  suppressed: {
    unsubscribed: 'Unsubscribed',
    complained: 'Suppressed: marked as spam',
    hard_bounce: 'Suppressed: the address bounced',
    provider: 'Suppressed by the email provider',
    manual: 'Suppressed by hand',
    imported: 'Suppressed by an imported list',
  },
  erase: 'Erase lead',
  eraseConfirm: {
    title: 'Erase this lead?',
    text: 'The lead and its history are removed for good. A suppressed address stays suppressed and is never emailed, also when it is imported again.',
    action: 'Erase',
  },
  create: {
    title: 'Add a lead',
    text: 'Adding a lead never sends email.',
    action: 'Add lead',
    added: 'Lead added',
    open: 'Open',
    showTaken: 'Show the lead with this address',
  },
} as const;
