/**
 * Words of the export of what is held about a person.
 *
 * @module
 */

export const personMessages = {
  export: 'Export personal data',
  exportHint: 'Everything held about this address, as a JSON file',
  /** Without the address: names of files travel. */
  fileName: (day: string) => `personal-data-${day}.json`,
  saved: 'Personal data exported',
  savedNothing: 'Nothing is held about this address',
  failed: 'The export failed',
} as const;
