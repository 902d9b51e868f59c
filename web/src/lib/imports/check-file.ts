/**
 * Goes through a file before anything is imported: which rows would be rejected and why, which repeat an
 * address, and the rows that the server is asked about.
 *
 * Runs in the worker. Sends and writes nothing. It reads rows by the code that the server imports them with, so
 * the two agree on what is rejected.
 *
 * @module
 */
import { mappedColumns, type ColumnMapping } from '../../../../src/shared/imports/import-file.ts';
import { readImportRow } from '../../../../src/shared/imports/parse-row.ts';
import { limits } from '../../../../src/shared/limits.ts';
import type { ImportReading } from '../../../../src/shared/schemas/imports.ts';
import { isUsableEmail } from '../../../../src/shared/email-address.ts';
import { emailCell, maxExampleCount, maxLinesPerReason, type FileReport } from './file-report.ts';
import { maxServerCheckCount } from './forecast.ts';
import { maxChunkLength, rowJson, sourceRows, type FileSource } from './read-file.ts';

export interface CheckStep {
  report: FileReport;
  /** Rows for the server as a JSON array; '' once it has been asked about enough. */
  rowsJson: string;
}

const duplicateReason = 'the address is in an earlier row';
const duplicateIdReason = 'the external id is in an earlier row';

/** As the server compares addresses: it ignores the case of ASCII letters only. */
const keyOf = (email: string): string => email.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** @throws UnreadableFile, RefusedFile */
export async function* checkFile(
  file: FileSource,
  reading: ImportReading,
  { mapping, consentSource }: { mapping: ColumnMapping; consentSource: string },
): AsyncGenerator<CheckStep> {
  const mapped = new Set(mappedColumns(mapping));
  const seen = new Set<string>();
  const seenIds = new Set<string>();
  const reasons = new Map<string, { count: number; lines: number[] }>();
  const examples: { line: number; reason: string; cell: string }[] = [];
  let [rowCount, duplicateCount, rejectedCount, unmailableCount] = [0, 0, 0, 0];
  let asked = 0;
  let rows: string[] = [];
  let length = 0;

  const note = (line: number, reason: string, cell: string): void => {
    const known = reasons.get(reason) ?? { count: 0, lines: [] };
    known.count += 1;
    if (known.lines.length < maxLinesPerReason) known.lines.push(line);
    reasons.set(reason, known);
    if (examples.length < maxExampleCount) examples.push({ line, reason, cell });
  };
  const step = (): CheckStep => {
    const made = {
      report: {
        rowCount,
        leadCount: seen.size,
        duplicateCount,
        rejectedCount,
        unmailableCount,
        reasons: [...reasons]
          .map(([reason, { count, lines }]) => ({ reason, count, lines: [...lines] }))
          .sort((a, b) => b.count - a.count),
        examples: [...examples],
      },
      rowsJson: rows.length === 0 ? '' : `[${rows.join(',')}]`,
    };
    rows = [];
    length = 0;
    return made;
  };

  let sinceStep = 0;
  for await (const { line, cells } of sourceRows(file, reading)) {
    rowCount += 1;
    sinceStep += 1;
    const row = readImportRow(mapping, cells, line, { consentSource });
    const cell = emailCell(mapping, cells);
    if (row.kind === 'rejected') {
      rejectedCount += 1;
      note(line, row.reason, cell);
    } else {
      const { externalId } = row.lead;
      const key = keyOf(row.lead.email);
      if (seen.has(key)) {
        duplicateCount += 1;
        note(line, duplicateReason, cell);
      } else if (externalId !== undefined && seenIds.has(externalId)) {
        duplicateCount += 1;
        note(line, duplicateIdReason, cell);
      } else {
        seen.add(key);
        if (externalId !== undefined) seenIds.add(externalId);
        if (!isUsableEmail(row.lead.email)) unmailableCount += 1;
        if (asked < maxServerCheckCount) {
          const json = rowJson(line, cells, mapped);
          if (rows.length > 0 && length + json.length > maxChunkLength) {
            yield step();
            sinceStep = 0;
          }
          rows.push(json);
          length += json.length;
          asked += 1;
        }
      }
    }
    if (sinceStep >= limits.maxImportChunkRowCount) {
      yield step();
      sinceStep = 0;
    }
  }
  yield step();
}
