/**
 * The result of each lead of an activation: filters over a paged list whose pages are turned.
 *
 * @module
 */
import type { ActivationState, EmailState } from '../../../../../src/shared/progress.ts';
import type { LeadResultPage } from '../../../../../src/shared/schemas/activation.ts';
import { api, type Refusal } from '../../api/client.ts';
import { PagedList } from '../../api/paged-list.svelte.ts';

const pageCount = 50;

export class Results {
  readonly #pages: PagedList<LeadResultPage['leads'][number], LeadResultPage>;
  #activation = $state<ActivationState | ''>('');
  #email = $state<EmailState | ''>('');

  constructor(sessionId: string) {
    this.#pages = new PagedList({
      fetchPage: (cursor) =>
        api.results(sessionId, {
          activation: this.#activation,
          email: this.#email,
          cursor,
          limit: pageCount,
        }),
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
  get activation(): ActivationState | '' {
    return this.#activation;
  }
  get email(): EmailState | '' {
    return this.#email;
  }
  get isFirst(): boolean {
    return !this.#pages.hasPrevious;
  }

  filter(change: { activation?: ActivationState | ''; email?: EmailState | '' }): void {
    this.#activation = change.activation ?? this.#activation;
    this.#email = change.email ?? this.#email;
    void this.#pages.open();
  }
  next(): void {
    void this.#pages.next();
  }
  previous(): void {
    void this.#pages.previous();
  }

  /** Reads the shown page again. */
  async load(): Promise<void> {
    await this.#pages.reload();
  }
}
