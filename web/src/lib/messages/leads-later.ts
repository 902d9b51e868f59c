/**
 * Words of the parts of the leads page that load when they are needed: what can be done with a selection, and a list
 * without leads.
 *
 * @module
 */
import { formatCount } from './format.ts';

export const leadsLaterMessages = {
  selectAll: (total: number, isExact: boolean) =>
    isExact ? `Select all ${formatCount(total)} matching` : 'Select all matching',
  selection: 'Selection',
  selected: (count: number) => `${formatCount(count)} selected`,
  allSelected: (count: number, isExact: boolean) =>
    isExact ? `All ${formatCount(count)} matching selected` : 'All matching selected',
  allSelectedBut: (count: number, excluded: number, isExact: boolean) =>
    `${isExact ? `${formatCount(count)} selected (all matching` : 'All matching selected (all'}, minus ${formatCount(excluded)})`,
  notShown: (count: number) => `${formatCount(count)} not shown`,
  aside: (count: number, isExact: boolean) =>
    isExact
      ? `${formatCount(count)} selected in another search`
      : 'All leads of another search were selected',
  restore: 'Go back to them',
  clearSelection: 'Clear',
  activate: 'Activate',
  bulk: {
    edit: 'Edit',
    tag: 'Tags',
    suppress: 'Suppress',
    export: 'Export',
    remove: 'Delete',
  },
  empty: {
    title: 'No leads yet',
    text: 'Import a file, or add a lead by hand.',
    action: 'Import leads',
  },
  noMatch: {
    title: 'No leads match',
    text: 'Search finds the beginning of a word, an email or a domain: “muel” finds Mueller, “ueller” does not.',
    dotted:
      'A word with a dot is a whole domain, such as example.com, or the beginning of an email. Type it to its end, or search a part of it without the dot.',
    clearSearch: 'Clear search',
    clearFilters: 'Clear filters',
  },
} as const;
