/**
 * Identity: who sent a request, by the assertion of Cloudflare Access, and which role that person has.
 *
 * Owns the way from a request to a person, and the role lists. There are no passwords, cookies or tokens of our own.
 * Invariant: without a verified assertion there is no identity, and a person whom no list names has no role.
 * `ctx.access` is not used: Cloudflare does not pass it to a Worker with static assets
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

/** The settings that give roles. */
export type RoleSettings = Pick<Env, 'ROLE_VIEWER' | 'ROLE_OPERATOR' | 'ROLE_APPROVER' | 'ROLE_ADMIN'>;

/** The settings that identity depends on. */
export type IdentitySettings = RoleSettings & AccessVariables & Pick<Env, 'LOCAL_PERSON'>;

/** Who sent a request, or why that is unknown. `faults` and `why` are for the log. */
export type Identification =
  | { kind: 'person'; person: Person }
  /** The request has no assertion: Access is not in front of this address, or a Bypass policy is. */
  | { kind: 'absent'; faults: readonly string[] }
  | { kind: 'refused'; why: string }
  /** There is an assertion, but the settings to verify it are missing or wrong. */
  | { kind: 'misconfigured'; faults: readonly string[] }
  /** The keys to verify it cannot be fetched at the moment. */
  | { kind: 'unavailable' };

/** Determines who sent a request. */
export type Identify = (
  headers: Headers,
  settings: IdentitySettings,
  waitUntil: WaitUntil,
) => Promise<Identification>;

const workerDeps: AccessDeps = {
  // workerd throws when its fetch is called as a method of another object.
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
      // The local person is an admin unless a list gives another role.
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
  // A service token has no address, so its client id identifies it. A label is shown only beside the id, because it
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

/** True when a role list names a group. */
function namesGroups({ ROLE_VIEWER, ROLE_OPERATOR, ROLE_APPROVER, ROLE_ADMIN }: RoleSettings): boolean {
  return [ROLE_VIEWER, ROLE_OPERATOR, ROLE_APPROVER, ROLE_ADMIN].some((list) =>
    patternsOf(list).some((pattern) => pattern.startsWith('group:')),
  );
}

/** The values that patterns are compared with. */
export interface Claims {
  /** Empty for a service token. */
  email: string;
  /** Of a service token; empty for a person. */
  clientId: string;
  groups: readonly string[];
}

/**
 * The highest role whose list has a matching pattern, or null.
 *
 * A list is patterns with commas between: `ana@example.com`, `*@example.com`, `group:Sales` (name, id or
 * address of an Access group), `token:<client id>` (a service token), `*` (every person that Access
 * lets in, but no token). Capitals do not matter.
 */
export function roleOf(claims: Claims, settings: RoleSettings): Role | null {
  const lists: Record<Role, string> = {
    viewer: settings.ROLE_VIEWER,
    operator: settings.ROLE_OPERATOR,
    approver: settings.ROLE_APPROVER,
    admin: settings.ROLE_ADMIN,
  };
  return roles.findLast((role) => patternsOf(lists[role]).some((pattern) => fits(pattern, claims))) ?? null;
}

/** The patterns of a list, in lower case. */
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
