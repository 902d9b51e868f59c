/**
 * How a cell is written so that no spreadsheet runs it as a formula, and how it is read back.
 *
 * Pure. Invariant: reading what was written gives the original cell, whatever it was. So a cell that only looks
 * escaped is escaped too.
 *
 * @module
 */

/** What a spreadsheet may take for a formula (owasp.org/www-community/attacks/CSV_Injection), also after quotes of ours. */
const formula = /^'*[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/;

/** The cell as it is written: with an apostrophe before what a spreadsheet would run. */
export function escapeFormula(cell: string): string {
  return formula.test(cell) ? `'${cell}` : cell;
}

/** The cell that {@link escapeFormula} was given. */
export function unescapeFormula(cell: string): string {
  return cell.startsWith("'") && formula.test(cell) ? cell.slice(1) : cell;
}

/** The first columns of the file of rows that an import did not take; those of the file itself follow. */
export const rejectedColumns = ['line', 'reason'] as const;

/** True for the header of such a file: its cells are escaped, and are to be read back. */
export function isRejectedHeader(header: readonly string[]): boolean {
  return header.length > rejectedColumns.length && rejectedColumns.every((name, at) => header[at] === name);
}
