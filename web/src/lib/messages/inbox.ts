/**
 * Words of the test inbox.
 *
 * @module
 */
import { formatCount, plural } from './format.ts';

export const inboxMessages = {
  title: 'Test inbox',
  subtitle: (count: number, zone: string) =>
    `${formatCount(count)} ${plural(count, 'email', 'emails')}, kept until the app stops · Times in ${zone}`,
  note: 'Test mode: these emails were not sent to anybody.',
  list: 'Emails',
  to: 'To',
  from: 'From',
  filter: 'Find by address or subject',
  refresh: 'Refresh',
  failed: 'The test inbox couldn’t be loaded',
  mailFailed: 'The email couldn’t be loaded',
  none: {
    title: 'No emails yet',
    text: 'Activate leads or send a test, and the emails appear here.',
    action: 'Select leads',
  },
  noMatch: { title: 'No email matches', text: 'Only the newest 200 are searched.' },
  pick: 'Select an email to read it',
  back: 'All emails',
  html: 'As sent',
  text: 'Plain text',
  frame: (subject: string) => `Email: ${subject}`,
  off: {
    title: 'There is no test inbox here',
    text: 'It exists only where the app runs in test mode on your own machine.',
  },
} as const;
