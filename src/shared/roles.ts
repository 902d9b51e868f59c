/**
 * Roles and their abilities: the Worker refuses by this table, and the web app hides controls by it.
 *
 * Invariant: roles are ordered; a higher one may do all that a lower one may.
 * No zod here: the web app loads this file at run time.
 *
 * @module
 */

/** From least to most. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/** The abilities, each with the lowest role that has it. */
export const abilities = {
  /** Activations and their numbers, templates by name, settings: nothing that names a lead. */
  watch: 'viewer',
  /** Everything that shows a lead: the list, the results of an activation, downloads. */
  readLeads: 'operator',
  /** Preview, start, pause, resume, cancel, retry, assume sent. */
  activate: 'operator',
  editLeads: 'operator',
  importLeads: 'operator',
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
