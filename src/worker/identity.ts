/**
 * Identity: who is asking, as Cloudflare Access says through the runtime, and which role that gives.
 *
 * Owns: reading the identity and the role lists. Never: passwords, cookies, tokens of our own.
 * Closed by default: where Access does not stand in front of the Worker there is no identity, and where
 * no list names a person there is no role.
 *
 * @module
 */
import { roles, type Role } from '../shared/roles.ts';
import type { Person } from './app-env.ts';

/**
 * `aud` of `[access.dev]` in wrangler.toml. An Access application's is 64 hex digits that Cloudflare
 * chooses, so that this one is met in local development only.
 */
export const localAudience = 'local-development';

/** Settings that say who has which role. */
export type RoleSettings = Pick<Env, 'ROLE_VIEWER' | 'ROLE_OPERATOR' | 'ROLE_ADMIN'>;

/** Who stands at the door, or null for nobody. */
export async function identify(
  access: CloudflareAccessContext | undefined,
  settings: RoleSettings,
): Promise<Person | null> {
  const identity = await access?.getIdentity();
  if (access === undefined || identity === undefined) return null;
  // A service token has no address: its name stands in the audit instead.
  const tokenName = typeof identity['common_name'] === 'string' ? identity['common_name'] : '';
  const email = identity.email ?? '';
  if (email === '' && tokenName === '') return null;
  const isLocal = access.aud === localAudience;
  return {
    email: email === '' ? tokenName : email,
    name: identity.name ?? (email === '' ? tokenName : email),
    // Locally the one person there is may do everything, unless the lists say otherwise.
    role:
      roleOf({ email, tokenName, groups: groupsOf(identity['groups']) }, settings) ??
      (isLocal ? 'admin' : null),
    isLocal,
  };
}

/** What a pattern is compared with. */
export interface Claims {
  email: string;
  tokenName: string;
  groups: readonly string[];
}

/**
 * The highest role whose list has a pattern that fits, or null.
 *
 * A list is patterns with commas between: `ana@example.com`, `*@example.com`, `group:Sales` (name, id or
 * address of an Access group), `token:nightly-import` (a service token), `*` (every person that Access
 * lets in, but no token). Capitals do not matter.
 */
export function roleOf(claims: Claims, settings: RoleSettings): Role | null {
  const lists: Record<Role, string> = {
    viewer: settings.ROLE_VIEWER,
    operator: settings.ROLE_OPERATOR,
    admin: settings.ROLE_ADMIN,
  };
  return roles.findLast((role) => lists[role].split(',').some((pattern) => fits(pattern, claims))) ?? null;
}

function fits(written: string, { email, tokenName, groups }: Claims): boolean {
  const pattern = written.trim().toLowerCase();
  if (pattern === '') return false;
  if (pattern.startsWith('group:')) {
    return groups.some((group) => group.toLowerCase() === pattern.slice('group:'.length));
  }
  if (pattern.startsWith('token:')) {
    return tokenName !== '' && tokenName.toLowerCase() === pattern.slice('token:'.length);
  }
  if (email === '') return false;
  if (pattern === '*') return true;
  const address = email.toLowerCase();
  // `*@` stands for a whole local part: the domain is compared from the last @ on.
  return pattern.startsWith('*@')
    ? address.slice(address.lastIndexOf('@')) === pattern.slice(1)
    : address === pattern;
}

/** Identity providers give groups as names or as `{id, name, email}`. */
function groupsOf(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((group: unknown) => {
    if (typeof group === 'string') return [group];
    if (typeof group !== 'object' || group === null) return [];
    return ['id', 'name', 'email'].flatMap((key) => {
      const part = (group as Record<string, unknown>)[key];
      return typeof part === 'string' && part !== '' ? [part] : [];
    });
  });
}
