/**
 * Words of the template editor.
 *
 * @module
 */
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

/** What fields are called on screen; custom fields are shown by their own name. */
const fieldLabels: Readonly<Record<string, string>> = {
  firstName: 'first name',
  lastName: 'last name',
  company: 'company',
  email: 'email',
  phone: 'phone',
  source: 'source',
  stage: 'stage',
  senderName: 'sender name',
  actionUrl: 'button link',
  unsubscribeUrl: 'unsubscribe link',
  postalAddress: 'postal address',
};
const labelOf = (field: string): string => fieldLabels[field] ?? field.replace(/^custom\./, '');

export const templateEditorMessages = {
  newTitle: 'New template',
  failed: 'The template could not be loaded',
  back: 'Templates',
  name: 'Name',
  description: 'Internal note',
  descriptionHint: 'Only your team sees it.',
  subject: 'Subject',
  preheader: 'Preheader',
  preheaderHint: 'The line that inboxes show after the subject.',
  html: 'HTML',
  text: 'Plain text',
  textHint: 'Leave empty to make it from the HTML.',
  insert: 'Insert a field',
  insertHint: 'Goes where the cursor is.',
  /** A custom field is shown by its own name. */
  insertField: (field: string) => {
    const label = labelOf(field);
    return field in fieldLabels ? label.charAt(0).toUpperCase() + label.slice(1) : label;
  },
  save: 'Save',
  saved: (version: number) => `Saved as version ${version}`,
  saveFailed: 'The template could not be saved',
  copy: 'Copy to edit',
  copyName: (name: string) => `Copy of ${name}`,
  readOnly: 'This template comes with the product. Copy it to change it.',
  test: 'Send a test to me',
  testSent: (to: string) => `Test sent to ${to}`,
  remove: 'Delete',
  removeTitle: 'Delete this template?',
  removeText: 'Deletes all of its versions. Activations already started keep their copy.',
  versions: 'Versions',
  versionBy: (version: number, by: string) => `Version ${version}, by ${by}`,
  preview: 'Preview',
  previewFrame: 'Rendered email',
  previewFailed: 'The preview could not be made',
  previewOld: 'Showing the last version without errors.',
  lead: 'Preview as lead',
  madeUpLead: 'Sample lead',
  findLead: 'Find a lead',
  findLeadPlaceholder: 'Name or email',
  views: 'Saved views',
  imports: 'Imports',
  widths: { desktop: 'Desktop', phone: 'Phone', text: 'Plain text' },
  textMade: 'Made from the HTML',
  check: 'Missing data check',
  audiences: { new: 'New leads', all: 'All leads' },
  checked: (count: number) => `${leads(count)} would get it.`,
  unknownField: (field: string) => `No lead has a field named “${field}”.`,
  emptyField: (field: string, count: number) =>
    `${leads(count)} ${plural(count, 'has', 'have')} no ${labelOf(field)}${field === 'firstName' ? ' (they see the fallback)' : ''}.`,
  noEmptyField: 'Every field it uses is filled in.',
  draft: {
    found: (ago: string) => `You have unsaved changes, last edited ${ago}.`,
    /** The template was saved by somebody since. */
    outdated: ({ base, latest }: { base: number; latest: number }) =>
      `They were begun on version ${formatCount(base)}; version ${formatCount(latest)} was saved since.`,
    replaces: ({ base, latest }: { base: number; latest: number }) =>
      `Your changes were begun on version ${formatCount(base)}. Saving them replaces what version ${formatCount(latest)} changed.`,
    restore: 'Restore',
    discard: 'Discard',
    kept: 'Unsaved changes are kept in this browser',
    keptText: 'Open the template again to restore them.',
    notKept: 'Unsaved changes could not be kept',
    notKeptText: 'This browser has no room for them. Save the template before you leave it.',
    unsaved: 'Unsaved changes',
  },
} as const;

/** What is wrong with a template, at its field. */
export const faultMessages = {
  atLine: (line: number | null, text: string) =>
    line === null ? text : `Line ${formatCount(line)}: ${text}`,
  unknownField: (name: string, meant: string | null) =>
    `\`{{ ${name} }}\` is not a field.${meant === null ? '' : ` Did you mean \`${meant}\`?`}`,
  noLoops: 'Templates have no loops.',
  unknownTag: (tag: string) => `\`{% ${tag} %}\` is not known, or closes nothing that is open.`,
  unknownFilter: (filter: string) => `There is no filter \`${filter}\`.`,
  outputNotClosed: (start: string) => `\`${start}\` is not closed. Add \`}}\`.`,
  tagNotClosed: (tag: string) => `\`${tag}\` is not closed.`,
  nothingInside: 'Something is missing between the braces.',
  filterNeedsBar: 'A filter comes after a `|`.',
} as const;
