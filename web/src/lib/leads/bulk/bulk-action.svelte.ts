/**
 * One thing that is done with all selected leads: asked, then done a bounded number of leads at a time, each call
 * with where the one before ended. What was done stays done when it is stopped or refused.
 *
 * @module
 */
import type { Audience } from '../../../../../src/shared/schemas/activation.ts';
import type { BulkStep } from '../../../../../src/shared/schemas/lead-bulk.ts';
import { api, type Answer, type Refusal } from '../../api/client.ts';

export type BulkKind = 'edit' | 'tag' | 'suppress' | 'export' | 'remove';
export const editableFields = ['stage', 'source'] as const;
export type EditableField = (typeof editableFields)[number];
export const tagChanges = ['add', 'remove'] as const;
export type TagChange = (typeof tagChanges)[number];

/** An erasure asks every activation that knows the lead; more than this is no work for a browser tab. */
export const maxRemovedCount = 1_000;
/** Above so many a person types the count before leads are deleted. */
export const typeCountAbove = 20;

export class BulkAction {
  readonly kind: BulkKind;
  readonly audience: Audience;
  /** Leads selected; at least so many where `isExact` is false. */
  readonly count: number;
  readonly isExact: boolean;
  field = $state<EditableField>('stage');
  tagChange = $state<TagChange>('add');
  /** The new value; of tags, several with commas between. */
  value = $state('');
  note = $state('');
  typedCount = $state('');
  #phase = $state<'ask' | 'working' | 'done'>('ask');
  #seenCount = $state(0);
  #changedCount = $state(0);
  #refusal = $state.raw<Refusal | null>(null);
  #isStopped = $state(false);

  constructor(kind: BulkKind, audience: Audience, count: number, isExact: boolean) {
    this.kind = kind;
    this.audience = audience;
    this.count = count;
    this.isExact = isExact;
  }

  get phase(): 'ask' | 'working' | 'done' {
    return this.#phase;
  }
  /** Leads that were looked at so far, and those of them that were changed. */
  get seenCount(): number {
    return this.#seenCount;
  }
  get changedCount(): number {
    return this.#changedCount;
  }
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  get isStopped(): boolean {
    return this.#isStopped;
  }
  get isTooMany(): boolean {
    return this.kind === 'remove' && (this.count > maxRemovedCount || !this.isExact);
  }
  get countToType(): number | null {
    return this.kind === 'remove' && this.count > typeCountAbove ? this.count : null;
  }
  get canRun(): boolean {
    if (this.#phase === 'working' || this.isTooMany) return false;
    if (this.kind === 'tag' && this.#tags().length === 0) return false;
    if (this.countToType === null) return true;
    return this.typedCount.replace(/[\s.,'’]/g, '') === String(this.countToType);
  }

  #tags(): string[] {
    const tags = this.value.split(/[,;]/).map((tag) => tag.trim());
    return [...new Set(tags.filter((tag) => tag !== ''))];
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Does it; resolves with true when all of it is done. */
  async run(): Promise<boolean> {
    if (!this.canRun) return false;
    this.#phase = 'working';
    this.#refusal = null;
    this.#isStopped = false;
    this.#seenCount = 0;
    this.#changedCount = 0;
    let place: { afterId: number; untilId: number } | null = null;
    do {
      const answer: Answer<BulkStep> = await this.#step(place);
      if (!answer.ok) {
        this.#refusal = answer.refusal;
        this.#phase = 'ask';
        return false;
      }
      const { seenCount, changedCount, next } = answer.value;
      this.#seenCount += seenCount;
      this.#changedCount += changedCount;
      place = next;
    } while (place !== null && !this.#isStopped);
    this.#phase = 'done';
    return place === null;
  }

  #step(place: { afterId: number; untilId: number } | null): Promise<Answer<BulkStep>> {
    const base = { audience: this.audience, ...(place ?? {}) };
    switch (this.kind) {
      case 'edit':
        return api.bulkEdit({ ...base, field: this.field, value: this.value.trim() });
      case 'tag':
        return api.bulkTag({ ...base, [this.tagChange]: this.#tags() });
      case 'suppress':
        return api.bulkSuppress({ ...base, note: this.note.trim() });
      case 'remove':
        return api.bulkErase(base);
      case 'export':
        return this.#export();
      default:
        return this.kind satisfies never;
    }
  }

  async #export(): Promise<Answer<BulkStep>> {
    const answer = await api.leadsCsv(this.audience);
    if (!answer.ok) return answer;
    const url = URL.createObjectURL(answer.value);
    const link = document.createElement('a');
    link.href = url;
    link.download = `leads-${new Date().toISOString().slice(0, 10)}.csv`;
    link.click();
    // Firefox reads it only after this turn.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    return { ok: true, value: { seenCount: this.count, changedCount: this.count, next: null } };
  }
}
