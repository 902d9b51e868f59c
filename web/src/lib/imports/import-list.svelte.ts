/**
 * All imports, newest first, page after page.
 *
 * @module
 */
import type { Import } from '../../../../src/shared/schemas/imports.ts';
import { api, type Refusal } from '../api/client.ts';

const pageCount = 20;

export class ImportList {
  #imports = $state.raw<readonly Import[] | null>(null);
  #nextCursor = $state<string | null>(null);
  #isLoading = $state(false);
  #refusal = $state.raw<Refusal | null>(null);

  /** Null until the first answer. */
  get imports(): readonly Import[] | null {
    return this.#imports;
  }
  get hasMore(): boolean {
    return this.#nextCursor !== null;
  }
  get isLoading(): boolean {
    return this.#isLoading;
  }
  get refusal(): Refusal | null {
    return this.#refusal;
  }

  /** The first page anew. */
  async load(): Promise<void> {
    await this.#page(null);
  }

  async loadMore(): Promise<void> {
    if (this.#nextCursor !== null) await this.#page(this.#nextCursor);
  }

  /** An import as it is now, whether the list had it or not. */
  replace(now: Import): void {
    const known = this.#imports ?? [];
    const isKnown = known.some((it) => it.importId === now.importId);
    this.#imports = isKnown ? known.map((it) => (it.importId === now.importId ? now : it)) : [now, ...known];
  }

  async #page(cursor: string | null): Promise<void> {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const answer = await api.imports({ cursor, limit: pageCount });
    this.#isLoading = false;
    this.#refusal = answer.ok ? null : answer.refusal;
    if (!answer.ok) return;
    const { imports, nextCursor } = answer.value;
    this.#imports = cursor === null ? imports : [...(this.#imports ?? []), ...imports];
    this.#nextCursor = nextCursor;
  }
}
