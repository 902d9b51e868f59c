/**
 * What handlers find in their context.
 *
 * @module
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Person } from './identity.ts';

export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    person: Person;
  };
}

export type App = OpenAPIHono<AppEnv>;
