/**
 * How the pages of the main navigation are shown: a new one is a line here and one in `pages.ts`.
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
import { auditMessages } from '../messages/audit.ts';
import { mailMessages } from '../messages/mail.ts';
import { messages } from '../messages/messages.ts';
import { pages } from './pages.ts';

export interface NavItem {
  href: string;
  needs: Ability;
  label: string;
  icon: Component;
}

const looks: Record<(typeof pages)[number]['href'], Pick<NavItem, 'label' | 'icon'>> = {
  '/leads': { label: messages.nav.leads, icon: Users },
  '/imports': { label: messages.nav.imports, icon: FileUp },
  '/activity': { label: messages.nav.activity, icon: Activity },
  '/templates': { label: mailMessages.nav.templates, icon: Mail },
  '/suppressions': { label: mailMessages.nav.suppressions, icon: Ban },
  '/audit': { label: auditMessages.nav, icon: ScrollText },
  '/settings': { label: mailMessages.nav.settings, icon: Settings },
};

export const navItems: readonly NavItem[] = pages.map((page) => ({ ...page, ...looks[page.href] }));
