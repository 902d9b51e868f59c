/**
 * Custom fields: what an organisation knows of its leads beside the fields that every lead has.
 *
 * Owns the form of a field's name, and how a file's header becomes a name. Stores nothing. Does not use zod, because
 * the web app loads this file. Invariant: a template can print every name, `{{ custom.plan }}`.
 *
 * @module
 */

/** By name; fields without a value are left out. */
export type CustomFields = Readonly<Record<string, string>>;

/** Names in the form for templates. */
export const customFieldPattern = /^[a-z][a-z0-9_]{0,39}$/;

/** The name that a header stands for: `Préféré (kg)` → `prefere_kg`; null when it has no letter or digit for a name. */
export function customFieldName(header: string): string | null {
  const name = header
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^[_0-9]+/, '')
    .slice(0, 40)
    .replace(/_+$/, '');
  return customFieldPattern.test(name) ? name : null;
}

/** The value of a field; `''` when there is none, even for names of properties that every object has. */
export function customValue(fields: CustomFields | undefined, name: string): string {
  return fields !== undefined && Object.hasOwn(fields, name) ? (fields[name] ?? '') : '';
}
