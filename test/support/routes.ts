/**
 * The routes of the app as a caller sees them, and callers of each kind, for the tests of authorization.
 *
 * @module
 */
import { env } from 'cloudflare:workers';
import type { Role } from '../../src/shared/roles.ts';
import { createApp } from '../../src/worker/app.ts';
import { identityHeader } from './worker.ts';
import { origin } from './session-driver.ts';

export interface RegisteredRoute {
  method: string;
  /** As it was registered: `/crm/leads/:leadId`. */
  path: string;
}

/** Every route with a handler, each once, without middleware. */
export function registeredRoutes(): RegisteredRoute[] {
  const routes = createApp().routes.filter(({ method }) => method !== 'ALL');
  const byName = new Map(routes.map(({ method, path }) => [`${method} ${path}`, { method, path }]));
  return [...byName.values()];
}

const exampleParams: Readonly<Record<string, string>> = {
  sessionId: 'activation_1704123456789_a7bc3d2f1',
  importId: 'no-such-import',
  seq: '0',
};

/** A path with well-formed ids that name nothing. */
export function examplePath(path: string): string {
  return path.replace(/(?<=\/):(\w+)/g, (_, name: string) => exampleParams[name] ?? '987654321');
}

/** An Access identity that the lists of {@link roleSettings} give this role; null: no role. */
export function identityOf(role: Role | null): { email: string } {
  return { email: `${role ?? 'guest'}@staff.example` };
}

export const roleSettings = {
  ROLE_VIEWER: 'viewer@staff.example',
  ROLE_OPERATOR: 'operator@staff.example',
  ROLE_APPROVER: 'approver@staff.example',
  ROLE_ADMIN: 'admin@staff.example',
} as const satisfies Partial<Env>;

/** A request by somebody, with the headers that a browser on the app's own page sends. */
export function requestAs(
  identity: object | 'none',
  method: string,
  path: string,
  init: RequestInit = {},
): Request {
  const headers = new Headers(init.headers);
  headers.set(identityHeader, identity === 'none' ? 'none' : JSON.stringify(identity));
  if (!headers.has('sec-fetch-site')) headers.set('sec-fetch-site', 'same-origin');
  return new Request(`${origin}${path}`, { ...init, method, headers });
}

let tableNames: string[] | null = null;

/**
 * The content of the database as text: equal before and after when nothing was written. The count of leads that
 * somebody was shown is left out, because reads change it.
 */
export async function databaseContent(): Promise<string> {
  if (tableNames === null) {
    const { results } = await env.DB.prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'leads_fts*'
         AND name NOT GLOB '_cf*' AND name NOT GLOB 'd1_*' AND name <> 'lead_reads' ORDER BY name`,
    ).all<{ name: string }>();
    tableNames = results.map(({ name }) => name);
  }
  // The audit only grows and becomes long, so its newest entry represents it.
  const contentOf = (name: string): string =>
    name === 'audit' ? 'SELECT max(id) FROM audit' : `SELECT * FROM ${name}`;
  const tables = await env.DB.batch(tableNames.map((name) => env.DB.prepare(contentOf(name))));
  return JSON.stringify(tables.map(({ results }) => results));
}
