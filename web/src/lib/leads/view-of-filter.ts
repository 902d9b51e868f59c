/**
 * The way back from a filter to the view that shows its leads. Pure.
 *
 * @module
 */
import type { LeadFilter } from '../../../../src/shared/schemas/leads.ts';
import { noFilters, type LeadView, type ValueFilter } from './view.ts';

/** The search and filters that a filter was made of; a relative time comes back as the day that it began. */
export function viewOfFilter(filter: LeadFilter): Partial<LeadView> {
  const values = (name: ValueFilter): readonly string[] => {
    const value = filter[name];
    return value === undefined ? [] : typeof value === 'string' ? [value] : value;
  };
  return {
    ...noFilters,
    search: filter.search ?? '',
    status: filter.status ?? null,
    source: values('source'),
    stage: values('stage'),
    consentSource: values('consentSource'),
    tag: values('tag'),
    externalSource: values('externalSource'),
    importId: filter.importId ?? null,
    createdFrom: filter.createdFrom ?? null,
    createdTo: filter.createdTo ?? null,
    activatedFrom: filter.activatedFrom ?? null,
    activatedTo: filter.activatedTo ?? null,
    notMailedSince: filter.notMailedSince ?? null,
  };
}
