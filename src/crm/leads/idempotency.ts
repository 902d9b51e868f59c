/**
 * Answers that are kept by an `Idempotency-Key`, so that a repeat of a request gets the same answer and does nothing.
 *
 * Invariants: the answer is stored in the transaction of what it tells, so of two requests with one key at the same time
 * one is carried out; no key, body, address or external id is stored; what a person may store is bounded.
 *
 * @module
 */
import { limits } from '../../shared/limits.ts';
import type { LeadUpsertResult } from '../../shared/schemas/leads.ts';

/** A request with a key. */
export interface IdempotencyKey {
  actor: string;
  /** Keyed hashes. */
  keyHash: string;
  bodyHash: string;
  nowMs: number;
}

/** What became of an item: a lead's id, or null and the place of a created lead among those of the request. */
export type StoredItem =
  | [outcome: 'created' | 'updated' | 'unchanged', leadId: number | null, createdAt?: number]
  | [outcome: 'refused', problem: NonNullable<LeadUpsertResult['problem']>];

const keptMs = limits.idempotencyKeyHours * 3_600_000;

/** The answer that is kept by a key, `reused` where it is of another body, or `too_many` where no more can be kept. */
export async function findAnswer(
  db: D1Database,
  { actor, keyHash, bodyHash, nowMs }: IdempotencyKey,
): Promise<{ kind: 'none' | 'reused' | 'too_many' } | { kind: 'kept'; results: LeadUpsertResult[] }> {
  const since = nowMs - keptMs;
  // So that the key of yesterday is free, and the person's own ones are bounded, whenever the cleanup was.
  await db.prepare('DELETE FROM idempotency_keys WHERE actor = ? AND at <= ?').bind(actor, since).run();
  const row = await db
    .prepare(
      `SELECT (SELECT count(*) FROM idempotency_keys WHERE actor = ?1) AS count, k.body_hash AS bodyHash,
         k.results, k.created_ids AS createdIds
       FROM (SELECT 1) LEFT JOIN idempotency_keys k ON k.actor = ?1 AND k.key_hash = ?2`,
    )
    .bind(actor, keyHash)
    .first<{ count: number; bodyHash: string | null; results: string | null; createdIds: string | null }>();
  if (row === null || row.bodyHash === null) {
    return { kind: (row?.count ?? 0) >= limits.maxIdempotencyKeyCount ? 'too_many' : 'none' };
  }
  if (row.bodyHash !== bodyHash) return { kind: 'reused' };
  const items = JSON.parse(row.results ?? '[]') as StoredItem[];
  return { kind: 'kept', results: resultsOf(items, JSON.parse(row.createdIds ?? '[]') as number[]) };
}

/**
 * The statement that keeps an answer.
 *
 * @param answer.createdIds - SQL of the ids of the created leads, with the parameter ?1, which is `emails`
 */
export function keepingAnswer(
  db: D1Database,
  answer: { key: IdempotencyKey; items: readonly StoredItem[]; createdIds: string; emails: string },
): D1PreparedStatement {
  const { actor, keyHash, bodyHash, nowMs } = answer.key;
  return db
    .prepare(
      `INSERT INTO idempotency_keys (actor, key_hash, body_hash, at, results, created_ids)
       VALUES (?2, ?3, ?4, ?5, ?6, ${answer.createdIds})`,
    )
    .bind(answer.emails, actor, keyHash, bodyHash, nowMs, JSON.stringify(answer.items));
}

/** True when {@link keepingAnswer} failed, because another request with the key came first. */
export const isKeyTaken = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('UNIQUE constraint failed: idempotency_keys');

/** Drops the answers whose time is over. */
export async function dropOldAnswers(db: D1Database, nowMs: number): Promise<void> {
  await db
    .prepare('DELETE FROM idempotency_keys WHERE at <= ?')
    .bind(nowMs - keptMs)
    .run();
}

/** The results as a caller gets them. */
export function resultsOf(items: readonly StoredItem[], createdIds: readonly number[]): LeadUpsertResult[] {
  return items.map((item) => {
    if (item[0] === 'refused') return { outcome: 'refused', leadId: null, problem: item[1] };
    const [outcome, leadId, place] = item;
    return { outcome, leadId: leadId ?? createdIds[place ?? -1] ?? null, problem: null };
  });
}
