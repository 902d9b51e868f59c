/**
 * ReceiptStore: what a session keeps for its receipts.
 *
 * Owns the tables `receipt`, `receipt_seeds` and `receipt_closed`. Nothing is in them before somebody asks for a
 * receipt, and then a row for a thousand batches. The salts of a batch come from its random seed. When one of its
 * recipients is erased, the seed is destroyed, and the batch has a row with the salts of the others and the leaf of the
 * erased one. Invariant: nothing that is kept tells who belongs to the leaf of an erased person.
 *
 * @module
 */
import type { ReceiptRecord } from '../../core/session/receipt.ts';

/** Batches whose seeds share a row. */
const blockBatchCount = 1_000;
export const seedLength = 16;

/** By index of the recipient: a salt, or the leaf of somebody who was erased. */
export interface ClosedBatch {
  salts: (string | null)[];
  leaves: (string | null)[];
}

export class ReceiptStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  record(): ReceiptRecord | null {
    const row = this.#sql.exec<{ json: string }>('SELECT json FROM receipt WHERE id = 1').toArray()[0];
    return row === undefined ? null : (JSON.parse(row.json) as ReceiptRecord);
  }

  /** Call inside a transaction. */
  save(record: ReceiptRecord): void {
    this.#sql.exec('INSERT OR REPLACE INTO receipt (id, json) VALUES (1, ?)', JSON.stringify(record));
  }

  /** Makes the seeds of the batches up to `lastSeq` that have none. Call inside a transaction. */
  makeSeeds(lastSeq: number, random: (bytes: Uint8Array) => Uint8Array): void {
    for (let block = 0; block * blockBatchCount <= lastSeq; block++) {
      if (this.#block(block) !== null) continue;
      const seeds = random(new Uint8Array(blockBatchCount * seedLength));
      this.#sql.exec('INSERT INTO receipt_seeds (block, seeds) VALUES (?, ?)', block, seeds);
    }
  }

  /** The seed of a batch, or null where it was destroyed or never made. */
  seedOf(seq: number): Uint8Array | null {
    const at = (seq % blockBatchCount) * seedLength;
    const seed = this.#block(Math.floor(seq / blockBatchCount))?.subarray(at, at + seedLength) ?? null;
    return seed?.some((byte) => byte !== 0) === true ? seed : null;
  }

  closedOf(seq: number): ClosedBatch | null {
    const row = this.#sql
      .exec<{ json: string }>('SELECT json FROM receipt_closed WHERE seq = ?', seq)
      .toArray()[0];
    return row === undefined ? null : (JSON.parse(row.json) as ClosedBatch);
  }

  /** Destroys the seed of a batch, and keeps what is left of it. Call inside a transaction. */
  close(seq: number, rest: ClosedBatch): void {
    const block = Math.floor(seq / blockBatchCount);
    const seeds = this.#block(block);
    if (seeds !== null) {
      const at = (seq % blockBatchCount) * seedLength;
      // The same length, so that SQLite overwrites the bytes in place (docs/decisions/0013).
      this.#sql.exec(
        'UPDATE receipt_seeds SET seeds = ? WHERE block = ?',
        seeds.fill(0, at, at + seedLength),
        block,
      );
      this.#lastBlock = null;
    }
    this.#sql.exec(
      'INSERT OR REPLACE INTO receipt_closed (seq, json) VALUES (?, ?)',
      seq,
      JSON.stringify(rest),
    );
  }

  /** The block that was read last: batches are read in their order. */
  #lastBlock: { block: number; seeds: Uint8Array } | null = null;

  #block(block: number): Uint8Array | null {
    if (this.#lastBlock?.block === block) return this.#lastBlock.seeds;
    const row = this.#sql
      .exec<{ seeds: ArrayBuffer }>('SELECT seeds FROM receipt_seeds WHERE block = ?', block)
      .toArray()[0];
    if (row === undefined) return null;
    this.#lastBlock = { block, seeds: new Uint8Array(row.seeds) };
    return this.#lastBlock.seeds;
  }

  /** Drops the cache: the rows were deleted, or a transaction was rolled back. */
  forget(): void {
    this.#lastBlock = null;
  }
}
