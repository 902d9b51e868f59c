/**
 * The entries of the audit page: a filter over a paged list.
 *
 * @module
 */
import type { AuditEntry, AuditPage } from '../../../../src/shared/schemas/audit.ts';
import { call } from '../api/client.ts';
import { PagedList } from '../api/paged-list.svelte.ts';

export interface AuditFilter {
  actor: string;
  action: string;
  target: string;
}

function queryOf(filter: AuditFilter, cursor: string | null): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...filter, cursor: cursor ?? '' })) {
    if (value.trim() !== '') query.set(name, value.trim());
  }
  return query.size === 0 ? '' : `?${query.toString()}`;
}

export class AuditList extends PagedList<AuditEntry, AuditPage> {
  #filter = $state.raw<AuditFilter>({ actor: '', action: '', target: '' });

  constructor() {
    super({
      fetchPage: (cursor, signal) =>
        call<AuditPage>(`/crm/audit${queryOf(this.#filter, cursor)}`, { signal }),
      itemsOf: (page) => page.entries,
    });
  }

  get isFiltered(): boolean {
    return queryOf(this.#filter, null) !== '';
  }
  get filter(): AuditFilter {
    return this.#filter;
  }
  /** The address of the CSV file of all entries that fit the filter. */
  get csvUrl(): string {
    return `/crm/audit.csv${queryOf(this.#filter, null)}`;
  }

  /** Shows what fits a filter, the newest first. */
  async show(filter: AuditFilter): Promise<void> {
    this.#filter = filter;
    await this.open();
  }
}
