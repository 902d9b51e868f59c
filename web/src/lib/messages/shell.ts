/**
 * Words of what surrounds every page: navigation, announcements, toasts, and pages that cannot be shown.
 *
 * @module
 */
import { formatCount, formatList, plural } from './format.ts';

const emails = (count: number): string => `${formatCount(count)} ${plural(count, 'email', 'emails')}`;

export const shellMessages = {
  name: 'Lead Activation',
  skipToContent: 'Skip to content',
  mainNavigation: 'Main',
  moreNavigation: 'More',
  waitingCount: (count: number) => `${formatCount(count)} waiting`,
  announcements: 'Announcements',
  webhooksOff: (count: number) =>
    `${formatCount(count)} ${plural(count, 'webhook was', 'webhooks were')} turned off after failing. Look at Settings`,
  inbox: 'Test inbox',
  inboxHint: 'Test mode: emails go to the test inbox, no real email is sent',
  openPalette: 'Search or go to…',
  openPaletteLabel: 'Search and commands',
  theme: { toLight: 'Switch to light theme', toDark: 'Switch to dark theme' },
  roles: { viewer: 'Viewer', operator: 'Operator', approver: 'Approver', admin: 'Admin' },
  notFound: {
    title: 'Page not found',
    text: 'The link may be old or mistyped.',
    action: 'Go to the start page',
  },
  notForYou: {
    title: 'You don’t have access to this page',
    text: 'Your role doesn’t include it. Ask an admin to change your role.',
  },
  noRole: {
    title: 'You don’t have a role yet',
    text: 'You are signed in, but no role is assigned to you. Ask an admin to assign one.',
    action: 'Try again',
  },
  broken: { title: 'This page couldn’t be loaded', text: 'Reload to try again.', action: 'Reload' },
  offline: {
    title: 'You are offline',
    text: 'This page opens by itself when you are back online. Your activations continue.',
  },

  nav: {
    leads: 'Leads',
    imports: 'Imports',
    activations: 'Activations',
    approvals: 'Approvals',
    templates: 'Templates',
    suppressions: 'Suppressions',
    audit: 'Audit',
    settings: 'Settings',
  },

  announce: {
    /** `percents` rise; `state` is null where it stayed. */
    change: (name: string, percents: readonly string[], state: string | null) =>
      `${name}: ${[
        ...(percents.length > 0 ? [`${formatList(percents)} done`] : []),
        ...(state === null ? [] : [state]),
      ].join(', ')}`,
  },

  toasts: {
    region: 'Notifications',
    completed: (name: string) => `${name} is complete`,
    completedWith: (name: string, failed: number) =>
      `${name} completed with ${formatCount(failed)} ${plural(failed, 'failure', 'failures')}`,
    cancelled: (name: string) => `${name} was cancelled`,
    failed: (name: string) => `${name} failed`,
    summary: (sent: number, failed: number, unknown: number) =>
      [
        `${emails(sent)} sent`,
        ...(failed > 0 ? [`${formatCount(failed)} failed`] : []),
        ...(unknown > 0 ? [`${formatCount(unknown)} unconfirmed`] : []),
      ].join(', '),
    show: 'Show activation',
  },
} as const;
