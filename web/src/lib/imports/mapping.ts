/**
 * Which column means what, as a person chooses it: one field per column, and of several columns of
 * addresses one, or the first that holds a usable address. Pure.
 *
 * @module
 */
import {
  importFields,
  type ColumnMapping,
  type FileLayout,
  type ImportField,
} from '../../../../src/shared/import-file.ts';

/** `null`: the column is not read. */
export type FieldChoice = ImportField | null;

export interface MappingChoice {
  /** By column. */
  fields: readonly FieldChoice[];
  /** The one column that addresses are read from; null: of all that are chosen, the first that is usable. */
  emailColumn: number | null;
}

export function guessedChoice(layout: FileLayout): MappingChoice {
  const fields = layout.columns.map((_, index) => {
    return importFields.find((field) => layout.mapping[field].includes(index)) ?? null;
  });
  return { fields, emailColumn: null };
}

export function emailColumns(choice: MappingChoice): number[] {
  return choice.fields.flatMap((field, index) => (field === 'email' ? [index] : []));
}

/** Another meaning for one column. */
export function chooseField(choice: MappingChoice, column: number, field: FieldChoice): MappingChoice {
  const fields = choice.fields.map((known, index) => (index === column ? field : known));
  const emailColumn = choice.emailColumn === column && field !== 'email' ? null : choice.emailColumn;
  return { fields, emailColumn };
}

/** The mapping as the server reads it. Columns keep the order of the guess, where it had one. */
export function mappingOf(choice: MappingChoice, guess: ColumnMapping): ColumnMapping {
  const columnsOf = (field: ImportField): number[] => {
    const chosen = choice.fields.flatMap((known, index) => (known === field ? [index] : []));
    const rank = (index: number): number => {
      const place = guess[field].indexOf(index);
      return place < 0 ? guess[field].length + index : place;
    };
    return chosen.sort((a, b) => rank(a) - rank(b));
  };
  const mapping = Object.fromEntries(importFields.map((field) => [field, columnsOf(field)])) as ColumnMapping;
  return choice.emailColumn === null ? mapping : { ...mapping, email: [choice.emailColumn] };
}
