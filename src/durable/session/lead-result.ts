/**
 * What became of one lead of a session: for the lead's own page.
 *
 * @module
 */
import { limits } from '../../shared/limits.ts';
import type { LeadResult } from '../../shared/schemas/activation.ts';
import { readResults } from './results.ts';
import type { SessionStore } from '../store/session-store.ts';

/** The lead's result, or null when it is not in this session. A lead that was moved to a later batch is there. */
export function readLeadResult(store: SessionStore, leadId: number): LeadResult | null {
  for (const seq of store.results.seqsAround(leadId)) {
    const query = {
      activation: null,
      email: null,
      code: null,
      cursor: { seq, index: 0 },
      // More than any provider takes in one call: all of the batch is looked at.
      limit: limits.maxPageLeadCount,
    };
    const found = readResults(store, query).leads.find((result) => result.leadId === leadId);
    if (found !== undefined) return found;
  }
  return null;
}
