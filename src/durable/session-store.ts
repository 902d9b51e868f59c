/**
 * SessionStore: all SQL of a session object, rows mapped to domain types here and nowhere else.
 *
 * Owns: the tables of session-schema.ts and two memory caches, the session row and the cursor below
 * which no batch is pending; losing them costs a read. Never: decisions, clocks, network.
 * Invariant: what belongs together is written in one `transact`.
 *
 * @module
 */
import { countBatch, type Batch, type BatchCounts, type BatchState, type Failure } from '../core/batch.ts';
import type { Session, SessionSpec } from '../core/session.ts';
import type { Issue } from '../shared/progress.ts';
import { erasedRecipient, type Recipient } from '../shared/recipient.ts';
import { migrate, schemaState } from './session-schema.ts';
import { SessionTimeline } from './session-timeline.ts';

type SessionRow = {
  state: Session['state'];
  reason: Session['reason'];
  generation: number;
  rev: number;
  total: number;
  counts: string;
  fates: string;
  plan: string;
  started_at: number | null;
  updated_at: number;
  finished_at: number | null;
  cancelled_at: number | null;
  progressed_at: number;
  waiting_until: number | null;
  last_error: string | null;
  fault_streak: number;
  probe_at: number | null;
  recorded_rev: number;
  samples: string;
};

type BatchRow = {
  seq: number;
  state: BatchState;
  attempts: number;
  attempt_at: number | null;
  in_doubt_since: number | null;
  next_attempt_at: number | null;
  origin_seq: number | null;
  marks: string;
  code: string | null;
  message: string | null;
  payload_hash: string | null;
  skipped: string;
  failures: string;
  lead_ids: string;
  recipients: string | null;
  message_ids: string | null;
};

const saveSession = `
  INSERT OR REPLACE INTO session (
    id, state, reason, generation, rev, total, counts, fates, plan, started_at, updated_at, finished_at,
    cancelled_at, progressed_at, waiting_until, last_error, fault_streak, probe_at, recorded_rev, samples
  ) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const saveBatch = `
  UPDATE batch SET state = ?, attempts = ?, attempt_at = ?, in_doubt_since = ?, next_attempt_at = ?,
    marks = ?, code = ?, message = ?, payload_hash = ?, skipped = ?, failures = ?, recipients = ?,
    message_ids = ?
  WHERE seq = ?`;

const insertBatch = `
  INSERT INTO batch (state, next_attempt_at, origin_seq, marks, lead_ids, recipients)
  VALUES (?, ?, ?, ?, ?, ?) RETURNING seq`;

/** A batch to be added. */
export type NewBatch = Pick<
  Batch,
  'state' | 'originSeq' | 'leadIds' | 'recipients' | 'marks' | 'nextAttemptAt'
>;

/** Which batches a page of results needs to look at: those that may hold such a lead. */
export interface BatchFilter {
  marks: string | null;
  hasSkipped: boolean;
  isUndecided: boolean;
}

export class SessionStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly timeline: SessionTimeline;
  #spec: SessionSpec | null = null;
  #session: Session | null = null;
  /** No batch at or below is pending, but for those that are held. */
  #cursor = 0;
  #erased: Set<number> | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.timeline = new SessionTimeline(storage.sql);
  }

  /** Runs `work` so that all of its writes are there or none; the caches follow. */
  transact<T>(work: () => T): T {
    const session = this.#session;
    const cursor = this.#cursor;
    try {
      return this.#storage.transactionSync(work);
    } catch (error) {
      this.#session = session;
      this.#cursor = cursor;
      this.timeline.forget();
      this.#erased = null;
      throw error;
    }
  }

  // ── the session ────────────────────────────────────────────────────────────────────────────────

  /** The session, or null for an id that was never started (nothing is written then). */
  load(): Session | null {
    if (this.#session !== null) return this.#session;
    const schema = schemaState(this.#sql);
    if (schema === 'none') return null;
    if (schema === 'outdated') this.transact(() => migrate(this.#sql));
    const spec = this.#sql.exec<{ json: string }>('SELECT json FROM spec WHERE id = 1').toArray()[0];
    const row = this.#sql.exec<SessionRow>('SELECT * FROM session WHERE id = 1').toArray()[0];
    if (spec === undefined || row === undefined) return null;
    this.#spec = JSON.parse(spec.json) as SessionSpec;
    this.#session = toSession(this.#spec, row);
    return this.#session;
  }

  /** Writes a new session. Call inside {@link transact}. */
  create(session: Session): void {
    migrate(this.#sql);
    this.#sql.exec('INSERT INTO spec (id, json) VALUES (1, ?)', JSON.stringify(session.spec));
    this.#spec = session.spec;
    this.save(session);
  }

  /**
   * Writes the session's record, and what is worth telling of the change.
   *
   * @param by - who caused it, when it was a person's command
   */
  save(session: Session, by: string | null = null): void {
    this.timeline.changed(this.#session, session, by);
    const { delivered, bounced, complained, acknowledged } = session;
    this.#sql.exec(
      saveSession,
      session.state,
      session.reason,
      session.generation,
      session.rev,
      session.total,
      JSON.stringify(session.counts),
      JSON.stringify({ delivered, bounced, complained, acknowledged }),
      JSON.stringify(session.plan),
      session.startedAt,
      session.updatedAt,
      session.finishedAt,
      session.cancelledAt,
      session.progressedAt,
      session.waitingUntil,
      session.lastError,
      session.faultStreak,
      session.probeAt,
      session.recordedRev,
      JSON.stringify(session.samples),
    );
    this.#session = session;
  }

  // ── batches ────────────────────────────────────────────────────────────────────────────────────

  append(batches: Iterable<NewBatch>): void {
    for (const batch of batches) {
      this.#sql
        .exec(
          insertBatch,
          batch.state,
          batch.nextAttemptAt,
          batch.originSeq,
          batch.marks,
          JSON.stringify(batch.leadIds),
          batch.recipients === null ? null : JSON.stringify(this.#withoutErased(batch.recipients)),
        )
        .toArray();
    }
  }

  update(batch: Batch): void {
    this.#sql.exec(
      saveBatch,
      batch.state,
      batch.attempts,
      batch.attemptAt,
      batch.inDoubtSince,
      batch.nextAttemptAt,
      batch.marks,
      batch.code,
      batch.message,
      batch.payloadHash,
      JSON.stringify(batch.skipped),
      JSON.stringify(batch.failures),
      batch.recipients === null ? null : JSON.stringify(this.#withoutErased(batch.recipients)),
      batch.messageIds === null ? null : JSON.stringify(this.#idsWithoutErased(batch)),
      batch.seq,
    );
  }

  /** The state of a batch as it is on disk now, and its attempts: what fences a late writer. */
  peek(seq: number): { state: BatchState; attempts: number; attemptAt: number | null } | null {
    const row = this.#sql
      .exec<{ state: BatchState; attempts: number; attempt_at: number | null }>(
        'SELECT state, attempts, attempt_at FROM batch WHERE seq = ?',
        seq,
      )
      .toArray()[0];
    return row === undefined ? null : { state: row.state, attempts: row.attempts, attemptAt: row.attempt_at };
  }

  /** The waiting batches that are due, earliest first. */
  dueWaiting(nowMs: number, limit: number): Batch[] {
    return this.#batches(
      "SELECT * FROM batch WHERE state = 'waiting' AND next_attempt_at <= ? ORDER BY next_attempt_at, seq LIMIT ?",
      nowMs,
      limit,
    );
  }

  /** The next pending batch, in planned order; it is not found again until {@link rewind}. */
  nextPending(): Batch | null {
    const batch =
      this.#batches(
        "SELECT * FROM batch WHERE seq > ? AND state = 'pending' ORDER BY seq LIMIT 1",
        this.#cursor,
      )[0] ?? null;
    if (batch !== null) this.#cursor = batch.seq;
    return batch;
  }

  hasPending(): boolean {
    return (
      this.#sql
        .exec("SELECT 1 FROM batch WHERE seq > ? AND state = 'pending' LIMIT 1", this.#cursor)
        .toArray().length > 0
    );
  }

  /** A pending batch was let go: it will be found again. */
  rewind(seq: number): void {
    this.#cursor = Math.min(this.#cursor, seq - 1);
  }

  /** When the next waiting batch is due. */
  nextAttemptAt(): number | null {
    return this.#sql
      .exec<{ at: number | null }>("SELECT min(next_attempt_at) AS at FROM batch WHERE state = 'waiting'")
      .one().at;
  }

  /** When the next batch is due that left before: its repeat takes nothing of a day's cap. */
  nextRepeatAt(): number | null {
    return this.#sql
      .exec<{
        at: number | null;
      }>("SELECT min(next_attempt_at) AS at FROM batch WHERE state = 'waiting' AND payload_hash IS NOT NULL")
      .one().at;
  }

  /** All batches of a state. */
  *inState(state: BatchState): Generator<Batch> {
    yield* this.#scan('SELECT * FROM batch WHERE state = ? AND seq > ? ORDER BY seq LIMIT 50', state);
  }

  /** True while a batch is not decided. Reads every row: ask when the counters say that all is done. */
  hasOpen(): boolean {
    return (
      this.#sql
        .exec("SELECT 1 FROM batch WHERE state IN ('pending', 'inflight', 'waiting') LIMIT 1")
        .toArray().length > 0
    );
  }

  /** Makes every waiting batch due: a cancelled session decides them as soon as it can. */
  hurryWaiting(nowMs: number): void {
    this.#sql.exec(
      "UPDATE batch SET next_attempt_at = ? WHERE state = 'waiting' AND next_attempt_at > ?",
      nowMs,
      nowMs,
    );
  }

  /** Sets every pending batch cancelled; returns how many leads those hold. */
  cancelPending(): number {
    const row = this.#sql
      .exec<{ leads: number | null }>(
        "SELECT sum(json_array_length(lead_ids)) AS leads FROM batch WHERE state = 'pending'",
      )
      .one();
    this.#sql.exec("UPDATE batch SET state = 'cancelled' WHERE state = 'pending'");
    return row.leads ?? 0;
  }

  /**
   * Leads of the first cancelled batches: no more than the senders of one slice can have flipped
   * before their intent was written.
   */
  firstCancelledLeadIds(batchCount: number): number[] {
    return this.#sql
      .exec<{ lead_ids: string }>(
        "SELECT lead_ids FROM batch WHERE state = 'cancelled' AND recipients IS NULL ORDER BY seq LIMIT ?",
        batchCount,
      )
      .toArray()
      .flatMap((row) => JSON.parse(row.lead_ids) as number[]);
  }

  /** Every batch with a failed recipient, in order. */
  *withMark(mark: 'f' | 'u'): Generator<Batch> {
    yield* this.#scan(
      'SELECT * FROM batch WHERE marks GLOB ? AND seq > ? ORDER BY seq LIMIT 50',
      `*${mark}*`,
    );
  }

  /** Puts every unknown batch back to be sent, as a person asked; returns how many leads that is. */
  retryUnknown(nowMs: number): number {
    const leads = this.#unknownLeadCount();
    this.#sql.exec(
      `UPDATE batch SET state = 'waiting', marks = replace(marks, 'u', 'p'), attempts = 0,
         in_doubt_since = NULL, next_attempt_at = ? WHERE state = 'unknown'`,
      nowMs,
    );
    return leads;
  }

  /** Takes every unknown batch for sent, as a person said; returns how many leads that is. */
  assumeSent(): number {
    const leads = this.#unknownLeadCount();
    this.#sql.exec(
      `UPDATE batch SET state = 'done', marks = replace(marks, 'u', 's'), code = 'assumed_sent'
       WHERE state = 'unknown'`,
    );
    return leads;
  }

  #unknownLeadCount(): number {
    return (
      this.#sql
        .exec<{ leads: number | null }>(
          "SELECT sum(length(marks) - length(replace(marks, 'u', ''))) AS leads FROM batch WHERE state = 'unknown'",
        )
        .one().leads ?? 0
    );
  }

  /** Batches that may hold this lead, the latest first. Reads every row. */
  seqsAround(leadId: number): number[] {
    return this.#sql
      .exec<{ seq: number }>(
        "SELECT seq FROM batch WHERE lead_ids ->> 0 <= ?1 AND lead_ids ->> '$[#-1]' >= ?1 ORDER BY seq DESC",
        leadId,
      )
      .toArray()
      .map((row) => row.seq);
  }

  /** Batches from `seq` on that may hold a lead that fits. */
  page(fromSeq: number, filter: BatchFilter, limit: number): Batch[] {
    return this.#batches(
      `SELECT * FROM batch WHERE seq >= ?1 AND (
         (?2 IS NOT NULL AND marks GLOB ?2) OR (?3 AND skipped <> '[]') OR (?4 AND recipients IS NULL)
       ) ORDER BY seq LIMIT ?5`,
      fromSeq,
      filter.marks,
      filter.hasSkipped ? 1 : 0,
      filter.isUndecided ? 1 : 0,
      limit,
    );
  }

  // ── erasure and retention ──────────────────────────────────────────────────────────────────────

  /** True for a lead that was erased: it must not be mailed, and nothing writes it down again. */
  isErased(leadId: number): boolean {
    return this.#erasedIds().has(leadId);
  }

  /**
   * Forgets who a lead is, in every batch, and remembers that. Call inside {@link transact}.
   *
   * @returns false when no batch knew the lead
   */
  eraseLead(leadId: number): boolean {
    this.#sql.exec('INSERT OR IGNORE INTO erased_lead (lead_id) VALUES (?)', leadId);
    this.#erased = null;
    const known = this.#batches(
      `SELECT * FROM batch WHERE recipients IS NOT NULL AND instr(lead_ids, ?) > 0
         AND EXISTS (SELECT 1 FROM json_each(lead_ids) WHERE value = ?) ORDER BY seq`,
      // As text: a number is bound as a double, which is written "2.0".
      String(leadId),
      leadId,
    );
    // Whatever is written is written without the erased.
    for (const batch of known) this.update(batch);
    return known.length > 0;
  }

  /** Removes all that the session knows of leads; its numbers stay. Call inside {@link transact}. */
  reduce(nowMs: number): void {
    const session = this.load();
    if (session === null) return;
    const spec: SessionSpec = { ...session.spec, audience: { leadIds: [] }, reducedAt: nowMs };
    for (const table of ['batch', 'fate', 'erased_lead']) this.#sql.exec(`DELETE FROM ${table}`);
    this.#sql.exec('UPDATE spec SET json = ? WHERE id = 1', JSON.stringify(spec));
    this.#spec = spec;
    this.#session = { ...session, spec };
    this.#erased = null;
  }

  /** The object's storage was deleted: nothing is known any more. */
  forget(): void {
    this.timeline.forget();
    this.#spec = null;
    this.#session = null;
    this.#erased = null;
    this.#cursor = 0;
  }

  #erasedIds(): ReadonlySet<number> {
    this.#erased ??= new Set(
      this.#sql
        .exec<{ lead_id: number }>('SELECT lead_id FROM erased_lead')
        .toArray()
        .map((row) => row.lead_id),
    );
    return this.#erased;
  }

  /** The provider knows the person by its id of the mail. */
  #idsWithoutErased({ messageIds, recipients }: Batch): readonly (string | null)[] {
    const erased = this.#erasedIds();
    return (messageIds ?? []).map((id, index) => (erased.has(recipients?.[index]?.leadId ?? 0) ? null : id));
  }

  #withoutErased(recipients: readonly Recipient[]): readonly Recipient[] {
    const erased = this.#erasedIds();
    if (erased.size === 0) return recipients;
    return recipients.map((recipient) =>
      erased.has(recipient.leadId) ? erasedRecipient(recipient.leadId) : recipient,
    );
  }

  // ── fates ──────────────────────────────────────────────────────────────────────────────────────

  /** The fates of a block of leads; see fates.ts. */
  fateBlock(block: number): Uint8Array | null {
    const row = this.#sql
      .exec<{ bits: ArrayBuffer }>('SELECT bits FROM fate WHERE block = ?', block)
      .toArray()[0];
    return row === undefined ? null : new Uint8Array(row.bits);
  }

  saveFateBlock(block: number, bits: Uint8Array): void {
    this.#sql.exec('INSERT OR REPLACE INTO fate (block, bits) VALUES (?, ?)', block, bits);
  }

  /** Failures, unknowns and skips, counted by reason. */
  issues(maxCount: number): Issue[] {
    return this.#sql
      .exec<{ track: string; state: string; code: string; message: string; count: number }>(
        `SELECT 'email' AS track, 'failed' AS state, f.value ->> 'code' AS code,
                f.value ->> 'message' AS message, count(*) AS count
           FROM batch, json_each(batch.failures) AS f WHERE batch.failures <> '[]' GROUP BY 3, 4
         UNION ALL
         SELECT 'email', 'unknown', coalesce(code, 'unknown'), coalesce(message, ''),
                sum(length(marks) - length(replace(marks, 'u', '')))
           FROM batch WHERE state = 'unknown' GROUP BY 3, 4
         UNION ALL
         SELECT 'activation', 'skipped', s.value ->> 'reason', '', count(*)
           FROM batch, json_each(batch.skipped) AS s WHERE batch.skipped <> '[]' GROUP BY 3
         UNION ALL
         SELECT 'activation', 'skipped', 'cancelled', '', sum(json_array_length(lead_ids))
           FROM batch WHERE state = 'cancelled' AND recipients IS NULL HAVING count(*) > 0
         UNION ALL
         SELECT 'activation', 'failed', coalesce(code, 'crm_refused'), coalesce(message, ''),
                sum(json_array_length(lead_ids))
           FROM batch WHERE state = 'done' AND recipients IS NULL GROUP BY 3, 4
         ORDER BY count DESC LIMIT ?`,
        maxCount,
      )
      .toArray()
      .map((row) => row as Issue);
  }

  /** The counters, counted again from the rows. */
  recount(): BatchCounts {
    const sum: BatchCounts = { activated: 0, skipped: 0, refused: 0, sent: 0, failed: 0, unknown: 0 };
    for (const batch of this.#scan('SELECT * FROM batch WHERE ? AND seq > ? ORDER BY seq LIMIT 50', 1)) {
      const counts = countBatch(batch);
      for (const key of Object.keys(sum) as (keyof BatchCounts)[]) sum[key] += counts[key];
    }
    sum.skipped += this.load()?.plan.unlistedCount ?? 0;
    return sum;
  }

  #batches(query: string, ...bindings: SqlStorageValue[]): Batch[] {
    return this.#sql
      .exec<BatchRow>(query, ...bindings)
      .toArray()
      .map(toBatch);
  }

  /** Walks a large result in pages: no cursor stays open while the caller writes. */
  *#scan(query: string, binding: SqlStorageValue): Generator<Batch> {
    let after = 0;
    for (;;) {
      const page = this.#batches(query, binding, after);
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.seq;
    }
  }
}

function toSession(spec: SessionSpec, row: SessionRow): Session {
  return {
    spec,
    state: row.state,
    reason: row.reason,
    generation: row.generation,
    rev: row.rev,
    total: row.total,
    counts: JSON.parse(row.counts) as BatchCounts,
    // Sessions of an earlier version have acknowledged nothing.
    acknowledged: { delivered: 0, bounced: 0, complained: 0 },
    ...(JSON.parse(row.fates) as Pick<Session, 'delivered' | 'bounced' | 'complained'> &
      Partial<Pick<Session, 'acknowledged'>>),
    plan: JSON.parse(row.plan) as Session['plan'],
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    finishedAt: row.finished_at,
    cancelledAt: row.cancelled_at,
    progressedAt: row.progressed_at,
    waitingUntil: row.waiting_until,
    lastError: row.last_error,
    faultStreak: row.fault_streak,
    probeAt: row.probe_at,
    recordedRev: row.recorded_rev,
    samples: JSON.parse(row.samples) as Session['samples'],
  };
}

function toBatch(row: BatchRow): Batch {
  return {
    seq: row.seq,
    state: row.state,
    originSeq: row.origin_seq,
    leadIds: JSON.parse(row.lead_ids) as number[],
    recipients: row.recipients === null ? null : (JSON.parse(row.recipients) as Batch['recipients']),
    skipped: JSON.parse(row.skipped) as Batch['skipped'],
    marks: row.marks,
    failures: JSON.parse(row.failures) as Failure[],
    messageIds: row.message_ids === null ? null : (JSON.parse(row.message_ids) as (string | null)[]),
    attempts: row.attempts,
    attemptAt: row.attempt_at,
    inDoubtSince: row.in_doubt_since,
    nextAttemptAt: row.next_attempt_at,
    payloadHash: row.payload_hash,
    code: row.code,
    message: row.message,
  };
}
