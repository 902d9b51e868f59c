/**
 * BatchStore: the table `batch`, as slices and commands work on it.
 *
 * Owns its writes, the queries for batches that are due, and a cursor below which no batch is pending. The cursor is in
 * memory only; losing it costs a read. What people are shown is result-store.ts.
 * Invariant: writes are inside a transaction of the session's store.
 *
 * @module
 */
import { plannedBatch, type Batch, type BatchState, type NewBatch } from '../../core/batch/batch.ts';
import { readBatches, scanBatches } from './batch-row.ts';
import type { ErasedLeads } from './erased-leads.ts';

const saveBatch = `
  UPDATE batch SET state = ?, attempts = ?, attempt_at = ?, in_doubt_since = ?, next_attempt_at = ?,
    marks = ?, code = ?, message = ?, payload_hash = ?, skipped = ?, failures = ?, recipients = ?,
    message_ids = ?, retried = ?
  WHERE seq = ?`;

const insertBatch = `
  INSERT INTO batch (state, next_attempt_at, origin_seq, marks, lead_ids, recipients, retried, code, message)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq`;

/** A repeat whose mails are counted already, or may have left: as `isCounted` of the reservations. */
const isCountedSql = 'payload_hash IS NOT NULL AND (in_doubt_since IS NOT NULL OR attempt_at >= ?)';

export class BatchStore {
  readonly #sql: SqlStorage;
  readonly #erased: ErasedLeads;
  /** No batch at or below this is pending, but for those that a slice holds. Moves outside of transactions only. */
  #cursor = 0;
  /** Pending batches after the cursor that were read ahead, in order. A change of one of them empties it. */
  #ahead: Batch[] = [];
  /** No waiting batch is due before. Memory only; losing it costs a read. */
  #dueFrom = -Infinity;
  /** Nor is one of {@link dueRepeats}: behind many other batches it would be looked for in vain again and again. */
  #repeatFrom = -Infinity;

  constructor(sql: SqlStorage, erased: ErasedLeads) {
    this.#sql = sql;
    this.#erased = erased;
  }

  append(batches: Iterable<NewBatch>): void {
    for (const batch of batches) {
      if (batch.state === 'waiting') this.#noteWaiting(batch.nextAttemptAt);
      this.#sql
        .exec(
          insertBatch,
          batch.state,
          batch.nextAttemptAt,
          batch.originSeq,
          batch.recipientStates,
          JSON.stringify(batch.leadIds),
          batch.recipients === null ? null : JSON.stringify(this.#erased.without(batch.recipients)),
          batch.retried,
          batch.code,
          batch.message,
        )
        .toArray();
    }
  }

  update(batch: Batch): void {
    if (batch.state === 'waiting') this.#noteWaiting(batch.nextAttemptAt);
    if (this.#ahead.some(({ seq }) => seq === batch.seq)) this.#ahead = [];
    this.#sql.exec(
      saveBatch,
      batch.state,
      batch.attempts,
      batch.attemptAt,
      batch.inDoubtSince,
      batch.nextAttemptAt,
      batch.recipientStates,
      batch.code,
      batch.message,
      batch.payloadHash,
      JSON.stringify(batch.skipped),
      JSON.stringify(batch.failures),
      batch.recipients === null ? null : JSON.stringify(this.#erased.without(batch.recipients)),
      batch.messageIds === null ? null : JSON.stringify(this.#erased.messageIdsWithout(batch)),
      batch.retried,
      batch.seq,
    );
  }

  /** The state of a batch as it is on disk now; null when there is none. */
  stateOf(seq: number): BatchState | null {
    const row = this.#sql
      .exec<{ state: BatchState }>('SELECT state FROM batch WHERE seq = ?', seq)
      .toArray()[0];
    return row?.state ?? null;
  }

  /** The batch that another one's recipients came from, as far as its events need it. */
  origin(seq: number): Pick<Batch, 'state' | 'leadIds'> | null {
    const row = this.#sql
      .exec<{ state: BatchState; lead_ids: string }>('SELECT state, lead_ids FROM batch WHERE seq = ?', seq)
      .toArray()[0];
    return row === undefined ? null : { state: row.state, leadIds: JSON.parse(row.lead_ids) as number[] };
  }

  /**
   * A batch as it is on disk now. If it has not changed, `known` is returned: to read its hundred recipients again
   * costs more than all else of a settlement.
   */
  current(known: Batch): Batch | null {
    const row = this.#sql
      .exec<{ state: BatchState; attempts: number; attempt_at: number | null; marks: string }>(
        'SELECT state, attempts, attempt_at, marks FROM batch WHERE seq = ?',
        known.seq,
      )
      .toArray()[0];
    const isAsKnown =
      row?.state === known.state &&
      row.attempts === known.attempts &&
      row.attempt_at === known.attemptAt &&
      row.marks === known.recipientStates;
    return isAsKnown ? known : this.#read(known.seq);
  }

  #read(seq: number): Batch | null {
    return readBatches(this.#sql, 'SELECT * FROM batch WHERE seq = ?', seq)[0] ?? null;
  }

  /**
   * The waiting batches that are due, earliest first.
   *
   * @param isChecking - only those that a person has checked
   */
  dueWaiting(nowMs: number, limit: number, isChecking = false): Batch[] {
    // Asked for each batch that a sender takes, and nearly always in vain.
    if (nowMs < this.#dueFrom) return [];
    const due = readBatches(
      this.#sql,
      `SELECT * FROM batch WHERE state = 'waiting' AND next_attempt_at <= ?
       ${isChecking ? "AND retried = 'asked'" : ''} ORDER BY next_attempt_at, seq LIMIT ?`,
      nowMs,
      limit,
    );
    if (due.length === 0 && !isChecking) this.#dueFrom = this.nextAttemptAt() ?? Infinity;
    return due;
  }

  /**
   * Those of {@link dueWaiting} that take nothing of the day's mails: they were called for today, or are in doubt.
   *
   * @param dayStart - of the UTC day; epoch ms
   */
  dueRepeats(nowMs: number, dayStart: number, limit: number): Batch[] {
    if (nowMs < Math.max(this.#dueFrom, this.#repeatFrom)) return [];
    const due = readBatches(
      this.#sql,
      `SELECT * FROM batch WHERE state = 'waiting' AND next_attempt_at <= ? AND ${isCountedSql}
       ORDER BY next_attempt_at, seq LIMIT ?`,
      nowMs,
      dayStart,
      limit,
    );
    if (due.length === 0) this.#repeatFrom = this.nextRepeatAt(dayStart) ?? Infinity;
    return due;
  }

  #noteWaiting(nextAttemptAt: number | null): void {
    const at = nextAttemptAt ?? -Infinity;
    this.#dueFrom = Math.min(this.#dueFrom, at);
    this.#repeatFrom = Math.min(this.#repeatFrom, at);
  }

  /** The first waiting batches, due or not. */
  waiting(limit: number): Batch[] {
    return readBatches(
      this.#sql,
      "SELECT * FROM batch WHERE state = 'waiting' ORDER BY next_attempt_at LIMIT ?",
      limit,
    );
  }

  /** Since when the waiting batch is in doubt whose key expires first. */
  firstDoubtAt(): number | null {
    return this.#sql
      .exec<{ at: number | null }>("SELECT min(in_doubt_since) AS at FROM batch WHERE state = 'waiting'")
      .one().at;
  }

  /** Waiting batches whose doubt began by then. */
  doubtsUntil(atMs: number, limit: number): Batch[] {
    return readBatches(
      this.#sql,
      "SELECT * FROM batch WHERE state = 'waiting' AND in_doubt_since <= ? ORDER BY next_attempt_at LIMIT ?",
      atMs,
      limit,
    );
  }

  /** The next pending batch, in planned order; it is not found again until {@link rewind}. */
  nextPending(): Batch | null {
    const batch = this.#ahead.shift() ?? this.#readPending(1)[0] ?? null;
    if (batch !== null) this.#cursor = batch.seq;
    return batch;
  }

  /** The pending batches that {@link nextPending} would return next. */
  pendingAhead(limit: number): readonly Batch[] {
    if (this.#ahead.length < limit) this.#ahead = this.#readPending(limit);
    return this.#ahead.slice(0, limit);
  }

  #readPending(limit: number): Batch[] {
    return readBatches(
      this.#sql,
      "SELECT * FROM batch WHERE seq > ? AND state = 'pending' ORDER BY seq LIMIT ?",
      this.#cursor,
      limit,
    );
  }

  hasPending(): boolean {
    return (
      this.#sql
        .exec("SELECT 1 FROM batch WHERE seq > ? AND state = 'pending' LIMIT 1", this.#cursor)
        .toArray().length > 0
    );
  }

  /**
   * Takes leads out of a pending batch, to be asked for again at the end, in a batch of their own. Call inside
   * a transaction.
   */
  defer(batch: Batch, leadIds: ReadonlySet<number>): Batch {
    const rest = batch.leadIds.filter((leadId) => !leadIds.has(leadId));
    this.#sql.exec('UPDATE batch SET lead_ids = ? WHERE seq = ?', JSON.stringify(rest), batch.seq);
    const deferred = batch.leadIds.filter((leadId) => leadIds.has(leadId));
    this.append([{ ...plannedBatch(deferred), state: 'deferred', originSeq: batch.seq }]);
    return { ...batch, leadIds: rest };
  }

  /**
   * Takes leads out of a pending batch, into a pending batch of their own, which the caller settles. Call inside a
   * transaction.
   *
   * @returns the rest, and the new batch
   */
  split(batch: Batch, leadIds: ReadonlySet<number>): { rest: Batch; taken: Batch } {
    const kept = batch.leadIds.filter((leadId) => !leadIds.has(leadId));
    this.#sql.exec('UPDATE batch SET lead_ids = ? WHERE seq = ?', JSON.stringify(kept), batch.seq);
    const taken = batch.leadIds.filter((leadId) => leadIds.has(leadId));
    this.append([{ ...plannedBatch(taken), originSeq: batch.seq }]);
    const added = this.#read(this.lastSeq());
    if (added === null) throw new Error('A batch that was just written is not there.');
    return { rest: { ...batch, leadIds: kept }, taken: added };
  }

  /** Makes the deferred batches pending, for the last time; false when there were none. */
  releaseDeferred(): boolean {
    const { rowsWritten } = this.#sql.exec("UPDATE batch SET state = 'pending' WHERE state = 'deferred'");
    if (rowsWritten > 0) this.#resetCursor(0);
    return rowsWritten > 0;
  }

  /** A pending batch was released, so {@link nextPending} finds it again. */
  rewind(seq: number): void {
    this.#resetCursor(Math.min(this.#cursor, seq - 1));
  }

  #resetCursor(seq: number): void {
    this.#cursor = seq;
    this.#ahead = [];
  }

  /**
   * When the next waiting batch is due.
   *
   * @param isChecking - of those that a person has checked
   */
  nextAttemptAt(isChecking = false): number | null {
    return this.#sql
      .exec<{ at: number | null }>(
        `SELECT min(next_attempt_at) AS at FROM batch WHERE state = 'waiting' ${isChecking ? "AND retried = 'asked'" : ''}`,
      )
      .one().at;
  }

  /** When the next batch is due that left before: its repeat takes nothing of a day's cap. */
  nextRepeatAt(dayStart: number): number | null {
    return this.#sql
      .exec<{
        at: number | null;
      }>(`SELECT min(next_attempt_at) AS at FROM batch WHERE state = 'waiting' AND ${isCountedSql}`, dayStart)
      .one().at;
  }

  /** All batches of a state. */
  *inState(state: BatchState): Generator<Batch> {
    yield* scanBatches(
      this.#sql,
      'SELECT * FROM batch WHERE state = ? AND seq > ? ORDER BY seq LIMIT 50',
      state,
    );
  }

  /** True while a call is on its way, or its slice died. Reads every row. */
  hasInflight(): boolean {
    return this.#sql.exec("SELECT 1 FROM batch WHERE state = 'inflight' LIMIT 1").toArray().length > 0;
  }

  /** True while a batch is not decided. Reads every row: ask when the counters say that all is done. */
  hasOpen(): boolean {
    return (
      this.#sql
        .exec("SELECT 1 FROM batch WHERE state IN ('pending', 'inflight', 'waiting') LIMIT 1")
        .toArray().length > 0
    );
  }

  /** True when a call was made for a batch, or may have been. Reads every row where there was none. */
  hasLeft(): boolean {
    return this.#sql.exec('SELECT 1 FROM batch WHERE attempts > 0 LIMIT 1').toArray().length > 0;
  }

  /** The number of the last batch. */
  lastSeq(): number {
    return this.#sql.exec<{ seq: number | null }>('SELECT max(seq) AS seq FROM batch').one().seq ?? 0;
  }

  /**
   * Moves the stored times after the clock was set back: waits stay as long, doubts stay as old.
   *
   * @param areKeysDead - the age of doubts is not known: neither they nor the calls in flight may be repeated
   */
  setBack(backMs: number, areKeysDead: boolean): void {
    this.#dueFrom = -Infinity;
    this.#repeatFrom = -Infinity;
    this.#sql.exec(
      "UPDATE batch SET next_attempt_at = next_attempt_at - ? WHERE state = 'waiting' AND next_attempt_at IS NOT NULL",
      backMs,
    );
    this.#sql.exec(
      `UPDATE batch SET in_doubt_since = iif(?2, 0, in_doubt_since - ?1)
       WHERE (state IN ('waiting', 'unknown', 'inflight') AND in_doubt_since IS NOT NULL)
         OR (?2 AND state = 'inflight')`,
      backMs,
      areKeysDead ? 1 : 0,
    );
  }

  /**
   * Cancels the next pending and deferred batches. Those that a slice holds are found once it has released them.
   *
   * @returns how many leads they hold, and whether there may be more
   */
  cancelPending(limit: number): { leadCount: number; mayBeMore: boolean } {
    this.#ahead = [];
    const rows = this.#sql
      .exec<{ seq: number; leads: number }>(
        `UPDATE batch SET state = 'cancelled' WHERE seq IN (
           SELECT seq FROM batch WHERE state = 'deferred' OR (seq > ? AND state = 'pending') ORDER BY seq LIMIT ?
         ) RETURNING seq, json_array_length(lead_ids) AS leads`,
        this.#cursor,
        limit,
      )
      .toArray();
    return {
      leadCount: rows.reduce((sum, { leads }) => sum + leads, 0),
      mayBeMore: rows.length === limit,
    };
  }

  /**
   * Leads of the first batches that never left. Only these can be active: a slice takes pending batches in order and
   * holds no more than it has senders. Deferred batches come last, because they become pending when nothing else is
   * left.
   *
   * @param state - the state that these batches have now
   */
  firstUnsentLeadIds(state: 'pending' | 'cancelled', batchCount: number): number[] {
    return this.#sql
      .exec<{ lead_ids: string }>(
        `SELECT lead_ids FROM batch WHERE state = ? AND recipients IS NULL
         ORDER BY origin_seq IS NOT NULL, seq LIMIT ?`,
        state,
        batchCount,
      )
      .toArray()
      .flatMap((row) => JSON.parse(row.lead_ids) as number[]);
  }

  /** The provider has changed and does not know the keys of unknown mail: only a risked retry may send it. */
  forgetKeys(): void {
    this.#sql.exec("UPDATE batch SET retried = 'risked' WHERE state = 'unknown' AND retried IS NOT 'risked'");
  }

  /** Batches with a failed recipient, in order, of a part of all. */
  failedBetween(afterSeq: number, untilSeq: number, limit: number): Batch[] {
    return readBatches(
      this.#sql,
      "SELECT * FROM batch WHERE seq > ? AND seq <= ? AND marks GLOB '*f*' ORDER BY seq LIMIT ?",
      afterSeq,
      untilSeq,
      limit,
    );
  }

  /** Unknown batches, in order, of a part of all. */
  unknownBetween(afterSeq: number, untilSeq: number, limit: number): Batch[] {
    return readBatches(
      this.#sql,
      "SELECT * FROM batch WHERE seq > ? AND seq <= ? AND state = 'unknown' ORDER BY seq LIMIT ?",
      afterSeq,
      untilSeq,
      limit,
    );
  }

  /**
   * Batches in doubt that the provider can be asked about, in order, of a part of all.
   *
   * @param doubtAfter - the keys of those whose doubt is older have expired
   * @param withWaiting - those of a paused session too, which wait for it to be resumed
   */
  checkableBetween(
    afterSeq: number,
    untilSeq: number,
    doubtAfter: number,
    withWaiting: boolean,
    limit: number,
  ): Batch[] {
    return readBatches(
      this.#sql,
      `SELECT * FROM batch WHERE seq > ? AND seq <= ? AND in_doubt_since > ? AND retried IS NOT 'risked'
         AND (state = 'unknown' OR (? AND state = 'waiting')) ORDER BY seq LIMIT ?`,
      afterSeq,
      untilSeq,
      doubtAfter,
      withWaiting ? 1 : 0,
      limit,
    );
  }

  /** The unknown batches that were for any of these leads. */
  unknownOf(leadIds: readonly number[]): Batch[] {
    return readBatches(
      this.#sql,
      `SELECT * FROM batch WHERE state = 'unknown'
         AND EXISTS (SELECT 1 FROM json_each(lead_ids) WHERE value IN (SELECT value FROM json_each(?)))`,
      JSON.stringify(leadIds),
    );
  }

  /** Batches whose recipients have this lead among them. Reads every row. */
  holding(leadId: number): Batch[] {
    return readBatches(
      this.#sql,
      `SELECT * FROM batch WHERE recipients IS NOT NULL AND instr(lead_ids, ?) > 0
         AND EXISTS (SELECT 1 FROM json_each(lead_ids) WHERE value = ?) ORDER BY seq`,
      // As text: a number is bound as a double, which is written "2.0".
      String(leadId),
      leadId,
    );
  }

  /**
   * Leads that a mail of this session was for at one of these addresses, in lower case. Reads the rows of a part of
   * all.
   */
  leadIdsOf(emails: readonly string[], afterSeq: number, untilSeq: number): number[] {
    // lower() knows ASCII letters only, as the addresses are compared everywhere in SQL.
    return this.#sql
      .exec<{ id: number }>(
        `SELECT DISTINCT r.value ->> 'leadId' AS id FROM batch, json_each(batch.recipients) AS r
         WHERE batch.seq > ? AND batch.seq <= ? AND batch.recipients IS NOT NULL
           AND lower(r.value ->> 'email') IN (SELECT lower(value) FROM json_each(?))`,
        afterSeq,
        untilSeq,
        JSON.stringify(emails),
      )
      .toArray()
      .map(({ id }) => id);
  }

  /** Batches whose recipients have one of these leads among them, of a part of all. */
  holdingAny(leadIds: readonly number[], afterSeq: number, untilSeq: number): Batch[] {
    return readBatches(
      this.#sql,
      `SELECT * FROM batch WHERE seq > ? AND seq <= ? AND recipients IS NOT NULL
         AND EXISTS (SELECT 1 FROM json_each(lead_ids) WHERE value IN (SELECT value FROM json_each(?)))
       ORDER BY seq`,
      afterSeq,
      untilSeq,
      JSON.stringify(leadIds),
    );
  }

  /** All rows were deleted. */
  forget(): void {
    this.#resetCursor(0);
    this.#dueFrom = -Infinity;
    this.#repeatFrom = -Infinity;
  }
}
