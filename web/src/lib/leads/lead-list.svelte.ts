/**
 * The leads on the screen, one page of a view at a time, and which of them are chosen. The last page stays
 * visible while the next one loads.
 *
 * @module
 */
import type { FoundLead, LeadPage } from '../../../../src/shared/schemas/leads.ts';
import { timing } from '../sync/timing.ts';
import { api, type Refusal } from '../api/client.ts';
import { PagedList } from '../api/paged-list.svelte.ts';
import { refreshedPage } from './refreshed-page.ts';
import { sameFilter, filterOf, type LeadView } from './view.ts';
import {
  audienceOf,
  nothing,
  pageState,
  selectAll,
  selectedCount,
  setSelected,
  isCountExact,
  isSelected,
  type Selection,
} from './selection.ts';

export class LeadList {
  readonly #pages: PagedList<FoundLead, LeadPage>;
  #selection = $state.raw<Selection>(nothing);
  #view: LeadView | null = null;
  #refreshTimer: ReturnType<typeof setTimeout> | null = null;

  constructor() {
    this.#pages = new PagedList({
      fetchPage: (cursor, signal) => api.leads({ ...this.#view, cursor }, signal),
      itemsOf: (page) => page.leads,
    });
  }

  get page(): LeadPage | null {
    return this.#pages.page;
  }
  get refusal(): Refusal | null {
    return this.#pages.refusal;
  }
  get loading(): boolean {
    return this.#pages.isLoading;
  }
  get selection(): Selection {
    return this.#selection;
  }
  get selectedCount(): number {
    return selectedCount(this.#selection);
  }
  get isSelectedCountExact(): boolean {
    return isCountExact(this.#selection);
  }
  get pageState(): 'none' | 'some' | 'all' {
    return pageState(this.#selection, this.#ids);
  }

  async show(view: LeadView): Promise<void> {
    // "All that match" belongs to one filter; under another filter it would mean other people.
    if (this.#view !== null && !sameFilter(this.#view, view) && this.#selection.kind === 'all') {
      this.#selection = nothing;
    }
    this.#view = view;
    await this.#pages.open(view.cursor);
  }

  async reload(): Promise<void> {
    if (this.#view !== null) await this.show(this.#view);
  }

  /**
   * A session has moved: reads the rows on the screen again soon, without a sign of loading. No row leaves
   * the screen while leads are being chosen. At most once in two seconds.
   */
  refreshSoon(): void {
    this.#refreshTimer ??= setTimeout(() => {
      this.#refreshTimer = null;
      void this.#refresh();
    }, timing.pollIntervalMs);
  }

  stop(): void {
    if (this.#refreshTimer !== null) clearTimeout(this.#refreshTimer);
    this.#refreshTimer = null;
    this.#pages.stop();
  }

  async #refresh(): Promise<void> {
    const view = this.#view;
    if (view === null || this.page === null || this.loading || document.visibilityState === 'hidden') return;
    const answer = await api.leads(view);
    // A refresh that failed is made up for by the next one.
    if (!answer.ok || this.#view !== view || this.page === null || this.loading) return;
    this.#pages.put(refreshedPage(this.page, answer.value, this.selectedCount > 0));
  }

  isSelected(id: number): boolean {
    return isSelected(this.#selection, id);
  }
  select(ids: readonly number[], selected: boolean): void {
    this.#selection = setSelected(this.#selection, ids, selected);
  }
  selectPage(selected: boolean): void {
    this.select(this.#ids, selected);
  }
  selectAll(): void {
    if (this.#view !== null && this.page !== null) {
      const { total, isTotalExact } = this.page;
      this.#selection = selectAll(filterOf(this.#view), total, isTotalExact);
    }
  }
  clearSelection(): void {
    this.#selection = nothing;
  }
  audience(): ReturnType<typeof audienceOf> {
    return audienceOf(this.#selection);
  }

  get #ids(): number[] {
    return this.page?.leads.map((lead) => lead.id) ?? [];
  }
}
