/**
 * Commands: what a person may tell a session to do, and when a command is refused.
 *
 * Owns the transitions that people cause; a refusal has a sentence for the person. The batches that a command concerns
 * are changed in durable/session/commands.ts, the session's own transitions are session.ts and limits/breaker.ts.
 * Invariants: the same command again changes nothing; every change raises the generation, which a running slice
 * checks in the transaction of each of its writes.
 *
 * @module
 */
import type { ResolvedSchedule } from '../../shared/schedule/schedule.ts';
import type { SendingWindow } from '../../shared/schedule/sending-window.ts';
import { endPlan, isHalted, touch, type Chore, type Session, type SessionSpec } from './session.ts';
import { isWatching, presentWave } from './wave-gate.ts';
import { goOnWithWave } from './waves.ts';

const anonymizedDetail =
  'It ended so long ago that its recipients have been removed; only its numbers are left.';

const awaitingDetail =
  'Another person has to approve it first. Until then nothing is done; it can be cancelled.';
/** Its leads are not its own any more: another activation may have mailed them since. */
const takenBackDetail =
  'It was taken back, so none of its mail is sent again. Start a new activation for these leads.';

const heldDetail =
  'A limit of its present wave is broken, so nothing leaves. Go on with the next wave, or cancel it.';

export type Command =
  | { kind: 'pause' }
  | { kind: 'resume' }
  /** `isUndo`: only as long as nothing has happened yet. */
  | { kind: 'cancel'; isUndo?: true }
  | { kind: 'retry'; outcome: 'failed' | 'unknown' }
  /** Ask the provider about unknown mail, under the keys that it was sent with. */
  | { kind: 'check' }
  | { kind: 'assumeSent' }
  /** Begins a scheduled session now. `startsAt`: until then it can be undone. */
  | { kind: 'startNow'; startsAt: number }
  /**
   * Goes on from the wave `after`, which is held or watched. `hold`: from this hold of it only, 0: only if it is not held.
   */
  | { kind: 'nextWave'; after: number; hold?: number; by: string }
  /** Changes what is given: the start time of a session that has not begun, or its window; null: none any more. */
  | {
      kind: 'reschedule';
      time?: Pick<ResolvedSchedule, 'at' | 'zone' | 'startAt'>;
      window?: SendingWindow | null;
    };

export type CommandDecision =
  /** The session is already in the requested state. */
  { kind: 'unchanged' } | { kind: 'refused'; detail: string } | { kind: 'changed'; session: Session };

/**
 * What a person's command does to the session; the store changes the batches it speaks of.
 *
 * @param isCheckable - whether there is mail that the provider can still be asked about
 */
export function decideCommand(
  session: Session,
  command: Command,
  nowMs: number,
  isCheckable = false,
): CommandDecision {
  const isOver = session.finishedAt !== null;
  const changed = (change: Partial<Session>): CommandDecision => ({
    kind: 'changed',
    session: touch(session, nowMs, { generation: session.generation + 1, ...change }),
  });
  const refused = (detail: string): CommandDecision => ({ kind: 'refused', detail });
  const stopped = {
    probeAt: null,
    waitingUntil: null,
    isChecking: false,
    chore: session.chore?.kind === 'check' ? null : session.chore,
    samples: [],
  };
  const reopened = {
    state: 'running',
    reason: null,
    isChecking: false,
    refusalScore: 0,
    outageSince: null,
    // One that was paused before its first slice begins here.
    startedAt: session.startedAt ?? nowMs,
    finishedAt: null,
    probeAt: null,
    waitingUntil: null,
    faultStreak: 0,
    lastError: null,
    progressedAt: nowMs,
    samples: [],
  } as const satisfies Partial<Session>;
  switch (command.kind) {
    case 'pause':
      if (session.state === 'paused' && session.reason === 'user' && !session.isChecking)
        return { kind: 'unchanged' };
      if (isOver || session.state === 'cancelled')
        return refused(`It is ${session.state}; there is nothing to pause.`);
      if (session.state === 'awaiting_approval') return refused(awaitingDetail);
      if (session.state === 'wave_held') return refused(heldDetail);
      if (isBeforeStart(session))
        return refused(
          'It has not begun, so there is nothing to pause. Change its start time, or cancel it.',
        );
      return changed({ ...stopped, state: 'paused', reason: 'user' });
    case 'resume':
      if (session.state === 'running' || session.state === 'queued') return { kind: 'unchanged' };
      if (session.state === 'awaiting_approval') return refused(awaitingDetail);
      if (session.state === 'scheduled')
        return refused('It has not begun. Start it now, or change its start time.');
      if (session.state === 'wave_held') return refused(heldDetail);
      if (session.state !== 'paused') return refused(`It is ${session.state}; there is nothing to resume.`);
      return changed({ ...reopened, ...acknowledge(session), spec: setGoing(session.spec, nowMs) });
    case 'cancel':
      // A repeated command stops a check that a person has started since.
      if (session.state === 'cancelled') return session.isChecking ? changed(stopped) : { kind: 'unchanged' };
      if (isOver) return refused(`It is ${session.state}; there is nothing left to cancel.`);
      if (command.isUndo === true) {
        if (session.startedAt !== null)
          return refused('It has started. Pause it, or cancel what is left of it.');
        // What was started before its time goes back to it.
        if (session.state === 'scheduled') return { kind: 'unchanged' };
        const { schedule, startsAt } = session.spec;
        // One that waits for an approval must not begin at its time.
        if (session.state !== 'awaiting_approval' && schedule !== undefined && startsAt !== undefined) {
          const spec = { ...session.spec };
          delete spec.startsAt;
          return schedule.startAt > nowMs
            ? changed({ spec, state: 'scheduled', reason: null })
            : changed({ ...stopped, spec, state: 'paused', reason: 'schedule_missed' });
        }
      }
      return changed({
        state: 'cancelled',
        reason: null,
        ...stopped,
        cancelledAt: nowMs,
        chore: null,
        ...endPlan(session),
      });
    case 'retry':
    case 'check':
    case 'assumeSent': {
      if (session.spec.reducedAt !== undefined) return refused(anonymizedDetail);
      if (session.takeBack !== null && command.kind !== 'assumeSent') return refused(takenBackDetail);
      const kind = choreOf(command);
      if (session.chore !== null) {
        return session.chore.kind === kind
          ? { kind: 'unchanged' }
          : refused('An earlier command is still being carried out; wait until its numbers stand still.');
      }
      if (command.kind === 'assumeSent') {
        if (session.counts.unknown === 0) return refused('No mail is unknown; there is nothing to assume.');
        return changed({});
      }
      if (!isOver && session.state === 'cancelled') {
        return refused('It is being cancelled; wait until what was on its way has settled.');
      }
      if (command.kind === 'check') {
        if (!isCheckable)
          return refused('There is no unknown mail that the mail provider can still be asked about.');
        // A stopped session stays stopped: only checked batches leave.
        if (session.state === 'cancelled')
          return changed({ finishedAt: null, isChecking: true, lastError: null });
        if (isHalted(session)) return changed({ isChecking: true });
        return changed(reopened);
      }
      if (session.counts[command.outcome] === 0)
        return refused(`No mail is ${command.outcome}; there is nothing to retry.`);
      // A paused session stays paused, a held one held: the retried mail waits with the rest.
      return changed(isHalted(session) ? {} : reopened);
    }
    case 'startNow': {
      if (session.state === 'queued' || session.state === 'running') return { kind: 'unchanged' };
      if (session.state === 'awaiting_approval') return refused(awaitingDetail);
      if (!isBeforeStart(session))
        return refused(`It is ${session.state}; only a scheduled activation can be started.`);
      const spec = { ...session.spec, startsAt: command.startsAt };
      return changed({ spec, state: 'queued', reason: null, progressedAt: nowMs });
    }
    case 'nextWave': {
      const wave = presentWave(session);
      if (wave === null) return refused('It has no waves.');
      if (isOver || session.state === 'cancelled') return refused(`It is ${session.state}; no wave follows.`);
      // Said again: it has gone on from there.
      if (command.after < wave.number) return { kind: 'unchanged' };
      if (command.after > wave.number) return refused(`Wave ${wave.number} is the present one.`);
      if (command.hold !== undefined) {
        const { holdCount = 0 } = session.waves ?? {};
        if (command.hold > holdCount) return refused(`It was held ${holdCount} times until now.`);
        const isMeant = command.hold === (session.state === 'wave_held' ? holdCount : 0);
        // Said again, also where the wave has been held once more since.
        if (!isMeant && command.hold > 0) return { kind: 'unchanged' };
        if (!isMeant)
          return refused(`Wave ${wave.number} was held meanwhile. Look at the figure before you go on.`);
      }
      if (session.state === 'wave_held') {
        return changed({
          ...reopened,
          ...goOnWithWave(session, command.by, nowMs),
          acknowledged: seenDeliveries(session),
        });
      }
      if (session.state === 'paused') return refused('It is paused. Resume it first.');
      if (!isWatching(session)) {
        return wave.passedBy === command.by && wave.settledAt === null
          ? { kind: 'unchanged' }
          : refused(`Wave ${wave.number} is not settled yet. When it is, go on before its watch ends.`);
      }
      return changed({
        ...goOnWithWave(session, command.by, nowMs),
        progressedAt: nowMs,
        waitingUntil: null,
      });
    }
    case 'reschedule':
      return reschedule(session, command, nowMs, { changed, refused });
    default:
      return command satisfies never;
  }
}

/** Whoever resumes a scheduled session has set it going, however late that is. */
function setGoing(spec: SessionSpec, nowMs: number): SessionSpec {
  return spec.schedule === undefined ? spec : { ...spec, startsAt: spec.startsAt ?? nowMs };
}

/** True for a session that waits for its start time, or has missed it. */
export function isBeforeStart({ state, reason }: Pick<Session, 'state' | 'reason'>): boolean {
  return state === 'scheduled' || (state === 'paused' && reason === 'schedule_missed');
}

function reschedule(
  session: Session,
  { time, window }: Extract<Command, { kind: 'reschedule' }>,
  nowMs: number,
  {
    changed,
    refused,
  }: {
    changed: (change: Partial<Session>) => CommandDecision;
    refused: (detail: string) => CommandDecision;
  },
): CommandDecision {
  if (session.finishedAt !== null || session.state === 'cancelled')
    return refused(`It is ${session.state}; nothing more is sent.`);
  const { schedule } = session.spec;
  const spec = { ...session.spec };
  const isNewTime = time !== undefined && (time.at !== schedule?.at || time.zone !== schedule.zone);
  const isNewWindow = window !== undefined && !isSameWindow(window, session.spec.window ?? null);
  if (!isNewTime && !isNewWindow) return { kind: 'unchanged' };
  if (session.spec.approval !== undefined && session.startedAt !== null)
    return refused(
      'It was approved with these times, and it has begun. Pause it, or cancel it and start the rest anew.',
    );
  if (isNewTime) {
    const isBefore = isBeforeStart(session) || session.state === 'awaiting_approval';
    if (!isBefore || schedule === undefined)
      return refused('It has begun, so its start time can no longer be changed. Pause it instead.');
    spec.schedule = { ...schedule, ...time };
  }
  if (window === null) delete spec.window;
  else if (isNewWindow) spec.window = window;
  // It may wait for the window that it had.
  const waited = isNewWindow && session.waitingFor?.kind === 'window';
  return changed({
    spec,
    progressedAt: nowMs,
    ...(isNewTime
      ? { lateFrom: null }
      : isNewWindow
        ? { lateFrom: Math.max(session.lateFrom ?? 0, nowMs) }
        : {}),
    ...(isNewTime && session.state !== 'awaiting_approval' ? { state: 'scheduled', reason: null } : {}),
    ...(waited ? { waitingUntil: null, waitingFor: null } : {}),
  });
}

function isSameWindow(one: SendingWindow | null, other: SendingWindow | null): boolean {
  if (one === null || other === null) return one === other;
  const days = (window: SendingWindow): string => [...window.days].sort().join();
  return (
    one.zone === other.zone &&
    one.from === other.from &&
    one.until === other.until &&
    days(one) === days(other)
  );
}

/** What a command does to batches, where it speaks of them one by one. */
export function choreOf(
  command: Extract<Command, { kind: 'retry' | 'check' | 'assumeSent' }>,
): Chore['kind'] {
  if (command.kind !== 'retry') return command.kind;
  return command.outcome === 'failed' ? 'retryFailed' : 'retryUnknown';
}

/**
 * A person who resumes after a pause by the reputation guard has seen the numbers: they do not pause the session
 * again.
 */
function acknowledge(session: Session): Pick<Session, 'acknowledged'> | null {
  if (session.reason !== 'bounce_rate' && session.reason !== 'complaint_rate') return null;
  return { acknowledged: seenDeliveries(session) };
}

function seenDeliveries({ delivered, bounced, complained }: Session): Session['acknowledged'] {
  return { delivered, bounced, complained };
}
