/**
 * Words of the settings page.
 *
 * @module
 */
import type { SenderCheck } from '../../../../src/shared/schemas/mail.ts';

export const settingsMessages = {
  title: 'Settings',
  subtitle: 'Whether mail can be sent, and whether it would arrive.',
  failed: 'The settings could not be checked',
  again: 'Check again',
  standIn: {
    title: 'Nothing really leaves',
    text: 'Mail goes to a stand-in on this machine. Choose a provider to send for real: docs/MAIL.md says how.',
  },
  ready: { title: 'Mail can be sent', text: (domain: string) => `From ${domain}.` },
  notReady: { title: 'A run would be refused', text: 'What is missing is marked below.' },
  statuses: {
    ok: 'In place',
    missing: 'Missing',
    warning: 'Look at this',
    unknown: 'Unknown',
    not_needed: 'Not needed yet',
  } satisfies Record<SenderCheck['checks'][number]['status'], string>,
  required: 'needed to start',
  checks: 'Checks',
  dataLocation: {
    title: 'Data location',
    /** Jurisdictions as Cloudflare names them, and what they are. */
    places: { eu: 'European Union', us: 'United States', fedramp: 'FedRAMP data centers (United States)' },
    none: 'Not restricted to a region',
    text: 'The database and all activations. Chosen when this app was first deployed; it cannot be changed.',
  },
} as const;
