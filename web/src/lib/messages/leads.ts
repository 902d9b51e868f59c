/**
 * Words of the leads page.
 *
 * @module
 */
import type { LeadSort } from '../../../../src/shared/schemas/leads.ts';
import type { SuppressionReason } from '../../../../src/shared/schemas/mail.ts';
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

/** Why a lead gets no email, in a word or two. */
export const unmailableMessages: Record<SuppressionReason | 'invalid_address', string> = {
  unsubscribed: 'Unsubscribed',
  complained: 'Marked as spam',
  hard_bounce: 'Bounced',
  provider: 'Blocked by provider',
  manual: 'Suppressed',
  imported: 'Suppressed',
  invalid_address: 'Invalid email',
};

export const leadsMessages = {
  title: 'Leads',
  subtitle: (total: number, isExact: boolean) => `${isExact ? '' : 'At least '}${leads(total)} match`,
  all: (total: number) => leads(total),
  search: 'Search leads',
  searchPlaceholder: 'Search name, company or email',
  searchHint: 'Searches the beginning of words, email and domain',
  sort: 'Sort by',
  perPage: 'Leads per page',
  sorts: {
    '-id': 'Newest first',
    id: 'Oldest first',
    lastName: 'Last name, A to Z',
    '-lastName': 'Last name, Z to A',
    company: 'Company, A to Z',
    '-company': 'Company, Z to A',
    email: 'Email, A to Z',
    '-email': 'Email, Z to A',
  } satisfies Record<LeadSort, string>,
  columns: {
    name: 'Name',
    email: 'Email',
    company: 'Company',
    phone: 'Phone',
    source: 'Source',
    stage: 'Stage',
    consentSource: 'Consent',
    added: 'Added',
    activated: 'Activated',
    result: 'Last result',
    status: 'Status',
  },
  columnsMenu: 'Columns',
  columnsTitle: 'Show columns',
  columnsReset: 'Reset to default',
  noName: 'No name',
  table: 'Leads',
  selectPage: 'Select all leads on this page',
  selectLead: (name: string) => `Select ${name}`,
  export: 'Export',
  exportHint: 'Download all leads that match as a CSV file',
  addLead: '+ Add lead',
  importLeads: 'Import',
  ofTotal: (total: number, isExact: boolean) => `of ${isExact ? '' : 'at least '}${formatCount(total)}`,
  paging: 'Pages of leads',
  failed: 'The leads could not be loaded',
  activatedAt: (time: string) => `Activated ${time}`,
  notEmailed: 'will not be emailed',
  willNotBeEmailed: (reason: string) => `Will not be emailed: ${reason}`,
} as const;
