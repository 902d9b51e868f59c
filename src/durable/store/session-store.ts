/**
 * SessionStore: the storage of one session object. Rows become domain types in this folder and nowhere else.
 *
 * Owns transactions, the session's record with its memory cache (losing it costs a read), and erasure and retention
 * over all tables. The batches, the timeline and the erased leads have a class each. Makes no decisions and reads no
 * clock. Invariant: what belongs together is written in one `transact`.
 *
 * @module
 */
import type { Batch, BatchCounts } from '../../core/batch/batch.ts';
import { activationEvents, batchEvents } from '../../core/events/make-events.ts';
import { touch, type Session, type SessionSpec } from '../../core/session/session.ts';
import type { Approval } from '../../shared/approval.ts';
import { mentions, withoutMentions, type ForgottenPerson } from '../../shared/forgotten.ts';
import type { Audience } from '../../shared/schemas/activation.ts';
import { BatchStore } from './batch-store.ts';
import { ErasedLeads } from './erased-leads.ts';
import { OutboxStore } from './outbox-store.ts';
import { ReceiptStore } from './receipt-store.ts';
import { ResultStore } from './result-store.ts';
import { isMarkedErased, markErased, migrate, schemaState } from './schema.ts';
import { SessionTimeline } from './timeline-store.ts';

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
  waiting_for: string | null;
  last_error: string | null;
  fault_streak: number;
  probe_at: number | null;
  recorded_rev: number;
  samples: string;
  extra: string;
};

/** Defaults of fields that rows of earlier versions do not have. */
const extraDefaults = {
  outageSince: null,
  refusalScore: 0,
  isChecking: false,
  checkableUntil: null,
  // A slice of an older version may have died between a flip and its intent.
  mayBeFlipped: true,
  fence: 0,
  chore: null,
  lateFrom: null,
  takeBack: null,
  crm: null,
  waves: null,
  mailDays: null,
} as const satisfies Partial<Session>;
/** Fields that few sessions have. */
type Rare = 'lateFrom' | 'takeBack' | 'crm' | 'waves' | 'mailDays';
type Extra = Pick<Session, Exclude<keyof typeof extraDefaults, Rare>> & Partial<Pick<Session, Rare>>;

function extraOf(session: Session): Extra {
  const { outageSince, refusalScore, isChecking, checkableUntil, mayBeFlipped, fence, chore } = session;
  const { lateFrom, takeBack, crm, waves, mailDays } = session;
  return {
    ...{ outageSince, refusalScore, isChecking, checkableUntil, mayBeFlipped, fence, chore },
    ...(lateFrom === null ? {} : { lateFrom }),
    ...(takeBack === null ? {} : { takeBack }),
    ...(crm === null ? {} : { crm }),
    ...(waves === null ? {} : { waves }),
    ...(mailDays === null ? {} : { mailDays }),
  };
}

const saveSession = `
  INSERT OR REPLACE INTO session (
    id, state, reason, generation, rev, total, counts, fates, plan, started_at, updated_at, finished_at,
    cancelled_at, progressed_at, waiting_until, last_error, fault_streak, probe_at, recorded_rev, samples, extra,
    waiting_for
  ) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export class SessionStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  /** The batches, as slices and commands work on them. */
  readonly batches: BatchStore;
  /** The batches, as people are shown them. */
  readonly results: ResultStore;
  readonly timeline: SessionTimeline;
  readonly receipt: ReceiptStore;
  readonly outbox: OutboxStore;
  readonly #erased: ErasedLeads;
  #session: Session | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#erased = new ErasedLeads(storage.sql);
    this.batches = new BatchStore(storage.sql, this.#erased);
    this.results = new ResultStore(storage.sql);
    this.timeline = new SessionTimeline(storage.sql);
    this.receipt = new ReceiptStore(storage.sql);
    this.outbox = new OutboxStore(storage.sql);
  }

  /** Runs `work` in a transaction, and reloads the caches if it throws. */
  transact<T>(work: () => T): T {
    const session = this.#session;
    try {
      return this.#storage.transactionSync(work);
    } catch (error) {
      this.#session = session;
      this.timeline.forget();
      this.receipt.forget();
      this.outbox.forget();
      this.#erased.forget();
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
    this.#session = toSession(JSON.parse(spec.json) as SessionSpec, row);
    return this.#session;
  }

  /**
   * The session, where there must be one.
   *
   * @throws when there is none
   */
  session(): Session {
    const session = this.load();
    if (session === null) throw new Error('There is no session in this object.');
    return session;
  }

  /**
   * Writes a new session. Call inside {@link transact}.
   *
   * @param endpointIds - the endpoints that get its events; null: there are none
   */
  create(session: Session, endpointIds: readonly string[] | null = null): void {
    migrate(this.#sql);
    this.outbox.forget();
    if (endpointIds !== null) this.outbox.turnOn(endpointIds);
    this.#sql.exec('INSERT INTO spec (id, json) VALUES (1, ?)', JSON.stringify(session.spec));
    this.save(session);
  }

  /**
   * Writes the session's record, its spec where that has changed, and the events of the change.
   *
   * @param by - who caused it, when it was a person's command
   */
  save(session: Session, by: string | null = null): void {
    this.timeline.changed(this.#session, session, by);
    if (this.outbox.isOn) this.outbox.note(activationEvents(this.#session, session), session.updatedAt);
    // It is large and rarely changes: its times by a command, its audience when that is frozen at the start.
    if (this.#session !== null && this.#session.spec !== session.spec) this.#writeSpec(session.spec);
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
      JSON.stringify(extraOf(session)),
      session.waitingFor === null ? null : JSON.stringify(session.waitingFor),
    );
    this.#session = session;
  }

  /**
   * Writes a changed batch and its events. Call inside {@link transact}.
   *
   * @param before - as it is on disk
   */
  changeBatch(before: Batch, after: Batch, nowMs: number): void {
    this.batches.update(after);
    if (!this.outbox.isOn) return;
    const origin = after.originSeq === null ? null : this.batches.origin(after.originSeq);
    this.outbox.note(batchEvents(before, after, origin), nowMs);
  }

  /** The counters, counted again from the rows. Reads every row. */
  recount(): BatchCounts {
    const counts = this.results.recount();
    return { ...counts, skipped: counts.skipped + this.session().plan.unlistedCount };
  }

  /**
   * Writes which provider the session's mail leaves through, and which other one a person may accept. Call inside
   * {@link transact}.
   */
  setProvider(provider: string, offeredProvider: string | null): void {
    const session = this.session();
    const spec: SessionSpec = { ...session.spec, provider };
    if (offeredProvider === null) delete spec.offeredProvider;
    else spec.offeredProvider = offeredProvider;
    this.#saveSpec(session, spec);
  }

  // ── erasure and retention ──────────────────────────────────────────────────────────────────────

  /** True for an erased lead: it must not be mailed or written again. */
  isErased(leadId: number): boolean {
    return this.#erased.has(leadId);
  }

  /**
   * Deletes who a lead is from every batch, and notes its id as erased. Call inside {@link transact}.
   *
   * @returns false when no batch knew the lead
   */
  eraseLead(leadId: number): boolean {
    const known = this.batches.holding(leadId);
    // A session that has ended gets no new leads.
    if (known.length === 0 && this.session().finishedAt !== null) return false;
    this.#erased.add(leadId);
    // `update` leaves erased leads out.
    for (const batch of known) this.batches.update(batch);
    return known.length > 0;
  }

  /**
   * The leads that mails of this session to one of the person's addresses were for, of the batches after `afterSeq` up
   * to `untilSeq`.
   */
  leadIdsOf(person: ForgottenPerson, afterSeq: number, untilSeq: number): number[] {
    return this.batches.leadIdsOf(person.emails, afterSeq, untilSeq);
  }

  /** Notes these leads as erased, if the session may still write them. Call inside {@link transact}. */
  noteErased(leadIds: readonly number[]): void {
    // A session that has ended gets no new leads.
    if (this.session().finishedAt !== null) return;
    for (const leadId of leadIds) this.#erased.add(leadId);
  }

  /**
   * Deletes who these leads are from the batches after `afterSeq` up to `untilSeq`, and notes the ids that were found
   * as erased. Call inside {@link transact}.
   */
  eraseLeads(leadIds: readonly number[], afterSeq: number, untilSeq: number): void {
    const known = this.batches.holdingAny(leadIds, afterSeq, untilSeq);
    const isErased = new Set(leadIds);
    for (const batch of known)
      for (const leadId of batch.leadIds) if (isErased.has(leadId)) this.#erased.add(leadId);
    // `update` leaves erased leads out.
    for (const batch of known) this.batches.update(batch);
  }

  /**
   * Deletes a person from the session's name and search. Call inside {@link transact}.
   *
   * @returns true when the name of the session has changed
   */
  forgetMentions(person: ForgottenPerson, nowMs: number): boolean {
    const session = this.session();
    const { spec } = session;
    const name = withoutMentions(spec.name, person);
    const audience = audienceWithout(session, person);
    const approval = approvalWithout(spec.approval, person);
    if (name === spec.name && audience === spec.audience && approval === spec.approval) return false;
    this.#saveSpec(session, { ...spec, name, audience, ...(approval === undefined ? {} : { approval }) });
    if (name === spec.name) return false;
    this.save(touch(this.session(), nowMs, {}));
    return true;
  }

  /** Deletes everything about leads; the numbers stay. Call inside {@link transact}. */
  anonymize(nowMs: number): void {
    const session = this.load();
    if (session === null) return;
    const { approval } = session.spec;
    const spec: SessionSpec = {
      ...session.spec,
      audience: { leadIds: [] },
      ...(approval === undefined ? {} : { approval: withReason(approval, () => null) }),
      reducedAt: nowMs,
    };
    for (const table of ['batch', 'fate', 'erased_lead', 'receipt_seeds', 'receipt_closed']) {
      this.#sql.exec(`DELETE FROM ${table}`);
    }
    this.#saveSpec(session, spec);
    this.outbox.anonymize();
    this.receipt.forget();
    this.#erased.forget();
  }

  /**
   * Deletes the search terms of the audience, which may be a name or an address. Only planning needs them. Call
   * inside {@link transact}.
   */
  forgetSearch(): void {
    const session = this.session();
    const { audience } = session.spec;
    if (!('filter' in audience) || audience.filter.search === undefined) return;
    const filter = { ...audience.filter };
    delete filter.search;
    this.#saveSpec(session, { ...session.spec, audience: { filter } });
  }

  #saveSpec(session: Session, spec: SessionSpec): void {
    this.#writeSpec(spec);
    this.#session = { ...session, spec };
  }

  #writeSpec(spec: SessionSpec): void {
    this.#sql.exec('UPDATE spec SET json = ? WHERE id = 1', JSON.stringify(spec));
  }

  /** True for an id whose session was erased: it is unknown, and is not started again. */
  wasErased(): boolean {
    return this.load() === null && isMarkedErased(this.#sql);
  }

  /**
   * Deletes everything but the tombstone. A death between the two loses the tombstone (test/workerd/platform.test.ts),
   * so the CRM has one too (`noteErased`), which is written before.
   */
  async deleteAll(): Promise<void> {
    const deleted = this.#storage.deleteAll();
    markErased(this.#sql);
    this.#forget();
    await deleted;
  }

  #forget(): void {
    this.timeline.forget();
    this.receipt.forget();
    this.outbox.forget();
    this.#session = null;
    this.#erased.forget();
    this.batches.forget();
  }

  // ── delivery events ────────────────────────────────────────────────────────────────────────────

  /** The delivery bits of a block of leads; see session/delivery-events.ts. */
  deliveryBlock(block: number): Uint8Array | null {
    const row = this.#sql
      .exec<{ bits: ArrayBuffer }>('SELECT bits FROM fate WHERE block = ?', block)
      .toArray()[0];
    return row === undefined ? null : new Uint8Array(row.bits);
  }

  saveDeliveryBlock(block: number, bits: Uint8Array): void {
    this.#sql.exec('INSERT OR REPLACE INTO fate (block, bits) VALUES (?, ?)', block, bits);
  }
}

/**
 * The audience without search terms that mention a person. After planning they are not needed. Before that, the
 * search would match other leads without them, so planning ends and the rest of the audience is skipped.
 */
function audienceWithout({ spec, plan }: Session, person: ForgottenPerson): Audience {
  const { audience } = spec;
  if (!('filter' in audience) || !mentions(audience.filter.search ?? '', person)) return audience;
  if (!plan.isDone) return { leadIds: [] };
  const filter = { ...audience.filter };
  delete filter.search;
  return { filter };
}

/** The approval with another reason of its rejection, which a person wrote and which may name somebody. */
function withReason(approval: Approval, change: (reason: string) => string | null): Approval {
  const { rejected } = approval;
  if (rejected === undefined || rejected.reason === null) return approval;
  return { ...approval, rejected: { ...rejected, reason: change(rejected.reason) } };
}

function approvalWithout(approval: Approval | undefined, person: ForgottenPerson): Approval | undefined {
  const isMentioned = mentions(approval?.rejected?.reason ?? '', person);
  return approval === undefined || !isMentioned
    ? approval
    : withReason(approval, (reason) => withoutMentions(reason, person));
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
    // Sessions of an earlier version have no acknowledged counters.
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
    waitingFor: row.waiting_for === null ? null : (JSON.parse(row.waiting_for) as Session['waitingFor']),
    lastError: row.last_error,
    faultStreak: row.fault_streak,
    probeAt: row.probe_at,
    recordedRev: row.recorded_rev,
    samples: JSON.parse(row.samples) as Session['samples'],
    ...extraDefaults,
    // A row of the version before says it only while it waits for that.
    ...(row.waiting_for?.includes('"daily_cap"') === true ? { lateFrom: row.waiting_until } : {}),
    ...(JSON.parse(row.extra) as Partial<Extra>),
  };
}
