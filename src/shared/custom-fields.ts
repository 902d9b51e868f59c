/**
 * Custom fields: what an organisation knows of its leads beside the fields that every lead has.
 *
 * Owns how a field may be named, and how a file's header becomes a name. Stores nothing. Free of zod, because the web
 * app runs it. Invariant: a template can print every name, `{{ custom.plan }}`.
 *
 * @module
 */

/** By name; a field without a value is not there. */
export type CustomFields = Readonly<Record<string, string>>;

/** Names as they are written in templates. */
export const customFieldPattern = /^[a-z][a-z0-9_]{0,39}$/;

/** The name that a header stands for: `Préféré (kg)` → `prefere_kg`; null when nothing of it is a name. */
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

/** The value of a field; `''` where there is none, also for names that every object has. */
export function customValue(fields: CustomFields | undefined, name: string): string {
  return fields !== undefined && Object.hasOwn(fields, name) ? (fields[name] ?? '') : '';
}
