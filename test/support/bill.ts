/**
 * What Cloudflare bills, as the meter counts it; types and sums only, for Node and for the Workers runtime.
 *
 * @module
 */

/** What was counted since the meter was last set to zero. */
export interface Meter {
  /** By the session objects' SQL; alarms are counted separately. */
  sessionRowsWritten: number;
  sessionRowsRead: number;
  gateRowsWritten: number;
  gateRowsRead: number;
  /** `setAlarm` and `deleteAlarm`: one row each. */
  alarmWriteCount: number;
  d1RowsWritten: number;
  d1RowsRead: number;
  /** Round trips to D1. */
  d1CallCount: number;
}

/** Rows written by Durable Objects, as billed. */
export function billedRowsWritten(counted: Meter): number {
  return counted.sessionRowsWritten + counted.gateRowsWritten + counted.alarmWriteCount;
}
