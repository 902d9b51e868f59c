/**
 * When a session's alarm must fire next.
 *
 * Pure: everything it depends on is an argument, so each case is a line in a table of tests.
 * Invariant: a session with work left always has a time; one without has none (an alarm kept for ever
 * costs money for ever), but for its history and its retention.
 *
 * @module
 */
import { longestWaitMs } from '../clock.ts';
import { undoUntil, workMode, type Session } from './session.ts';

export interface WakeView {
  session: Session;
  /** A batch could be sent now, or leads wait to be planned. */
  isWorkDue: boolean;
  /** The earliest time that a waiting batch is due; while only a check goes on, one that is checked. */
  nextAttemptAt: number | null;
  /** When the first key of what is in doubt dies; asked of a paused session only. */
  keyDiesAt: number | null;
  /** True when the CRM is up to date: the row in the list of activations, and the leads that were given back. */
  isRecorded: boolean;
  /** When the next step of retention is due; null while the session has not ended. */
  retentionAt: number | null;
}

/** How soon the last progress is recorded. The list is to have it within five seconds, also if one write fails. */
export const recordRetryMs = 2_000;

/** Epoch ms of the next alarm, or null when nothing will ever have to be done by itself. */
export function nextWakeAt(view: WakeView, nowMs: number): number | null {
  const { session } = view;
  const candidates: number[] = [];
  if (session.finishedAt === null) {
    const startsAt = undoUntil(session, nowMs);
    if (startsAt !== null) candidates.push(startsAt);
    if (session.isChecking) {
      candidates.push(Math.max(view.nextAttemptAt ?? nowMs, session.waitingUntil ?? nowMs));
    } else if (session.state === 'cancelled') {
      // Its batches are withdrawn until none is open.
      candidates.push(session.waitingUntil ?? nowMs);
    } else if (session.state === 'paused') {
      if (view.keyDiesAt !== null) candidates.push(view.keyDiesAt);
      // A probe is made with a batch: without one that is due it would only wake for nothing, again and again.
      const { probeAt } = session;
      const batchAt = view.isWorkDue ? null : view.nextAttemptAt;
      // Nor before the gate, the day's cap or the database lets anything leave.
      if (probeAt !== null)
        candidates.push(Math.max(probeAt, batchAt ?? probeAt, session.waitingUntil ?? probeAt));
    } else if (workMode(session, nowMs) !== 'none') {
      const heldUntil = session.waitingUntil ?? nowMs;
      if (view.isWorkDue) candidates.push(heldUntil);
      else if (view.nextAttemptAt !== null) candidates.push(Math.max(view.nextAttemptAt, heldUntil));
      // Neither due nor waiting, and yet not finished: look again, so that it is finished from rows.
      else candidates.push(nowMs);
    }
  } else if (view.retentionAt !== null) candidates.push(view.retentionAt);
  if (session.chore !== null) candidates.push(nowMs);
  if (!view.isRecorded) candidates.push(nowMs + recordRetryMs);
  if (candidates.length === 0) return null;
  const at = Math.max(nowMs, Math.min(...candidates));
  // No wait is longer than one can be; what was written down may be of another clock.
  return session.finishedAt === null ? Math.min(at, nowMs + longestWaitMs(session)) : at;
}
