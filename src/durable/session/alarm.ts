/**
 * SessionAlarm: the object's one alarm.
 *
 * Owns: when it is set, and that a session which should move has one. Never: what is done when it fires.
 * Invariant: while a slice runs its watchdog stands; the slice arms what comes after it.
 *
 * @module
 */
import { keyLivesUntil } from '../../core/batch/doubt.ts';
import type { Session } from '../../core/session/session.ts';
import { longestWaitMs } from '../../core/clock.ts';
import { nextRetention } from '../../core/session/retention.ts';
import { nextWakeAt } from '../../core/session/wake.ts';
import { atStorage, classifyFault, faultText } from '../../runtime/faults.ts';
import { retentionDays } from '../../runtime/settings.ts';
import { followClock } from './clock.ts';
import type { SessionContext } from './context.ts';

/** How soon the successor of a killed slice runs; DESIGN §6.4 allows five seconds. */
const watchdogMs = 2_000;
/** A running session whose alarm is overdue by this much has lost it. */
const overdueMs = 5_000;
/** Readers look after the alarm at most this often. */
const healIntervalMs = 2_000;
/** After its end a session hears of fates for days; the list of activations has them within five seconds. */
const deliveryRecordMs = 3_000;
/** How soon storage that did not take the next alarm is asked again. */
const storageRetryMs = 1_000;
/** Shorter than the 15 minutes that an alarm may take, so that it is our word that ends it. */
const maxStorageWaitMs = 600_000;

export class SessionAlarm {
  readonly #shell: SessionContext;
  readonly #isSliceRunning: () => boolean;
  #healedAt = 0;

  constructor(shell: SessionContext, isSliceRunning: () => boolean) {
    this.#shell = shell;
    this.#isSliceRunning = isSliceRunning;
  }

  /**
   * Sets the successor of the alarm that has just fired, before anything else is done.
   *
   * Where storage takes no write it waits here: the alarm is still being handled then, and the platform's
   * retries, which end after seven, are not used up. It also goes on within a second of storage's return.
   *
   * @throws when storage has been away for too long, or this object is being replaced
   */
  async watch(): Promise<void> {
    const { alarms, now, sleep, log } = this.#shell;
    for (let waitedMs = 0; ; waitedMs += storageRetryMs) {
      try {
        await alarms.setAlarm(now() + watchdogMs);
        return;
      } catch (error) {
        const { kind } = classifyFault(error);
        const isPassing = kind === 'storage' || kind === 'transient';
        if (!isPassing || waitedMs >= maxStorageWaitMs) throw error;
        if (waitedMs === 0) log('warn', 'storage_away', { error: faultText(error) });
      }
      await sleep(storageRetryMs);
    }
  }

  async clear(): Promise<void> {
    await atStorage(() => this.#shell.alarms.deleteAlarm());
  }

  /** Sets the next alarm, or none. */
  async arm(nowMs: number): Promise<void> {
    // A slice that runs arms for itself when it ends; till then its watchdog stands, also for a run that was
    // just paused: what is on its way has still to be settled.
    if (this.#isSliceRunning()) return;
    const { store, alarms, settings } = this.#shell;
    const session = store.session();
    const at = nextWakeAt(
      {
        session,
        isWorkDue: !session.plan.isDone || store.batches.hasPending(),
        nextAttemptAt: store.batches.nextAttemptAt(session.isChecking),
        keyDiesAt: this.#keyDiesAt(session),
        isRecorded: isTold(session),
        retentionAt: nextRetention(session, retentionDays(settings()))?.at ?? null,
      },
      nowMs,
    );
    await atStorage(() => (at === null ? alarms.deleteAlarm() : alarms.setAlarm(at)));
  }

  /**
   * Whoever looks at a session that should move makes sure that it can. What goes wrong with that is logged:
   * it is no reason to refuse the look.
   *
   * @param requestId - of who looks; for the log
   */
  async ensureAlarm(requestId: string | null): Promise<void> {
    const { store, now, log } = this.#shell;
    // Without an await: most looks find nothing to do.
    if (store.load() === null) return;
    const nowMs = now();
    // Ahead of now: the clock was set back since.
    if (nowMs >= this.#healedAt && nowMs - this.#healedAt < healIntervalMs) return;
    this.#healedAt = nowMs;
    try {
      if (followClock(this.#shell)) await this.arm(nowMs);
      else if (!this.#isSliceRunning()) await this.#healAlarm(requestId, nowMs);
    } catch (error) {
      log('warn', 'heal_fault', { requestId, error: faultText(error) });
    }
  }

  async #healAlarm(requestId: string | null, nowMs: number): Promise<void> {
    const { store, alarms, log } = this.#shell;
    const alarmAt = await alarms.getAlarm();
    const session = store.load();
    if (session === null || this.#isSliceRunning()) return;
    // Nor is one healthy that is further ahead than anything can be; a retention is, and may be.
    const latest = session.finishedAt === null ? nowMs + longestWaitMs(session) : Infinity;
    if (alarmAt !== null && alarmAt >= nowMs - overdueMs && alarmAt <= latest) return;
    if (session.finishedAt !== null) {
      // Only its retention is left; one that ended before there was any gets its alarm here.
      await this.arm(nowMs);
      return;
    }
    if (isAtRest(session) && session.probeAt === null && isTold(session)) return;
    log('warn', 'alarm_rearmed', { requestId, alarmAt });
    await this.arm(nowMs);
  }

  /** True when a session that has not ended has an alarm that should have fired. */
  async isOverdue(): Promise<boolean> {
    const { store, alarms, now } = this.#shell;
    const session = store.load();
    if (session === null || session.finishedAt !== null || this.#isSliceRunning()) return false;
    const alarmAt = await alarms.getAlarm();
    return alarmAt !== null && alarmAt < now() - overdueMs;
  }

  /** Fates have come in: a session at work records itself when its slice ends, one at rest must wake for it. */
  async wakeForDeliveries(session: Session): Promise<void> {
    if (this.#isSliceRunning() || (session.finishedAt === null && session.state !== 'paused')) return;
    const { alarms, now } = this.#shell;
    const at = await alarms.getAlarm();
    const recordAt = now() + deliveryRecordMs;
    if (at === null || at > recordAt) await alarms.setAlarm(recordAt);
  }

  /** When the first key dies of what a paused session has in doubt. */
  #keyDiesAt(session: Session): number | null {
    if (session.state !== 'paused' || session.isChecking) return null;
    const since = this.#shell.store.batches.firstDoubtAt();
    return since === null ? null : (keyLivesUntil(since, this.#shell.traits()) ?? this.#shell.now());
  }
}

/** True when the CRM has been told all: the session's last word, and which leads are not active after all. */
function isTold(session: Session): boolean {
  const mustGiveBack = session.state === 'paused' && session.finishedAt === null && session.mayBeFlipped;
  return session.recordedRev === session.rev && !mustGiveBack;
}

function isAtRest(session: Session): boolean {
  return session.state === 'paused' && !session.isChecking && session.chore === null;
}
