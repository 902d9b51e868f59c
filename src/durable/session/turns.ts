/**
 * SessionTurns: the pieces of work that must not overlap, which are an alarm and an erasure.
 *
 * Owns their order, the next step of retention, and the removal of the session. What an alarm does to batches is
 * session/slice.ts, when the next alarm fires session/alarm.ts.
 * Invariants: an alarm sets its successor before anything else; a removal that has begun goes on by the alarm, and knows
 * nobody any more (decision 52).
 *
 * @module
 */
import type { Command } from '../../core/session/command.ts';
import { nextRetention } from '../../core/session/retention.ts';
import { isTakingBack } from '../../core/session/take-back.ts';
import { deleteActivation, markAnonymized } from '../../crm/activations.ts';
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
  /** The session was removed: its streams end. */
  removed(sessionId: string): void;
}

const cancel: Command = { kind: 'cancel' };

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
    const isSetBack = followClock(this.#context);
    const session = store.load();
    if (session === null) return { kind: 'unknown_session' };
    if (isSetBack) await alarm.arm(now());
    const stage = stageOf(session);
    if (session.finishedAt === null && stage !== 'ahead' && stage !== 'halted') {
      return { kind: 'refused', detail: `It is ${session.state}; cancel it or wait for its end.` };
    }
    if (isTakingBack(session)) {
      return { kind: 'refused', detail: 'It is being taken back; wait until that has ended.' };
    }
    if (session.finishedAt === null) {
      applyCommand(store, cancel, by, now(), traits());
      // If this call breaks off, the alarm continues to make the leads new again.
      await alarm.watch();
    }
    return this.#inTurn(async (): Promise<EraseAnswer> => {
      if (store.load()?.finishedAt === null) await slice.run();
      if (store.load()?.finishedAt === null) {
        await alarm.arm(now());
        const detail =
          'It was cancelled, and its leads are being set back in the CRM. Erase it when that has ended.';
        return { kind: 'refused', detail };
      }
      if (!(await this.#remove())) return { kind: 'refused', detail: 'It was set going again meanwhile.' };
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
    const { alarm, slice, takeBack, events } = this.#parts;
    followClock(this.#context);
    if (store.load() === null) {
      await alarm.clear();
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
    const step = nextRetention(store.session(), retentionDays(settings()));
    if (step === null || step.at > now()) return 'kept';
    log('info', `session_${step.kind}d`, {});
    if (step.kind === 'remove') return (await this.#remove()) ? 'removed' : 'kept';
    store.transact(() => store.anonymize(now()));
    // If the database does not store this, later erasures still call this session, which costs a call each.
    const { sessionId } = store.session().spec;
    waitUntil(markAnonymized(env.DB, sessionId, now()).catch(() => undefined));
    return 'kept';
  }

  /**
   * Removes the session: first whom it mailed, in one transaction, then its line in the list of activations, then all rows.
   * Where it breaks off, the alarm goes on with it.
   *
   * @returns false when a command came in meanwhile; then nothing has changed
   */
  async #remove(): Promise<boolean> {
    const { store, env, now } = this.#context;
    const { alarm, slice, removed } = this.#parts;
    const session = store.load();
    if (session === null) return true;
    const { spec, generation } = session;
    // A record that is on its way would put the line back that is deleted here.
    await slice.recorded();
    await alarm.watch();
    const isBegun = store.transact(() => {
      if (store.session().generation !== generation) return false;
      // No erasure of a person finds a session without a line.
      store.beginErasure(now());
      return true;
    });
    if (!isBegun) return false;
    await deleteActivation(env.DB, spec.sessionId);
    // The alarm last: it finds nothing afterwards and clears itself.
    await store.deleteAll();
    await alarm.clear();
    removed(spec.sessionId);
    return true;
  }
}
