/**
 * The leads on the screen: loads the view it is given, keeps the last page visible while the next one is on
 * its way, and never shows an answer that was overtaken.
 *
 * @module
 */
import type { LeadPage } from '../../../../src/shared/schemas/leads.ts';
import { timing } from '../sync/timing.ts';
import { api, type Refusal } from '../api/client.ts';
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
  #page = $state.raw<LeadPage | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #loading = $state(false);
  #selection = $state.raw<Selection>(nothing);
  #view: LeadView | null = null;
  #abort: AbortController | null = null;
  #refreshTimer: ReturnType<typeof setTimeout> | null = null;

  get page(): LeadPage | null {
    return this.#page;
  }
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  get loading(): boolean {
    return this.#loading;
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
    // "All that match" is a promise about one filter; under another it would mean other people.
    if (this.#view !== null && !sameFilter(this.#view, view) && this.#selection.kind === 'all') {
      this.#selection = nothing;
    }
    this.#view = view;
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#loading = true;
    const answer = await api.leads(view, abort.signal);
    if (abort.signal.aborted) return;
    this.#loading = false;
    this.#refusal = answer.ok ? null : answer.refusal;
    if (answer.ok) this.#page = answer.value;
  }

  async reload(): Promise<void> {
    if (this.#view !== null) await this.show(this.#view);
  }

  /**
   * A run has moved: the rows on the screen are read again soon, without a sign of loading and without
   * taking a row away from under a person who is choosing. At most once in two seconds.
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
    this.#abort?.abort();
  }

  async #refresh(): Promise<void> {
    const view = this.#view;
    if (view === null || this.#page === null || this.#loading || document.visibilityState === 'hidden')
      return;
    const answer = await api.leads(view, this.#abort?.signal);
    // What did not come is asked for again with the next step of the run.
    if (!answer.ok || this.#view !== view || this.#page === null || this.#loading) return;
    this.#page = refreshedPage(this.#page, answer.value, this.selectedCount > 0);
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
    if (this.#view !== null && this.#page !== null) {
      const { total, isTotalExact } = this.#page;
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
    return this.#page?.leads.map((lead) => lead.id) ?? [];
  }
}
