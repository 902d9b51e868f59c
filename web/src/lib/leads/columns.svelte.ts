/**
 * Which columns the list of leads shows; remembered by this browser.
 *
 * @module
 */

import { leadColumns, readColumns, standardColumns, type LeadColumn } from './columns.ts';

const key = 'lead-activation:lead-columns';

export class LeadColumns {
  readonly #storage: Pick<Storage, 'getItem' | 'setItem'> | null;
  #shown = $state.raw<readonly LeadColumn[]>(standardColumns);

  /** @param storage - may be missing, throw, or hold what others wrote */
  constructor(storage: Pick<Storage, 'getItem' | 'setItem'> | null) {
    this.#storage = storage;
    try {
      this.#shown = readColumns(storage?.getItem(key) ?? null);
    } catch {
      // Without storage each page load begins with the usual columns.
    }
  }

  get shown(): readonly LeadColumn[] {
    return this.#shown;
  }
  has(column: LeadColumn): boolean {
    return this.#shown.includes(column);
  }
  get isStandard(): boolean {
    return this.#shown.join() === standardColumns.join();
  }

  set(column: LeadColumn, isShown: boolean): void {
    const next = leadColumns.filter((it) => (it === column ? isShown : this.has(it)));
    // A list of names alone still is one; the last other column stays all the same, so that it is found again.
    if (next.length > 0) this.#keep(next);
  }

  reset(): void {
    this.#keep(standardColumns);
  }

  #keep(columns: readonly LeadColumn[]): void {
    this.#shown = columns;
    try {
      this.#storage?.setItem(key, columns.join(' '));
    } catch {
      // It holds for this page then.
    }
  }
}
