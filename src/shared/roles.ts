/**
 * Roles and their abilities: the Worker authorizes requests by this table, and the web app hides controls by it.
 *
 * Invariant: roles are ordered; a higher one may do all that a lower one may.
 * No zod here: the web app loads this file at run time.
 *
 * @module
 */

/** From least to most. */
export const roles = ['viewer', 'operator', 'approver', 'admin'] as const;
export type Role = (typeof roles)[number];

/** The abilities, each with the lowest role that has it. */
export const abilities = {
  /** Read activations with their numbers, template names and settings: nothing that names a lead. */
  watch: 'viewer',
  /** Read everything that shows a lead: the list, the results of an activation, downloads. */
  readLeads: 'operator',
  /** Preview, start, pause, resume, cancel, retry, assume sent. */
  activate: 'operator',
  editLeads: 'operator',
  importLeads: 'operator',
  /** Approve or reject what somebody else has started. */
  approve: 'approver',
  editTemplates: 'admin',
  suppress: 'admin',
  /** Erase a lead or an activation; export all data about one address. */
  erase: 'admin',
  readAudit: 'admin',
  configure: 'admin',
} as const satisfies Record<string, Role>;
export type Ability = keyof typeof abilities;

/** True when this role may do it. */
export function can(role: Role, ability: Ability): boolean {
  return roles.indexOf(role) >= roles.indexOf(abilities[ability]);
}
