/**
 * Lists of lead ids in one form.
 *
 * @module
 */

/** Lead ids in ascending order, each once. */
export function uniqueSorted(leadIds: readonly number[]): number[] {
  return [...new Set(leadIds)].sort((a, b) => a - b);
}
