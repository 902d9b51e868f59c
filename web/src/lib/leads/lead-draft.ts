/**
 * The fields of a lead as they are being typed, and how they follow the lead. Pure.
 *
 * @module
 */
import type { Lead, LeadPatch } from '../../../../src/shared/schemas/leads.ts';

export const leadFields = [
  'email',
  'firstName',
  'lastName',
  'company',
  'phone',
  'source',
  'stage',
  'consentSource',
  'notes',
] as const satisfies readonly Exclude<keyof LeadPatch, 'custom'>[];
export type LeadField = (typeof leadFields)[number];

export const fieldsOf = (lead: Lead | null): Record<LeadField, string> =>
  Object.fromEntries(leadFields.map((field) => [field, lead?.[field] ?? ''])) as Record<LeadField, string>;

/** A custom field as it is typed; one without a name or a value is not kept. */
export interface CustomRow {
  name: string;
  value: string;
}

export const customRowsOf = (lead: Lead | null): CustomRow[] =>
  Object.entries(lead?.custom ?? {}).map(([name, value]) => ({ name, value }));

/** The fields of the rows, in the order of their names. */
export function customOf(rows: readonly CustomRow[]): Record<string, string> {
  const filled = rows
    .map(({ name, value }): [string, string] => [name.trim(), value.trim()])
    .filter(([name, value]) => name !== '' && value !== '');
  return Object.fromEntries(filled.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function isSameCustom(one: readonly CustomRow[], other: readonly CustomRow[]): boolean {
  return JSON.stringify(customOf(one)) === JSON.stringify(customOf(other));
}

/** What is being typed. */
export interface LeadDraft {
  draft: Record<LeadField, string>;
  custom: CustomRow[];
}

/**
 * What is being typed, after the lead was read again. What nobody has typed into follows the lead: saved with the rest,
 * it would undo what somebody else has changed meanwhile.
 */
export function followed({ draft, custom }: LeadDraft, before: Lead | null, after: Lead): LeadDraft {
  const [was, is] = [fieldsOf(before), fieldsOf(after)];
  const isTyped = (field: LeadField): boolean => draft[field].trim() !== was[field];
  const fields = leadFields.map((field) => [field, isTyped(field) ? draft[field] : is[field]]);
  return {
    draft: Object.fromEntries(fields) as Record<LeadField, string>,
    custom: isSameCustom(custom, customRowsOf(before)) ? customRowsOf(after) : custom,
  };
}
