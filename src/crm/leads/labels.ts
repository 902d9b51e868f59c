/**
 * Labels: the words by which the full-text index finds the exact values of the fields that leads are filtered by.
 *
 * Pure. A label is the letter of its field and the value in hexadecimal, so labels are equal exactly when the values
 * are, and are in the same order. The letters are those of migrations/0026_external_ids_and_tags.sql.
 *
 * @module
 */
import { fieldsWith, type FieldWith } from '../../shared/lead-fields.ts';

/** What a lead is filtered by with labels: text fields, each of its tags, and the system of its external id. */
export type LabelField = FieldWith<'filter'> | 'tag' | 'externalSource';

export const labelFields: readonly LabelField[] = [...fieldsWith('filter'), 'tag', 'externalSource'];

const letters: Readonly<Record<LabelField, string>> = {
  source: '\ue008',
  stage: '\ue009',
  consentSource: '\ue00a',
  tag: '\ue00b',
  externalSource: '\ue00c',
};

/** The label of a value, as it is in the index. */
export function labelOf(field: LabelField, value: string): string {
  const bytes = [...new TextEncoder().encode(value)];
  return letters[field] + bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The labels of tags, each once and in their order, as a lead's row has them. */
export const tagLabels = (tags: readonly string[]): string =>
  [...new Set(tags.map((tag) => labelOf('tag', tag)))].sort().join(' ');

/** SQL of the labels in such a text, as a table; of an empty text, one empty label. */
export const labelsIn = (text: string): string => `json_each('["' || replace(${text}, ' ', '","') || '"]')`;

/** The tags of such a text. */
export const tagsOf = (labels: string): string[] =>
  labels === '' ? [] : labels.split(' ').map(valueOfLabel);

/** The labels of a field lie between these two; the first is that of the empty value. */
export function labelRange(field: LabelField): [empty: string, end: string] {
  const letter = letters[field];
  return [letter, String.fromCodePoint((letter.codePointAt(0) ?? 0) + 1)];
}

/** The value of a label. */
export function valueOfLabel(label: string): string {
  const pairs = label.slice(1).match(/../g) ?? [];
  return new TextDecoder().decode(Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16)));
}
