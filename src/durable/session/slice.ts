/**
 * SessionSlice: the work of one alarm.
 *
 * Owns running a slice, what follows from a fault, the end of the session, and its row in the CRM's list of
 * activations. Does not set the alarm and does not carry out commands.
 * Invariants: it throws nothing but faults of the object's own storage; a session ends when its rows say so.
 *
 * @module
 */
import type { Lease } from '../../core/limits/rate-limit.ts';
import { crmBackoff } from '../../core/limits/backoff.ts';
import { backoffMs } from '../../shared/backoff.ts';
import { waitShownAfterMs, toProgress } from '../../core/session/progress-view.ts';
import {
  finish,
  isHalted,
  pauseFor,
  processedCount,
  touch,
  waitOn,
  workMode,
  type Session,
} from '../../core/session/session.ts';
import { expireApproval } from '../../core/session/approval.ts';
import { runSlice, sliceLimits } from '../../core/session/slice.ts';
import { presentWave } from '../../core/session/wave-gate.ts';
import { beginWatch, mayBeSettled, openInWave, passGate } from '../../core/session/waves.ts';
import { beginScheduled, freezeAudience, pauseIfMissed } from '../../core/schedule/begin.ts';
import { waitForWindow } from '../../core/schedule/window.ts';
import { recordActivation } from '../../crm/activations.ts';
import { resolveAudience } from '../../crm/audience.ts';
import { SupersededFlip } from '../../crm/fence.ts';
import { openRecovery } from '../../crm/recovery.ts';
import { callGate, classifyFault, faultText } from '../../runtime/faults.ts';
import { callWeight, mailAccount, type MailAccount } from '../mail-account.ts';
import { PermitPool } from '../sending/permit-pool.ts';
import { observeSlice } from '../sending/observed.ts';
import { SessionRunner } from '../sending/runner.ts';
import type { LogFields, LogLevel } from '../../runtime/log.ts';
import { approvalAbove } from '../../runtime/settings.ts';
import { reportedBy } from '../../mail/providers/index.ts';
import { checkProvider } from '../sending/provider-change.ts';
import { askForFrozen } from './approval.ts';
import { continueChore } from './commands.ts';
import type { SessionContext, SliceContext } from './context.ts';
import type { SessionSweep } from './sweep.ts';
import { Waits } from './waits.ts';

/** How often a slice checks what it waits for. */
const lookMs = 1_000;
/** How often a slice that is under way updates the list of activations. */
const recordMs = 4_000;
/** How often a slice asks whether the database was restored under it. */
const recoveryCheckMs = 20_000;

/** One alarm spends no more time than this on a command's batches; the next one continues. */
const maxSweepMs = 20_000;

export class SessionSlice {
  readonly #context: SessionContext;
  readonly #sweep: SessionSweep;
  /** Kept from slice to slice: a discarded lease is unused time of the account. */
  readonly #permits: PermitPool;
  readonly #waits: Waits;
  /** The account and the runner of the slice that sends; null while none does. */
  #sending: { mail: MailAccount; runner: SessionRunner } | null = null;
  #isRunning = false;
  /** Names the slice in the log by the time it began; a session has one slice at a time. */
  #sliceId: number | null = null;
  /** Slices in a row that ended by a fault. In memory only: losing it makes the next wait shorter. */
  #faultCount = 0;
  #recording: Promise<void> = Promise.resolve();
  #recordedAt = 0;
  #recoveryCheckedAt = 0;

  constructor(context: SessionContext, sweep: SessionSweep) {
    this.#context = context;
    this.#sweep = sweep;
    this.#waits = new Waits(() => context.now());
    this.#permits = new PermitPool(
      (wantedCount) => this.#lease(wantedCount),
      () => context.now(),
      (waitingCount) => this.#wantedPermitCount(waitingCount),
    );
  }

  /** True while this object works on batches. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /**
   * Does what is due, and records the session in the list of activations.
   *
   * @returns `superseded` when the platform is replacing this object, which must do nothing more then
   * @throws what the object's own storage throws: no fault can be written before it is back
   */
  async run(): Promise<'ended' | 'superseded'> {
    this.#sliceId = this.#context.now();
    // The list shows a new session at once; its first mail does not wait for that.
    const isNew = this.#context.store.session().recordedRev === 0;
    if (isNew) void this.#record();
    this.#isRunning = true;
    const timer = setInterval(() => this.#checkWaits(), lookMs);
    try {
      await this.#work();
      this.#faultCount = 0;
    } catch (error) {
      const fault = classifyFault(error);
      const level = fault.kind === 'bug' ? 'error' : 'warn';
      this.#log(level, 'slice_fault', { fault: fault.kind, error: faultText(error) });
      if (fault.kind === 'superseded') {
        if (error instanceof SupersededFlip) this.#passFence(error.fence);
        return 'superseded';
      }
      if (fault.kind === 'storage') throw error;
      this.#faultCount++;
      this.#holdOff(fault.message, fault.kind === 'transient' ? fault.place : 'platform');
    } finally {
      clearInterval(timer);
      this.#isRunning = false;
    }
    await this.#record();
    return 'ended';
  }

  /**
   * Goes on above a fence that this object does not know: a version before 0.2 dropped its own number, and the clock was
   * set back. An object that was really replaced cannot write this.
   */
  #passFence(fence: number): void {
    const { store } = this.#context;
    try {
      store.transact(() => {
        const session = store.load();
        if (session !== null && session.fence < fence) store.save({ ...session, fence });
      });
    } catch {
      // It was replaced.
    }
  }

  async #work(): Promise<void> {
    const { store, now } = this.#context;
    await this.#continueChore();
    const session = store.session();
    if (session.finishedAt === null && (session.state !== 'cancelled' || session.isChecking)) {
      this.#sweep.takeUpInterrupted();
    }
    this.#step(expireApproval);
    this.#beginScheduled();
    this.#passGate();
    if (workMode(store.session(), now()) !== 'none') await this.#send();
    await this.#finishOpenWork();
    this.#settleWave();
    this.#passGate();
    // Shows when the sending window opens.
    this.#step(waitForWindow);
    this.#conclude();
  }

  /**
   * Writes what a step of time makes of the session.
   *
   * @returns the session after it; null where it stays as it is
   */
  #step(after: (session: Session, nowMs: number) => Session): Session | null {
    const { store, now, publish } = this.#context;
    const before = store.session();
    const session = after(before, now());
    if (session === before) return null;
    store.transact(() => store.save(session));
    publish();
    return session;
  }

  /** Sets a session going whose time has come. */
  #beginScheduled(): void {
    const begun = this.#step(beginScheduled);
    if (begun === null) return;
    const lateMs = this.#context.now() - (begun.spec.schedule?.startAt ?? 0);
    this.#log('info', 'schedule_due', { state: begun.state, lateMs });
  }

  /** Begins the watch of a wave of which all mail is settled. */
  #settleWave(): void {
    const { store, settings } = this.#context;
    const session = store.session();
    if (!mayBeSettled(session) || session.isChecking || session.chore !== null) return;
    // As at the end of the session: the counters say when to read the rows; the rows decide.
    const { batches } = store;
    if (openInWave(session) > 0 && (batches.hasPending() || batches.nextAttemptAt() !== null)) return;
    if (batches.hasOpen()) return;
    if (store.transact(() => batches.releaseDeferred())) return;
    const settled = this.#step((known, nowMs) => beginWatch(known, reportedBy(settings()), nowMs));
    if (settled !== null) this.#logWave(settled);
  }

  /** Reads the gate behind a wave, and begins the next one where it is open. */
  #passGate(): void {
    const { store } = this.#context;
    const passed = this.#step((session, nowMs) => passGate(session, nowMs, () => store.batches.hasOpen()));
    if (passed !== null) this.#logWave(passed);
  }

  #logWave(session: Session): void {
    this.#log('info', 'wave', { number: presentWave(session)?.number ?? null, state: session.state });
  }

  /**
   * Freezes the audience of a session that was scheduled with the leads that match at its start.
   *
   * @returns false when a command came meanwhile, or another person has to approve so many leads
   */
  async #freezeAudience(): Promise<boolean> {
    const { store, env, now, settings, publish } = this.#context;
    const { spec, generation } = store.session();
    const { schedule, audience } = spec;
    // Ids that were selected one by one are the audience, whatever has become of their leads.
    if (schedule?.freezeAt !== 'start' || schedule.frozenAt !== undefined || 'leadIds' in audience)
      return true;
    const resolved = await resolveAudience(env.DB, audience);
    const frozen =
      resolved.kind === 'ok' ? resolved : { maxLeadId: 0, total: 0, revision: spec.revision ?? 0 };
    return store.transact(() => {
      const session = store.session();
      if (session.generation !== generation) return false;
      const found = resolved.kind === 'ok' ? resolved : null;
      const asked = askForFrozen(
        freezeAudience(session, frozen, now()),
        found,
        approvalAbove(settings()),
        now(),
      );
      store.save(asked);
      publish();
      return asked.state !== 'awaiting_approval';
    });
  }

  /** Asks a person when a scheduled session was kept from its first mail for too long. */
  #wasMissed(): boolean {
    const { batches } = this.#context.store;
    return this.#step((session, nowMs) => pauseIfMissed(session, nowMs, () => batches.hasLeft())) !== null;
  }

  /** Continues a command that concerns very many batches. */
  async #continueChore(): Promise<void> {
    const { store, now, sleep, traits, publish } = this.#context;
    const endsAt = now() + maxSweepMs;
    while (store.session().chore !== null && now() < endsAt) {
      continueChore(store, now(), traits());
      publish();
      // Requests are answered between two parts.
      await sleep(0);
    }
  }

  /** Runs a slice. */
  async #send(): Promise<void> {
    const { store, env, now, settings, verbs, publish } = this.#context;
    // Asked here too: a session that was running when the database was restored gets no command.
    this.#recoveryCheckedAt = now();
    if ((await openRecovery(env.DB)) !== null) {
      this.#holdOff(restoredMessage, 'crm');
      return;
    }
    // A command that came meanwhile counts: one that waits for an approval again must not be paused by what follows.
    if (workMode(store.session(), now()) === 'none') return;
    const mail = mailAccount(settings(), now);
    if (mail.kind === 'refused') {
      this.#pauseUnconfigured(mail.message);
      return;
    }
    const context: SliceContext = {
      ...this.#context,
      traits: () => mail.transport,
      log: (level, event, fields) => this.#log(level, event, fields),
      mail,
      permits: this.#permits,
      waits: this.#waits,
    };
    if (checkProvider(context) === 'other') {
      publish();
      return;
    }
    if (!this.#connectCrm(mail.maxRatePerSecond)) return;
    if (this.#wasMissed() || !(await this.#freezeAudience()) || this.#wasMissed()) return;
    const wasFlipped = store.session().mayBeFlipped;
    const runner = new SessionRunner(context);
    runner.begin();
    this.#sending = { mail, runner };
    const observed = observeSlice(context, runner, this.#sliceId ?? now());
    await runSlice(
      verbs(observed.verbs),
      sliceLimits(mail.maxRatePerSecond, mail.hasDailyLimit, runner.pushes() !== null),
    ).finally(() => observed.end());
    // Probes are frequent: one that left no lead active needs no statement to the CRM.
    if (!wasFlipped && !runner.hasOpenFlips && workMode(store.session(), now()) === 'none') {
      store.transact(() => store.save({ ...store.session(), mayBeFlipped: false }));
    }
  }

  /** Looks for the session's CRM in the settings, and which limit is the lower one; false when it was paused instead. */
  #connectCrm(mailRate: number): boolean {
    const { store, crm, now, publish } = this.#context;
    const session = store.session();
    if (session.crm === null) return true;
    const fault = crm.connect(session.spec);
    if (fault !== null) {
      store.transact(() => store.save(touch(pauseFor(session, 'crm_auth', fault), now(), {})));
      publish();
      return false;
    }
    const limitedBy = crm.ratePerSecond < mailRate ? 'crm' : 'mail';
    if (limitedBy !== session.crm.limitedBy) {
      const known = { ...session.crm, limitedBy } as const;
      store.transact(() => store.save(touch(session, now(), { crm: known })));
    }
    return true;
  }

  /** Asks the account's gate for permits. */
  #lease(wantedCount: number): Promise<Lease> {
    const { mail } = this.#sending ?? {};
    if (mail === undefined) return Promise.reject(new Error('No slice has begun.'));
    const weight = callWeight(mail.transport, this.#context.store.session().spec.batchLeadCount);
    return callGate(async () => mail.gate.lease(wantedCount, weight));
  }

  /** Permits for the batches that are left, but no more than there are senders: more would expire unused. */
  #wantedPermitCount(waitingCount: number): number {
    if (this.#sending === null) return waitingCount;
    const { mail, runner } = this.#sending;
    const session = this.#context.store.session();
    const openCount = Math.ceil(openInWave(session) / session.spec.batchLeadCount);
    const { senderCount } = sliceLimits(mail.maxRatePerSecond, false, session.crm !== null);
    return Math.min(senderCount, waitingCount + Math.max(0, openCount - runner.heldCount));
  }

  /** Does what is left of a session that is paused or cancelled: withdraws, expires, gives leads back. */
  async #finishOpenWork(): Promise<void> {
    const { store, now, sleep } = this.#context;
    this.#endCheck();
    const { state, finishedAt, isChecking } = store.session();
    if (finishedAt !== null) return;
    // A check leaves the other batches as they are.
    if (!isChecking) {
      const endsAt = now() + maxSweepMs;
      if (state === 'cancelled')
        while ((await this.#sweep.withdrawSome()) === 'more' && now() < endsAt) await sleep(0);
      else if (isHalted({ state })) this.#sweep.expireDoubts();
    }
    // Also where a probe is due that has no batch to ask with, and where a check waits for the sending window.
    if (workMode(store.session(), now()) !== 'run') await this.#sweep.giveBackFlips();
  }

  /** Ends a check once every mail that it asked about has an answer. */
  #endCheck(): void {
    const { store } = this.#context;
    const { isChecking, chore } = store.session();
    if (!isChecking || chore !== null || store.batches.nextAttemptAt(true) !== null) return;
    if (store.batches.hasInflight()) return;
    store.transact(() => store.save({ ...store.session(), isChecking: false }));
  }

  /** Ends the session when nothing is left to do. */
  #conclude(): void {
    const { store, now, publish } = this.#context;
    const session = store.session();
    // A paused session can end too: the calls in flight may have been its last.
    if (session.finishedAt !== null || session.isChecking || session.chore !== null) return;
    if (!session.plan.isDone) return;
    // The counters say when to read the rows; the rows decide.
    const isAllDecided = processedCount(session.counts) >= session.total;
    const { batches } = store;
    if (!isAllDecided && (batches.hasPending() || batches.nextAttemptAt() !== null)) return;
    if (batches.hasOpen()) return;
    if (session.cancelledAt === null && store.transact(() => batches.releaseDeferred())) return;
    if (!isAllDecided) this.#repairCounters();
    store.transact(() => {
      store.save(finish(store.session(), now()));
      store.forgetSearch();
    });
    this.#log('info', 'session_finished', { ...store.session().counts });
    publish();
  }

  /** Counts the rows again where nothing is left to do and the counters say otherwise: the session would never end. */
  #repairCounters(): void {
    const { store, now } = this.#context;
    const { counts, total } = store.session();
    const recount = store.recount();
    this.#log('error', 'counters_repaired', {
      total,
      processed: processedCount(counts),
      recounted: processedCount(recount),
    });
    store.transact(() => store.save(touch(store.session(), now(), { counts: recount })));
  }

  /** Pauses a session whose mail settings have become unusable, until a person corrects them. */
  #pauseUnconfigured(message: string): void {
    const { store, now, publish } = this.#context;
    store.transact(() => store.save(touch(pauseFor(store.session(), 'mail_auth', message), now(), {})));
    publish();
  }

  /** After a fault the session waits, and its progress says so. */
  #holdOff(message: string, kind: 'crm' | 'platform'): void {
    const { store, now, random, publish } = this.#context;
    const waitMs = backoffMs(crmBackoff, this.#faultCount, random);
    store.transact(() => {
      const session = store.session();
      // A paused session shows nothing of this: it repeats the rest of its work by itself.
      if (session.finishedAt !== null || (isHalted(session) && workMode(session, now()) === 'none')) return;
      const nowMs = now();
      const waitingFor = waitOn(session, kind, nowMs);
      store.save(touch(session, nowMs, { waitingUntil: nowMs + waitMs, waitingFor, lastError: message }));
    });
    publish();
  }

  /** Shows what is waited for once it takes long, and records how far the slice has come. */
  #checkWaits(): void {
    const { store, now, publish } = this.#context;
    try {
      const session = store.session();
      const nowMs = now();
      const waiting = this.#waits.current(session.progressedAt);
      if (waiting !== null && nowMs - waiting.since >= waitShownAfterMs) {
        const known = session.waitingFor;
        if (known?.kind !== waiting.kind || known.since < session.progressedAt) {
          store.transact(() => store.save(touch(session, nowMs, { waitingFor: waiting })));
          publish();
        }
      }
      if (Math.abs(nowMs - this.#recordedAt) >= recordMs) void this.#record();
      if (Math.abs(nowMs - this.#recoveryCheckedAt) >= recoveryCheckMs) void this.#checkRecovery(nowMs);
    } catch (error) {
      // The slice meets the same fault and handles it.
      this.#log('warn', 'wait_check_fault', { error: faultText(error) });
    }
  }

  /** Stops the slice when the database was restored meanwhile; the next one holds off. */
  async #checkRecovery(nowMs: number): Promise<void> {
    this.#recoveryCheckedAt = nowMs;
    try {
      if ((await openRecovery(this.#context.env.DB)) !== null) this.#sending?.runner.stop();
    } catch (error) {
      this.#log('warn', 'recovery_check_fault', { error: faultText(error) });
    }
  }

  /** Resolves once the record that is on its way to the list of activations has arrived. */
  recorded(): Promise<void> {
    return this.#recording;
  }

  /** Writes the session's progress into the CRM's list of activations, one write at a time. */
  #record(): Promise<void> {
    this.#recordedAt = this.#context.now();
    this.#recording = this.#recording.then(() => this.#recordNow());
    return this.#recording;
  }

  async #recordNow(): Promise<void> {
    const { store, env, now } = this.#context;
    try {
      const session = store.load();
      if (session === null || session.recordedRev === session.rev) return;
      await recordActivation(env.DB, toProgress(session, now()));
      store.transact(() => store.save({ ...store.session(), recordedRev: session.rev }));
    } catch (error) {
      this.#log('warn', 'record_fault', { error: faultText(error) });
    }
  }

  #log(level: LogLevel, event: string, fields: LogFields): void {
    this.#context.log(level, event, { sliceId: this.#sliceId, ...fields });
  }
}

const restoredMessage = 'The database was restored. Run the reconciliation; then this activation continues.';
