/**
 * Query and path parameters: the same shapes as in bodies, read from text.
 *
 * @module
 */
import { z } from '@hono/zod-openapi';
import { leadIdSchema, sessionIdSchema } from '../../shared/schemas/common.ts';

/** A whole number written in digits; anything else is refused with a sentence. */
export const digits = z
  .string()
  .regex(/^\d{1,16}$/, 'must be a whole number')
  .transform(Number);

export const leadIdParam = digits.pipe(leadIdSchema).openapi({
  param: { name: 'id', in: 'path' },
  type: 'integer',
});

export const sessionIdParams = z.object({
  sessionId: sessionIdSchema.openapi({ param: { name: 'sessionId', in: 'path' } }),
});

export const cursorQuery = z
  .string()
  .max(12_000)
  .optional()
  .openapi({ description: '`nextCursor` of the page before.' });

/** A page size. */
export function limitQuery(standard: number, most: number) {
  return digits
    .pipe(z.int().min(1).max(most))
    .default(standard)
    .openapi({ type: 'integer', minimum: 1, maximum: most, default: standard });
}

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
