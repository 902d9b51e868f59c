/**
 * What became of the last email to each lead on the screen. Activations know it, and not the list of leads: it
 * is asked for only while its column is shown.
 *
 * @module
 */
import type { LeadResult } from '../../../../src/shared/schemas/activation.ts';
import type { Lead } from '../../../../src/shared/schemas/leads.ts';
import { api } from '../api/client.ts';

/** Leads that the server is asked about at once, at most. */
const maxAskedCount = 100;

export class LastResults {
  #known = $state.raw<ReadonlyMap<number, LeadResult>>(new Map());
  #asked = '';
  #isLoading = $state(false);

  /** Null: there is none, or nobody knows it any more. */
  of(lead: Lead): LeadResult | 'loading' | null {
    if (lead.activatedBy === null) return null;
    return this.#known.get(lead.id) ?? (this.#isLoading ? 'loading' : null);
  }

  /** Asks about these leads, once for each state that they are in. */
  async load(leads: readonly Lead[]): Promise<void> {
    const active = leads.filter(({ activatedBy }) => activatedBy !== null);
    const asked = active.map(({ id, activatedBy }) => `${id} ${activatedBy}`).join();
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#isLoading = true;
    const known = new Map<number, LeadResult>();
    for (let start = 0; start < active.length; start += maxAskedCount) {
      const answer = await api.lastResults(active.slice(start, start + maxAskedCount).map(({ id }) => id));
      if (this.#asked !== asked) return;
      if (answer.ok) for (const result of answer.value.results) known.set(result.leadId, result);
    }
    this.#known = known;
    this.#isLoading = false;
  }
}
