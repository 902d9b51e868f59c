/**
 * Words of the export of what is held about a person.
 *
 * @module
 */

export const personMessages = {
  export: 'Export what is held',
  exportHint: 'All that is held about this address, as a JSON file',
  /** Without the address: names of files travel. */
  fileName: (day: string) => `held-about-a-person-${day}.json`,
  saved: 'The export is saved',
  savedNothing: 'Nothing is held about this address; the export says so',
  failed: 'The export could not be made',
  title: 'When somebody asks what you hold',
  text: 'All that is held about an address as one JSON file: the lead, runs, imports and suppression, whether or not it is a lead now. That it was made is written into the audit, the address is not.',
  address: 'Address of who asks',
} as const;
