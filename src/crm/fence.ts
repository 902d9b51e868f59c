/**
 * The fence: what keeps a flip that arrives late from changing anything.
 *
 * A request to D1 is carried out also when the object that sent it has died, up to half a minute later. Meanwhile the
 * session may have given its leads back, or another slice may have decided about them. So each slice, and each giving
 * back, takes a higher number than all before. The table has the highest number that arrived, and a request with a
 * lower one changes nothing. Invariant: raising the fence is in the transaction of the change that must not be undone.
 *
 * @module
 */

/** What says whether a change of a session still counts when it arrives. */
export interface FenceNumber {
  sessionId: string;
  /** Of the slice or the giving back: higher than that of each one before. */
  number: number;
}

const raiseFenceSql = `INSERT INTO flip_fences (session_id, fence) VALUES (?1, ?2)
  ON CONFLICT (session_id) DO UPDATE SET fence = max(fence, excluded.fence) RETURNING fence`;

/**
 * The statement that raises a session's fence to a number, for the transaction of a change; it writes one row. Its
 * result is the `fence`, which is above the number when something later came first.
 */
export function raisingFence(db: D1Database, { sessionId, number }: FenceNumber): D1PreparedStatement {
  return db.prepare(raiseFenceSql).bind(sessionId, number);
}

/** SQL of the fence of a session, or null; the argument is SQL. One look-up in a statement. */
export const fenceSql = (sessionId: string): string =>
  `(SELECT f.fence FROM flip_fences f WHERE f.session_id = ${sessionId})`;

/** SQL condition: the session's number is not below its fence; both arguments are SQL. */
export const isNotFencedSql = (sessionId: string, number: string): string =>
  `NOT EXISTS (SELECT 1 FROM flip_fences f WHERE f.session_id = ${sessionId} AND f.fence > ${number})`;

/**
 * A later slice or giving back of the same session has come first, so this one changed nothing. `classifyFault` knows
 * it by its name: whoever sent it must stop.
 */
export class SupersededFlip extends Error {
  override readonly name = 'SupersededFlip';
}

/** @throws {@link SupersededFlip} when the fence is above the number that was sent */
export function assertNotFenced(fence: number | null | undefined, number: number): void {
  if ((fence ?? 0) > number) throw new SupersededFlip('A later slice of the session was carried out before.');
}

/** Far longer than a request to the database can be on its way. */
const fenceKeptMs = 86_400_000;

/** Deletes the fences that keep nothing out any more. */
export async function dropOldFences(db: D1Database, nowMs: number): Promise<void> {
  await db
    .prepare('DELETE FROM flip_fences WHERE fence < ?')
    .bind(nowMs - fenceKeptMs)
    .run();
}
