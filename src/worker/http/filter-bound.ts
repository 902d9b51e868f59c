/**
 * The bound of a filter: its properties are a fixed few, so what can grow is the words of its search.
 *
 * @module
 */
import { searchTermCount } from '../../crm/leads/search-terms.ts';
import { limits } from '../../shared/limits.ts';
import type { LeadFilter } from '../../shared/schemas/leads.ts';
import { Refusal } from './problem.ts';

/** Refuses a search with more words than are looked up. */
export function requireSimpleFilter(filter: Pick<LeadFilter, 'search'>): void {
  if (searchTermCount(filter.search ?? '') > limits.maxSearchTermCount) {
    throw new Refusal('filter_too_complex', `Search for at most ${limits.maxSearchTermCount} words.`);
  }
}
