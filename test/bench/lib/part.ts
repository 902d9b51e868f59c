/**
 * What a part of the benchmark is given and what it hands back.
 *
 * @module
 */

/** How large and how often; the small form of everything takes a few minutes. */
export interface BenchOptions {
  isFull: boolean;
  /** Sizes instead of the part's own. */
  leadCounts: readonly number[] | null;
  latenciesMs: readonly number[] | null;
  repeatCount: number | null;
}

export type Cell = string | number | null;

export interface Table {
  title: string;
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
  notes?: readonly string[];
}

/** A line of points for a plot. */
export interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  /** File name without its ending. */
  name: string;
  title: string;
  xLabel: string;
  yLabel: string;
  isXLog: boolean;
  series: readonly Series[];
}

/** A target of docs/PERFORMANCE.md or of the benchmark itself, and what was measured. */
export interface Verdict {
  target: string;
  measured: string;
  isMet: boolean;
}

export interface PartResult {
  tables: readonly Table[];
  verdicts: readonly Verdict[];
  plots?: readonly Plot[];
  /** Everything, for machines. */
  figures: unknown;
}

export type Part = (options: BenchOptions) => Promise<PartResult>;
