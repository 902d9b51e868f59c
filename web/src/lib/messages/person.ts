/**
 * Words of the export of what is held about a person.
 *
 * @module
 */

export const personMessages = {
  export: 'Export personal data',
  exportHint: 'All data held about this address, as a JSON file',
  /** Without the address: names of files travel. */
  fileName: (day: string) => `personal-data-${day}.json`,
  saved: 'Personal data exported',
  savedNothing: 'Nothing is held about this address; the file says so',
  failed: 'The export could not be made',
  title: 'Data request (GDPR)',
  text: 'All data held about an address as one JSON file: lead, activations, imports and suppression. The export is logged without the address.',
  address: 'Email address of the person',
} as const;
