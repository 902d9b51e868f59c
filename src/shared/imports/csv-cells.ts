/**
 * Escapes a cell so that no spreadsheet runs it as a formula, and reads it back.
 *
 * Pure. Invariant: reading an escaped cell gives the original, for any text. So a cell that looks escaped is escaped
 * too.
 *
 * @module
 */

/**
 * The beginnings that a spreadsheet may take for a formula (owasp.org/www-community/attacks/CSV_Injection), also
 * after our apostrophes.
 */
const formula = /^'*[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/;

/** The escaped cell: with an apostrophe before a beginning that a spreadsheet would run. */
export function escapeFormula(cell: string): string {
  return formula.test(cell) ? `'${cell}` : cell;
}

/** The cell that {@link escapeFormula} was given. */
export function unescapeFormula(cell: string): string {
  return cell.startsWith("'") && formula.test(cell) ? cell.slice(1) : cell;
}

/** The first columns of the file of rejected rows; the columns of the imported file follow. */
export const rejectedColumns = ['line', 'reason'] as const;

/** True for the header of a file of rejected rows, whose cells are escaped. */
export function isRejectedHeader(header: readonly string[]): boolean {
  return header.length > rejectedColumns.length && rejectedColumns.every((name, at) => header[at] === name);
}

/** The name that the rows which were not taken are downloaded under: `Fair 2026.csv` → `Fair 2026-rejected.csv`. */
export function rejectedFileName(fileName: string, outcome: 'rejected' | 'duplicate_in_file'): string {
  const stem = fileName.replace(/\.[a-z0-9]{1,5}$/i, '').trim();
  return `${stem === '' ? 'import' : stem}-${outcome === 'rejected' ? 'rejected' : 'repeated'}.csv`;
}
