import { exports } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import { abilities, can, roles, type Role } from '../../src/shared/roles.ts';
import { routeRules } from '../../src/worker/auth/route-permissions.ts';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import {
  examplePath,
  identityOf,
  registeredRoutes,
  requestAs,
  roleSettings,
  databaseContent,
} from '../support/routes.ts';
import { hooks, resetHooks } from '../support/hooks.ts';

let db: D1Database;

beforeEach(async () => {
  resetHooks();
  Object.assign(hooks.env, roleSettings);
  db = await emptyCrm();
});

const isGuarded = ({ method, path }: { method: string; path: string }): boolean =>
  routeRules[`${method} ${path}`]?.needs !== 'public';

describe.each([...roles, null])('a person with the role %s', (role: Role | null) => {
  it.each(registeredRoutes().filter(isGuarded))('at $method $path', async ({ method, path }) => {
    const needs = routeRules[`${method} ${path}`]?.needs;
    if (needs === undefined || needs === 'public') throw new Error('The route has no rule.');
    const mayPass = role !== null && can(role, needs);
    const before = await databaseContent();
    const response = await exports.default.fetch(
      requestAs(identityOf(role), method, examplePath(path), {
        ...(method === 'GET' || method === 'DELETE'
          ? {}
          : { body: '{', headers: { 'content-type': 'application/json' } }),
      }),
    );
    const text = await response.text();
    if (mayPass) {
      expect(response.status).not.toBe(403);
      expect(response.status).not.toBe(401);
      return;
    }
    expect(response.status).toBe(403);
    expect(JSON.parse(text)).toMatchObject({ code: 'forbidden', status: 403 });
    expect(await databaseContent()).toBe(before);
  });
});

describe('what each role sees', () => {
  it('shows a viewer nothing that names a lead', async () => {
    await addLeads(db, [{ email: 'hidden-person@leads.example', lastName: 'Hiddenperson' }]);
    for (const { method, path } of registeredRoutes().filter(isGuarded)) {
      if (method !== 'GET') continue;
      const response = await exports.default.fetch(requestAs(identityOf('viewer'), 'GET', examplePath(path)));
      const text = await response.text();
      expect(text.toLowerCase()).not.toMatch(/hidden-?person/);
    }
  });

  it('allows every role what a lower role may do', () => {
    for (const ability of Object.keys(abilities) as (keyof typeof abilities)[]) {
      const allowed = roles.map((role) => can(role, ability));
      expect(allowed).toEqual([...allowed].sort());
      expect(allowed.at(-1)).toBe(true);
    }
  });
});
