/**
 * SessionRunner: the verbs of a slice, over the store, the CRM, the gate and the mail API.
 *
 * Owns which batches the running slice holds, in memory. The order of the verbs is in core/session/slice.ts, what an
 * outcome means in core/batch/settle.ts.
 * Invariants: an intent is on disk before its call leaves; an outcome is written only to the attempt that it
 * answers; what belongs together is one transaction.
 *
 * @module
 */
import { dayStart } from '../../core/limits/daily-cap.ts';
import { pendingIndexes, recipientState, type Batch, type BatchChange } from '../../core/batch/batch.ts';
import { outageMs } from '../../core/limits/breaker.ts';
import { judgeRefusals, type RecordRefusal } from '../../core/crm/push.ts';
import { mayRepeat } from '../../core/batch/doubt.ts';
import type { Outcome } from '../../core/batch/outcome.ts';
import {
  nextFence,
  pauseFor,
  touch,
  waitOn,
  windowOpensAt,
  workMode,
  type Session,
  type WorkMode,
} from '../../core/session/session.ts';
import { hasLeadsToPlan } from '../../core/session/waves.ts';
import type { SettleContext } from '../../core/batch/settle-batch.ts';
import { decideOutcome, expire, probeSplit, withoutRepeat } from '../../core/batch/settle.ts';
import {
  flipAheadCount,
  type Intent,
  type Permit,
  type Prepared,
  type SliceVerbs,
} from '../../core/session/slice.ts';
import { noteMailDay } from '../../core/session/mail-days.ts';
import { mailedAfterAt } from '../../core/limits/frequency.ts';
import { flipLeads, unflipLeads } from '../../crm/flip.ts';
import type { CrmRecord } from '../../crm/port.ts';
import { isHashOf, payloadHash } from '../../mail/payload-hash.ts';
import type { FlipResult } from '../../shared/recipient.ts';
import { BatchMails } from './batch-mails.ts';
import { BatchWriter } from './batch-writer.ts';
import { CapReservations } from './cap-reservations.ts';
import { Flips } from './flips.ts';
import { refusalOf } from '../mail-account.ts';
import { classifyFault, faultText } from '../../runtime/faults.ts';
import { inTime } from '../../runtime/in-time.ts';
import { planNext } from './planner.ts';
import type { SliceContext } from '../session/context.ts';

/** One search for work expires no more batches than this; the next search goes on. */
const maxExpiredCount = 100;
/** Shorter waits are not worth a write. */
const visibleWaitMs = 2_000;
/** The lower of the limits of the two accounts. */
const callsPerSecond = ({ mail, crm, store }: SliceContext): number =>
  store.session().crm === null ? mail.maxRatePerSecond : Math.min(mail.maxRatePerSecond, crm.ratePerSecond);

/** Nothing in a slice has to sleep longer; only a clock that jumps would make it. */
const maxSleepMs = 20_000;

export class SessionRunner implements SliceVerbs {
  readonly #context: SliceContext;
  readonly #generation: number;
  readonly #writer: BatchWriter;
  readonly #mails: BatchMails;
  readonly #cap: CapReservations;
  /** Held batches, as they are on disk. */
  readonly #held = new Map<number, Batch>();
  readonly #flips: Flips;
  /** Of its flips (crm/fence.ts). */
  #fence = 0;
  /** Until a flip of this slice is answered, flips of an earlier one may still arrive. */
  #mustRaiseFence = true;
  #isStopped = false;
  /** True when the day's cap held back the last batch that asked. */
  #isAtCap = false;
  /** Until when the day's cap holds this slice's batches back; null: it has held none. */
  #cappedUntil: number | null = null;

  /**
   * @param context - of a session that exists
   * @throws when the session's frozen template does not compile; the start refuses such a template
   */
  constructor(context: SliceContext) {
    this.#context = context;
    this.#generation = context.store.session().generation;
    this.#writer = new BatchWriter(context);
    this.#mails = new BatchMails(context);
    this.#cap = new CapReservations(context);
    this.#flips = new Flips(
      {
        now: () => this.now(),
        held: () => [...this.#held.values()].filter(({ recipients }) => recipients === null),
        ahead: (limit) => this.#pendingAhead(limit),
        flip: (leadIds) => this.#flipLeads(leadIds),
      },
      // A batch that the day's cap holds back would stay active until tomorrow.
      context.mail.hasDailyLimit ? 0 : flipAheadCount(callsPerSecond(context)),
    );
  }

  now(): number {
    return this.#context.now();
  }

  async sleepUntil(at: number): Promise<void> {
    const ms = Math.min(maxSleepMs, at - this.now());
    if (ms > 0) await this.#context.sleep(ms);
  }

  /** Lets nothing more leave in this slice. */
  stop(): void {
    this.#isStopped = true;
  }

  mode(): WorkMode {
    if (this.#isStopped) return 'none';
    const session = this.#session();
    return session.generation === this.#generation ? workMode(session, this.now()) : 'none';
  }

  isPlanning(): boolean {
    return hasLeadsToPlan(this.#session());
  }

  /** Sets a queued session running, numbers the slice, and notes that leads may be set active. */
  begin(): void {
    const { store } = this.#context;
    store.transact(() => {
      const nowMs = this.now();
      const before = this.#session();
      this.#mustRaiseFence = before.mayBeFlipped;
      this.#fence = nextFence(before, nowMs);
      // From here on, leads of batches that have not left may be active.
      const isFlipping = workMode(before, nowMs) !== 'check';
      const session = {
        ...before,
        mayBeFlipped: before.mayBeFlipped || isFlipping,
        fence: this.#fence,
      };
      if (session.state === 'queued') {
        const startedAt = session.startedAt ?? nowMs;
        store.save(touch(session, nowMs, { state: 'running', startedAt, progressedAt: nowMs }));
      } else store.save(session);
    });
    this.#context.publish();
  }

  /** True while leads are active whose mail is neither decided nor on its way. */
  get hasOpenFlips(): boolean {
    return this.#flips.hasOpen;
  }

  async plan(): Promise<void> {
    await planNext(this.#context);
    // The results of its leads follow.
    this.#context.publish(true);
  }

  take(): Batch | null {
    const { store, mail } = this.#context;
    const mode = this.mode();
    const isChecking = mode === 'check';
    for (let expiredCount = 0; expiredCount < maxExpiredCount; expiredCount++) {
      const nowMs = this.now();
      // Repeats need nothing of the day's mails: behind batches that wait for tomorrow, they would wait as long. A probe
      // has one batch, and would not ask the provider before midnight.
      const areFirst = mode === 'probe' || (mail.hasDailyLimit && !isChecking);
      const limit = this.#held.size + 1;
      const repeats = areFirst ? store.batches.dueRepeats(nowMs, dayStart(nowMs), limit) : [];
      const due = [...repeats, ...store.batches.dueWaiting(nowMs, limit, isChecking)];
      const batch = due.find(({ seq }) => !this.#held.has(seq));
      if (batch === undefined) return isChecking ? null : this.#hold(this.#nextPending());
      if (mayRepeat(batch, nowMs, mail.transport)) return this.#hold(batch);
      store.transact(() => this.#writer.apply(batch, expire(batch, nowMs), { kind: 'none' }));
      this.#context.publish();
    }
    return null;
  }

  /** The next pending batch that no sender holds. The cursor may point below held ones, when one was released. */
  #nextPending(): Batch | null {
    for (;;) {
      const batch = this.#context.store.batches.nextPending();
      if (batch === null || !this.#held.has(batch.seq)) return batch;
    }
  }

  #hold(batch: Batch | null): Batch | null {
    if (batch !== null) this.#held.set(batch.seq, batch);
    return batch;
  }

  release(batch: Batch): void {
    this.#held.delete(batch.seq);
    this.#mails.evict(batch);
    this.#cap.refund(batch.seq, 0);
    if (this.#context.store.batches.stateOf(batch.seq) === 'pending')
      this.#context.store.batches.rewind(batch.seq);
  }

  async flip(batch: Batch): Promise<FlipResult | null> {
    try {
      return await this.#context.waits.during('crm', () => this.#flips.of(batch));
    } catch (error) {
      const fault = classifyFault(error);
      if (fault.kind !== 'refused') throw error;
      // A repeat would be refused too, and the session would never end.
      this.#context.log('info', 'flip_refused', { batch: batch.seq, error: faultText(error) });
      this.#decideUnsent({ ...batch, code: 'crm_refused', message: fault.message });
      return null;
    }
  }

  /** A probe sets no leads active but those of its one batch. */
  #pendingAhead(limit: number): readonly Batch[] {
    if (this.mode() !== 'run') return [];
    return this.#context.store.batches.pendingAhead(limit).filter(({ seq }) => !this.#held.has(seq));
  }

  async #flipLeads(leadIds: readonly number[]): Promise<FlipResult> {
    const { spec } = this.#session();
    const { sessionId, minDaysBetween = null, schedule, createdAt, revision, crm } = spec;
    const { customFields } = this.#mails;
    const nowMs = this.now();
    const result = await flipLeads(this.#context.env.DB, {
      sessionId,
      number: this.#fence,
      mustRaise: this.#mustRaiseFence,
      leadIds,
      nowMs,
      customFields,
      // As of the audience, or a wait would let leads in that the manifest leaves out.
      mailedAfter: mailedAfterAt(minDaysBetween, schedule?.frozenAt ?? createdAt),
      asOf: revision ?? 0,
      ...(crm === undefined
        ? {}
        : {
            crmSource: crm.source,
            beforeUnflip: (records) => this.#context.crm.undo(spec, this.#fence, records),
          }),
    });
    this.#mustRaiseFence = false;
    return result;
  }

  settleFlip(batch: Batch, result: FlipResult): Batch | null {
    this.#mails.cacheHashes(result.emailHashes);
    const asked = this.#deferOwned(batch, result);
    const frozen: Batch = {
      ...asked,
      recipients: result.activated,
      skipped: result.skipped.filter(({ leadId }) => asked.leadIds.includes(leadId)),
      recipientStates: recipientState.pending.repeat(result.activated.length),
    };
    if (result.activated.length > 0) return frozen;
    this.#decideUnsent(frozen);
    return null;
  }

  /** Defers leads that another live session owns: they become new again if that session is cancelled. */
  #deferOwned(batch: Batch, { ownedElsewhere }: FlipResult): Batch {
    // A batch with an origin was deferred before.
    if (ownedElsewhere.size === 0 || batch.originSeq !== null || !this.#isStillHeld(batch)) return batch;
    const { store } = this.#context;
    return store.transact(() => store.batches.defer(batch, ownedElsewhere));
  }

  pushes(): 'mail' | 'crm' | null {
    return this.#session().crm?.limitedBy ?? null;
  }

  async reserve(batch: Batch): Promise<Permit | null> {
    const later = await this.#cap.reserve(batch);
    this.#isAtCap = later !== null;
    return later;
  }

  pushPermit(): Promise<Permit> {
    return this.#context.waits.during('crm_slot', () => this.#context.crm.permit());
  }

  async push(batch: Batch, permit: Permit): Promise<Batch | null> {
    const { crm, waits, store, log } = this.#context;
    const records = (batch.recipients ?? []).flatMap(({ leadId, crmRecordId }): CrmRecord[] =>
      crmRecordId === undefined ? [] : [{ leadId, recordId: crmRecordId }],
    );
    if (records.length === 0) {
      crm.returnPermit(permit);
      return batch;
    }
    const answer = await waits.during('crm_answer', () =>
      crm.activate(
        this.#session().spec,
        { batch: batch.seq, order: this.#fence, records, mayLeave: () => this.#mayLeave() },
        permit,
      ),
    );
    switch (answer.kind) {
      case 'stopped':
        return null;
      case 'pause':
        this.#pauseForCrm(answer.reason, answer.message);
        return null;
      case 'set':
        break;
      default:
        return answer satisfies never;
    }
    if (!this.#isStillHeld(batch)) return null;
    const { refusals } = answer;
    const known = this.#session().crm;
    if (known === null) return batch;
    const { crm: judged, isHopeless } = judgeRefusals(known, records.length, refusals.length);
    if (judged !== known) store.transact(() => store.save({ ...this.#session(), crm: judged }));
    if (isHopeless) {
      const words = `The CRM refused the first records, and has taken none yet. It said: ${refusals[0]?.message ?? ''}`;
      this.#pauseForCrm('crm_refused', words);
      return null;
    }
    if (refusals.length === 0) return batch;
    log('info', 'crm_refused', { batch: batch.seq, count: refusals.length, code: refusals[0]?.code ?? '' });
    return this.#settleRefused(batch, records, refusals);
  }

  /** Leads that the CRM refuses are new again, and failed in batches of their own. */
  async #settleRefused(
    batch: Batch,
    records: readonly CrmRecord[],
    refusals: readonly RecordRefusal[],
  ): Promise<Batch | null> {
    const { store, env } = this.#context;
    const reasons = new Map<string, { refusal: RecordRefusal; leadIds: Set<number> }>();
    const refused = new Set<number>();
    for (const refusal of refusals) {
      const leadId = records[refusal.index]?.leadId;
      if (leadId === undefined) continue;
      refused.add(leadId);
      const reason = reasons.get(refusal.code) ?? { refusal, leadIds: new Set() };
      reasons.set(refusal.code, { ...reason, leadIds: reason.leadIds.add(leadId) });
    }
    const { sessionId } = this.#session().spec;
    await unflipLeads(env.DB, { sessionId, number: this.#fence, leadIds: [...refused] });
    const rest = store.transact((): Batch | null => {
      if (!this.#isStillHeld(batch)) return null;
      let left = batch;
      for (const { refusal, leadIds } of reasons.values()) {
        const split = store.batches.split(left, leadIds);
        left = split.rest;
        const { code, message } = refusal;
        const taken: Batch = { ...split.taken, code: `crm_${code}`.slice(0, 64), message };
        const { recipientStates, failures, messageIds } = taken;
        const change: BatchChange = { kind: 'done', recipientStates, failures, messageIds };
        this.#writer.apply(taken, change, { kind: 'none' });
      }
      const recipients = (left.recipients ?? []).filter(({ leadId }) => !refused.has(leadId));
      return { ...left, recipients, recipientStates: recipientState.pending.repeat(recipients.length) };
    });
    this.#context.publish();
    if (rest === null || (rest.recipients ?? []).length > 0) return rest;
    this.#decideUnsent(rest);
    return null;
  }

  #pauseForCrm(reason: 'crm_auth' | 'crm_quota' | 'crm_refused', message: string): void {
    const { store } = this.#context;
    store.transact(() => {
      const session = this.#session();
      // Calls of several batches may have the same answer.
      if (session.generation !== this.#generation) return;
      store.save(touch(pauseFor(session, reason, message), this.now(), {}));
    });
    this.#context.publish();
  }

  /** False once a command came, or the sending window has closed: asked in the turn of a call. */
  #mayLeave(): boolean {
    const session = this.#context.store.load();
    return session?.generation === this.#generation && windowOpensAt(session, this.now()) === null;
  }

  async prepare(held: Batch): Promise<Prepared | null> {
    const { transport } = this.#context.mail;
    const { batch, mails } = await this.#mails.of(held);
    if (mails.length === 0) {
      this.#decideUnsent(batch);
      return null;
    }
    if (transport.idempotencyWindowMs === null && mails.length > 1 && this.mode() === 'probe') {
      this.#change(batch, probeSplit(batch));
      return null;
    }
    const payload = transport.encode(mails);
    const hash = await payloadHash(transport, mails);
    const known = batch.payloadHash;
    // Under its key a repeat is safe whatever its bytes are; the log says that they differ.
    if (known !== null && known !== hash && !(await isHashOf(payload, known))) {
      this.#context.log('info', 'payload_changed', { batch: batch.seq, attempts: batch.attempts });
    }
    return {
      batch,
      recipients: batch.recipients ?? [],
      payload,
      payloadHash: hash,
      mailCount: mails.length,
    };
  }

  intend(prepared: Prepared): Intent | null {
    const { store } = this.#context;
    const { batch } = prepared;
    const nowMs = this.now();
    const intended: Batch = {
      ...batch,
      state: 'inflight',
      attempts: batch.attempts + 1,
      attemptAt: nowMs,
      nextAttemptAt: null,
      payloadHash: prepared.payloadHash,
    };
    const isWritten = store.transact(() => {
      // Nothing leaves after the answer to a command. A later slice finds the flip again.
      if (!this.#isStillHeld(batch) || this.mode() === 'none') return false;
      // A lead was erased while the mails were rendered: the batch is taken from disk and rendered again.
      const isErased = (index: number): boolean => store.isErased(prepared.recipients[index]?.leadId ?? 0);
      if (pendingIndexes(batch.recipientStates).some(isErased)) return false;
      const held = this.#held.get(batch.seq) ?? batch;
      this.#writer.write(held, { batch: intended, added: [] }, { kind: 'none' });
      this.#noteMailDay(batch);
      return true;
    });
    if (!isWritten) return null;
    this.#flips.settled(batch.seq);
    this.#cap.refund(batch.seq, prepared.mailCount);
    // Its result follows.
    this.#context.publish(true);
    const key = this.#context.keyOf(this.#session(), intended);
    return { batch: intended, key, payload: prepared.payload, mailCount: prepared.mailCount };
  }

  /** For the warm-up: on which day the mails of a batch leave. */
  #noteMailDay({ seq, originSeq, leadIds, payloadHash }: Batch): void {
    const { mail, store } = this.#context;
    const day = this.#cap.dayOf(seq);
    const [leadId] = leadIds;
    // A part of another batch is of its day, a repeat of that of its first call.
    const isFirst = originSeq === null && payloadHash === null;
    if (!mail.isWarmingUp || day === null || leadId === undefined || !isFirst) return;
    const session = this.#session();
    const noted = noteMailDay(session, day, leadId);
    if (noted !== session) store.save(noted);
  }

  async deliver(intent: Intent, permit: Permit, onSent: (() => void) | null): Promise<Outcome> {
    const { mail, permits, deliveryTimeoutMs, waits, waitUntil } = this.#context;
    const { key, payload, mailCount } = intent;
    // In the turn of the call: no command came since, and the sending window is open.
    const mayLeave = (): boolean => this.#mayLeave();
    waitUntil(mail.reportLate(permits.left(permit)));
    const sent = (): void => {
      waitUntil(mail.reportLate(permits.sent(permit)));
      onSent?.();
    };
    // The body is a stream then, which the runtime cannot send again over another connection: only where a repeat is safe.
    const isWatched = permits.wantsLateCalls && mail.transport.idempotencyWindowMs !== null;
    const delivery = await inTime(deliveryTimeoutMs(), (signal) =>
      waits.during('provider_answer', () =>
        mail.transport.deliver({
          ...{ key, payload, mailCount, mayLeave, signal },
          ...(onSent !== null || isWatched ? { onSent: sent } : {}),
        }),
      ),
    );
    waits.answered(refusalOf(delivery)?.kind === 'throttled');
    const lateCalls = delivery.outcome.kind === 'accepted' ? permits.answered(permit) : [];
    waitUntil(mail.report(delivery, permits, lateCalls));
    return delivery.outcome;
  }

  settle(intent: Intent, outcome: Outcome): void {
    const { store, log } = this.#context;
    const { seq, attempts, attemptAt } = intent.batch;
    store.transact(() => {
      // As it is on disk: meanwhile a retry may have moved its failed recipients to another batch.
      const batch = store.batches.current(intent.batch);
      if (batch?.state !== 'inflight' || batch.attempts !== attempts || batch.attemptAt !== attemptAt) {
        log('info', 'late_outcome', { batch: seq, outcome: outcome.kind });
        return;
      }
      const session = this.#session();
      const isChecked = session.isChecking && batch.retried === 'asked';
      const decided = decideOutcome(batch, outcome, {
        ...this.#settleContext(),
        isProbe: session.reason === 'mail_unreachable' && !isChecked,
        outageMs: outageMs(session, batch.attempts, this.now()),
      });
      const isStopped = session.state === 'cancelled' || isChecked;
      const { change, signal } = isStopped ? withoutRepeat(batch, outcome, decided) : decided;
      this.#writer.apply(batch, change, signal);
      if (change.kind === 'waiting') this.#wakeForRepeat(change.nextAttemptAt);
      if (change.kind !== 'done')
        log('info', 'batch_not_sent', { batch: batch.seq, outcome: outcome.kind, becomes: change.kind });
    });
    this.#context.publish();
  }

  /** A repeat needs nothing of the day's mails. The others may wait for tomorrow, when its key has expired. */
  #wakeForRepeat(at: number): void {
    const session = this.#session();
    if (session.waitingUntil === null || session.waitingUntil !== this.#cappedUntil) return;
    if (at < session.waitingUntil) this.#context.store.save({ ...session, waitingUntil: at });
  }

  isUsable(permit: Permit): boolean {
    return this.#context.permits.isUsable(permit);
  }

  renewPermit(): Promise<Permit> {
    return this.#slot();
  }

  /** Batches that the slice holds, with a permit or waiting for one. */
  get heldCount(): number {
    return this.#held.size;
  }

  returnPermit(permit: Permit): void {
    this.#context.permits.giveBack(permit);
  }

  hasSlot(): boolean {
    return this.#context.permits.hasSlot;
  }

  async permit(batch: Batch): Promise<Permit> {
    return (await this.reserve(batch)) ?? this.#slot();
  }

  #slot(): Promise<Permit> {
    return this.#context.waits.during('mail_slot', () => this.#context.permits.permit());
  }

  waitUntil(at: number, waitKind?: 'crm_slot'): void {
    const { store, waits } = this.#context;
    const session = this.#session();
    const mailKind = this.#isAtCap ? 'daily_cap' : waits.isThrottled ? 'rate_limit' : 'mail_slot';
    const kind = waitKind ?? mailKind;
    if (kind === 'daily_cap') this.#cappedUntil = at;
    if (at - this.now() < visibleWaitMs || (session.waitingUntil ?? 0) >= at) return;
    const nowMs = this.now();
    const { warmUp } = this.#cap;
    const wait = waitOn(session, kind, nowMs);
    const waitingFor = kind === 'daily_cap' && warmUp !== null ? { ...wait, warmUp } : wait;
    const lateFrom = kind === 'daily_cap' ? at : session.lateFrom;
    store.transact(() => store.save(touch(session, nowMs, { waitingUntil: at, waitingFor, lateFrom })));
    this.#context.publish();
  }

  /** Settles a held batch of which nothing is left to send. */
  #decideUnsent(batch: Batch): void {
    const { recipientStates, failures, messageIds } = batch;
    this.#change(batch, { kind: 'done', recipientStates, failures, messageIds });
  }

  /** Changes a held batch that does not leave, unless a command has changed it meanwhile. */
  #change(batch: Batch, change: BatchChange): void {
    this.#context.store.transact(() => {
      if (!this.#isStillHeld(batch)) return;
      this.#writer.apply(batch, change, { kind: 'none' }, this.#held.get(batch.seq));
      this.#flips.settled(batch.seq);
    });
    this.#context.publish();
  }

  /** False when a command has changed the batch, or may have moved its recipients, since it was taken. */
  #isStillHeld(batch: Batch): boolean {
    if (this.#session().generation !== this.#generation) return false;
    const held = this.#held.get(batch.seq);
    // Another sender may hold a later copy of the batch.
    if (held?.attempts !== batch.attempts) return false;
    return this.#context.store.batches.stateOf(batch.seq) === held.state;
  }

  #session(): Session {
    return this.#context.store.session();
  }

  #settleContext(): SettleContext {
    return { nowMs: this.now(), random: this.#context.random, traits: this.#context.traits() };
  }
}
