/**
 * A session without a platform: rows in memory, driven through the decisions of src/core.
 *
 * Does what SessionRunner, SessionSweep and the session object do, without SQL, network and time, so that thousands
 * of histories can be tested. It has a provider that remembers what it took, by address and by key, and a CRM that
 * knows which leads are active. A slice can be stopped between its flip, its intent and its answer.
 *
 * @module
 */
import {
  countBatch,
  countSum,
  movedBatch,
  noCounts,
  pendingIndexes,
  proveTaken,
  type Batch,
  type BatchChange,
  type BatchCounts,
  type BatchState,
  type NewBatch,
} from '../../src/core/batch/batch.ts';
import { beginScheduled } from '../../src/core/schedule/begin.ts';
import { outageMs } from '../../src/core/limits/breaker.ts';
import {
  choreOf,
  decideCommand,
  type Command,
  type CommandDecision,
} from '../../src/core/session/command.ts';
import { isCheckable, isInDoubt, mayRepeat, type ProviderTraits } from '../../src/core/batch/doubt.ts';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import { changeBatch, settleBatch, type ChangedBatch } from '../../src/core/batch/settle-batch.ts';
import { askAgain, assumeSent, retryUnknown, takeFailed } from '../../src/core/batch/retry.ts';
import {
  applyCounts,
  endPlan,
  finish,
  newSession,
  pauseFor,
  processedCount,
  touch,
  workMode,
  type Session,
  type SessionSpec,
} from '../../src/core/session/session.ts';
import {
  cancelBatch,
  decideInterrupted,
  decideOutcome,
  expire,
  withoutRepeat,
  type SessionSignal,
} from '../../src/core/batch/settle.ts';
import { readResendAnswer } from '../../src/mail/providers/resend/transport.ts';
import { erasedRecipient, type Recipient } from '../../src/shared/recipient.ts';

export const keyedTraits: ProviderTraits = { idempotencyWindowMs: 86_400_000 };
export const keylessTraits: ProviderTraits = { idempotencyWindowMs: null };

/** The spec of a session with `leadCount` leads. */
export function specOf(leadCount: number, batchLeadCount = 5): SessionSpec {
  return {
    sessionId: 'activation_1704123456789_a7bc3d2f1',
    name: 'March sign-ups',
    owner: 'ana@example.com',
    fingerprint: 'f',
    audience: { filter: {} },
    template: { id: 'welcome', version: 1, name: 'Welcome', subject: 's', html: 'h', text: 't' },
    mail: { from: 'a@example.com', replyTo: null, actionUrl: null, postalAddress: null, publicUrl: null },
    batchLeadCount,
    maxLeadId: leadCount,
    total: leadCount,
    createdAt: 1_000,
  };
}

export function recipientOf(leadId: number): Recipient {
  return {
    ...erasedRecipient(leadId),
    email: `lead${leadId}@example.com`,
    firstName: 'Ann',
    lastName: 'Name',
  };
}

export function batchOf(leadIds: readonly number[], change: Partial<Batch> = {}): Batch {
  return {
    seq: 1,
    state: 'pending',
    originSeq: null,
    leadIds,
    recipients: null,
    skipped: [],
    recipientStates: '',
    failures: [],
    messageIds: null,
    attempts: 0,
    attemptAt: null,
    inDoubtSince: null,
    retried: null,
    nextAttemptAt: null,
    payloadHash: null,
    code: null,
    message: null,
    ...change,
  };
}

/** A batch with its intent on disk. */
export function inflight(leadIds: readonly number[], change: Partial<Batch> = {}): Batch {
  return batchOf(leadIds, {
    state: 'inflight',
    recipients: leadIds.map(recipientOf),
    recipientStates: 'p'.repeat(leadIds.length),
    attempts: 1,
    attemptAt: 1_000,
    ...change,
  });
}

/** What the provider does with a call. "Taken" and "answered" are separate events, as in reality. */
export const reactions = [
  'accept',
  'acceptAndLose',
  'loseUntaken',
  /** A proxy in front of the provider answers, after or before the provider took the call. */
  'acceptThen503',
  'acceptThenForeign400',
  'foreign400',
  'foreign403',
  'reject',
  'refuseTransiently',
  'throttle',
  'concurrent',
  'quota',
  'auth',
] as const;
export type Reaction = (typeof reactions)[number];

export type Step =
  | { kind: 'plan' }
  /** Flip, intent, call and answer of one batch. */
  | { kind: 'send'; reaction: Reaction; skipCount: number }
  /** The same, one by one: a command, a crash or an event may come between. */
  | { kind: 'flip'; skipCount: number }
  | { kind: 'call'; reaction: Reaction }
  | { kind: 'answer' }
  | { kind: 'crash' }
  | { kind: 'command'; command: Command }
  | { kind: 'erase' }
  | { kind: 'settings'; isBroken: boolean }
  /** The CRM database answers or does not. */
  | { kind: 'crm'; isDown: boolean }
  | { kind: 'pass'; ms: number }
  /** The provider tells what became of a mail that it took, if it took one for this lead. */
  | { kind: 'event'; leadId: number };

const legalMoves: Record<BatchState, readonly BatchState[]> = {
  pending: ['inflight', 'done', 'cancelled'],
  deferred: ['pending', 'cancelled'],
  inflight: ['done', 'waiting', 'unknown', 'split'],
  waiting: ['inflight', 'done', 'unknown'],
  unknown: ['waiting', 'done'],
  done: [],
  split: [],
  cancelled: [],
};

/** The rule that is left out, to test that the histories find the fault (core-machines.test.ts). */
export interface Without {
  /** Leads that were flipped and not mailed stay active. */
  givingBack?: boolean;
  /** A bare 503 is taken for "not taken". */
  doubtAt503?: boolean;
  /** The remaining work of a cancelled session needs the mail settings, and the session pauses without them. */
  cancelledForEver?: boolean;
  /** A retry of unknown mail forgets the doubt. */
  doubtInRetry?: boolean;
  /** A refusal is believed although an earlier attempt is in doubt. */
  doubtInRefusal?: boolean;
}

export interface ModelOptions {
  /** The provider looks at the content before it looks at the key. */
  checksContentFirst?: boolean;
  /** Its start time and its sending window. */
  times?: Pick<SessionSpec, 'schedule' | 'window'>;
  without?: Without;
}

export class SessionModel {
  session: Session;
  readonly batches: Batch[] = [];
  nowMs = 1_000;
  readonly traits: ProviderTraits;
  /** How often the provider took a mail for each lead. */
  readonly taken = new Map<number, number>();
  /** The key of a call. A test of the histories replaces it by a worse one. */
  keyOf: (batch: Batch) => string = (batch) => String(batch.seq);
  readonly #keys = new Map<string, { leadIds: string; at: number }>();
  /** Leads that a person asked to mail again although they may have been mailed. */
  readonly riskedByPerson = new Set<number>();
  /** Leads about whose mail the provider has sent an event. */
  readonly told = new Set<number>();
  /** Leads that the CRM has as active. */
  readonly active = new Set<number>();
  /** Calls that have left. */
  callCount = 0;
  isErased = false;
  /** The mail settings cannot be used. */
  isBroken = false;
  isCrmDown = false;
  readonly #random: () => number;
  readonly #options: ModelOptions;
  /** The memory of a slice: a flipped batch, and calls on their way with their answers. */
  #held: { batch: Batch; before: Batch; generation: number } | null = null;
  #calls: { batch: Batch; outcome: Outcome }[] = [];

  constructor(leadCount: number, traits: ProviderTraits, random: () => number, options: ModelOptions = {}) {
    this.session = newSession({ ...specOf(leadCount), ...options.times });
    this.traits = traits;
    this.#random = random;
    this.#options = options;
  }

  /** True when no slice is at work in memory. */
  get isAtRest(): boolean {
    return this.#held === null && this.#calls.length === 0;
  }

  step(step: Step): void {
    if (this.isErased) return;
    const before = this.session;
    switch (step.kind) {
      case 'plan':
        if (this.#begin() && workMode(this.session, this.nowMs) === 'run') this.#plan();
        break;
      case 'send':
        this.#flip(step.skipCount);
        this.#call(step.reaction);
        this.#answer();
        break;
      case 'flip':
        this.#flip(step.skipCount);
        break;
      case 'call':
        this.#call(step.reaction);
        break;
      case 'answer':
        this.#answer();
        break;
      case 'crash':
        this.#held = null;
        this.#calls = [];
        break;
      case 'command':
        this.command(step.command);
        break;
      case 'erase':
        this.#erase();
        return;
      case 'settings':
        this.isBroken = step.isBroken;
        break;
      case 'crm':
        this.isCrmDown = step.isDown;
        break;
      case 'pass':
        this.nowMs += step.ms;
        break;
      case 'event':
        this.#hear(step.leadId);
        break;
    }
    // Work that was prepared under another generation is dropped, as its sender does.
    if (this.#held !== null && this.#held.generation !== this.session.generation) this.#held = null;
    if (this.isAtRest) this.#rest();
    if (this.session.rev < before.rev) throw new Error('rev went down');
    if (
      this.session !== before &&
      JSON.stringify(visible(this.session)) !== JSON.stringify(visible(before))
    ) {
      if (this.session.rev === before.rev) throw new Error('a visible change kept its rev');
    }
  }

  command(command: Command): CommandDecision {
    const before = this.session;
    const withWaiting = before.state === 'paused' && !before.isChecking;
    const isAsked = (batch: Batch): boolean =>
      (batch.state === 'unknown' || (withWaiting && batch.state === 'waiting')) &&
      isCheckable(batch, this.nowMs, this.traits);
    const decision = decideCommand(before, command, this.nowMs, this.batches.some(isAsked));
    if (decision.kind !== 'changed') return decision;
    this.session = decision.session;
    const count = (delta: Partial<BatchCounts>): void => {
      this.session = applyCounts(this.session, this.nowMs, delta);
    };
    switch (command.kind) {
      case 'pause':
      case 'resume':
      case 'startNow':
      case 'reschedule':
        break;
      case 'cancel': {
        if (before.state === 'cancelled') break;
        let leads = 0;
        for (const batch of this.#inState('pending')) {
          leads += batch.leadIds.length;
          this.#put({ ...batch, state: 'cancelled' });
        }
        count({ skipped: leads });
        break;
      }
      case 'retry':
      case 'check':
      case 'assumeSent': {
        const kind = choreOf(command);
        for (const batch of [...this.batches]) {
          if (kind === 'retryFailed') {
            if (!batch.recipientStates.includes('f')) continue;
            const taken = takeFailed(batch, (leadId) => this.told.has(leadId));
            this.#put(taken.batch);
            if (taken.recipients.length > 0) this.#add(movedBatch(batch.seq, taken.recipients, this.nowMs));
            count(taken.delta);
          } else if (kind === 'check' ? isAsked(batch) : batch.state === 'unknown') {
            count(this.#byPerson(batch, kind));
          }
        }
        break;
      }
    }
    return decision;
  }

  #byPerson(batch: Batch, kind: 'retryUnknown' | 'check' | 'assumeSent'): Partial<BatchCounts> {
    const retried =
      kind === 'check'
        ? askAgain(batch, this.nowMs)
        : kind === 'assumeSent'
          ? assumeSent(batch)
          : retryUnknown(batch, this.nowMs, this.traits);
    if (retried.added.some((added) => added.retried === 'risked')) {
      batch.recipients?.forEach(({ leadId }, index) => {
        if (batch.recipientStates[index] === 'u') this.riskedByPerson.add(leadId);
      });
    }
    const isForgotten = this.#options.without?.doubtInRetry === true && kind === 'retryUnknown';
    this.#put(isForgotten ? { ...retried.batch, inDoubtSince: null, retried: null } : retried.batch);
    for (const added of retried.added) this.#add(isForgotten ? { ...added, retried: null } : added);
    return retried.delta;
  }

  /** The counters, counted again from the rows. */
  recount(): BatchCounts {
    const sum = this.batches.map(countBatch).reduce(countSum, noCounts);
    return { ...sum, skipped: sum.skipped + this.session.plan.unlistedCount };
  }

  /** Every lead of the plan with the number of its live states. Each must have one; otherwise it is lost or doubled. */
  liveStates(): Map<number, number> {
    const live = new Map<number, number>();
    const add = (leadId: number) => live.set(leadId, (live.get(leadId) ?? 0) + 1);
    for (const batch of this.batches) {
      if (batch.recipients === null) batch.leadIds.forEach(add);
      else {
        batch.recipients.forEach((recipient, index) => {
          if (batch.recipientStates[index] !== 'm') add(recipient.leadId);
        });
        batch.skipped.forEach((skip) => add(skip.leadId));
      }
    }
    return live;
  }

  /** The live state of each lead that has one. */
  recipientStates(): Map<number, string> {
    const recipientStates = new Map<number, string>();
    for (const batch of this.batches) {
      batch.recipients?.forEach(({ leadId }, index) => {
        const recipientState = batch.recipientStates[index];
        if (recipientState !== undefined && recipientState !== 'm')
          recipientStates.set(leadId, recipientState);
      });
    }
    return recipientStates;
  }

  #hear(leadId: number): void {
    if (!this.taken.has(leadId)) return;
    this.told.add(leadId);
    for (const batch of this.#inState('unknown')) {
      const proven = proveTaken(batch, (told) => told === leadId);
      if (proven !== null) this.#write(batch, { batch: proven, added: [] }, { kind: 'none' });
    }
  }

  /** Begins a slice, if the session may work and its settings are right. */
  #begin(): boolean {
    this.session = beginScheduled(this.session, this.nowMs);
    if (workMode(this.session, this.nowMs) === 'none') return false;
    if (this.isAtRest) this.#takeUp();
    if (this.isBroken) {
      this.#pauseUnconfigured();
      return false;
    }
    const session = { ...this.session, mayBeFlipped: true };
    this.session =
      session.state === 'queued'
        ? touch(session, this.nowMs, { state: 'running', startedAt: this.nowMs })
        : session;
    return true;
  }

  #pauseUnconfigured(): void {
    const paused = pauseFor(this.session, 'mail_auth', 'The settings are broken.');
    const isBad = this.#options.without?.cancelledForEver === true;
    const state = isBad ? { ...paused, state: 'paused' as const, reason: 'mail_auth' as const } : paused;
    this.session = touch(state, this.nowMs, {});
  }

  /** Decides calls whose slice was killed. */
  #takeUp(): void {
    const isOver = this.session.state === 'cancelled' && !this.session.isChecking;
    for (const batch of this.#inState('inflight')) {
      const doubtful = { ...batch, inDoubtSince: batch.inDoubtSince ?? batch.attemptAt };
      const change = isOver ? cancelBatch(doubtful) : decideInterrupted(batch, this.#context());
      this.#apply(batch, change, { kind: 'none' });
    }
  }

  #plan(): void {
    const { plan, spec, total } = this.session;
    if (plan.isDone) return;
    const leadIds = Array.from(
      { length: Math.min(spec.batchLeadCount, total - plan.plannedCount) },
      (_, index) => plan.plannedCount + index + 1,
    );
    if (leadIds.length > 0) this.batches.push(batchOf(leadIds, { seq: this.batches.length + 1 }));
    const plannedCount = plan.plannedCount + leadIds.length;
    const planned = { ...this.session, plan: { ...plan, plannedCount } };
    this.session = plannedCount < total ? planned : touch(planned, this.nowMs, endPlan(planned));
  }

  /** Takes a batch and sets its leads active; the session has nothing of it on disk yet. */
  #flip(skipCount: number): void {
    if (this.#held !== null || !this.#begin()) return;
    const before = this.#take(workMode(this.session, this.nowMs) === 'check');
    if (before === null) return;
    const { generation } = this.session;
    if (before.recipients !== null) {
      this.#held = { batch: before, before, generation };
      return;
    }
    if (this.isCrmDown) return;
    const mailed = before.leadIds.slice(skipCount);
    // Suppressed leads that a killed slice had set active become new again.
    for (const leadId of before.leadIds.slice(0, skipCount)) this.active.delete(leadId);
    const batch: Batch = {
      ...before,
      recipients: mailed.map(recipientOf),
      recipientStates: 'p'.repeat(mailed.length),
      skipped: before.leadIds.slice(0, skipCount).map((leadId) => ({ leadId, reason: 'already_active' })),
    };
    if (mailed.length === 0) {
      this.#write(before, { batch: { ...batch, state: 'done' }, added: [] }, { kind: 'none' });
      return;
    }
    for (const leadId of mailed) this.active.add(leadId);
    this.#held = { batch, before, generation };
  }

  /** Writes the intent and makes the call, if no command came since. */
  #call(reaction: Reaction): void {
    const held = this.#held;
    this.#held = null;
    if (held === null) return;
    const { batch, before, generation } = held;
    if (generation !== this.session.generation || workMode(this.session, this.nowMs) === 'none') return;
    const intended: Batch = {
      ...batch,
      state: 'inflight',
      attempts: batch.attempts + 1,
      attemptAt: this.nowMs,
      nextAttemptAt: null,
    };
    this.#write(before, { batch: intended, added: [] }, { kind: 'none' });
    this.callCount++;
    this.#calls.push({ batch: intended, outcome: this.#provider(intended, reaction) });
  }

  /** Settles the first call that has its answer. */
  #answer(): void {
    const call = this.#calls.shift();
    if (call === undefined) return;
    const batch = this.batches[call.batch.seq - 1];
    if (batch?.state !== 'inflight' || batch.attempts !== call.batch.attempts) return;
    const { session } = this;
    const isChecked = session.isChecking && batch.retried === 'asked';
    const isProbe = session.reason === 'mail_unreachable' && !isChecked;
    const outcome = call.outcome;
    const decided = decideOutcome(this.#believed(batch, outcome), outcome, {
      ...this.#context(),
      isProbe,
      outageMs: outageMs(session, batch.attempts, this.nowMs),
    });
    const isStopped = session.state === 'cancelled' || isChecked;
    const { change, signal } = isStopped ? withoutRepeat(batch, outcome, decided) : decided;
    this.#apply(this.#believed(batch, outcome), change, signal);
  }

  /** The batch; without its doubt when the rule about refusals is left out. */
  #believed(batch: Batch, outcome: Outcome): Batch {
    const isBelieved = this.#options.without?.doubtInRefusal === true && outcome.kind === 'rejected';
    return isBelieved ? { ...batch, inDoubtSince: null } : batch;
  }

  #take(isChecking: boolean): Batch | null {
    for (const batch of this.#inState('waiting')) {
      if ((batch.nextAttemptAt ?? 0) > this.nowMs || (isChecking && batch.retried !== 'asked')) continue;
      if (this.#calls.some((call) => call.batch.seq === batch.seq)) continue;
      if (mayRepeat(batch, this.nowMs, this.traits)) return batch;
      this.#apply(batch, expire(batch, this.nowMs), { kind: 'none' });
    }
    return isChecking ? null : (this.#inState('pending')[0] ?? null);
  }

  #provider(batch: Batch, reaction: Reaction): Outcome {
    const leadIds = pendingIndexes(batch.recipientStates).map(
      (index) => batch.recipients?.[index]?.leadId ?? 0,
    );
    const key = this.keyOf(batch);
    const windowMs = this.traits.idempotencyWindowMs ?? 0;
    const known = this.#keys.get(key);
    const isKnown = known !== undefined && this.nowMs - known.at < windowMs;
    const accept = (): Outcome => {
      if (isKnown) {
        if (known.leadIds !== leadIds.join()) return { kind: 'keyConflict' };
      } else {
        for (const leadId of leadIds) this.taken.set(leadId, (this.taken.get(leadId) ?? 0) + 1);
        this.#keys.set(key, { leadIds: leadIds.join(), at: this.nowMs });
      }
      return { kind: 'accepted', messageIds: leadIds.map((leadId) => `m${leadId}`), rejections: [] };
    };
    const foreign = (status: number): Outcome =>
      readResendAnswer(status, '<html>Sorry</html>', leadIds.length, null);
    switch (reaction) {
      case 'accept':
        return accept();
      case 'acceptAndLose':
        accept();
        return { kind: 'unknown', code: 'timeout', message: 'No answer.' };
      case 'loseUntaken':
        return { kind: 'unknown', code: 'timeout', message: 'No answer.' };
      case 'acceptThen503':
        accept();
        return this.#options.without?.doubtAt503 === true
          ? { kind: 'transient', code: 'http_503', message: 'Later.', retryAfterMs: null }
          : foreign(503);
      case 'acceptThenForeign400':
        accept();
        return foreign(400);
      case 'foreign400':
        return foreign(400);
      case 'foreign403':
        return foreign(403);
      case 'reject':
        // A provider that knows the key repeats its answer, unless it checks the content first.
        if (isKnown && this.#options.checksContentFirst !== true) return accept();
        return {
          kind: 'rejected',
          code: 'validation_error',
          message: 'Refused.',
          index: this.#random() < 0.5 ? null : Math.floor(this.#random() * leadIds.length),
        };
      case 'refuseTransiently':
        return { kind: 'transient', code: 'unreachable', message: 'Later.', retryAfterMs: null };
      case 'throttle':
        return { kind: 'throttled', retryAfterMs: 2_000 };
      case 'concurrent':
        return { kind: 'concurrent' };
      case 'quota':
        return { kind: 'quota', scope: 'daily', message: 'Used up.' };
      case 'auth':
        return { kind: 'auth', code: 'invalid_api_key', message: 'Wrong key.' };
      default:
        return reaction satisfies never;
    }
  }

  #apply(batch: Batch, change: BatchChange, signal: SessionSignal): void {
    const before = this.batches[batch.seq - 1] ?? batch;
    const isTaken = (leadId: number): boolean => this.told.has(leadId);
    this.#write(before, changeBatch(batch, change, this.nowMs, isTaken), signal);
  }

  #write(before: Batch, changed: ChangedBatch, signal: SessionSignal): void {
    this.#put(changed.batch);
    for (const added of changed.added) this.#add(added);
    this.session = settleBatch(this.session, before, changed, signal, this.#context());
  }

  /** What the object does when no slice runs: sweep, and end the session. */
  #rest(): void {
    const isOpen = (batch: Batch): boolean => ['pending', 'inflight', 'waiting'].includes(batch.state);
    if (this.session.finishedAt !== null) return;
    const { isChecking } = this.session;
    const isAsking = this.batches.some((batch) => isOpen(batch) && batch.retried === 'asked');
    if (isChecking && !isAsking) this.session = { ...this.session, isChecking: false };
    if (!this.session.isChecking) {
      if (this.session.state === 'cancelled') {
        // The remaining work needs no mail settings.
        if (this.#options.without?.cancelledForEver === true && this.isBroken) this.#pauseUnconfigured();
        else if (!this.#withdraw()) return;
      } else if (this.session.state === 'paused') {
        this.#takeUp();
        for (const batch of this.#inState('waiting')) {
          if (!mayRepeat(batch, this.nowMs, this.traits)) {
            this.#apply(batch, expire(batch, this.nowMs), { kind: 'none' });
          }
        }
      }
      if (workMode(this.session, this.nowMs) === 'none' && !this.#giveBackFlips()) return;
    }
    const { session } = this;
    if (session.isChecking || !session.plan.isDone || this.batches.some(isOpen)) return;
    if (processedCount(session.counts) < session.total) return;
    this.session = finish(session, this.nowMs);
  }

  /** False while the CRM does not answer. */
  #withdraw(): boolean {
    this.#takeUp();
    let leads = 0;
    for (const batch of this.#inState('pending')) {
      leads += batch.leadIds.length;
      this.#put({ ...batch, state: 'cancelled' });
    }
    if (leads > 0) this.session = applyCounts(this.session, this.nowMs, { skipped: leads });
    for (const batch of this.#inState('waiting')) {
      if (!isInDoubt(batch)) {
        const leadIds = pendingIndexes(batch.recipientStates).map(
          (index) => batch.recipients?.[index]?.leadId ?? 0,
        );
        if (!this.#giveBack(leadIds)) return false;
      }
      this.#apply(batch, cancelBatch(batch), { kind: 'none' });
    }
    return true;
  }

  #giveBackFlips(): boolean {
    if (!this.session.mayBeFlipped) return true;
    const state = this.session.state === 'cancelled' ? 'cancelled' : 'pending';
    const unsent = this.batches.filter((batch) => batch.state === state && batch.recipients === null);
    if (!this.#giveBack(unsent.slice(0, 16).flatMap((batch) => batch.leadIds))) return false;
    this.session = { ...this.session, mayBeFlipped: false };
    return true;
  }

  #giveBack(leadIds: readonly number[]): boolean {
    if (this.isCrmDown) return false;
    if (this.#options.without?.givingBack === true) return true;
    for (const leadId of leadIds) this.active.delete(leadId);
    return true;
  }

  /** Erases a paused or ended session; a paused one is cancelled first. */
  #erase(): void {
    const isAtRest = this.session.state === 'paused' || this.session.state === 'scheduled';
    if (this.session.finishedAt === null && !isAtRest) return;
    if (this.session.finishedAt === null) this.command({ kind: 'cancel' });
    // The running alarm is awaited.
    this.#held = null;
    while (this.#calls.length > 0) this.#answer();
    this.#rest();
    this.isErased = this.session.finishedAt !== null;
  }

  #put(batch: Batch): void {
    const before = this.batches[batch.seq - 1];
    if (before === undefined) throw new Error('no such batch');
    if (before.state !== batch.state && !legalMoves[before.state].includes(batch.state)) {
      throw new Error(`illegal move of a batch: ${before.state} to ${batch.state}`);
    }
    this.batches[batch.seq - 1] = batch;
  }

  #add(added: NewBatch): Batch {
    const batch: Batch = { ...batchOf([]), seq: this.batches.length + 1, ...added };
    this.batches.push(batch);
    return batch;
  }

  #inState(state: BatchState): Batch[] {
    return this.batches.filter((batch) => batch.state === state);
  }

  #context() {
    return { nowMs: this.nowMs, random: this.#random, traits: this.traits };
  }
}

/** The view of a session that a reader gets, without the rev. */
function visible(session: Session): unknown {
  const { state, reason, total, counts, finishedAt, waitingUntil, lastError } = session;
  return { state, reason, total, counts, finishedAt, waitingUntil, lastError };
}
