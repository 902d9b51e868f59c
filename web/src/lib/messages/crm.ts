/**
 * Words of the connected CRM on the settings page.
 *
 * @module
 */
import { limits } from '../../../../src/shared/limits.ts';
import type { CrmAllowance, CrmPull } from '../../../../src/shared/crm.ts';
import { formatCount, formatDateTime, formatPercent, plural } from './format.ts';

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
  changeFields: 'Change fields',
  fieldsText: (title: string) =>
    `Choose the ${title} field that fills each field of a lead. Pull a list again to fill them anew.`,
  fieldsFree: (title: string) =>
    `Type the name of the field that fills each field of a lead, as the API of ${title} has it. Pull a list again to fill them anew.`,
  fieldsFailed: 'The fields couldn’t be loaded',
  fieldsNotSaved: 'The fields weren’t saved',
  notFilled: 'Not filled',
  theirField: (label: string, name: string) => (label === name ? name : `${label} (${name})`),
  strange: (name: string) => `${name} (not found)`,
  usedTwice: (name: string) => `The field ${name} is selected twice. Select it once.`,
  saveFields: 'Save fields',
  resetFields: 'Use the fields of the settings',
  lastPull: 'Last pull',
  noPull: 'None yet',
  pullOf: ({ listId, created, updated, unchanged, refused }: CrmPull) => {
    const all = created + updated + unchanged;
    const parts = [
      `List ${listId}: ${formatCount(all)} ${plural(all, 'lead', 'leads')}`,
      ...(created > 0 ? [`${formatCount(created)} new`] : []),
      ...(updated > 0 ? [`${formatCount(updated)} changed`] : []),
      ...(refused > 0 ? [`${formatCount(refused)} not taken`] : []),
    ];
    return parts.join(', ');
  },
  pullBy: ({ by, at }: CrmPull) => `${by}, ${formatDateTime(at)}`,
  pullFailed: (error: string) => `Stopped: ${error}`,
  pullUnfinished: 'Not pulled to its end. Pull it again.',
  allowance: 'Calls used in 24 hours',
  allowanceValue: ({ usedCount, maxCount, at }: CrmAllowance) =>
    `${formatCount(usedCount)} of ${formatCount(maxCount)} (${formatPercent((100 * usedCount) / Math.max(1, maxCount))}), as of ${formatDateTime(at)}`,
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
  untagged: (count: number) =>
    `${formatCount(count)} ${plural(count, 'lead has', 'leads have')} ${limits.maxTagCount} tags already and did not get it: remove a tag, and pull the list again.`,
  show: 'Show these leads',
} as const;
