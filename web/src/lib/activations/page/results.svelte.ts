/**
 * What became of each lead of a run: filtered pages, walked with a trail of cursors.
 *
 * @module
 */
import type { ActivationState, EmailState } from '../../../../../src/shared/progress.ts';
import type { LeadResultPage } from '../../../../../src/shared/schemas/activation.ts';
import { api, type Refusal } from '../../api/client.ts';

const pageCount = 50;

export class Results {
  readonly #sessionId: string;
  #page = $state.raw<LeadResultPage | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #loading = $state(false);
  #activation = $state<ActivationState | ''>('');
  #email = $state<EmailState | ''>('');
  /** Cursors of the pages up to the shown one; null is the first page. */
  #trail = $state.raw<readonly (string | null)[]>([null]);
  #request = 0;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  get page(): LeadResultPage | null {
    return this.#page;
  }
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  get loading(): boolean {
    return this.#loading;
  }
  get activation(): ActivationState | '' {
    return this.#activation;
  }
  get email(): EmailState | '' {
    return this.#email;
  }
  get isFirst(): boolean {
    return this.#trail.length === 1;
  }

  filter(change: { activation?: ActivationState | ''; email?: EmailState | '' }): void {
    this.#activation = change.activation ?? this.#activation;
    this.#email = change.email ?? this.#email;
    this.#trail = [null];
    void this.load();
  }
  next(): void {
    const cursor = this.#page?.nextCursor ?? null;
    if (cursor === null) return;
    this.#trail = [...this.#trail, cursor];
    void this.load();
  }
  previous(): void {
    if (this.isFirst) return;
    this.#trail = this.#trail.slice(0, -1);
    void this.load();
  }

  async load(): Promise<void> {
    const request = ++this.#request;
    this.#loading = true;
    const answer = await api.results(this.#sessionId, {
      activation: this.#activation,
      email: this.#email,
      cursor: this.#trail.at(-1) ?? null,
      limit: pageCount,
    });
    if (request !== this.#request) return;
    this.#loading = false;
    this.#refusal = answer.ok ? null : answer.refusal;
    if (answer.ok) this.#page = answer.value;
  }
}
