/**
 * Which column means what, as a person chooses it: one field per column, and of several columns of
 * addresses one, or the first that holds a usable address. Pure.
 *
 * @module
 */
import { customFieldName } from '../../../../src/shared/custom-fields.ts';
import {
  importFields,
  type ColumnMapping,
  type FileLayout,
  type ImportField,
} from '../../../../src/shared/imports/import-file.ts';
import { isRejectedHeader, rejectedColumns } from '../../../../src/shared/imports/csv-cells.ts';
import { externalSourcePattern } from '../../../../src/shared/external-source.ts';
import { limits } from '../../../../src/shared/limits.ts';

/** A field of one's own, named after the column. */
export type CustomChoice = `custom:${string}`;

/** `null`: the column is not read. */
export type FieldChoice = ImportField | CustomChoice | null;

/** What a column can be beside the fields that all leads have; null where its header is no name. */
export function customChoiceOf(header: string): CustomChoice | null {
  const name = customFieldName(header);
  return name === null ? null : `custom:${name}`;
}

export interface MappingChoice {
  /** By column. */
  fields: readonly FieldChoice[];
  /** The one column that addresses are read from; null: of all that are chosen, the first that is usable. */
  emailColumn: number | null;
  /** The system that the external ids are of, as a person types it. */
  externalSource: string;
}

const isCustom = (field: FieldChoice): field is CustomChoice => field?.startsWith('custom:') ?? false;

export function guessedChoice(layout: FileLayout): MappingChoice {
  const fields = layout.columns.map((_, index) => {
    return importFields.find((field) => layout.mapping[field].includes(index)) ?? null;
  });
  return { fields, emailColumn: null, externalSource: '' };
}

/**
 * The choice that a person starts from: the guess, and a new custom field for each other column that has a
 * name and a value, so that nothing of a file is lost unseen. Beyond what a lead can have, columns are left out.
 *
 * @param rows - the first rows
 */
export function suggestedChoice(layout: FileLayout, rows: readonly (readonly string[])[]): MappingChoice {
  const guessed = guessedChoice(layout);
  const { fields } = guessed;
  if (!layout.hasHeader) return guessed;
  // `line` and `reason` of a file of rejected rows are ours.
  const ownCount = isRejectedHeader(layout.columns) ? rejectedColumns.length : 0;
  const names = new Set<FieldChoice>();
  return {
    ...guessed,
    fields: fields.map((field, index) => {
      const header = layout.columns[index] ?? '';
      if (index < ownCount) return null;
      // An empty column of consent would let rows in that have none.
      const isEmpty = rows.every((row) => (row[index] ?? '').trim() === '');
      if (field === 'email' || (field !== null && !isEmpty)) return field;
      const own = /^Column \d+$/.test(header) ? null : customChoiceOf(header);
      if (isEmpty || own === null || names.has(own) || names.size >= limits.maxCustomFieldCount) return null;
      names.add(own);
      return own;
    }),
  };
}

/** How many of a file's columns are read. */
export const usedColumnCount = (choice: MappingChoice): number =>
  choice.fields.filter((field) => field !== null).length;

/** What keeps a mapping from being imported, in the order in which a person meets it. */
export type MappingProblem = 'email' | 'externalSource' | 'consent' | 'customFields';

/** The system of the ids that are read; '' where none are. */
export const externalSourceOf = ({ fields, externalSource }: MappingChoice): string =>
  fields.includes('externalId') ? externalSource.trim() : '';

export function mappingProblems(choice: MappingChoice, consentSource: string): MappingProblem[] {
  const problems: MappingProblem[] = [];
  if (!choice.fields.includes('email')) problems.push('email');
  if (new Set(choice.fields.filter(isCustom)).size > limits.maxCustomFieldCount)
    problems.push('customFields');
  if (choice.fields.includes('externalId') && !externalSourcePattern.test(externalSourceOf(choice)))
    problems.push('externalSource');
  if (consentSource.trim() === '' && !choice.fields.includes('consentSource')) problems.push('consent');
  return problems;
}

/** Indexes of the columns in the order of the list: addresses first, then as in the file. */
export function columnOrder(guess: FileLayout): number[] {
  const { email } = guess.mapping;
  const others = guess.columns.map((_, index) => index).filter((index) => !email.includes(index));
  return [...email, ...others];
}

export function emailColumns(choice: MappingChoice): number[] {
  return choice.fields.flatMap((field, index) => (field === 'email' ? [index] : []));
}

/** Another meaning for one column. */
export function chooseField(choice: MappingChoice, column: number, field: FieldChoice): MappingChoice {
  const fields = choice.fields.map((known, index) => (index === column ? field : known));
  const emailColumn = choice.emailColumn === column && field !== 'email' ? null : choice.emailColumn;
  return { ...choice, fields, emailColumn };
}

/** The mapping as the server reads it. Columns keep the order of the guess, where it had one. */
export function mappingOf(choice: MappingChoice, guess: ColumnMapping): ColumnMapping {
  const chosenAs = (field: FieldChoice): number[] =>
    choice.fields.flatMap((known, index) => (known === field ? [index] : []));
  const columnsOf = (field: ImportField): number[] => {
    const chosen = chosenAs(field);
    const rank = (index: number): number => {
      const place = guess[field].indexOf(index);
      return place < 0 ? guess[field].length + index : place;
    };
    return chosen.sort((a, b) => rank(a) - rank(b));
  };
  const mapping = Object.fromEntries(importFields.map((field) => [field, columnsOf(field)])) as Record<
    ImportField,
    number[]
  >;
  if (choice.emailColumn !== null) mapping.email = [choice.emailColumn];
  const custom = new Set(choice.fields.filter(isCustom));
  if (custom.size === 0) return mapping;
  return {
    ...mapping,
    custom: Object.fromEntries([...custom].map((field) => [field.slice('custom:'.length), chosenAs(field)])),
  };
}
