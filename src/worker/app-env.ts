/**
 * The types of what handlers find in their context.
 *
 * @module
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { TraceContext } from '../core/trace.ts';
import type { ApiVersion } from '../shared/api-version.ts';
import type { Role } from '../shared/roles.ts';
import type { RouteRule } from './auth/route-permissions.ts';

/** Who is asking. */
export interface Person {
  /** E-mail address of a person, or the client id of a service token. */
  email: string;
  /** For screens: a service token's label, where it has one. */
  name: string;
  /** For the audit: as `email`, and a service token's label before it. */
  actor: string;
  /** Null for a person whom Access lets in and no role list names. */
  role: Role | null;
  /** True for the person of local development (LOCAL_PERSON). */
  isLocal: boolean;
}

/** The route of a request and its rule; `name` is its method and path. */
export interface Permission {
  name: string;
  path: string;
  rule: RouteRule;
}

/** What a handler adds to its audit entry, beside who, when and which route. */
export interface AuditNote {
  /** What the action was done to; left out: the id in the path. */
  target?: string;
  /** The values before and after. */
  before?: unknown;
  after?: unknown;
  detail?: Record<string, unknown>;
}

export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    /** The caller's own `X-Request-Id`, or null. */
    callerRequestId: string | null;
    /** Of a request that is traced. */
    trace: TraceContext | undefined;
    /** Set on routes that are not public. */
    person: Person;
    /** The version of the API that the request gets; not set on public routes. */
    apiVersion: ApiVersion | undefined;
    /** Kept by `permissionOf`; null: no route matches. */
    permission: Permission | null | undefined;
    /** What the handler adds to its audit entry; false: nothing was changed, so there is no entry. */
    auditNote: AuditNote | false | undefined;
    /** Number of leads that the answer shows by name or address. */
    leadsShownCount: number | undefined;
  };
}

export type App = OpenAPIHono<AppEnv>;
