/**
 * What route declarations are made of: JSON bodies, JSON answers, and how a body is refused.
 *
 * @module
 */
import type { z } from '@hono/zod-openapi';

/** An answer of this shape. */
export const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

/** A body of this shape, which must be there. */
export const body = <Schema extends z.ZodType>(schema: Schema) => ({
  required: true,
  content: { 'application/json': { schema } },
});

/** Problem codes of every route that takes a body. */
export const bodyCodes = [
  'invalid_json',
  'invalid_request',
  'unsupported_media_type',
  'body_too_large',
] as const;
