/**
 * A list that the server gives in pages, each with the cursor of the next one: what is shown, whether there
 * is more, and why a page did not come. Screens add pages at the end (`more`) or turn them (`next`,
 * `previous`).
 *
 * Does not know what the items are; a list with filters or actions holds a `PagedList`.
 *
 * Invariants: only the newest request is shown, an answer that was overtaken is dropped; a refused request
 * leaves what is shown as it is.
 *
 * @module
 */
import type { Answer, Refusal } from './client.ts';

/** The part of a page that paging needs. */
interface CursorPage {
  nextCursor: string | null;
}

interface PagedListOptions<Item, Page extends CursorPage> {
  /** One page; null is the cursor of the first. The signal is aborted once the answer is not wanted. */
  fetchPage: (cursor: string | null, signal: AbortSignal) => Promise<Answer<Page>>;
  itemsOf: (page: Page) => readonly Item[];
  /**
   * How items that came are combined with those that are shown, for the first page too. Without it the
   * first page replaces what is shown, and every further one is added at the end.
   */
  merge?: (shown: readonly Item[], incoming: readonly Item[]) => readonly Item[];
}

export class PagedList<Item, Page extends CursorPage> {
  readonly #options: PagedListOptions<Item, Page>;
  #page = $state.raw<Page | null>(null);
  #items = $state.raw<readonly Item[]>([]);
  #nextCursor = $state<string | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #isLoading = $state(false);
  /** Cursors of the pages that were turned to, up to the shown one. */
  #trail = $state.raw<readonly (string | null)[]>([null]);
  #abort: AbortController | null = null;

  constructor(options: PagedListOptions<Item, Page>) {
    this.#options = options;
  }

  /** The page that came last, for what is said of the whole list; null until the first answer. */
  get page(): Page | null {
    return this.#page;
  }
  get items(): readonly Item[] {
    return this.#items;
  }
  /** A page has come. */
  get isReady(): boolean {
    return this.#page !== null;
  }
  /** A person waits for a page. */
  get isLoading(): boolean {
    return this.#isLoading;
  }
  get hasMore(): boolean {
    return this.#nextCursor !== null;
  }
  get hasPrevious(): boolean {
    return this.#trail.length > 1;
  }
  /** Why the last request brought no page. */
  get refusal(): Refusal | null {
    return this.#refusal;
  }

  /** Shows the page at a cursor, the first one by default, and forgets the way there. */
  async open(cursor: string | null = null): Promise<void> {
    this.#trail = [cursor];
    await this.#load(cursor, 'open');
  }

  /** Reads the shown page again, because a person wants it. */
  async reload(): Promise<void> {
    await this.#load(this.#trail.at(-1) ?? null, 'open');
  }

  /** Reads the shown page again, because something has happened elsewhere: nobody waits, so no sign of loading. */
  async reread(): Promise<void> {
    await this.#load(this.#trail.at(-1) ?? null, 'reread');
  }

  /** Merges the first page into what is shown; how far a person has read stays as it is. */
  async refresh(): Promise<void> {
    await this.#load(null, 'refresh');
  }

  /** Adds the next page at the end. */
  async more(): Promise<void> {
    if (this.#nextCursor !== null && !this.#isLoading) await this.#load(this.#nextCursor, 'more');
  }

  /** Turns to the next page. */
  async next(): Promise<void> {
    if (this.#nextCursor === null) return;
    this.#trail = [...this.#trail, this.#nextCursor];
    await this.reload();
  }

  /** Turns back. */
  async previous(): Promise<void> {
    if (!this.hasPrevious) return;
    this.#trail = this.#trail.slice(0, -1);
    await this.reload();
  }

  /** Shows a page that the caller has asked for itself, in place of the shown one. */
  put(page: Page): void {
    this.#page = page;
    this.#items = this.#options.itemsOf(page);
    this.#nextCursor = page.nextCursor;
  }

  /** Changes the shown items without asking the server. */
  revise(change: (shown: readonly Item[]) => readonly Item[]): void {
    this.#items = change(this.#items);
  }

  /** Drops the answer that is awaited, if any. */
  stop(): void {
    this.#abort?.abort();
  }

  async #load(cursor: string | null, how: 'open' | 'more' | 'refresh' | 'reread'): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    // What is waited for stays so, when this request overtakes it.
    if (how !== 'reread') this.#isLoading = true;
    const answer = await this.#options.fetchPage(cursor, abort.signal);
    if (abort.signal.aborted) return;
    this.#isLoading = false;
    this.#refusal = answer.ok ? null : answer.refusal;
    if (!answer.ok) return;
    const { itemsOf, merge } = this.#options;
    const incoming = itemsOf(answer.value);
    if (merge !== undefined) this.#items = merge(this.#items, incoming);
    else this.#items = how === 'more' ? [...this.#items, ...incoming] : incoming;
    this.#page = answer.value;
    if (how !== 'refresh') this.#nextCursor = answer.value.nextCursor;
  }
}
