/**
 * Words of the settings page.
 *
 * @module
 */
import type { SenderCheck } from '../../../../src/shared/schemas/mail.ts';

export const settingsMessages = {
  title: 'Settings',
  subtitle: 'What this installation does, and where each value is changed.',
  failed: 'The settings couldn’t be loaded',
  sections: {
    sender: 'Email',
    roles: 'Your access',
    activations: 'Activations',
    privacy: 'Privacy',
    values: 'All settings',
  },
  api: { text: 'Build on this installation:', link: 'API reference' },
  again: 'Check again',
  standIn: {
    title: 'Test mode: no real email is sent',
    text: 'Emails go to the test inbox. To send for real, set the values marked Missing or Not needed yet below; docs/MAIL.md explains each provider.',
  },
  ready: { title: 'Ready to send', text: (from: string) => `Emails are sent from ${from}.` },
  notReady: {
    title: 'Activations can’t start yet',
    text: 'Fix what is marked Missing below.',
  },
  provider: (name: string, rate: string) => `${name} · up to ${rate}`,
  rate: (count: string) => `${count} ${count === '1' ? 'call' : 'calls'} per second`,
  openInbox: 'Open test inbox',
  checks: 'Sender check',
  statuses: {
    ok: 'OK',
    missing: 'Missing',
    warning: 'Check this',
    unknown: 'Unknown',
    not_needed: 'Not needed yet',
  } satisfies Record<SenderCheck['checks'][number]['status'], string>,
  required: 'required before sending',

  role: {
    label: 'Your role',
    viewer: 'Viewer: sees activations and their numbers.',
    operator: 'Operator: imports leads and starts activations.',
    approver: 'Approver: also approves what others start.',
    admin: 'Admin: may do everything.',
  },
  signedIn: 'Signed in as',
  confirmAbove: {
    label: 'Confirm by typing the count',
    value: (count: string) => `Above ${count} leads`,
  },
  approval: {
    label: 'Approval by a colleague',
    value: (count: string) => `Above ${count} leads`,
    none: 'Not needed',
  },
  undo: {
    label: 'Time to undo a start',
    value: (duration: string) => duration,
    none: 'None: activations begin at once',
  },
  retention: {
    label: 'Recipient data is kept for',
    value: (days: string) => `${days} after an activation ends`,
    hint: 'After that only its numbers remain.',
  },
  days: (count: number) => (count === 1 ? 'day' : 'days'),
  dataLocation: {
    title: 'Data location',
    /** Jurisdictions as Cloudflare names them, and what they are. */
    places: { eu: 'European Union', us: 'United States', fedramp: 'FedRAMP data centers (United States)' },
    none: 'Not restricted to a region',
    text: 'The database and all activations. Set at the first deploy; it cannot be changed later.',
  },
  changedBy: 'Change with',
  fixed: 'Set at the first deploy',
  privacy: {
    title: 'Data request (GDPR)',
    text: 'When a person asks what you hold about them, or asks you to erase it. Both are logged without the address.',
    address: 'Their email address',
    placeholder: 'name@example.com',
    export: 'Export personal data',
    exportText: 'The lead, activations, imports and suppression as one JSON file.',
    erase: 'Erase personal data',
    eraseTitle: 'Erase this person?',
    eraseText: (address: string) =>
      `Everything held about ${address} is deleted: the lead, import rows, and recipient data of activations. A suppression stays, as a hash. This can’t be undone.`,
    eraseAction: 'Erase',
    erased: 'The personal data was erased',
    failed: 'The personal data couldn’t be erased',
  },
  values: {
    hint: 'A value is changed by setting its variable and running the command again.',
    set: 'Set',
    notSet: 'Not set',
    defaultHint: 'default',
    secret: 'Secret, never shown',
    invalid: (problem: string) => `Invalid: it ${problem.replace(/^is /, 'must be ')}. The default is used.`,
    commands: { start: 'npm start', deploy: 'npm run deploy' },
    failed: 'The list of settings couldn’t be loaded',
  },
} as const;
