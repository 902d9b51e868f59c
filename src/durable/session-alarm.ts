/**
 * SessionAlarm: the object's one alarm.
 *
 * Owns: when it is set, and that a session which should move has one. Never: what is done when it fires.
 * Invariant: while a slice runs its watchdog stands; the slice arms what comes after it.
 *
 * @module
 */
import { keyLivesUntil } from '../core/doubt.ts';
import type { Session } from '../core/session.ts';
import { nextRetention } from '../core/retention.ts';
import { nextWakeAt } from '../core/wake.ts';
import { retentionDays } from './retention.ts';
import type { SessionShell } from './session-shell.ts';

/** How soon the successor of a killed slice runs; DESIGN §6.4 allows five seconds. */
const watchdogMs = 2_000;
/** A running session whose alarm is overdue by this much has lost it. */
const overdueMs = 5_000;
/** Readers look after the alarm at most this often. */
const healIntervalMs = 2_000;
/** After its end a session hears of fates for days; the list of runs is told of them this late. */
const fateRecordMs = 60_000;

export class SessionAlarm {
  readonly #shell: SessionShell;
  readonly #isSliceRunning: () => boolean;
  #healedAt = 0;

  constructor(shell: SessionShell, isSliceRunning: () => boolean) {
    this.#shell = shell;
    this.#isSliceRunning = isSliceRunning;
  }

  /** Sets the successor of the alarm that has just fired, before anything else is done. */
  async watch(): Promise<void> {
    await this.#shell.alarms.setAlarm(this.#shell.now() + watchdogMs);
  }

  async clear(): Promise<void> {
    await this.#shell.alarms.deleteAlarm();
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
    if (at === null) await alarms.deleteAlarm();
    else await alarms.setAlarm(at);
  }

  /**
   * Whoever looks at a session that should move makes sure that it can.
   *
   * @param requestId - of who looks; for the log
   */
  async heal(requestId: string | null): Promise<void> {
    const { store, alarms, now, log } = this.#shell;
    const nowMs = now();
    const session = store.load();
    if (session === null || this.#isSliceRunning()) return;
    if (nowMs - this.#healedAt < healIntervalMs) return;
    this.#healedAt = nowMs;
    const alarmAt = await alarms.getAlarm();
    if (alarmAt !== null && alarmAt >= nowMs - overdueMs) return;
    if (session.finishedAt !== null) {
      // Only its retention is left; one that ended before there was any gets its alarm here.
      await this.arm(nowMs);
      return;
    }
    if (isAtRest(session) && session.probeAt === null && isTold(session)) return;
    log('warn', 'alarm_rearmed', { requestId, alarmAt });
    await this.arm(nowMs);
  }

  /** Fates have come in: a session at work records itself when its slice ends, one at rest must wake for it. */
  async wakeForFates(session: Session): Promise<void> {
    if (this.#isSliceRunning() || (session.finishedAt === null && session.state !== 'paused')) return;
    const { alarms, now } = this.#shell;
    const at = await alarms.getAlarm();
    const recordAt = now() + fateRecordMs;
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
