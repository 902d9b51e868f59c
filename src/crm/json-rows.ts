/**
 * Rows as JSON parameters of a statement, which takes many rows at once that way.
 *
 * @module
 */

/** Characters of one JSON parameter: D1 takes values of 2 MB, and a character has up to three bytes. */
const maxGroupLength = 500_000;

/** JSON arrays of these rows, each short enough for a parameter; the rows are JSON. */
export function jsonRows(rows: readonly string[]): string[] {
  const all: string[] = [];
  let group: string[] = [];
  let length = 0;
  for (const json of rows) {
    if (group.length > 0 && length + json.length > maxGroupLength) {
      all.push(`[${group.join(',')}]`);
      group = [];
      length = 0;
    }
    group.push(json);
    length += json.length;
  }
  if (group.length > 0) all.push(`[${group.join(',')}]`);
  return all;
}
