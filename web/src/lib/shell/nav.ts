/**
 * Label and icon of each page in the main navigation. A new page is a line here and a line in `pages.ts`.
 *
 * @module
 */
import Ban from '@lucide/svelte/icons/ban';
import FileUp from '@lucide/svelte/icons/file-up';
import Layers from '@lucide/svelte/icons/layers';
import Mail from '@lucide/svelte/icons/mail';
import ScrollText from '@lucide/svelte/icons/scroll-text';
import Settings from '@lucide/svelte/icons/settings';
import Stamp from '@lucide/svelte/icons/stamp';
import Users from '@lucide/svelte/icons/users';
import type { Component } from 'svelte';
import type { Ability } from '../../../../src/shared/roles.ts';
import { shellMessages } from '../messages/shell.ts';
import { pages } from './pages.ts';

export interface NavItem {
  href: string;
  needs: Ability;
  group: (typeof pages)[number]['group'];
  label: string;
  icon: Component;
  /** How much waits there; 0: nothing is said. */
  waitingCount: number;
}

const looks: Record<(typeof pages)[number]['href'], Pick<NavItem, 'label' | 'icon'>> = {
  '/leads': { label: shellMessages.nav.leads, icon: Users },
  '/imports': { label: shellMessages.nav.imports, icon: FileUp },
  '/activations': { label: shellMessages.nav.activations, icon: Layers },
  '/approvals': { label: shellMessages.nav.approvals, icon: Stamp },
  '/templates': { label: shellMessages.nav.templates, icon: Mail },
  '/suppressions': { label: shellMessages.nav.suppressions, icon: Ban },
  '/audit': { label: shellMessages.nav.audit, icon: ScrollText },
  '/settings': { label: shellMessages.nav.settings, icon: Settings },
};

export const navItems: readonly NavItem[] = pages.map((page) => ({
  ...page,
  ...looks[page.href],
  waitingCount: 0,
}));
