/**
 * What handlers find in their context.
 *
 * @module
 */
import type { OpenAPIHono } from '@hono/zod-openapi';

/** Who is asking. */
export interface Person {
  /** E-mail address of a person, or the name of a service token. */
  email: string;
  name: string;
}

export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    person: Person;
  };
}

export type App = OpenAPIHono<AppEnv>;
