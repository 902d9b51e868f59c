/**
 * Lists in pages: the query parameters of every list, its problem codes, and the refusal of a foreign cursor.
 *
 * @module
 */
import { z } from '@hono/zod-openapi';
import { digits } from './params.ts';
import { Refusal } from './problem.ts';

/** Problem codes of every list. */
export const pageCodes = ['invalid_request', 'invalid_cursor'] as const;

/**
 * The query parameters of a list.
 *
 * @param standard - entries of a page when no `limit` is given
 * @param most - the highest `limit`
 */
export function pageQuery(standard: number, most: number) {
  return {
    cursor: z.string().max(12_000).optional().openapi({ description: '`nextCursor` of the page before.' }),
    limit: digits
      .pipe(z.int().min(1).max(most))
      .default(standard)
      .openapi({ type: 'integer', minimum: 1, maximum: most, default: standard }),
  };
}

/**
 * The page that a list answered.
 *
 * @throws Refusal for a cursor that the list did not give out
 */
export function requirePage<Page extends { kind: 'ok' }>(answer: Page | { kind: 'invalid_cursor' }): Page {
  if (answer.kind === 'invalid_cursor') throw new Refusal('invalid_cursor');
  return answer;
}
