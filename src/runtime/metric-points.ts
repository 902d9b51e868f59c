/**
 * Points of batches for Workers Analytics Engine, where a dataset is bound.
 *
 * The columns are {@link batchPoint}. Invariant: a slice writes fewer points than an invocation may write; what comes
 * after is summed by outcome and written at its end.
 *
 * @module
 */
import { batchPoint } from '../core/health/metrics.ts';

/** The part of the binding that is used. */
export interface PointDataset {
  writeDataPoint(point: { indexes: string[]; blobs: string[]; doubles: number[] }): void;
}

/** One batch that was called for, or several. */
export type BatchPoint = Record<(typeof batchPoint.blobs)[number][0], string> &
  Record<(typeof batchPoint.doubles)[number][0], number>;

/**
 * An invocation may write 250 (https://developers.cloudflare.com/analytics/analytics-engine/limits/), and a slice has
 * up to 1,600 batches. The rest is for the sums.
 */
export const maxSinglePointCount = 200;

export class BatchPoints {
  readonly #dataset: PointDataset;
  /** The index, of 96 bytes at most. */
  readonly #sessionId: string;
  readonly #sums = new Map<string, BatchPoint>();
  #count = 0;

  constructor(dataset: PointDataset, sessionId: string) {
    this.#dataset = dataset;
    this.#sessionId = sessionId;
  }

  add(point: BatchPoint): void {
    this.#count++;
    if (this.#count <= maxSinglePointCount) {
      this.#write(point);
      return;
    }
    const sum = this.#sums.get(point.outcome);
    if (sum === undefined) {
      this.#sums.set(point.outcome, { ...point });
      return;
    }
    for (const [name] of batchPoint.doubles) sum[name] += point[name];
  }

  /** Writes the sums. */
  end(): void {
    for (const sum of this.#sums.values()) this.#write(sum);
    this.#sums.clear();
  }

  #write(point: BatchPoint): void {
    this.#dataset.writeDataPoint({
      indexes: [this.#sessionId],
      blobs: batchPoint.blobs.map(([name]) => point[name]),
      doubles: batchPoint.doubles.map(([name]) => point[name]),
    });
  }
}
