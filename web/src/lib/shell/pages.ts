/**
 * The pages of the main navigation and the ability that each needs. Decides which pages are linked, which
 * one a person starts on, and which are not opened for them. Pure.
 *
 * @module
 */
import type { Ability } from '../../../../src/shared/roles.ts';

/** In the order of the navigation, and which of them stand together there. */
export const pages = [
  { href: '/leads', needs: 'readLeads', group: 'work' },
  { href: '/imports', needs: 'importLeads', group: 'work' },
  { href: '/activations', needs: 'watch', group: 'work' },
  { href: '/approvals', needs: 'approve', group: 'work' },
  { href: '/templates', needs: 'watch', group: 'mail' },
  { href: '/suppressions', needs: 'suppress', group: 'mail' },
  { href: '/audit', needs: 'readAudit', group: 'admin' },
  { href: '/settings', needs: 'watch', group: 'admin' },
] as const satisfies readonly { href: string; needs: Ability; group: string }[];

/** Pages that need another ability than the page that they are under. */
const innerPages = [{ href: '/templates/new', needs: 'editTemplates' }] as const;

/** True when `path` is, or lies under, the page at `href`. */
export function isCurrent(href: string, path: string): boolean {
  return path === href || path.startsWith(`${href}/`);
}

/** The ability that the page at `path` needs; null when everybody may open it. */
export function neededFor(path: string): Ability | null {
  return [...innerPages, ...pages].find(({ href }) => isCurrent(href, path))?.needs ?? null;
}

/** The page that a person with these abilities starts on. */
export function homeOf(may: (ability: Ability) => boolean): string {
  return pages.find(({ needs }) => may(needs))?.href ?? '/activations';
}
