/**
 * Words of the leads page.
 *
 * @module
 */
import type { LeadSort } from '../../../../src/shared/schemas/leads.ts';
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

export const leadsMessages = {
  title: 'Leads',
  subtitle: (total: number, isExact: boolean) => `${isExact ? '' : 'At least '}${leads(total)} match`,
  all: (total: number) => leads(total),
  search: 'Search leads',
  searchPlaceholder: 'Name, company or e-mail',
  status: 'Status',
  anyStatus: 'Any status',
  sort: 'Sort by',
  perPage: 'Leads per page',
  sorts: {
    '-id': 'Newest first',
    id: 'Oldest first',
    lastName: 'Last name, A to Z',
    '-lastName': 'Last name, Z to A',
    company: 'Company, A to Z',
    '-company': 'Company, Z to A',
    email: 'E-mail, A to Z',
    '-email': 'E-mail, Z to A',
  } satisfies Record<LeadSort, string>,
  columns: {
    name: 'Name',
    company: 'Company',
    source: 'Source',
    status: 'Status',
    added: 'Added',
  },
  noName: 'No name',
  table: 'Leads',
  selectPage: 'Choose all leads on this page',
  selectLead: (name: string) => `Choose ${name}`,
  selectAll: (total: number, isExact: boolean) =>
    isExact ? `Choose all ${formatCount(total)} that match` : 'Choose all that match',
  allSelected: (count: number, isExact: boolean) =>
    isExact ? `All ${leads(count)} that match are chosen.` : 'All leads that match are chosen.',
  allSelectedBut: (count: number, excluded: number, isExact: boolean) =>
    `${isExact ? leads(count) : 'Leads'} chosen: all that match but ${formatCount(excluded)}.`,
  selected: (count: number) => `${leads(count)} chosen`,
  clearSelection: 'Clear',
  activate: 'Activate',
  activateCount: (count: number, isExact: boolean) =>
    isExact ? `Activate ${formatCount(count)}` : 'Activate all that match',
  chooseFirst: 'Choose leads to activate them',
  ofTotal: (total: number, isExact: boolean) => `of ${isExact ? '' : 'at least '}${formatCount(total)}`,
  paging: 'Pages of leads',
  empty: {
    title: 'No leads yet',
    text: 'Leads appear here once they are imported.',
    action: 'Choose a file',
  },
  noMatch: {
    title: 'No lead matches',
    text: 'Try fewer or shorter words, or another status.',
    dotted:
      'A word with a dot is a whole domain, such as example.com, or the beginning of an email address. Type it to its end, or try a part of it without the dot.',
    action: 'Show all leads',
  },
  failed: 'The leads could not be loaded',
  activatedAt: (time: string) => `Activated ${time}`,
} as const;
