/**
 * Words of the page of one lead.
 *
 * @module
 */
import { formatCount } from './format.ts';

export const leadMessages = {
  back: 'Leads',
  notFound: { title: 'There is no such lead', text: 'It may have been erased.', action: 'Go to leads' },
  failed: 'The lead could not be loaded',
  fields: {
    email: 'E-mail',
    firstName: 'First name',
    lastName: 'Last name',
    company: 'Company',
    phone: 'Phone',
    source: 'Source',
    stage: 'Stage',
    consentSource: 'Consent source',
    notes: 'Notes',
  },
  custom: {
    title: 'Own fields, for templates: {{ custom.name }}',
    name: 'Name',
    namePattern: 'Lower-case letters, digits and _, beginning with a letter',
    value: (name: string) => (name === '' ? 'Value' : `Value of ${name}`),
    add: 'Add a field',
    remove: (name: string) => (name === '' ? 'Remove this field' : `Remove ${name}`),
  },
  edit: 'Lead',
  save: 'Save',
  saving: 'Saving…',
  saved: 'Saved',
  saveFailed: 'The lead could not be saved',
  added: 'Added',
  changed: 'Last change',
  history: 'History',
  historyFailed: 'The history could not be loaded',
  historyEmpty: 'It was not imported, and not activated yet.',
  imported: {
    created: (file: string) => `Created by the import of ${file}`,
    updated: (file: string) => `Updated by the import of ${file}`,
    unchanged: (file: string) => `Found unchanged by the import of ${file}`,
  },
  importedBy: (owner: string, line: number) => `by ${owner}, line ${formatCount(line)}`,
  activated: (name: string) => `Activated by ${name}`,
  activatedBy: (owner: string) => `started by ${owner}`,
  erasedActivation: 'a run that was erased',
  mail: (state: string) => `E-mail: ${state.toLocaleLowerCase()}`,
  erase: 'Erase lead',
  eraseConfirm: {
    title: 'Erase this lead?',
    text: 'It is removed for good, with its history. If it is on the suppression list, it stays there and is not mailed even when imported again.',
    action: 'Erase',
  },
} as const;
