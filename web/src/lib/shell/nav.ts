/**
 * The main navigation as data: a new screen is one line here.
 *
 * @module
 */
import Activity from '@lucide/svelte/icons/activity';
import Ban from '@lucide/svelte/icons/ban';
import FileUp from '@lucide/svelte/icons/file-up';
import Mail from '@lucide/svelte/icons/mail';
import ScrollText from '@lucide/svelte/icons/scroll-text';
import Settings from '@lucide/svelte/icons/settings';
import Users from '@lucide/svelte/icons/users';
import type { Component } from 'svelte';
import type { Ability } from '../../../../src/shared/roles.ts';
import { auditMessages } from '../text/audit-messages.ts';
import { mailMessages } from '../text/mail-messages.ts';
import { messages } from '../text/messages.ts';

export interface NavItem {
  href: string;
  label: string;
  icon: Component;
  /** What its page is of no use without. */
  needs: Ability;
}

export const navItems: readonly NavItem[] = [
  { href: '/leads', label: messages.nav.leads, icon: Users, needs: 'readLeads' },
  { href: '/imports', label: messages.nav.imports, icon: FileUp, needs: 'importLeads' },
  { href: '/activity', label: messages.nav.activity, icon: Activity, needs: 'watch' },
  { href: '/templates', label: mailMessages.nav.templates, icon: Mail, needs: 'watch' },
  { href: '/suppressions', label: mailMessages.nav.suppressions, icon: Ban, needs: 'suppress' },
  { href: '/audit', label: auditMessages.nav, icon: ScrollText, needs: 'readAudit' },
  { href: '/settings', label: mailMessages.nav.settings, icon: Settings, needs: 'watch' },
];

/** True when the page at `path` is, or lies under, the item. */
export function isCurrent(item: NavItem, path: string): boolean {
  return path === item.href || path.startsWith(`${item.href}/`);
}
