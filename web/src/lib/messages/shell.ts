/**
 * Words of what surrounds every page: navigation, announcements, toasts, and pages that cannot be shown.
 *
 * @module
 */
import { formatCount, formatList, plural } from './format.ts';

const mails = (count: number): string => `${formatCount(count)} ${plural(count, 'email', 'emails')}`;

export const shellMessages = {
  name: 'Lead Activation',
  skipToContent: 'Skip to content',
  mainNavigation: 'Main',
  moreNavigation: 'More',
  announcements: 'Announcements',
  inbox: 'Test inbox',
  inboxHint: 'Mails of this installation go to a stand-in inbox',
  signedInAs: (name: string) => `Signed in as ${name}`,
  sendsAs: (from: string) => `Sends as ${from}`,
  theme: { toLight: 'Switch to light theme', toDark: 'Switch to dark theme' },
  notFound: {
    title: 'There is no such page',
    text: 'The link may be old, or mistyped.',
    action: 'Go to the start',
  },
  notForYou: {
    title: 'This page is not open to you',
    text: 'Your role does not reach it. An admin of this installation can change that.',
  },
  noRole: {
    title: 'You have no role here yet',
    text: 'You are signed in, but nobody has said what you may do. Ask an admin of this installation.',
    action: 'Try again',
  },
  broken: { title: 'This page could not be shown', text: 'Reload to try again.', action: 'Reload' },

  nav: {
    leads: 'Leads',
    imports: 'Imports',
    activity: 'Activations',
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
    cancelled: (name: string) => `${name} was cancelled`,
    failed: (name: string) => `${name} failed`,
    summary: (sent: number, failed: number, unknown: number) =>
      [
        `${mails(sent)} sent`,
        ...(failed > 0 ? [`${formatCount(failed)} failed`] : []),
        ...(unknown > 0 ? [`${formatCount(unknown)} unconfirmed`] : []),
      ].join(', '),
    show: 'Show the activation',
  },
} as const;
