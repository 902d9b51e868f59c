/**
 * What an import would do, from the check of the file and the server's answers about its first leads. Pure.
 *
 * @module
 */
/** Leads that the server is asked about: exact for most files, an estimate above. */
export const maxServerCheckCount = 20_000;

export interface Forecast {
  created: number;
  updated: number;
  unchanged: number;
  rejected: number;
  duplicate: number;
  /** The server was asked about a part of the leads only; the first three numbers are scaled up. */
  isEstimate: boolean;
}

/** Two significant digits: an estimate is not shown more exact than it is. */
function rounded(value: number): number {
  if (value <= 0) return 0;
  const step = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.round(value / step) * step;
}

/** @param answered - sums of the server's answers; they cover the first leads of the file */
export function forecast(
  report: { leadCount: number; rejectedCount: number; duplicateCount: number },
  answered: { created: number; updated: number; unchanged: number },
): Forecast {
  const asked = answered.created + answered.updated + answered.unchanged;
  const isEstimate = asked < report.leadCount;
  const scale = (count: number): number =>
    isEstimate && asked > 0 ? rounded((count * report.leadCount) / asked) : count;
  return {
    created: scale(answered.created),
    updated: scale(answered.updated),
    unchanged: scale(answered.unchanged),
    rejected: report.rejectedCount,
    duplicate: report.duplicateCount,
    isEstimate,
  };
}
