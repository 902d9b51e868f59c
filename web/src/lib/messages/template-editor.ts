/**
 * Words of the template editor.
 *
 * @module
 */
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

export const templateEditorMessages = {
  newTitle: 'New template',
  failed: 'The template could not be loaded',
  back: 'All templates',
  name: 'Name',
  description: 'What it is for',
  subject: 'Subject',
  html: 'HTML',
  text: 'Plain text',
  textHint: 'Left empty, it is made from the HTML.',
  fieldsHint:
    'firstName, lastName, company, email, phone, source, stage, senderName, actionUrl, unsubscribeUrl, postalAddress. With a fallback: {{ firstName | default: "there" }}',
  customFields: (names: readonly string[]) =>
    `Own fields: ${names.map((name) => `custom.${name}`).join(', ')}.`,
  save: 'Save',
  saved: (version: number) => `Saved as version ${version}`,
  saveFailed: 'It could not be saved',
  copy: 'Copy to edit',
  copyName: (name: string) => `Copy of ${name}`,
  readOnly: 'This template comes with the product. Copy it to change it.',
  test: 'Send a test to me',
  testSent: (to: string) => `A test is on its way to ${to}`,
  remove: 'Delete',
  removeTitle: 'Delete this template?',
  removeText: 'Its versions are deleted too. Runs that have started keep their copy.',
  versions: 'Versions',
  versionBy: (version: number, by: string) => `Version ${version}, by ${by}`,
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
} as const;
