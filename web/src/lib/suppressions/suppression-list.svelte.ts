/**
 * The suppression list on the screen: pages, a look-up by address, adding and removing.
 *
 * @module
 */
import type { Suppression, SuppressionPage, SuppressionReason } from '../../../../src/shared/schemas/mail.ts';
import { api, type Answer, type Refusal } from '../api/client.ts';
import { suppressionsMessages } from '../messages/suppressions.ts';
import { addressesIn } from './address-list.ts';

/** Addresses of one request; the server takes 2,000. */
const chunkCount = 1_000;

const isReason = (text: string): text is SuppressionReason =>
  Object.hasOwn(suppressionsMessages.reasons, text);

export interface AddResult {
  addedCount: number;
  knownCount: number;
  invalidCount: number;
}

export class SuppressionList {
  #page = $state.raw<SuppressionPage | null>(null);
  #found = $state.raw<SuppressionPage | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #reason = $state<SuppressionReason | null>(null);
  #trail = $state.raw<readonly (string | null)[]>([null]);
  #busy = $state(false);

  get page(): SuppressionPage | null {
    return this.#page;
  }
  /** What a look-up came to; null when none is shown. */
  get found(): SuppressionPage | null {
    return this.#found;
  }
  get shown(): readonly Suppression[] {
    return (this.#found ?? this.#page)?.suppressions ?? [];
  }
  get nextCursor(): string | null {
    return this.#found === null ? (this.#page?.nextCursor ?? null) : null;
  }
  get hasPrevious(): boolean {
    return this.#found === null && this.#trail.length > 1;
  }
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  get reason(): SuppressionReason | null {
    return this.#reason;
  }
  get busy(): boolean {
    return this.#busy;
  }

  async load(): Promise<void> {
    this.#found = null;
    const page = await this.#run(() =>
      api.suppressions({ reason: this.#reason, cursor: this.#trail.at(-1) ?? null }),
    );
    if (page !== null) this.#page = page;
  }

  async filter(reason: string): Promise<void> {
    this.#reason = isReason(reason) ? reason : null;
    this.#trail = [null];
    await this.load();
  }

  async next(): Promise<void> {
    const cursor = this.nextCursor;
    if (cursor === null) return;
    this.#trail = [...this.#trail, cursor];
    await this.load();
  }

  async previous(): Promise<void> {
    if (!this.hasPrevious) return;
    this.#trail = this.#trail.slice(0, -1);
    await this.load();
  }

  async search(address: string): Promise<void> {
    if (address.trim() === '') return this.load();
    const found = await this.#run(() => api.searchSuppression(address.trim()));
    if (found !== null) this.#found = found;
  }

  /** Adds every address in a text; null when one of the requests was refused. */
  async add(text: string, reason: 'manual' | 'imported', note: string): Promise<AddResult | null> {
    const addresses = addressesIn(text);
    const sum: AddResult = { addedCount: 0, knownCount: 0, invalidCount: 0 };
    for (let start = 0; start < addresses.length; start += chunkCount) {
      const part = addresses.slice(start, start + chunkCount);
      const result = await this.#run(() => api.addSuppressions(part, reason, note));
      if (result === null) return null;
      sum.addedCount += result.addedCount;
      sum.knownCount += result.knownCount;
      sum.invalidCount += result.invalidLines.length;
    }
    this.#trail = [null];
    await this.load();
    return sum;
  }

  async remove(id: string, note: string): Promise<boolean> {
    const answer = await this.#run(async (): Promise<Answer<true>> => {
      const removal = await api.removeSuppression(id, note);
      return removal.ok ? { ok: true, value: true } : removal;
    });
    if (answer === null) return false;
    await this.load();
    return true;
  }

  async #run<T>(work: () => Promise<Answer<T>>): Promise<T | null> {
    this.#busy = true;
    const answer = await work();
    this.#busy = false;
    this.#refusal = answer.ok ? null : answer.refusal;
    return answer.ok ? answer.value : null;
  }
}
