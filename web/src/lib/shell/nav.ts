/**
 * The main navigation as data: a new screen is one line here.
 *
 * @module
 */
import Activity from '@lucide/svelte/icons/activity';
import FileUp from '@lucide/svelte/icons/file-up';
import Users from '@lucide/svelte/icons/users';
import type { Component } from 'svelte';
import { messages } from '../text/messages.ts';

export interface NavItem {
  href: string;
  label: string;
  icon: Component;
}

export const navItems: readonly NavItem[] = [
  { href: '/leads', label: messages.nav.leads, icon: Users },
  { href: '/imports', label: messages.nav.imports, icon: FileUp },
  { href: '/activity', label: messages.nav.activity, icon: Activity },
];

/** True when the page at `path` is, or lies under, the item. */
export function isCurrent(item: NavItem, path: string): boolean {
  return path === item.href || path.startsWith(`${item.href}/`);
}
