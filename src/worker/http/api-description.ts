/**
 * The types of the description of the API, as far as the product, its checks and its tests look at it.
 *
 * @module
 */
import type { ProblemCode } from '../../shared/problem.ts';

/** The extension of a response that lists its problem codes. */
export const codesKey = 'x-problem-codes';

/** The parts of a JSON schema that are looked at here. */
export interface DescribedSchema {
  $ref?: string;
  required?: string[];
  properties?: Record<string, DescribedSchema>;
  allOf?: DescribedSchema[];
  default?: unknown;
  examples?: unknown[];
  [keyword: string]: unknown;
}

export interface DescribedResponse {
  $ref?: string;
  description?: string;
  headers?: Record<string, unknown>;
  content?: Record<string, { schema?: DescribedSchema }>;
  [codesKey]?: readonly ProblemCode[];
}

export interface DescribedOperation {
  operationId?: string;
  tags?: string[];
  summary?: string;
  security?: Record<string, string[]>[];
  parameters?: { name: string; in: string; required?: boolean; schema: DescribedSchema }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: DescribedSchema }> };
  responses: Record<string, DescribedResponse>;
  'x-role'?: string;
}

/** An OpenAPI document, as far as it is looked at here and in its tests. */
export interface ApiDescription {
  openapi: string;
  info: { title: string; version: string; description: string; license: object };
  servers: { url: string; description: string }[];
  security: Record<string, string[]>[];
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, DescribedOperation>>;
  components: {
    schemas: Record<string, DescribedSchema>;
    responses: Record<string, DescribedResponse>;
    headers: Record<string, object>;
    securitySchemes: Record<string, object>;
  };
}
