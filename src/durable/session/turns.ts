/**
 * SessionTurns: the pieces of work that must not overlap, which are an alarm and an erasure.
 *
 * Owns their order, the next step of retention, and the removal of the session. What an alarm does to batches is
 * session/slice.ts, when the next alarm fires session/alarm.ts.
 * Invariants: an alarm sets its successor before anything else; a session has its line in the CRM's list of activations as
 * long as it has rows, because an erasure of a person finds it by that.
 *
 * @module
 */
import type { Command } from '../../core/session/command.ts';
import { nextRetention } from '../../core/session/retention.ts';
import { isTakingBack } from '../../core/session/take-back.ts';
import { deleteActivation, markAnonymized, noteErased } from '../../crm/activations.ts';
import { classifyFault, faultText } from '../../runtime/faults.ts';
import { retentionDays } from '../../runtime/settings.ts';
import { stageOf } from '../../shared/progress.ts';
import type { SessionAlarm } from './alarm.ts';
import { followClock } from './clock.ts';
import { applyCommand } from './commands.ts';
import type { SessionContext } from './context.ts';
import type { SessionEvents } from './events.ts';
import type { SessionSlice } from './slice.ts';
import type { SessionTakeBack } from './take-back.ts';

export type EraseAnswer =
  { kind: 'erased' } | { kind: 'refused'; detail: string } | { kind: 'unknown_session' };

export interface TurnParts {
  alarm: SessionAlarm;
  slice: SessionSlice;
  takeBack: SessionTakeBack;
  events: SessionEvents;
  /** The name of the object; null where the platform does not say it. */
  sessionId: string | null;
  /** The session was removed: its streams end. */
  removed(sessionId: string): void;
}

const cancel: Command = { kind: 'cancel' };
const setGoingAgain: EraseAnswer = { kind: 'refused', detail: 'It was set going again meanwhile.' };

export class SessionTurns {
  readonly #context: SessionContext;
  readonly #parts: TurnParts;
  /** The last piece of work that was begun: an alarm's, or an erasure. */
  #turn: Promise<unknown> | null = null;
  #goingOn: Promise<void> | null = null;

  constructor(context: SessionContext, parts: TurnParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** Does what is due. A second call meanwhile waits for the first. */
  goOn(): Promise<void> {
    return (this.#goingOn ??= this.#alarmTurns().finally(() => (this.#goingOn = null)));
  }

  /**
   * Erases the session and ends its streams with `deleted`. A session that runs is refused: its rows are what keeps
   * its leads from being lost or mailed twice. A paused session is cancelled first, and it is erased once the leads
   * that it set active and did not mail are new again.
   *
   * @param by - who asks; for the timeline
   * @param requestId - of the Worker's request; for the log
   */
  async erase(by: string | null, requestId: string | null): Promise<EraseAnswer> {
    const { store, now, traits, log } = this.#context;
    const { alarm, slice } = this.#parts;
    if (followClock(this.#context)) await alarm.arm(now(), true);
    const session = store.load();
    if (session === null) return { kind: 'unknown_session' };
    const stage = stageOf(session);
    if (session.finishedAt === null && stage !== 'ahead' && stage !== 'halted') {
      return { kind: 'refused', detail: `It is ${session.state}; cancel it or wait for its end.` };
    }
    if (isTakingBack(session)) {
      return { kind: 'refused', detail: 'It is being taken back; wait until that has ended.' };
    }
    if (session.finishedAt === null) {
      applyCommand(store, cancel, by, now(), traits());
    }
    const meant = store.session().generation;
    // If this call breaks off, the alarm continues to make the leads new again.
    if (session.finishedAt === null) await alarm.watch();
    return this.#inTurn(async (): Promise<EraseAnswer> => {
      // Somebody has commanded something else while this waited for its turn.
      if ((store.load()?.generation ?? meant) !== meant) return setGoingAgain;
      if (store.load()?.finishedAt === null) await slice.run();
      if (store.load()?.finishedAt === null) {
        await alarm.arm(now());
        const detail =
          'It was cancelled, and its leads are being set back in the CRM. Erase it when that has ended.';
        return { kind: 'refused', detail };
      }
      if (!(await this.#remove(meant))) return setGoingAgain;
      log('info', 'session_erased', { requestId });
      return { kind: 'erased' };
    });
  }

  async #alarmTurns(): Promise<void> {
    for (;;) {
      // The successor first: the platform gives up an alarm after seven failed attempts.
      await this.#parts.alarm.watch();
      try {
        await this.#inTurn(() => this.#alarmTurn());
        return;
      } catch (error) {
        if (classifyFault(error).kind !== 'storage') throw error;
        // Storage failed during the work. `watch` waits until it is back, and the work continues from the rows.
        this.#context.log('warn', 'turn_fault', { error: faultText(error) });
      }
    }
  }

  /** Waits for the work before, and does this. */
  async #inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const before = this.#turn;
    // A fault of the earlier work is thrown to the caller of that work.
    const turn = (before ?? Promise.resolve()).catch(() => {}).then(work);
    this.#turn = turn;
    try {
      return await turn;
    } finally {
      if (this.#turn === turn) this.#turn = null;
    }
  }

  async #alarmTurn(): Promise<void> {
    const { store, now } = this.#context;
    const { alarm, slice, takeBack, events, sessionId } = this.#parts;
    // It was set back while this turn waited for another one.
    if (followClock(this.#context)) await alarm.watch();
    if (store.load() === null) {
      // A removal that broke off after the rows has left the line.
      if (sessionId !== null && store.wasErased()) await this.#deleteLine(sessionId);
      else await alarm.clear();
      return;
    }
    if ((await this.#retain()) === 'removed') return;
    await events.refresh();
    await takeBack.goOn();
    if ((await slice.run()) === 'superseded') return;
    await events.tell();
    await alarm.arm(now());
  }

  /** Takes the next step of retention, if it is due. */
  async #retain(): Promise<'kept' | 'removed'> {
    const { store, env, now, settings, log, waitUntil } = this.#context;
    const session = store.session();
    const step = nextRetention(session, retentionDays(settings()));
    if (step === null || step.at > now()) return 'kept';
    log('info', `session_${step.kind}d`, {});
    if (step.kind === 'remove') return (await this.#remove(session.generation)) ? 'removed' : 'kept';
    store.transact(() => store.anonymize(now()));
    // If the database does not store this, later erasures still call this session, which costs a call each.
    const { sessionId } = session.spec;
    waitUntil(markAnonymized(env.DB, sessionId, now()).catch(() => undefined));
    return 'kept';
  }

  /**
   * Removes the session: its rows, and then its line in the list of activations. Where it breaks off between the two, the
   * alarm deletes the line, or whoever erases it again, or the cron of the night.
   *
   * @param generation - of the session that is meant
   * @returns false when a command came in meanwhile; then only the CRM has noted the id
   */
  async #remove(generation: number): Promise<boolean> {
    const { store, env } = this.#context;
    const { alarm, slice, removed } = this.#parts;
    const session = store.load();
    if (session === null) return true;
    const { sessionId } = session.spec;
    // A record that is on its way would put the line back that is deleted here.
    await slice.recorded();
    // Before the rows: without them nothing else would keep the id from being started again.
    await noteErased(env.DB, sessionId);
    if (store.load()?.generation !== generation) return false;
    // In the same turn, because `deleteAll` deletes the alarm too.
    await Promise.all([store.deleteAll(), alarm.watch()]);
    removed(sessionId);
    await this.#deleteLine(sessionId);
    return true;
  }

  /** Deletes the line of a session that has no rows; if the database does not do it, the alarm tries again. */
  async #deleteLine(sessionId: string): Promise<void> {
    const { env, log } = this.#context;
    try {
      await deleteActivation(env.DB, sessionId);
    } catch (error) {
      log('warn', 'line_not_deleted', { error: faultText(error) });
      return;
    }
    await this.#parts.alarm.clear();
  }
}
