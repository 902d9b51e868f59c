/**
 * The begin of a scheduled session: when it is due, and when a person is asked instead.
 *
 * Owns the transition out of `scheduled` that time causes; those that people cause are session/command.ts. No clock.
 * Invariant: nothing is set going before its time, and nothing by itself long after it.
 *
 * @module
 */
import { newWaves } from '../session/wave-plan.ts';
import { endPlan, touch, windowOpensAt, type Session } from '../session/session.ts';

/** Mail that was meant for the morning may be wrong in the afternoon, so a person decides. */
export const maxLateMs = 3_600_000;

/**
 * The session at this moment: set going when it is due, paused when its time was missed, otherwise as it is.
 * After an hour it was missed: the alarm was lost, or storage or the database was away.
 */
export function beginScheduled(session: Session, nowMs: number): Session {
  const startAt = session.spec.schedule?.startAt;
  if (session.state !== 'scheduled' || startAt === undefined || nowMs < startAt) return session;
  const begun = { waitingUntil: null, progressedAt: nowMs };
  return nowMs - startAt > maxLateMs
    ? touch(session, nowMs, { ...begun, state: 'paused', reason: 'schedule_missed' })
    : touch(session, nowMs, { ...begun, state: 'queued', reason: null });
}

/**
 * The session paused when its first mail would leave long after its time: the database, or a restore, kept it waiting since
 * it was set going, or its alarm was lost. What a person set going, a closed window, and the day's cap are no reason.
 *
 * @param hasLeft - true when a call was made for it
 */
export function pauseIfMissed(session: Session, nowMs: number, hasLeft: () => boolean): Session {
  const { schedule, startsAt } = session.spec;
  if (schedule === undefined || startsAt !== undefined) return session;
  if (session.state !== 'queued' && session.state !== 'running') return session;
  const from = Math.max(schedule.startAt, session.lateFrom ?? 0);
  const dueAt = windowOpensAt(session, from) ?? from;
  return nowMs - dueAt > maxLateMs && !hasLeft()
    ? touch(session, nowMs, { waitingUntil: null, state: 'paused', reason: 'schedule_missed' })
    : session;
}

/**
 * The session with the audience that matches at its start.
 *
 * @param audience - as the CRM has it now; a total of 0: nobody matches, and the session ends
 */
export function freezeAudience(
  session: Session,
  { maxLeadId, total, revision }: { maxLeadId: number; total: number; revision: number },
  nowMs: number,
): Session {
  const { spec } = session;
  const schedule = spec.schedule === undefined ? {} : { schedule: { ...spec.schedule, frozenAt: nowMs } };
  const frozen: Session = {
    ...session,
    spec: { ...spec, ...schedule, maxLeadId, total, revision },
    total,
    // Nothing has been planned yet.
    waves: spec.waves === undefined ? null : newWaves(spec.waves, total),
  };
  return touch(frozen, nowMs, total === 0 ? endPlan(frozen) : {});
}
