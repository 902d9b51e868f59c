/**
 * A session without a platform: rows in memory, driven through the decisions of src/core.
 *
 * Does what SessionRunner and the session object do, without SQL, network and time, so that thousands of
 * histories can be tried. A provider stands behind it that remembers what it took, by address and by key.
 *
 * @module
 */
import {
  changedBatch,
  countBatch,
  countDelta,
  countSum,
  movedBatch,
  proveTaken,
  noCounts,
  pendingIndexes,
  type Batch,
  type BatchChange,
  type BatchCounts,
  type BatchState,
} from '../../src/core/batch.ts';
import { applySignal } from '../../src/core/breaker.ts';
import { decideCommand, type Command, type CommandDecision } from '../../src/core/command.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import {
  applyCounts,
  endPlan,
  finish,
  newSession,
  processedCount,
  touch,
  workMode,
  type Session,
  type SessionSpec,
} from '../../src/core/session.ts';
import {
  abandon,
  decideInterrupted,
  decideOutcome,
  expire,
  mayRepeat,
  type ProviderTraits,
  type SessionSignal,
} from '../../src/core/settle.ts';
import type { Recipient } from '../../src/shared/recipient.ts';

export const keyedTraits: ProviderTraits = { idempotencyWindowMs: 86_400_000 };
export const keylessTraits: ProviderTraits = { idempotencyWindowMs: null };

/** A start request's spec for so many leads. */
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
    leadId,
    email: `lead${leadId}@example.com`,
    firstName: 'Ann',
    lastName: 'Name',
    company: '',
    phone: '',
    source: '',
    stage: '',
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
    marks: '',
    failures: [],
    messageIds: null,
    attempts: 0,
    attemptAt: null,
    inDoubtSince: null,
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
    marks: 'p'.repeat(leadIds.length),
    attempts: 1,
    attemptAt: 1_000,
    ...change,
  });
}

/** What the provider does with a call. "Taken" and "answered" are apart, as they are in life. */
export type Fate =
  | 'accept'
  | 'acceptAndLose'
  | 'loseUntaken'
  | 'reject'
  | 'refuseTransiently'
  | 'throttle'
  | 'concurrent'
  | 'quota'
  | 'auth'
  | 'crash'
  | 'acceptAndCrash';

export type Step =
  | { kind: 'plan' }
  | { kind: 'send'; fate: Fate; skipCount: number }
  | { kind: 'command'; command: Command }
  | { kind: 'pass'; ms: number }
  /** The provider tells what became of a mail that it took, if it took one for this lead. */
  | { kind: 'event'; leadId: number };

const legalMoves: Record<BatchState, readonly BatchState[]> = {
  pending: ['inflight', 'done', 'cancelled'],
  inflight: ['done', 'waiting', 'unknown', 'split'],
  waiting: ['inflight', 'done', 'unknown'],
  unknown: ['waiting', 'done'],
  done: [],
  split: [],
  cancelled: [],
};

export class SessionModel {
  session: Session;
  readonly batches: Batch[] = [];
  nowMs = 1_000;
  readonly traits: ProviderTraits;
  /** How often the provider took a mail for each lead. */
  readonly taken = new Map<number, number>();
  /** The key of a call; what a test of the test itself puts something worse in place of. */
  keyOf: (batch: Batch) => string = (batch) => String(batch.seq);
  readonly #keys = new Map<string, { leadIds: string; at: number }>();
  /** Leads that a person asked to be mailed again though they may have been. */
  readonly riskedByPerson = new Set<number>();
  /** Leads whose mail the provider has told of. */
  readonly told = new Set<number>();
  readonly #random: () => number;

  constructor(leadCount: number, traits: ProviderTraits, random: () => number) {
    this.session = newSession(specOf(leadCount));
    this.traits = traits;
    this.#random = random;
  }

  step(step: Step): void {
    const before = this.session;
    switch (step.kind) {
      case 'plan':
        this.#begin();
        if (workMode(this.session, this.nowMs) === 'run') this.#plan();
        break;
      case 'send':
        this.#begin();
        this.#send(step.fate, step.skipCount);
        break;
      case 'command':
        this.command(step.command);
        break;
      case 'pass':
        this.nowMs += step.ms;
        break;
      case 'event':
        this.#hear(step.leadId);
        break;
    }
    this.#finish();
    if (this.session.rev < before.rev) throw new Error('rev went down');
    if (
      this.session !== before &&
      JSON.stringify(visible(this.session)) !== JSON.stringify(visible(before))
    ) {
      if (this.session.rev === before.rev) throw new Error('a visible change kept its rev');
    }
  }

  command(command: Command): CommandDecision {
    const decision = decideCommand(this.session, command, this.nowMs);
    if (decision.kind !== 'changed') return decision;
    let session = decision.session;
    const move = (delta: Partial<BatchCounts>) => (session = applyCounts(session, this.nowMs, delta));
    switch (command.kind) {
      case 'pause':
      case 'resume':
        break;
      case 'cancel': {
        let leads = 0;
        for (const batch of this.#inState('waiting')) {
          this.#put({ ...batch, nextAttemptAt: Math.min(batch.nextAttemptAt ?? 0, this.nowMs) });
        }
        for (const batch of this.#inState('pending')) {
          leads += batch.leadIds.length;
          this.#put({ ...batch, state: 'cancelled' });
        }
        move({ skipped: leads });
        break;
      }
      case 'retry':
        if (command.outcome === 'unknown') {
          let leads = 0;
          for (const batch of this.#inState('unknown')) {
            const asked = [...batch.marks].filter((mark) => mark === 'u').length;
            leads += asked;
            batch.recipients?.forEach((recipient, index) => {
              if (batch.marks[index] === 'u') this.riskedByPerson.add(recipient.leadId);
            });
            this.#put({
              ...batch,
              state: 'waiting',
              marks: batch.marks.replaceAll('u', 'p'),
              attempts: 0,
              inDoubtSince: null,
              nextAttemptAt: this.nowMs,
            });
          }
          move({ unknown: -leads });
        } else {
          let leads = 0;
          for (const batch of [...this.batches]) {
            const failed = (batch.recipients ?? []).filter((_, index) => batch.marks[index] === 'f');
            if (failed.length === 0) continue;
            this.#put({ ...batch, marks: batch.marks.replaceAll('f', 'm'), failures: [] });
            this.#add(batch.seq, failed);
            leads += failed.length;
          }
          move({ failed: -leads });
        }
        break;
      case 'assumeSent': {
        let leads = 0;
        for (const batch of this.#inState('unknown')) {
          leads += [...batch.marks].filter((mark) => mark === 'u').length;
          this.#put({ ...batch, state: 'done', marks: batch.marks.replaceAll('u', 's') });
        }
        move({ unknown: -leads, sent: leads });
        break;
      }
    }
    this.session = session;
    return decision;
  }

  /** The counters, counted again from the rows. */
  recount(): BatchCounts {
    const sum = this.batches.map(countBatch).reduce(countSum, noCounts);
    return { ...sum, skipped: sum.skipped + this.session.plan.unlistedCount };
  }

  /** Every lead of the plan with the number of live marks it has; one each, or a lead is lost or doubled. */
  liveMarks(): Map<number, number> {
    const live = new Map<number, number>();
    const add = (leadId: number) => live.set(leadId, (live.get(leadId) ?? 0) + 1);
    for (const batch of this.batches) {
      if (batch.recipients === null) batch.leadIds.forEach(add);
      else {
        batch.recipients.forEach((recipient, index) => {
          if (batch.marks[index] !== 'm') add(recipient.leadId);
        });
        batch.skipped.forEach((skip) => add(skip.leadId));
      }
    }
    return live;
  }

  #hear(leadId: number): void {
    if (!this.taken.has(leadId)) return;
    this.told.add(leadId);
    for (const batch of this.#inState('unknown')) {
      const proven = proveTaken(batch, (told) => told === leadId);
      if (proven !== null) this.#write(batch, proven, { kind: 'none' });
    }
  }

  #begin(): void {
    if (workMode(this.session, this.nowMs) === 'none') return;
    if (this.session.state === 'queued') {
      this.session = touch(this.session, this.nowMs, { state: 'running', startedAt: this.nowMs });
    }
    for (const batch of this.#inState('inflight')) {
      this.#apply(batch, decideInterrupted(batch, this.#context()), { kind: 'none' });
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

  #send(fate: Fate, skipCount: number): void {
    const mode = workMode(this.session, this.nowMs);
    if (mode === 'none') return;
    const held = this.#take(mode === 'settle');
    if (held === null) return;
    let batch = held;
    if (batch.recipients === null) {
      const mailed = batch.leadIds.slice(skipCount);
      batch = {
        ...batch,
        recipients: mailed.map(recipientOf),
        marks: 'p'.repeat(mailed.length),
        skipped: batch.leadIds.slice(0, skipCount).map((leadId) => ({ leadId, reason: 'already_active' })),
      };
      if (mailed.length === 0) {
        this.#write(held, { ...batch, state: 'done' }, { kind: 'none' });
        return;
      }
    }
    const intended: Batch = {
      ...batch,
      state: 'inflight',
      attempts: batch.attempts + 1,
      attemptAt: this.nowMs,
      nextAttemptAt: null,
    };
    this.#write(held, intended, { kind: 'none' });
    const outcome = this.#provider(intended, fate);
    if (outcome === null) return;
    const isProbe = this.session.reason === 'mail_unreachable';
    const { change, signal } = decideOutcome(intended, outcome, { ...this.#context(), isProbe });
    this.#apply(intended, change, signal);
  }

  #take(isSettling: boolean): Batch | null {
    for (const batch of this.#inState('waiting')) {
      if ((batch.nextAttemptAt ?? 0) > this.nowMs) continue;
      if (isSettling && batch.inDoubtSince === null) {
        this.#apply(batch, abandon(batch), { kind: 'none' });
      } else if (!mayRepeat(batch, this.nowMs, this.traits)) {
        this.#apply(batch, expire(batch, this.nowMs), { kind: 'none' });
      } else return batch;
    }
    return isSettling ? null : (this.#inState('pending')[0] ?? null);
  }

  /** Null: the slice died before it heard the answer. */
  #provider(batch: Batch, fate: Fate): Outcome | null {
    const leadIds = pendingIndexes(batch.marks).map((index) => batch.recipients?.[index]?.leadId ?? 0);
    const key = this.keyOf(batch);
    const accept = (): Outcome => {
      const known = this.#keys.get(key);
      const isKeyed = this.traits.idempotencyWindowMs !== null;
      if (isKeyed && known !== undefined && this.nowMs - known.at < (this.traits.idempotencyWindowMs ?? 0)) {
        if (known.leadIds !== leadIds.join()) return { kind: 'acceptedEarlier' };
      } else {
        for (const leadId of leadIds) this.taken.set(leadId, (this.taken.get(leadId) ?? 0) + 1);
        this.#keys.set(key, { leadIds: leadIds.join(), at: this.nowMs });
      }
      return { kind: 'accepted', messageIds: leadIds.map((leadId) => `m${leadId}`), rejections: [] };
    };
    const wasTaken = this.#keys.has(key) && this.traits.idempotencyWindowMs !== null;
    switch (fate) {
      case 'accept':
        return accept();
      case 'acceptAndLose':
        accept();
        return { kind: 'unknown', code: 'timeout', message: 'No answer.' };
      case 'loseUntaken':
        return { kind: 'unknown', code: 'timeout', message: 'No answer.' };
      case 'reject':
        // A provider that knows the key replays what it did; it does not look at the content again.
        if (wasTaken) return accept();
        return {
          kind: 'rejected',
          code: 'validation_error',
          message: 'Refused.',
          index: this.#random() < 0.5 ? null : Math.floor(this.#random() * leadIds.length),
        };
      case 'refuseTransiently':
        return { kind: 'transient', code: 'http_503', message: 'Later.', retryAfterMs: null };
      case 'throttle':
        return { kind: 'throttled', retryAfterMs: 2_000 };
      case 'concurrent':
        return { kind: 'concurrent' };
      case 'quota':
        return { kind: 'quota', scope: 'daily', message: 'Used up.' };
      case 'auth':
        return { kind: 'auth', code: 'invalid_api_key', message: 'Wrong key.' };
      case 'crash':
        return null;
      case 'acceptAndCrash':
        accept();
        return null;
    }
  }

  #apply(batch: Batch, change: BatchChange, signal: SessionSignal): void {
    const parts = change.kind === 'split' ? change.parts : [];
    const added = parts.map((indexes) =>
      this.#add(
        batch.seq,
        indexes.flatMap((index) => batch.recipients?.[index] ?? []),
      ),
    );
    const changed = changedBatch(batch, change);
    const proven = change.kind === 'unknown' ? proveTaken(changed, (leadId) => this.told.has(leadId)) : null;
    this.#write(batch, proven ?? changed, signal, added);
  }

  #write(before: Batch, after: Batch, signal: SessionSignal, added: readonly Batch[] = []): void {
    this.#put(after);
    const moved = countDelta(countBatch(before), countBatch(after));
    const delta = added.map(countBatch).reduce(countSum, moved);
    this.session = applyCounts(
      applySignal(this.session, this.nowMs, signal, this.#context()),
      this.nowMs,
      delta,
    );
  }

  #finish(): void {
    const { session } = this;
    if (session.finishedAt !== null || !session.plan.isDone) return;
    const isOpen = this.batches.some((batch) => ['pending', 'inflight', 'waiting'].includes(batch.state));
    if (isOpen || processedCount(session.counts) < session.total) return;
    this.session = finish(session, this.nowMs);
  }

  #put(batch: Batch): void {
    const before = this.batches[batch.seq - 1];
    if (before === undefined) throw new Error('no such batch');
    if (before.state !== batch.state && !legalMoves[before.state].includes(batch.state)) {
      throw new Error(`illegal move of a batch: ${before.state} to ${batch.state}`);
    }
    this.batches[batch.seq - 1] = batch;
  }

  #add(originSeq: number, recipients: readonly Recipient[]): Batch {
    const seq = this.batches.length + 1;
    const batch: Batch = { ...batchOf([]), seq, ...movedBatch(originSeq, recipients, this.nowMs) };
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

/** What a reader is shown of a session, beside the rev. */
function visible(session: Session): unknown {
  const { state, reason, total, counts, finishedAt, waitingUntil, lastError } = session;
  return { state, reason, total, counts, finishedAt, waitingUntil, lastError };
}
