/**
 * Identity: who is asking, as Cloudflare Access says in its assertion, and which role that gives.
 *
 * Owns: the way from a request to a person, and the role lists. No passwords, cookies or tokens of our own.
 * Closed by default: without a verified assertion there is no identity, and where no list names a person there
 * is no role. `ctx.access` is not used: Cloudflare does not pass it to a Worker that has static assets
 * (docs/decisions/0010-identity-by-assertion.md).
 *
 * @module
 */
import { roles, type Role } from '../../shared/roles.ts';
import { assertionHeader, verifyAssertion, type AccessSubject } from './access-assertion.ts';
import { AccessGroups } from './access-groups.ts';
import { AccessKeys, type AccessDeps } from './access-keys.ts';
import { readAccessSettings, type AccessSettings, type AccessVariables } from './access-settings.ts';
import type { Person } from '../app-env.ts';
import { localPerson } from './local-development.ts';
import type { WaitUntil } from './shared-work.ts';

/** Settings that say who has which role. */
export type RoleSettings = Pick<Env, 'ROLE_VIEWER' | 'ROLE_OPERATOR' | 'ROLE_ADMIN'>;

/** Settings that identity goes by. */
export type IdentitySettings = RoleSettings & AccessVariables & Pick<Env, 'LOCAL_PERSON'>;

/** Who is asking, or why nobody knows. `faults` and `why` are for the log. */
export type Identification =
  | { kind: 'person'; person: Person }
  /** No assertion came: Access does not stand in front, or a bypass does. */
  | { kind: 'absent'; faults: readonly string[] }
  | { kind: 'refused'; why: string }
  /** An assertion came, and the settings to verify it are missing or wrong. */
  | { kind: 'misconfigured'; faults: readonly string[] }
  /** The keys to verify it cannot be had just now. */
  | { kind: 'unavailable' };

/** Says who sent a request. */
export type Identify = (
  headers: Headers,
  settings: IdentitySettings,
  waitUntil: WaitUntil,
) => Promise<Identification>;

const workerDeps: AccessDeps = {
  // workerd refuses its own fetch as a method of something else.
  fetch: (input, init) => fetch(input, init),
  now: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** Makes {@link Identify} with caches of its own, which live as long as the isolate. */
export function createIdentify(deps: AccessDeps = workerDeps): Identify {
  let team: { issuer: string; keys: AccessKeys; groups: AccessGroups } | null = null;
  const teamAt = (issuer: string): NonNullable<typeof team> => {
    if (team?.issuer !== issuer) {
      team = { issuer, keys: new AccessKeys(issuer, deps), groups: new AccessGroups(issuer, deps) };
    }
    return team;
  };

  return async (headers, settings, waitUntil) => {
    const local = localPerson(settings);
    if (local !== null) {
      // Locally the one person there is may do everything, unless the lists say otherwise.
      const role = roleOf({ email: local, clientId: '', groups: [] }, settings) ?? 'admin';
      return { kind: 'person', person: { email: local, name: local, actor: local, role, isLocal: true } };
    }
    const assertion = headers.get(assertionHeader) ?? '';
    const access = readAccessSettings(settings);
    if ('faults' in access) {
      return { kind: assertion === '' ? 'absent' : 'misconfigured', faults: access.faults };
    }
    if (assertion === '') return { kind: 'absent', faults: [] };
    const { keys, groups } = teamAt(access.issuer);
    const verdict = await verifyAssertion(assertion, access, keys.resolver(waitUntil), deps.now());
    if (verdict.kind !== 'verified') return verdict;
    const { subject } = verdict;
    const isAsked = subject.kind === 'person' && namesGroups(settings);
    const groupsOfPerson = isAsked ? await groups.of(assertion, subject.expiresAt, waitUntil) : [];
    return { kind: 'person', person: personOf(subject, groupsOfPerson, access, settings) };
  };
}

function personOf(
  subject: AccessSubject,
  groups: readonly string[],
  { tokenLabels }: AccessSettings,
  settings: RoleSettings,
): Person {
  if (subject.kind === 'person') {
    const { email } = subject;
    const role = roleOf({ email, clientId: '', groups }, settings);
    return { email, name: email, actor: email, role, isLocal: false };
  }
  // A service token has no address: its client id stands for it, and a label only beside it, since a label
  // may be given to another token later.
  const { clientId } = subject;
  const label = tokenLabels.get(clientId);
  return {
    email: clientId,
    name: label ?? clientId,
    actor: label === undefined ? clientId : `${label} (${clientId})`,
    role: roleOf({ email: '', clientId, groups: [] }, settings),
    isLocal: false,
  };
}

/** True when a role depends on a group. */
function namesGroups({ ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN }: RoleSettings): boolean {
  return [ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN].some((list) =>
    patternsOf(list).some((pattern) => pattern.startsWith('group:')),
  );
}

/** What a pattern is compared with. */
export interface Claims {
  /** Empty for a service token. */
  email: string;
  /** Of a service token; empty for a person. */
  clientId: string;
  groups: readonly string[];
}

/**
 * The highest role whose list has a pattern that fits, or null.
 *
 * A list is patterns with commas between: `ana@example.com`, `*@example.com`, `group:Sales` (name, id or
 * address of an Access group), `token:<client id>` (a service token), `*` (every person that Access
 * lets in, but no token). Capitals do not matter.
 */
export function roleOf(claims: Claims, settings: RoleSettings): Role | null {
  const lists: Record<Role, string> = {
    viewer: settings.ROLE_VIEWER,
    operator: settings.ROLE_OPERATOR,
    admin: settings.ROLE_ADMIN,
  };
  return roles.findLast((role) => patternsOf(lists[role]).some((pattern) => fits(pattern, claims))) ?? null;
}

/** The patterns of a list; capitals do not matter. */
function patternsOf(list: string): string[] {
  return list
    .split(',')
    .map((pattern) => pattern.trim().toLowerCase())
    .filter((pattern) => pattern !== '');
}

function fits(pattern: string, { email, clientId, groups }: Claims): boolean {
  if (pattern.startsWith('group:')) {
    return groups.some((group) => group.toLowerCase() === pattern.slice('group:'.length));
  }
  if (pattern.startsWith('token:')) {
    return clientId !== '' && clientId.toLowerCase() === pattern.slice('token:'.length);
  }
  if (email === '') return false;
  if (pattern === '*') return true;
  const address = email.toLowerCase();
  // `*@` stands for a whole local part: the domain is compared from the last @ on.
  return pattern.startsWith('*@')
    ? address.slice(address.lastIndexOf('@')) === pattern.slice(1)
    : address === pattern;
}
