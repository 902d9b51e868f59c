/**
 * SessionRunner: the verbs of a slice, over the store, the CRM, the gate and the mail API.
 *
 * Owns: which batches the running slice holds, in memory. Never: the order of the verbs (core/slice.ts)
 * or what an outcome means (core/batch.ts).
 * Invariants: an intent is on disk before its call leaves; an outcome is written only to the attempt that
 * it answers; everything that belongs together is one transaction.
 *
 * @module
 */
import {
  abandon,
  changedBatch,
  countBatch,
  countDelta,
  decideInterrupted,
  decideOutcome,
  expire,
  mayRepeat,
  pendingIndexes,
  probeSplit,
  type Batch,
  type BatchChange,
  type BatchCounts,
  type SessionSignal,
} from '../core/batch.ts';
import type { Allowance } from '../core/daily-cap.ts';
import type { Outcome } from '../core/outcome.ts';
import {
  applyCounts,
  applySignal,
  endPlan,
  touch,
  workMode,
  type Session,
  type WorkMode,
} from '../core/session.ts';
import type { Intent, Permit, Prepared, SliceVerbs } from '../core/slice.ts';
import { recovered } from '../core/timeline.ts';
import { planPage } from '../crm/audience.ts';
import { flipLeads } from '../crm/flip.ts';
import { payloadHash } from '../mail/payload-hash.ts';
import { compileTemplate, composeMail, senderNameOf, type CompiledTemplate } from '../mail/render.ts';
import type { Delivery, MailTransport, OutgoingMail } from '../mail/transport.ts';
import type { FlipResult, Recipient } from '../shared/recipient.ts';
import { classifyFault, faultText } from './faults.ts';
import type { PermitPool } from './permit-pool.ts';
import type { NewBatch, SessionStore } from './session-store.ts';

/** The cap on mails of a day, over all sessions. */
export interface MailCap {
  reserve(mailCount: number): Promise<Allowance>;
  /** Gives back what was reserved and did not leave. */
  refund(day: number, mailCount: number): void;
}

/** The world, as far as a slice touches it. */
export interface RunnerWorld {
  store: SessionStore;
  db: D1Database;
  transport: MailTransport;
  permits: PermitPool;
  now(): number;
  random(): number;
  sleep(ms: number): Promise<void>;
  /** How long an answer of the mail API is waited for. */
  deliveryTimeoutMs: number;
  /** The day's cap on mails; null: there is none. */
  cap: MailCap | null;
  /** Tells the gate what an answer said of the rate limit. */
  report(delivery: Delivery): void;
  /** Something that a reader sees has changed. */
  publish(): void;
  log(event: string, fields: Record<string, string | number | boolean | null>): void;
  /** The idempotency key of a batch; the same for every attempt. */
  keyOf(session: Session, batch: Batch): string;
  unsubscribeUrlOf(session: Session, recipient: Recipient): string | null;
  /** Which of these must not be mailed any more. */
  suppressedLeadIds(recipients: readonly Recipient[]): Promise<ReadonlySet<number>>;
}

/** Pages grow: the first mails must not wait behind large ones in the database, and large ones are cheap per lead. */
const firstPageLeadCount = 500;
const pageLeadCount = 5_000;
/** Waits shorter than this are not worth a write. */
const visibleWaitMs = 2_000;
/** A flip takes some milliseconds, its permit up to a few hundred. */
const refundWaitMs = 250;
/** A repeat that is due is another sender's, or this slice's next. */
const repeatWaitMs = 5_000;

export class SessionRunner implements SliceVerbs {
  readonly #world: RunnerWorld;
  readonly #generation: number;
  /** Held batches, as they are on disk. */
  readonly #held = new Map<number, Batch>();
  /** Mails taken out of the day's cap for held batches. */
  readonly #reserved = new Map<number, { day: number; count: number }>();
  readonly #template: CompiledTemplate;

  /**
   * @param world - what the slice works on; the session must exist
   * @throws when the frozen template no longer compiles, which the start had checked
   */
  constructor(world: RunnerWorld) {
    this.#world = world;
    const session = this.#session();
    this.#generation = session.generation;
    const template = compileTemplate(session.spec.template);
    if (template.kind === 'refused')
      throw new Error(`The session's template does not compile: ${template.message}`);
    this.#template = template;
  }

  now(): number {
    return this.#world.now();
  }

  async sleepUntil(at: number): Promise<void> {
    const ms = at - this.now();
    if (ms > 0) await this.#world.sleep(ms);
  }

  mode(): WorkMode {
    const session = this.#session();
    return session.generation === this.#generation ? workMode(session, this.now()) : 'none';
  }

  isPlanning(): boolean {
    return !this.#session().plan.isDone;
  }

  /** Puts the session to work; intents of a slice that died are taken up. */
  begin(): void {
    const { store } = this.#world;
    store.transact(() => {
      const session = this.#session();
      if (session.state === 'queued') {
        const nowMs = this.now();
        store.save(
          touch(session, nowMs, {
            state: 'running',
            startedAt: session.startedAt ?? nowMs,
            progressedAt: nowMs,
          }),
        );
      }
      const interrupted = [...store.inState('inflight')];
      if (interrupted.length > 0) store.timeline.note(recovered(interrupted.length, this.now()));
      for (const batch of interrupted) {
        this.#apply(batch, decideInterrupted(batch, this.#context()), { kind: 'none' });
      }
    });
    this.#world.publish();
  }

  async plan(): Promise<void> {
    const { store, db } = this.#world;
    const before = this.#session();
    const { spec, plan } = before;
    const limit = Math.min(pageLeadCount, Math.max(firstPageLeadCount, plan.plannedCount));
    const page = await planPage(db, {
      audience: spec.audience,
      afterLeadId: plan.afterLeadId,
      maxLeadId: spec.maxLeadId,
      startedAt: spec.createdAt,
      // Whole batches: a short one is a call to the mail API that carries less than it could.
      limit: Math.max(spec.batchLeadCount, Math.floor(limit / spec.batchLeadCount) * spec.batchLeadCount),
    });
    store.transact(() => {
      const session = this.#session();
      // A cancel ended the plan meanwhile, or another slice has planned this page.
      if (session.plan.isDone || session.plan.afterLeadId !== plan.afterLeadId) return;
      store.append(
        chunk(page.leadIds, spec.batchLeadCount).map((leadIds) => ({
          state: 'pending',
          originSeq: null,
          leadIds,
          recipients: null,
          marks: '',
          nextAttemptAt: null,
        })),
      );
      const planned: Session = {
        ...session,
        plan: {
          ...session.plan,
          afterLeadId: page.leadIds.at(-1) ?? plan.afterLeadId,
          plannedCount: plan.plannedCount + page.leadIds.length,
        },
      };
      store.save(page.done ? touch(planned, this.now(), endPlan(planned)) : planned);
    });
    this.#world.publish();
  }

  take(): Batch | null {
    const { store } = this.#world;
    const nowMs = this.now();
    const mode = this.mode();
    for (const batch of store.dueWaiting(nowMs, this.#held.size + 1)) {
      if (this.#held.has(batch.seq)) continue;
      if (mode === 'settle' && batch.inDoubtSince === null) {
        store.transact(() => this.#apply(batch, abandon(batch), { kind: 'none' }));
        this.#world.publish();
        return this.take();
      }
      if (!mayRepeat(batch, nowMs, this.#world.transport)) {
        store.transact(() => this.#apply(batch, expire(batch, nowMs), { kind: 'none' }));
        this.#world.publish();
        return this.take();
      }
      this.#held.set(batch.seq, batch);
      return batch;
    }
    const batch = mode === 'settle' ? null : store.nextPending();
    if (batch !== null) this.#held.set(batch.seq, batch);
    return batch;
  }

  release(batch: Batch): void {
    this.#held.delete(batch.seq);
    this.#refund(batch.seq, 0);
    if (this.#world.store.peek(batch.seq)?.state === 'pending') this.#world.store.rewind(batch.seq);
  }

  async flip(batch: Batch): Promise<FlipResult | null> {
    try {
      return await flipLeads(this.#world.db, {
        sessionId: this.#session().spec.sessionId,
        leadIds: batch.leadIds,
        nowMs: this.now(),
      });
    } catch (error) {
      const fault = classifyFault(error);
      if (fault.kind !== 'refused') throw error;
      // It would be refused again and again, and the run would never end.
      this.#world.log('flip_refused', { batch: batch.seq, error: faultText(error) });
      this.#decideUnsent({ ...batch, code: 'crm_refused', message: fault.message });
      return null;
    }
  }

  settleFlip(batch: Batch, result: FlipResult): Batch | null {
    const frozen: Batch = {
      ...batch,
      recipients: result.activated,
      skipped: result.skipped,
      marks: 'p'.repeat(result.activated.length),
    };
    if (result.activated.length > 0) return frozen;
    this.#decideUnsent(frozen);
    return null;
  }

  async prepare(batch: Batch): Promise<Prepared | null> {
    const { store, transport } = this.#world;
    const session = this.#session();
    const recipients = batch.recipients ?? [];
    const mails: OutgoingMail[] = [];
    const failures = [...batch.failures];
    const marks = [...batch.marks];
    const suppressed = await this.#suppressedSince(batch);
    for (const index of pendingIndexes(batch.marks)) {
      const recipient = recipients[index];
      if (recipient === undefined) continue;
      const mail = store.isErased(recipient.leadId)
        ? erasedFailure(batch)
        : suppressed.has(recipient.leadId)
          ? { code: 'suppressed', message: 'The address was suppressed after the lead was activated.' }
          : this.#render(session, batch, recipient);
      if ('code' in mail) {
        marks[index] = 'f';
        failures.push({ index, ...mail });
      } else mails.push(mail);
    }
    const prepared: Batch = { ...batch, marks: marks.join(''), failures };
    if (mails.length === 0) {
      this.#decideUnsent(prepared);
      return null;
    }
    if (transport.idempotencyWindowMs === null && mails.length > 1 && this.mode() === 'probe') {
      this.#change(prepared, probeSplit(prepared));
      return null;
    }
    const payload = transport.encode(mails);
    return {
      batch: prepared,
      recipients,
      payload,
      payloadHash: await payloadHash(payload),
      mailCount: mails.length,
    };
  }

  intend(prepared: Prepared): Intent | null {
    const { store, log } = this.#world;
    const { batch } = prepared;
    // A repeat whose bytes differ is still safe under its key; but it must be known that they did.
    if (batch.payloadHash !== null && batch.payloadHash !== prepared.payloadHash) {
      log('payload_changed', { batch: batch.seq, attempts: batch.attempts });
    }
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
      // A command since the slice began: nothing leaves after its answer. The flip is found again later.
      if (this.#session().generation !== this.#generation) return false;
      if (!this.#isStillHeld(batch)) return false;
      // Erased while it was rendered: the batch is taken again, from disk, and rendered without them.
      const isErased = (index: number): boolean => store.isErased(prepared.recipients[index]?.leadId ?? 0);
      if (pendingIndexes(batch.marks).some(isErased)) return false;
      this.#write(this.#held.get(batch.seq) ?? batch, intended, { kind: 'none' });
      return true;
    });
    if (!isWritten) return null;
    this.#refund(batch.seq, prepared.mailCount);
    this.#world.publish();
    const key = this.#world.keyOf(this.#session(), intended);
    return { batch: intended, key, payload: prepared.payload, mailCount: prepared.mailCount };
  }

  async deliver(intent: Intent): Promise<Outcome> {
    const { transport, report, deliveryTimeoutMs } = this.#world;
    // Not `AbortSignal.timeout`: it cannot be cleared, and its timer keeps the object for all of its time.
    const patience = new AbortController();
    const timer = setTimeout(
      () => patience.abort(new DOMException('No answer in time.', 'TimeoutError')),
      deliveryTimeoutMs,
    );
    const delivery = await transport
      .deliver({
        key: intent.key,
        payload: intent.payload,
        mailCount: intent.mailCount,
        signal: patience.signal,
      })
      .finally(() => clearTimeout(timer));
    report(delivery);
    return delivery.outcome;
  }

  settle(intent: Intent, outcome: Outcome): void {
    const { store, log } = this.#world;
    const { batch } = intent;
    store.transact(() => {
      const onDisk = store.peek(batch.seq);
      if (
        onDisk?.state !== 'inflight' ||
        onDisk.attempts !== batch.attempts ||
        onDisk.attemptAt !== batch.attemptAt
      ) {
        log('late_outcome', { batch: batch.seq, outcome: outcome.kind });
        return;
      }
      const { change, signal } = decideOutcome(batch, outcome, {
        ...this.#context(),
        isProbe: this.#session().reason === 'mail_unreachable',
      });
      this.#apply(batch, change, signal);
      if (change.kind !== 'done')
        log('batch_not_sent', { batch: batch.seq, outcome: outcome.kind, becomes: change.kind });
    });
    this.#world.publish();
  }

  isUsable(permit: Permit): boolean {
    return this.#world.permits.isUsable(permit);
  }

  renewPermit(): Promise<Permit> {
    return this.#world.permits.permit();
  }

  /** Batches in hand, with a permit or waiting for one. */
  get heldCount(): number {
    return this.#held.size;
  }

  returnPermit(permit: Permit): void {
    this.#world.permits.giveBack(permit);
  }

  async permit(batch: Batch): Promise<Permit> {
    const later = await this.#reserve(batch);
    return later ?? this.#world.permits.permit();
  }

  /** Takes a batch that leaves for the first time out of the day's cap. */
  async #reserve(batch: Batch): Promise<Permit | null> {
    const { cap, store } = this.#world;
    if (cap === null || batch.payloadHash !== null || this.#reserved.has(batch.seq)) return null;
    const count = batch.recipients === null ? batch.leadIds.length : pendingIndexes(batch.marks).length;
    const allowance = await cap.reserve(count);
    if (allowance.kind === 'granted') {
      this.#reserved.set(batch.seq, { day: allowance.day, count });
      return null;
    }
    const nowMs = this.now();
    // Some of what other senders have reserved comes back, when leads of theirs get no mail.
    if (this.#reserved.size > 0) return { kind: 'later', at: nowMs + refundWaitMs };
    // What left before goes on also today.
    const repeatAt = Math.max(store.nextRepeatAt() ?? Infinity, nowMs + repeatWaitMs);
    return { kind: 'later', at: Math.min(allowance.retryAt, repeatAt) };
  }

  /** What was reserved for a batch and is not used by the mails that left. */
  #refund(seq: number, usedCount: number): void {
    const reserved = this.#reserved.get(seq);
    if (reserved === undefined) return;
    this.#reserved.delete(seq);
    const unusedCount = reserved.count - usedCount;
    if (unusedCount > 0) this.#world.cap?.refund(reserved.day, unusedCount);
  }

  waitUntil(at: number): void {
    const { store } = this.#world;
    const session = this.#session();
    if (at - this.now() < visibleWaitMs || (session.waitingUntil ?? 0) >= at) return;
    store.transact(() => store.save(touch(session, this.now(), { waitingUntil: at })));
    this.#world.publish();
  }

  // ── inside a transaction ───────────────────────────────────────────────────────────────────────

  /**
   * Turns a decision into rows.
   *
   * @param before - the batch as it is on disk, where that is not `batch` itself
   */
  #apply(batch: Batch, change: BatchChange, signal: SessionSignal, before: Batch = batch): void {
    const parts = change.kind === 'split' ? change.parts : [];
    const added = parts.map((indexes) =>
      movedBatch(
        batch.seq,
        indexes.flatMap((index) => batch.recipients?.[index] ?? []),
        this.now(),
      ),
    );
    this.#write(before, changedBatch(batch, change), signal, added);
  }

  /** Writes a batch as it becomes, the batches made from it, and the session's counters. */
  #write(before: Batch, after: Batch, signal: SessionSignal, added: readonly NewBatch[] = []): void {
    const { store } = this.#world;
    const nowMs = this.now();
    store.update(after);
    store.append(added);
    let delta = countDelta(countBatch(before), countBatch(after));
    for (const batch of added) delta = countSum(delta, countBatch({ ...batch, skipped: [] }));
    const session = this.#session();
    const isWaitOver =
      after.state === 'inflight' && session.waitingUntil !== null && session.state === 'running';
    const signalled = applySignal(
      isWaitOver ? { ...session, waitingUntil: null } : session,
      nowMs,
      signal,
      this.#context(),
    );
    store.save(applyCounts(signalled, nowMs, delta));
    if (signalled.state !== session.state) {
      this.#world.log('session_state', { state: signalled.state, reason: signalled.reason });
    }
  }

  /** A held batch of which nothing is left to send. */
  #decideUnsent(batch: Batch): void {
    const { marks, failures, messageIds } = batch;
    this.#change(batch, { kind: 'done', marks, failures, messageIds });
  }

  /** Changes a held batch that does not leave, unless a command took it back. */
  #change(batch: Batch, change: BatchChange): void {
    this.#world.store.transact(() => {
      if (this.#isStillHeld(batch)) this.#apply(batch, change, { kind: 'none' }, this.#held.get(batch.seq));
    });
    this.#world.publish();
  }

  /** False when a command took the batch back while it was being prepared. */
  #isStillHeld(batch: Batch): boolean {
    const onDisk = this.#world.store.peek(batch.seq);
    return onDisk !== null && onDisk.state === this.#held.get(batch.seq)?.state;
  }

  // ── pieces ─────────────────────────────────────────────────────────────────────────────────────

  #session(): Session {
    const session = this.#world.store.load();
    if (session === null) throw new Error('A slice runs without a session.');
    return session;
  }

  #context(): { nowMs: number; random: () => number; traits: MailTransport } {
    return { nowMs: this.now(), random: this.#world.random, traits: this.#world.transport };
  }

  /**
   * Who of a batch that was split off or is retried must not be mailed any more: its flip, which looks for
   * that, may be days old. Only before it leaves for the first time: from then on its bytes stay the same.
   */
  async #suppressedSince(batch: Batch): Promise<ReadonlySet<number>> {
    if (batch.originSeq === null || batch.payloadHash !== null) return new Set();
    return this.#world.suppressedLeadIds(batch.recipients ?? []);
  }

  #render(
    session: Session,
    batch: Batch,
    recipient: Recipient,
  ): OutgoingMail | { code: string; message: string } {
    const { mail, sessionId } = session.spec;
    const unsubscribeUrl = this.#world.unsubscribeUrlOf(session, recipient);
    const rendered = this.#template.render(recipient, {
      senderName: senderNameOf(mail.from),
      actionUrl: mail.actionUrl,
      unsubscribeUrl,
      postalAddress: mail.postalAddress,
    });
    if (rendered.kind === 'refused') return { code: `template_${rendered.code}`, message: rendered.message };
    return composeMail(rendered, recipient, {
      from: mail.from,
      replyTo: mail.replyTo,
      unsubscribeUrl,
      sessionId,
      batchId: String(batch.seq),
    });
  }
}

/** Why a recipient whose lead was erased gets no mail of ours any more. */
function erasedFailure(batch: Batch): { code: string; message: string } {
  return {
    code: 'erased',
    message:
      batch.inDoubtSince === null
        ? 'The lead was erased before its mail was sent.'
        : 'The lead was erased before it was known whether its mail had been sent.',
  };
}

/** A batch made of recipients of another one; it goes out under a key of its own. */
export function movedBatch(originSeq: number, recipients: readonly Recipient[], nowMs: number): NewBatch {
  return {
    // Waiting, so that it is taken before new leads are.
    state: 'waiting',
    nextAttemptAt: nowMs,
    originSeq,
    leadIds: recipients.map((recipient) => recipient.leadId),
    recipients,
    marks: 'p'.repeat(recipients.length),
  };
}

function countSum(a: BatchCounts, b: BatchCounts): BatchCounts {
  return {
    activated: a.activated + b.activated,
    skipped: a.skipped + b.skipped,
    refused: a.refused + b.refused,
    sent: a.sent + b.sent,
    failed: a.failed + b.failed,
    unknown: a.unknown + b.unknown,
  };
}

function chunk(leadIds: readonly number[], size: number): number[][] {
  const chunks: number[][] = [];
  for (let start = 0; start < leadIds.length; start += size) chunks.push(leadIds.slice(start, start + size));
  return chunks;
}
