/**
 * What handlers find in their context.
 *
 * @module
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Role } from '../shared/roles.ts';

/** Who is asking. */
export interface Person {
  /** E-mail address of a person, or the client id of a service token. */
  email: string;
  /** For screens: a service token's label, where it has one. */
  name: string;
  /** For the audit: as `email`, and a service token's label before it. */
  actor: string;
  /** Null for somebody whom Access lets in and the configuration gives nothing. */
  role: Role | null;
  /** The one person of local development, as LOCAL_PERSON says. */
  isLocal: boolean;
}

/** What a handler knows of its act beyond who, when and which route. */
export interface AuditNote {
  /** What it was done to; the id in the path where left out. */
  target?: string;
  /** The setting as it was and as it is. */
  before?: unknown;
  after?: unknown;
  detail?: Record<string, unknown>;
}

export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    /** What the caller named its request, where it did. */
    callerRequestId: string | null;
    /** Of routes that are not public. */
    person: Person;
    /** What the handler adds to its audit entry; false: nothing was done after all. */
    auditNote: AuditNote | false | undefined;
    /** Leads that the answer shows by name or address. */
    leadsShownCount: number | undefined;
  };
}

export type App = OpenAPIHono<AppEnv>;
