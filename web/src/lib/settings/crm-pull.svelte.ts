/**
 * Pulling a list of the connected CRM, page by page.
 *
 * Owns the cursor and the sums. Invariant: a page that could not be read is asked for again by the next try, and pages that
 * were read before are not.
 *
 * @module
 */
import type { CrmPulled } from '../../../../src/shared/schemas/crm.ts';
import type { Answer, Refusal } from '../api/client.ts';

type PullPage = (request: { listId: string; cursor: string | null }) => Promise<Answer<CrmPulled>>;

export class CrmPull {
  readonly #pullPage: PullPage;
  #busy = $state(false);
  #leadCount = $state(0);
  #refusedCount = $state(0);
  #untaggedCount = $state(0);
  #tag = $state<string | null>(null);
  #isDone = $state(false);
  #refusal = $state.raw<Refusal | null>(null);
  #listId = '';
  #cursor: string | null = null;

  constructor(pullPage: PullPage) {
    this.#pullPage = pullPage;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Leads of the list so far. */
  get leadCount(): number {
    return this.#leadCount;
  }

  get refusedCount(): number {
    return this.#refusedCount;
  }

  /** Leads of the list that have too many tags to get that of the list. */
  get untaggedCount(): number {
    return this.#untaggedCount;
  }

  /** Of the leads; null before the first page. */
  get tag(): string | null {
    return this.#tag;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get refusal(): Refusal | null {
    return this.#refusal;
  }

  /** Pulls a list to its end; the same list goes on where it broke off. */
  async run(listId: string): Promise<void> {
    if (this.#busy) return;
    if (listId !== this.#listId || this.#isDone) {
      this.#listId = listId;
      this.#cursor = null;
      this.#leadCount = 0;
      this.#refusedCount = 0;
      this.#untaggedCount = 0;
      this.#tag = null;
    }
    this.#busy = true;
    this.#isDone = false;
    this.#refusal = null;
    do {
      const answer = await this.#pullPage({ listId, cursor: this.#cursor });
      if (!answer.ok) {
        this.#refusal = answer.refusal;
        break;
      }
      const { created, updated, unchanged, refused, untagged = 0, tag, nextCursor } = answer.value;
      this.#leadCount += created + updated + unchanged;
      this.#refusedCount += refused;
      this.#untaggedCount += untagged;
      this.#tag = tag;
      this.#cursor = nextCursor;
      this.#isDone = nextCursor === null;
    } while (!this.#isDone);
    this.#busy = false;
  }
}
