/**
 * Parts of route declarations: a JSON body, a JSON answer, and the problem codes of a body.
 *
 * @module
 */
import type { z } from '@hono/zod-openapi';
import type { ProblemCode } from '../../shared/problem.ts';

/** A JSON answer with this schema. */
export const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

/** A required JSON body with this schema. */
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
  'body_too_slow',
  'cross_site',
] as const satisfies ProblemCode[];
