/**
 * The columns that the list of leads can show, and those that it shows at first. Pure.
 *
 * @module
 */

/** In the order in which they are shown. The name is always there. */
export const leadColumns = [
  'email',
  'company',
  'phone',
  'source',
  'stage',
  'consentSource',
  'added',
  'activated',
  'result',
  'status',
] as const;
export type LeadColumn = (typeof leadColumns)[number];

export const standardColumns: readonly LeadColumn[] = ['company', 'source', 'added', 'status'];
/** Reads what was remembered; the usual columns where that is nothing or nothing known. */
export function readColumns(text: string | null): readonly LeadColumn[] {
  if (text === null) return standardColumns;
  const names = text.split(' ');
  const known = leadColumns.filter((column) => names.includes(column));
  return known.length === 0 ? standardColumns : known;
}
