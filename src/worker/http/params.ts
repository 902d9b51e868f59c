/**
 * Query and path parameters, read from text with the schemas of bodies, and the bound of a filter.
 *
 * @module
 */
import { z } from '@hono/zod-openapi';
import { searchTermCount } from '../../crm/leads/search-terms.ts';
import { limits } from '../../shared/limits.ts';
import { leadIdSchema, sessionIdSchema } from '../../shared/schemas/common.ts';
import type { LeadFilter } from '../../shared/schemas/leads.ts';
import { Refusal } from './problem.ts';

/** A whole number in decimal digits. */
export const digits = z
  .string()
  .regex(/^\d{1,16}$/, 'must be a whole number')
  .transform(Number);

export const leadIdParam = digits.pipe(leadIdSchema).openapi({
  param: { name: 'leadId', in: 'path' },
  type: 'integer',
});

export const sessionIdParams = z.object({
  sessionId: sessionIdSchema.openapi({ param: { name: 'sessionId', in: 'path' } }),
});

/** The fields of a filter as query parameters: numbers are written in digits. */
export function queryOf<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>): Shape {
  const entries = Object.entries(schema.shape).map(([name, field]) => {
    const inner = field instanceof z.ZodOptional ? field.unwrap() : field;
    return [
      name,
      inner instanceof z.ZodNumber ? digits.pipe(inner).optional().openapi({ type: 'integer' }) : field,
    ];
  });
  // The shape keeps its names and output types; only what is read changes from number to text.
  return Object.fromEntries(entries) as Shape;
}

/**
 * Refuses a search with more words than are looked up. A filter has a fixed set of properties, so the words of its
 * search are the only part of it that grows.
 */
export function requireSimpleFilter(filter: Pick<LeadFilter, 'search'>): void {
  if (searchTermCount(filter.search ?? '') > limits.maxSearchTermCount) {
    throw new Refusal('filter_too_complex', `Search for at most ${limits.maxSearchTermCount} words.`);
  }
}
