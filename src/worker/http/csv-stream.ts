/**
 * CSV downloads as streams: a file may have a million lines.
 *
 * Owns how cells are written, not what is in them.
 * Invariant: no spreadsheet runs a cell as a formula, spreadsheets read the file as UTF-8, and at most one page is in
 * memory.
 *
 * @module
 */
import { stringify } from 'csv-stringify/browser/esm/sync';
import { escapeFormula } from '../../shared/imports/csv-cells.ts';

/** A cell; null is written as an empty one. */
export type Cell = string | number | null;

/**
 * Streams a header and then pages of rows. The next page is read when the reader has room for it.
 *
 * @param header - the names of the columns
 * @param pages - rows with as many cells as the header; a page may be empty
 */
export function csvStream(
  header: readonly string[],
  pages: AsyncGenerator<readonly (readonly Cell[])[], void>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const encode = (rows: readonly (readonly Cell[])[], isFirst: boolean): Uint8Array =>
    encoder.encode(
      stringify(
        rows.map((row) => row.map((cell) => (typeof cell === 'string' ? escapeFormula(cell) : cell))),
        { bom: isFirst, record_delimiter: 'windows' },
      ),
    );
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encode([header], true));
    },
    async pull(controller) {
      // Empty pages are skipped: the runtime does not call pull again after one that enqueued nothing.
      for (;;) {
        const next = await pages.next();
        if (next.done === true) {
          controller.close();
          return;
        }
        if (next.value.length === 0) continue;
        controller.enqueue(encode(next.value, false));
        return;
      }
    },
    async cancel() {
      await pages.return();
    },
  });
}
