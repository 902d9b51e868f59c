/**
 * The audit on the screen: a filter, and pages that are added at the end.
 *
 * @module
 */
import type { AuditEntry, AuditPage } from '../../../../src/shared/schemas/audit.ts';
import { call, type Refusal } from '../api/client.ts';

export interface AuditFilter {
  actor: string;
  action: string;
  target: string;
}

function queryOf(filter: AuditFilter, cursor: string | null): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...filter, cursor: cursor ?? '' })) {
    if (value.trim() !== '') query.set(name, value.trim());
  }
  return query.size === 0 ? '' : `?${query.toString()}`;
}

export class AuditList {
  #entries = $state.raw<readonly AuditEntry[]>([]);
  #nextCursor = $state<string | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #filter = $state.raw<AuditFilter>({ actor: '', action: '', target: '' });
  #busy = $state(false);
  #ready = $state(false);
  #request = 0;

  get entries(): readonly AuditEntry[] {
    return this.#entries;
  }
  get hasMore(): boolean {
    return this.#nextCursor !== null;
  }
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  get busy(): boolean {
    return this.#busy;
  }
  get ready(): boolean {
    return this.#ready;
  }
  get isFiltered(): boolean {
    return queryOf(this.#filter, null) !== '';
  }
  /** Where all that fits is downloaded from. */
  get csvUrl(): string {
    return `/crm/audit.csv${queryOf(this.#filter, null)}`;
  }

  /** Shows what fits a filter, from the newest on. */
  async show(filter: AuditFilter): Promise<void> {
    this.#filter = filter;
    await this.#load(null);
  }

  async loadMore(): Promise<void> {
    if (this.#nextCursor !== null) await this.#load(this.#nextCursor);
  }

  async #load(cursor: string | null): Promise<void> {
    const request = ++this.#request;
    this.#busy = true;
    const answer = await call<AuditPage>(`/crm/audit${queryOf(this.#filter, cursor)}`);
    // Another filter was chosen meanwhile.
    if (request !== this.#request) return;
    this.#busy = false;
    if (!answer.ok) {
      this.#refusal = answer.refusal;
      return;
    }
    this.#refusal = null;
    this.#ready = true;
    this.#entries = cursor === null ? answer.value.entries : [...this.#entries, ...answer.value.entries];
    this.#nextCursor = answer.value.nextCursor;
  }
}
