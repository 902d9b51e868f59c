/**
 * SessionAlarm: the object's one alarm.
 *
 * Owns when it is set, and that a session which should move has one. What happens when it fires is in turns.ts.
 * Invariant: while a slice runs its watchdog is set; the end of the slice sets the next alarm.
 *
 * @module
 */
import { keyLivesUntil } from '../../core/batch/doubt.ts';
import { isHalted, windowOpensAt, type Session } from '../../core/session/session.ts';
import { hasLeadsToPlan } from '../../core/session/waves.ts';
import { longestWaitMs } from '../../core/clock.ts';
import { nextRetention } from '../../core/session/retention.ts';
import { isTakingBack } from '../../core/session/take-back.ts';
import { nextWakeAt } from '../../core/session/wake.ts';
import { atStorage, faultText } from '../../runtime/faults.ts';
import { retentionDays } from '../../runtime/settings.ts';
import { onceStorageIsThere } from '../storage-wait.ts';
import { followClock } from './clock.ts';
import type { SessionContext } from './context.ts';

/** How soon the successor of a killed slice runs. docs/RELIABILITY.md promises five seconds. */
const watchdogMs = 2_000;
/** A running session whose alarm is overdue by this much has lost it. */
const overdueMs = 5_000;
/** Readers check the alarm at most this often. */
const checkIntervalMs = 2_000;
/** Delivery events come for days after the end; the list of activations has them within five seconds. */
const deliveryRecordMs = 3_000;

export class SessionAlarm {
  readonly #context: SessionContext;
  readonly #isSliceRunning: () => boolean;
  #checkedAt = 0;
  /** When the alarm fires that records delivery events of a session that has ended. */
  #recordAt = 0;

  constructor(context: SessionContext, isSliceRunning: () => boolean) {
    this.#context = context;
    this.#isSliceRunning = isSliceRunning;
  }

  /**
   * Sets the successor of the alarm that has just fired, before anything else is done; waits for storage.
   *
   * @throws as {@link onceStorageIsThere} does
   */
  watch(): Promise<void> {
    this.#recordAt = 0;
    const { alarms, now } = this.#context;
    return onceStorageIsThere(this.#context, () => alarms.setAlarm(now() + watchdogMs));
  }

  async clear(): Promise<void> {
    await atStorage(() => this.#context.alarms.deleteAlarm());
  }

  /**
   * Sets the next alarm, or none.
   *
   * @param isSetBack - true where {@link followClock} has just found that the clock was set back
   */
  async arm(nowMs: number, isSetBack = false): Promise<void> {
    const { store, alarms, settings } = this.#context;
    // A slice sets the next alarm when it ends. Until then its watchdog stays, also for a session that was just
    // paused: its calls still have to be settled. One of the old clock would be too late.
    if (this.#isSliceRunning()) {
      if (isSetBack) await atStorage(() => alarms.setAlarm(nowMs + watchdogMs));
      return;
    }
    this.#recordAt = 0;
    const session = store.session();
    const at = nextWakeAt(
      {
        session,
        isWorkDue: hasLeadsToPlan(session) || store.batches.hasPending(),
        nextAttemptAt: store.batches.nextAttemptAt(session.isChecking),
        keyDiesAt: this.#keyDiesAt(session),
        isRecorded: isTold(session, nowMs) && store.outbox.isTold,
        retentionAt: nextRetention(session, retentionDays(settings()))?.at ?? null,
      },
      nowMs,
    );
    await atStorage(() => (at === null ? alarms.deleteAlarm() : alarms.setAlarm(at)));
  }

  /**
   * Sets the alarm again where a session that should move has lost it. Every read calls this; a fault of it is
   * logged and does not fail the read.
   *
   * @param requestId - of the read; for the log
   * @param isSure - it may have been looked at a moment ago
   * @returns true when the session had lost it
   */
  async ensureAlarm(requestId: string | null, isSure = false): Promise<boolean> {
    const { store, now, log } = this.#context;
    // No await before this: most calls end here.
    if (store.load() === null) return false;
    const nowMs = now();
    // `#checkedAt` is ahead of now if the clock was set back since.
    if (!isSure && nowMs >= this.#checkedAt && nowMs - this.#checkedAt < checkIntervalMs) return false;
    this.#checkedAt = nowMs;
    try {
      if (followClock(this.#context)) await this.arm(nowMs, true);
      else if (!this.#isSliceRunning()) return await this.#rearmIfLost(requestId, nowMs);
    } catch (error) {
      log('warn', 'alarm_check_fault', { requestId, error: faultText(error) });
    }
    return false;
  }

  async #rearmIfLost(requestId: string | null, nowMs: number): Promise<boolean> {
    const { store, alarms, log } = this.#context;
    const alarmAt = await alarms.getAlarm();
    const session = store.load();
    if (session === null || this.#isSliceRunning()) return false;
    const isEverythingTold = isTold(session, nowMs) && store.outbox.isTold;
    const isOnlyRetained = session.finishedAt !== null && isEverythingTold && !isTakingBack(session);
    // An alarm further ahead than any wait was set by another clock, or for retention before something else came.
    const latest = isOnlyRetained ? Infinity : nowMs + longestWaitMs(session, nowMs);
    if (alarmAt !== null && alarmAt >= nowMs - overdueMs && alarmAt <= latest) return false;
    if (session.finishedAt !== null) {
      // A session that ended in a version without retention gets its alarm here.
      await this.arm(nowMs);
      return false;
    }
    if (isAtRest(session) && session.probeAt === null && isEverythingTold) return false;
    log('warn', 'alarm_rearmed', { requestId, alarmAt });
    await this.arm(nowMs);
    return true;
  }

  /** True when a session that has not ended has an alarm that should have fired. */
  async isOverdue(): Promise<boolean> {
    const { store, alarms, now } = this.#context;
    const session = store.load();
    if (session === null || session.finishedAt !== null || this.#isSliceRunning()) return false;
    const alarmAt = await alarms.getAlarm();
    return alarmAt !== null && alarmAt < now() - overdueMs;
  }

  /** Wakes a session that is at rest, so that it records new delivery events. A slice records them when it ends. */
  async wakeForDeliveries(session: Session): Promise<void> {
    if (this.#isSliceRunning()) return;
    const { alarms, now } = this.#context;
    const nowMs = now();
    const recordAt = nowMs + deliveryRecordMs;
    if (session.finishedAt !== null) {
      // Set in the turn that wrote the events: nothing but this alarm would ever record them, so a death between the
      // two must lose both. Later events do not put it off.
      if (this.#recordAt > nowMs && this.#recordAt <= recordAt) return;
      this.#recordAt = recordAt;
      try {
        await alarms.setAlarm(recordAt);
      } catch (error) {
        // Otherwise the next event would take this alarm for one that is set.
        this.#recordAt = 0;
        throw error;
      }
      return;
    }
    const at = await alarms.getAlarm();
    if (at === null || at > recordAt) await alarms.setAlarm(recordAt);
  }

  /** When the first key of a halted session's mail in doubt expires. */
  #keyDiesAt(session: Session): number | null {
    if (!isHalted(session) || session.isChecking) return null;
    const since = this.#context.store.batches.firstDoubtAt();
    return since === null ? null : (keyLivesUntil(since, this.#context.traits()) ?? this.#context.now());
  }
}

/** True when the CRM has the session's last progress and all leads that it gave back. */
function isTold(session: Session, nowMs: number): boolean {
  const isHeld = isHalted(session) || windowOpensAt(session, nowMs) !== null;
  const mustGiveBack = isHeld && session.finishedAt === null && session.mayBeFlipped;
  return session.recordedRev === session.rev && !mustGiveBack;
}

function isAtRest(session: Session): boolean {
  return isHalted(session) && !session.isChecking && session.chore === null;
}
