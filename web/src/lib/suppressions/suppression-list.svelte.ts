/**
 * The suppression list on the screen: pages, a look-up by address, adding and removing.
 *
 * @module
 */
import type { Suppression, SuppressionPage, SuppressionReason } from '../../../../src/shared/schemas/mail.ts';
import { api, type Answer, type Refusal } from '../api/client.ts';
import { PagedList } from '../api/paged-list.svelte.ts';
import { suppressionsMessages } from '../messages/suppressions.ts';
import { readAddressLines } from './address-list.ts';

/** Addresses of one request; the server takes 2,000. */
const chunkCount = 1_000;

const isReason = (text: string): text is SuppressionReason =>
  Object.hasOwn(suppressionsMessages.reasons, text);

export interface AddResult {
  addedCount: number;
  knownCount: number;
  /** Lines without a valid address, as they were typed and in their order. */
  badLines: readonly string[];
}

export class SuppressionList {
  readonly #pages: PagedList<Suppression, SuppressionPage>;
  #found = $state.raw<SuppressionPage | null>(null);
  #actionRefusal = $state.raw<Refusal | null>(null);
  #reason = $state<SuppressionReason | null>(null);
  #isActing = $state(false);

  constructor() {
    this.#pages = new PagedList({
      fetchPage: (cursor) => api.suppressions({ reason: this.#reason, cursor }),
      itemsOf: (page) => page.suppressions,
    });
  }

  get page(): SuppressionPage | null {
    return this.#pages.page;
  }
  /** The result of a look-up; null when none is shown. */
  get found(): SuppressionPage | null {
    return this.#found;
  }
  get shown(): readonly Suppression[] {
    return this.#found?.suppressions ?? this.#pages.items;
  }
  get hasNext(): boolean {
    return this.#found === null && this.#pages.hasMore;
  }
  get hasPrevious(): boolean {
    return this.#found === null && this.#pages.hasPrevious;
  }
  /** Why the list could not be read. */
  get refusal(): Refusal | null {
    return this.#pages.refusal;
  }
  get reason(): SuppressionReason | null {
    return this.#reason;
  }
  /** Why the last addition, removal or look-up was refused. */
  get actionRefusal(): Refusal | null {
    return this.#actionRefusal;
  }
  get busy(): boolean {
    return this.#isActing || this.#pages.isLoading;
  }

  /** Reads the shown page again, in place of a look-up. */
  async load(): Promise<void> {
    this.#found = null;
    this.#actionRefusal = null;
    await this.#pages.reload();
  }

  async filter(reason: string): Promise<void> {
    this.#reason = isReason(reason) ? reason : null;
    this.#found = null;
    this.#actionRefusal = null;
    await this.#pages.open();
  }

  async next(): Promise<void> {
    this.#actionRefusal = null;
    await this.#pages.next();
  }

  async previous(): Promise<void> {
    this.#actionRefusal = null;
    await this.#pages.previous();
  }

  async search(address: string): Promise<void> {
    if (address.trim() === '') return this.load();
    const found = await this.#act(() => api.searchSuppression(address.trim()));
    if (found !== null) this.#found = found;
  }

  /** Adds every address in a text; null when one of the requests was refused. */
  async add(text: string, reason: 'manual' | 'imported', note: string): Promise<AddResult | null> {
    const { addresses, badLines, lineOf } = readAddressLines(text);
    const sum = { addedCount: 0, knownCount: 0 };
    const refused = new Set(badLines);
    for (let start = 0; start < addresses.length; start += chunkCount) {
      const part = addresses.slice(start, start + chunkCount);
      const result = await this.#act(() => api.addSuppressions(part, reason, note));
      if (result === null) return null;
      sum.addedCount += result.addedCount;
      sum.knownCount += result.knownCount;
      for (const place of result.invalidLines) refused.add(lineOf.get(part[place - 1] ?? '') ?? '');
    }
    this.#found = null;
    await this.#pages.open();
    const lines = text.split(/\r?\n|\r/).map((line) => line.trim());
    return { ...sum, badLines: [...new Set(lines)].filter((line) => refused.has(line)) };
  }

  async remove(id: string, note: string): Promise<boolean> {
    const answer = await this.#act(async (): Promise<Answer<true>> => {
      const removal = await api.removeSuppression(id, note);
      return removal.ok ? { ok: true, value: true } : removal;
    });
    if (answer === null) return false;
    await this.load();
    return true;
  }

  async #act<T>(work: () => Promise<Answer<T>>): Promise<T | null> {
    this.#isActing = true;
    const answer = await work();
    this.#isActing = false;
    this.#actionRefusal = answer.ok ? null : answer.refusal;
    return answer.ok ? answer.value : null;
  }
}
