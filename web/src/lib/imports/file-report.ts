/**
 * What is known of a file before it is imported: from the file itself, and from the server, which knows the leads. Pure.
 *
 * @module
 */
import type { ColumnMapping } from '../../../../src/shared/imports/import-file.ts';

/** A reason for which rows are not taken, with the first lines that it is said of. */
export interface RejectReason {
  reason: string;
  count: number;
  lines: readonly number[];
}

/** A row that is not taken, with the text of its address columns. */
export interface RefusedRow {
  line: number;
  reason: string;
  cell: string;
}

/** What is known of the rows that were read so far. */
export interface FileReport {
  rowCount: number;
  /** Rows that become leads: neither rejected nor repeated. */
  leadCount: number;
  duplicateCount: number;
  rejectedCount: number;
  /** Of the leads, those whose address no mail can reach. */
  unmailableCount: number;
  reasons: readonly RejectReason[];
  /** The first rows that are not taken. */
  examples: readonly RefusedRow[];
}

export const maxLinesPerReason = 5;
export const maxExampleCount = 50;

/** The text of a row's address columns. */
export const emailCell = ({ email }: ColumnMapping, cells: readonly string[]): string =>
  email
    .map((index) => (cells[index] ?? '').trim())
    .filter((text) => text !== '')
    .join(', ')
    .slice(0, 80);

/** The report with the rows that the server would reject, which the file alone looks right in. */
export function withRejected(report: FileReport, rejected: readonly RefusedRow[]): FileReport {
  if (rejected.length === 0) return report;
  const reasons = new Map(report.reasons.map((it) => [it.reason, it]));
  for (const { reason, line } of rejected) {
    const { count, lines } = reasons.get(reason) ?? { count: 0, lines: [] };
    reasons.set(reason, {
      reason,
      count: count + 1,
      lines: lines.length < maxLinesPerReason ? [...lines, line] : lines,
    });
  }
  return {
    ...report,
    leadCount: report.leadCount - rejected.length,
    rejectedCount: report.rejectedCount + rejected.length,
    reasons: [...reasons.values()].sort((a, b) => b.count - a.count),
    examples: [...report.examples, ...rejected].sort((a, b) => a.line - b.line).slice(0, maxExampleCount),
  };
}
