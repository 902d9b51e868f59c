/**
 * Mappings that a person chose before, by the headers of the file: the same export is matched the same way next
 * time. Kept in this browser; headers only, no cell of any lead.
 *
 * @module
 */
import { importFields } from '../../../../src/shared/imports/import-file.ts';
import { customFieldPattern } from '../../../../src/shared/custom-fields.ts';
import type { FieldChoice, MappingChoice } from './mapping.ts';

const storageKey = 'lead-activation:import-mappings';
/** The exports of a few programs. */
const maxCount = 20;

type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem'>;
type Stored = [
  headers: string,
  fields: FieldChoice[],
  emailColumn: number | null,
  /** Missing in what was remembered before imports had external ids. */
  externalSource?: string,
][];

const keyOf = (columns: readonly string[]): string => JSON.stringify(columns);

function isField(value: unknown): value is FieldChoice {
  if (value === null) return true;
  if (typeof value !== 'string') return false;
  if (value.startsWith('custom:')) return customFieldPattern.test(value.slice('custom:'.length));
  return importFields.some((field) => field === value);
}

function read(storage: Storage): Stored {
  try {
    const value: unknown = JSON.parse(storage.getItem(storageKey) ?? '[]');
    if (!Array.isArray(value)) return [];
    return value.filter(
      (entry: unknown): entry is Stored[number] =>
        Array.isArray(entry) &&
        typeof entry[0] === 'string' &&
        Array.isArray(entry[1]) &&
        entry[1].every(isField) &&
        (entry[2] === null || Number.isInteger(entry[2])) &&
        (entry[3] === undefined || typeof entry[3] === 'string'),
    );
  } catch {
    // Not ours, or storage is closed: as if nothing were remembered.
    return [];
  }
}

/** The mapping that a file with these columns had last; null where there was none. */
export function rememberedChoice(storage: Storage, columns: readonly string[]): MappingChoice | null {
  const found = read(storage).find(([headers]) => headers === keyOf(columns));
  if (found === undefined || found[1].length !== columns.length) return null;
  const [, fields, emailColumn, externalSource = ''] = found;
  return { fields, emailColumn, externalSource };
}

export function rememberChoice(storage: Storage, columns: readonly string[], choice: MappingChoice): void {
  const others = read(storage).filter(([headers]) => headers !== keyOf(columns));
  const { fields, emailColumn, externalSource } = choice;
  const all: Stored = [[keyOf(columns), [...fields], emailColumn, externalSource], ...others];
  try {
    storage.setItem(storageKey, JSON.stringify(all.slice(0, maxCount)));
  } catch {
    // Full, or closed by the browser: the next file is guessed again.
  }
}
