/**
 * Pages of a few leads, so that the few leads of a world are several pages: a crash can come between two.
 *
 * @module
 */
import type { SourceChange } from './platform/hooks.ts';

const file = 'src/durable/session/take-back.ts';
const planner = 'src/durable/sending/planner.ts';

/** Planted like a mutant. */
export const smallPages: readonly SourceChange[] = [
  { file, find: 'const pageLeadCount = 5_000;', replace: 'const pageLeadCount = 3;' },
  { file, find: 'const forecastLeadCount = 25_000;', replace: 'const forecastLeadCount = 4;' },
  { file, find: 'const readBatchCount = 50;', replace: 'const readBatchCount = 2;' },
  { file: planner, find: 'const firstPageLeadCount = 500;', replace: 'const firstPageLeadCount = 2;' },
  { file: planner, find: 'const pageLeadCount = 5_000;', replace: 'const pageLeadCount = 4;' },
];
