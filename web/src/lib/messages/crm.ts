/**
 * Words of the connected CRM on the settings page.
 *
 * @module
 */
import { formatCount, plural } from './format.ts';

export const crmMessages = {
  title: 'CRM',
  none: 'No CRM is connected. Leads are set active in this app only.',
  noneHint: 'docs/CRM.md explains how to connect HubSpot, Salesforce, Twenty or your own.',
  problem: 'The CRM can’t be used',
  connected: (title: string, host: string) => `Connected to ${title} (${host})`,
  sets: 'An active lead has',
  undoes: 'Set back to',
  limit: 'Limit',
  limitValue: (rate: string, records: number) =>
    `${rate} ${rate === '1' ? 'call' : 'calls'} per second, ${formatCount(records)} records each`,
  fields: 'Fields of a pulled list',
  field: (theirs: string, ours: string) => `${theirs} → ${ours}`,
  test: 'Test connection',
  testOk: 'The CRM accepted the key',
  testFailed: 'The test failed',
  pullTitle: 'Pull a list',
  pullText: 'Its contacts become leads with a tag. Pulling never sends email.',
  listId: 'List ID',
  pull: 'Pull list',
  pulling: (count: number) => `${formatCount(count)} ${plural(count, 'contact', 'contacts')} so far`,
  pulled: (count: number, tag: string) =>
    `${formatCount(count)} ${plural(count, 'lead', 'leads')} tagged “${tag}”`,
  refused: (count: number) => `${formatCount(count)} ${plural(count, 'contact', 'contacts')} not taken`,
  show: 'Show these leads',
} as const;
