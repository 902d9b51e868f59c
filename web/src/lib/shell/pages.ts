/**
 * The pages of the main navigation and what each is of no use without: what is linked, where work begins,
 * and which page is not opened for whom. Pure.
 *
 * @module
 */
import type { Ability } from '../../../../src/shared/roles.ts';

/** In the order of the navigation. */
export const pages = [
  { href: '/leads', needs: 'readLeads' },
  { href: '/imports', needs: 'importLeads' },
  { href: '/activity', needs: 'watch' },
  { href: '/templates', needs: 'watch' },
  { href: '/suppressions', needs: 'suppress' },
  { href: '/audit', needs: 'readAudit' },
  { href: '/settings', needs: 'watch' },
] as const satisfies readonly { href: string; needs: Ability }[];

/** Those that need more than the page that they lie under. */
const innerPages = [{ href: '/templates/new', needs: 'editTemplates' }] as const;

/** True when `path` is, or lies under, the page at `href`. */
export function isCurrent(href: string, path: string): boolean {
  return path === href || path.startsWith(`${href}/`);
}

/** What the page at `path` is of no use without; null for a page that is everybody's. */
export function neededFor(path: string): Ability | null {
  return [...innerPages, ...pages].find(({ href }) => isCurrent(href, path))?.needs ?? null;
}

/** Where work begins for somebody who may do this much. */
export function homeOf(may: (ability: Ability) => boolean): string {
  return pages.find(({ needs }) => may(needs))?.href ?? '/activity';
}
