/**
 * Flips: sets the leads of several batches active in one call of the database.
 *
 * A slice takes pending batches in order, so the flip of one takes along the others in hand and the next few pending
 * ones. Owns the answers that no sender has asked for yet, in memory: losing them costs a repeat, which gives the same
 * answer. Does not touch rows. Invariant: what is active and has not left is among the first pending batches, so that
 * the sweep of a stopped session finds it (session/sweep.ts).
 *
 * @module
 */
import type { Batch } from '../../core/batch/batch.ts';
import { classifyFault } from '../../runtime/faults.ts';
import type { FlipResult, Recipient, SkippedLead } from '../../shared/recipient.ts';

/**
 * An answer that has waited longer is asked for again: meanwhile somebody may have unsubscribed or been erased, or an
 * address may have been corrected. A repeat gives the same answer where nothing has changed.
 */
const maxAgeMs = 1_000;

/** Which batches a flip can take along, in the order in which they will leave. */
export interface FlipSource {
  /** Epoch ms. */
  now(): number;
  /** Batches in hand whose recipients are not on disk. */
  held(): readonly Batch[];
  /** The next pending batches that no sender holds. */
  ahead(limit: number): readonly Batch[];
  /** @throws what D1 throws; a repeat is safe */
  flip(leadIds: readonly number[]): Promise<FlipResult>;
}

interface Group {
  size: number;
  done: Promise<void>;
}

export class Flips {
  readonly #source: FlipSource;
  readonly #aheadCount: number;
  readonly #results = new Map<number, { result: FlipResult; flippedAt: number }>();
  /** By the `seq` of the batches whose flip is under way. */
  readonly #groups = new Map<number, Group>();
  /** Batches whose leads were set active and of which neither an intent nor a result is on disk. */
  readonly #open = new Set<number>();
  /** All batches that were ever in a group of this slice: only their own sender flips them again. */
  readonly #known = new Set<number>();

  /**
   * @param aheadCount - batches that a flip may take along; 0: each flip is one batch. With four it is 500 leads, which
   *   take D1 about 20 ms; a longer one would delay other sessions and the first mail.
   */
  constructor(source: FlipSource, aheadCount: number) {
    this.#source = source;
    this.#aheadCount = aheadCount;
  }

  /** True while leads are active whose mail is neither decided nor on its way. */
  get hasOpen(): boolean {
    return this.#open.size > 0;
  }

  /** An intent or a result of the batch is on disk. */
  settled(seq: number): void {
    this.#open.delete(seq);
  }

  /**
   * The flip of a batch that a sender holds.
   *
   * @throws what D1 throws
   */
  async of(batch: Batch): Promise<FlipResult> {
    const known = this.#results.get(batch.seq);
    if (known !== undefined && !this.#isFresh(known.flippedAt)) {
      this.#results.delete(batch.seq);
      await this.#begin([batch]).done;
    } else if (known === undefined) {
      const group = this.#groups.get(batch.seq) ?? this.#begin(this.#groupOf(batch));
      try {
        await group.done;
      } catch (error) {
        // One batch that the database refuses must not settle the others as refused.
        if (group.size === 1 || classifyFault(error).kind !== 'refused') throw error;
        await this.#begin([batch]).done;
      }
    }
    const answer = this.#results.get(batch.seq);
    if (answer === undefined) throw new Error('A flip left a batch without an answer.');
    this.#results.delete(batch.seq);
    return answer.result;
  }

  #isFresh(flippedAt: number): boolean {
    const ageMs = this.#source.now() - flippedAt;
    // Negative: the clock was set back.
    return ageMs >= 0 && ageMs <= maxAgeMs;
  }

  #groupOf(batch: Batch): Batch[] {
    if (this.#aheadCount === 0) return [batch];
    const isNew = ({ seq }: Batch): boolean => seq !== batch.seq && !this.#known.has(seq);
    const others = [...this.#source.held(), ...this.#source.ahead(this.#aheadCount)].filter(isNew);
    return [batch, ...others.slice(0, this.#aheadCount)];
  }

  #begin(batches: readonly Batch[]): Group {
    const group: Group = { size: batches.length, done: this.#flip(batches) };
    for (const { seq } of batches) this.#groups.set(seq, group);
    return group;
  }

  async #flip(batches: readonly Batch[]): Promise<void> {
    for (const { seq } of batches) {
      this.#open.add(seq);
      this.#known.add(seq);
    }
    try {
      const flippedAt = this.#source.now();
      const answer = await this.#source.flip(batches.flatMap(({ leadIds }) => leadIds));
      for (const [seq, result] of split(batches, answer)) this.#results.set(seq, { result, flippedAt });
    } finally {
      for (const { seq } of batches) this.#groups.delete(seq);
    }
  }
}

/** The answer of each batch, in the order of its leads. */
function split(batches: readonly Batch[], result: FlipResult): Map<number, FlipResult> {
  const [only] = batches;
  if (only !== undefined && batches.length === 1) return new Map([[only.seq, result]]);
  const seqOf = new Map(
    batches.flatMap(({ seq, leadIds }) => leadIds.map((leadId) => [leadId, seq] as const)),
  );
  const parts = new Map(
    batches.map(({ seq }) => [
      seq,
      {
        activated: [] as Recipient[],
        skipped: [] as SkippedLead[],
        emailHashes: new Map<number, string>(),
        ownedElsewhere: new Set<number>(),
      },
    ]),
  );
  const partOf = (leadId: number) => parts.get(seqOf.get(leadId) ?? -1);
  for (const recipient of result.activated) partOf(recipient.leadId)?.activated.push(recipient);
  for (const lead of result.skipped) partOf(lead.leadId)?.skipped.push(lead);
  for (const [leadId, hash] of result.emailHashes) partOf(leadId)?.emailHashes.set(leadId, hash);
  for (const leadId of result.ownedElsewhere) partOf(leadId)?.ownedElsewhere.add(leadId);
  return parts;
}
