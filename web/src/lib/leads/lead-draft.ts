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
/** What a person can edit of a lead. */
export type LeadTexts = Pick<Lead, 'custom'> &
  Readonly<Partial<Record<LeadField, string | null | undefined>>>;

export const fieldsOf = (lead: LeadTexts | null): Record<LeadField, string> =>
  Object.fromEntries(leadFields.map((field) => [field, lead?.[field] ?? ''])) as Record<LeadField, string>;

/** A custom field as it is typed; one without a name or a value is not kept. */
export interface CustomRow {
  name: string;
  value: string;
}

export const customRowsOf = (lead: Pick<Lead, 'custom'> | null): CustomRow[] =>
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
 * What is being typed, after the lead was read again. What somebody else has changed meanwhile, and nobody has typed
 * into, follows the lead: saved with the rest, it would undo that change. Everything else stays as it is, so that no
 * field is written while somebody is in it.
 */
export function followed(
  { draft, custom }: LeadDraft,
  before: LeadTexts | null,
  after: LeadTexts,
): LeadDraft {
  const [was, is] = [fieldsOf(before), fieldsOf(after)];
  const stays = (field: LeadField): boolean => is[field] === was[field] || draft[field].trim() !== was[field];
  const fields = leadFields.map((field) => [field, stays(field) ? draft[field] : is[field]]);
  return {
    draft: Object.fromEntries(fields) as Record<LeadField, string>,
    custom: followedRows(custom, before?.custom ?? {}, after.custom),
  };
}

type Custom = Readonly<Record<string, string>>;

/** Not what every object has: a field may be named `constructor`. */
const valueOf = (fields: Custom, name: string): string | undefined =>
  Object.hasOwn(fields, name) ? fields[name] : undefined;

/** As {@link followed}, by the names of the fields; the same rows where nothing follows. */
function followedRows(rows: CustomRow[], was: Custom, is: Custom): CustomRow[] {
  const typed = customOf(rows);
  const following = new Set(
    Object.keys({ ...was, ...is }).filter(
      (name) => valueOf(was, name) !== valueOf(is, name) && valueOf(typed, name) === valueOf(was, name),
    ),
  );
  if (following.size === 0) return rows;
  const kept = rows.flatMap((row) => {
    const name = row.name.trim();
    const value = valueOf(is, name);
    if (!following.has(name)) return [row];
    return value === undefined ? [] : [{ name, value }];
  });
  const names = new Set(kept.map(({ name }) => name.trim()));
  const added = Object.entries(is).filter(([name]) => following.has(name) && !names.has(name));
  return [...kept, ...added.map(([name, value]) => ({ name, value }))];
}
