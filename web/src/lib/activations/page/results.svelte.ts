/**
 * The result of each lead of an activation: filters over a paged list whose pages are turned.
 *
 * @module
 */
import type { LeadResultPage } from '../../../../../src/shared/schemas/activation.ts';
import { api, type Answer, type Refusal } from '../../api/client.ts';
import { PagedList } from '../../api/paged-list.svelte.ts';
import type { ResultFilter } from './result-filter.ts';

const pageCount = 50;
/** The server looks at a bounded part of the leads for one page; a rare result may be behind several such parts. */
const maxEmptyPageCount = 50;
const none: ResultFilter = { activation: '', email: '', code: '' };

export class Results {
  readonly #sessionId: string;
  readonly #pages: PagedList<LeadResultPage['leads'][number], LeadResultPage>;
  #filter = $state.raw<ResultFilter>(none);

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
    this.#pages = new PagedList({
      fetchPage: (cursor) => this.#fetch(cursor),
      itemsOf: (page) => page.leads,
    });
  }

  get page(): LeadResultPage | null {
    return this.#pages.page;
  }
  get refusal(): Refusal | null {
    return this.#pages.refusal;
  }
  get loading(): boolean {
    return this.#pages.isLoading;
  }
  get filter(): ResultFilter {
    return this.#filter;
  }
  get isFiltered(): boolean {
    return this.#filter.activation !== '' || this.#filter.email !== '' || this.#filter.code !== '';
  }
  get isFirst(): boolean {
    return !this.#pages.hasPrevious;
  }

  /** Shows the first page of other leads. */
  show(filter: ResultFilter): void {
    this.#filter = filter;
    void this.#pages.open();
  }
  next(): void {
    void this.#pages.next();
  }
  previous(): void {
    void this.#pages.previous();
  }

  /** Reads the shown page again, because a person wants it. */
  async load(): Promise<void> {
    await this.#pages.reload();
  }

  /** Reads the shown page again, because its leads have moved. */
  async reread(): Promise<void> {
    await this.#pages.reread();
  }

  /** One page with leads on it, where there is one. */
  async #fetch(cursor: string | null): Promise<Answer<LeadResultPage>> {
    const ask = (from: string | null): Promise<Answer<LeadResultPage>> =>
      api.results(this.#sessionId, { ...this.#filter, cursor: from, limit: pageCount });
    let answer = await ask(cursor);
    for (let count = 0; count < maxEmptyPageCount; count += 1) {
      if (!answer.ok || answer.value.leads.length > 0 || answer.value.nextCursor === null) break;
      answer = await ask(answer.value.nextCursor);
    }
    return answer;
  }
}
