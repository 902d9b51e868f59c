/**
 * The leads on the screen, one page of a view at a time, and which leads are selected. The last page stays
 * visible while the next one loads.
 *
 * The selection outlives searches, other pages and a reload: the tab's storage keeps it. "All that match" means
 * one filter; under another one it is set aside until that filter is back or somebody asks for it.
 *
 * @module
 */
import type { FoundLead, LeadPage } from '../../../../src/shared/schemas/leads.ts';
import { timing } from '../sync/timing.ts';
import { api, type Refusal } from '../api/client.ts';
import { PagedList } from '../api/paged-list.svelte.ts';
import { refreshedPage } from './refreshed-page.ts';
import { filterOf, sameLeadFilter, type LeadView } from './view.ts';
import {
  audienceOf,
  nothing,
  notShownCount,
  pageState,
  rangeOf,
  readSelection,
  selectAll,
  selectedCount,
  setSelected,
  isCountExact,
  isSelected,
  writeSelection,
  type AllSelected,
  type Selection,
} from './selection.ts';

const key = 'lead-activation:selection';
/** The session that was started with the selection, while its start has no answer. */
const startKey = 'lead-activation:selection-start';

/** The page of a view at a cursor, as the server is asked for it. */
const requestOf = (view: LeadView, cursor: string | null) => ({
  ...filterOf(view),
  sort: view.sort,
  limit: view.limit,
  cursor,
});

type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export class LeadList {
  readonly #pages: PagedList<FoundLead, LeadPage>;
  readonly #storage: TabStorage | null;
  #selection = $state.raw<Selection>(nothing);
  /** "All that match" of a filter that is not shown. */
  #aside = $state.raw<AllSelected | null>(null);
  /** The row that was clicked last: where a range begins. */
  #anchor: number | null = null;
  #view: LeadView | null = null;
  #refreshTimer: ReturnType<typeof setTimeout> | null = null;

  /** @param storage - of this tab; may be missing, throw, or hold what others wrote */
  constructor(storage: TabStorage | null) {
    this.#storage = storage;
    this.#pages = new PagedList({
      fetchPage: (cursor, signal) => {
        if (this.#view === null) throw new Error('No view is shown.');
        return api.leads(requestOf(this.#view, cursor), signal);
      },
      itemsOf: (page) => page.leads,
    });
    try {
      this.#selection = readSelection(storage?.getItem(key) ?? null);
      const sessionId = storage?.getItem(startKey) ?? null;
      if (sessionId !== null) void this.#clearIfStarted(sessionId);
    } catch {
      // Without storage the selection lives as long as the page.
    }
  }

  /**
   * The page was left before a start had its answer: its leads are selected no more if it was carried out. It may be
   * carried out later; then the next page asks again.
   */
  async #clearIfStarted(sessionId: string): Promise<void> {
    const selection = this.#selection;
    const answer = await api.progress(sessionId);
    if (answer.ok && [this.#selection, this.#aside].includes(selection)) this.clearSelection();
  }

  /** A start with the selection is sent. */
  startSent(sessionId: string): void {
    this.#store(startKey, sessionId);
  }
  /** It was refused, and the selection stays. */
  startRefused(): void {
    this.#store(startKey, null);
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
  /** Selected leads that are not on the screen. */
  get notShownCount(): number {
    return notShownCount(this.#selection, this.#ids);
  }
  get pageState(): 'none' | 'some' | 'all' {
    return pageState(this.#selection, this.#ids);
  }
  /** The selection of everyone who matched another filter. */
  get aside(): AllSelected | null {
    return this.#aside;
  }

  async show(view: LeadView): Promise<void> {
    this.#view = view;
    const filter = filterOf(view);
    if (this.#selection.kind === 'all' && !sameLeadFilter(this.#selection.filter, filter)) {
      this.#aside = this.#selection;
      this.#selection = nothing;
    }
    if (this.#aside !== null && this.selectedCount === 0 && sameLeadFilter(this.#aside.filter, filter)) {
      this.#set(this.#aside);
    }
    await this.#pages.open(view.cursor);
  }

  async reload(): Promise<void> {
    if (this.#view !== null) await this.show(this.#view);
  }

  /**
   * A session has moved: reads the rows on the screen again soon, without a sign of loading. No row leaves
   * the screen while leads are selected. At most once in two seconds.
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
    const answer = await api.leads(requestOf(view, view.cursor));
    // A refresh that failed is made up for by the next one.
    if (!answer.ok || this.#view !== view || this.page === null || this.loading) return;
    this.#pages.put(refreshedPage(this.page, answer.value, this.selectedCount > 0));
  }

  isSelected(id: number): boolean {
    return isSelected(this.#selection, id);
  }
  /** @param isRange - also whatever is between this row and the one that was clicked before */
  selectRow(id: number, selected: boolean, isRange: boolean): void {
    const ids = isRange ? rangeOf(this.#ids, this.#anchor, id) : [id];
    this.#anchor = id;
    this.#set(setSelected(this.#selection, ids, selected));
  }
  selectPage(selected: boolean): void {
    this.#set(setSelected(this.#selection, this.#ids, selected));
  }
  selectAll(): void {
    if (this.#view !== null && this.page !== null) {
      const { total, isTotalExact } = this.page;
      this.#set(selectAll(filterOf(this.#view), total, isTotalExact));
    }
  }
  clearSelection(): void {
    this.#set(nothing);
  }
  audience(): ReturnType<typeof audienceOf> {
    return audienceOf(this.#selection);
  }

  #set(selection: Selection): void {
    this.#selection = selection;
    this.#aside = null;
    this.#store(key, writeSelection(selection));
    this.#store(startKey, null);
  }

  #store(name: string, text: string | null): void {
    try {
      if (text === null) this.#storage?.removeItem(name);
      else this.#storage?.setItem(name, text);
    } catch {
      // It is too large for the storage, or there is none: then a reload forgets it.
    }
  }

  get #ids(): number[] {
    return this.page?.leads.map((lead) => lead.id) ?? [];
  }
}
