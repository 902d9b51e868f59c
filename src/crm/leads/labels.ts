/**
 * Labels: the words by which the full-text index finds the exact values of the fields that leads are filtered by.
 *
 * Pure. A label is the letter of its field and the value in hexadecimal, so labels are equal exactly when the values
 * are, and are in the same order. The letters are those of migrations/0020_fewer_rows_per_lead.sql.
 *
 * @module
 */
import type { FieldWith } from '../../shared/lead-fields.ts';

const letters: Readonly<Record<FieldWith<'filter'>, string>> = {
  source: '\ue008',
  stage: '\ue009',
  consentSource: '\ue00a',
};

/** The label of a value, as it is in the index. */
export function labelOf(field: FieldWith<'filter'>, value: string): string {
  const bytes = [...new TextEncoder().encode(value)];
  return letters[field] + bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The labels of a field lie between these two; the first is that of the empty value. */
export function labelRange(field: FieldWith<'filter'>): [empty: string, end: string] {
  const letter = letters[field];
  return [letter, String.fromCodePoint((letter.codePointAt(0) ?? 0) + 1)];
}

/** The value of a label. */
export function valueOfLabel(label: string): string {
  const pairs = label.slice(1).match(/../g) ?? [];
  return new TextDecoder().decode(Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16)));
}
