/**
 * When a session's alarm must fire next.
 *
 * Pure: everything it depends on is an argument, so each case is a line in a table of tests. Invariant: a session
 * with work left always has a time; one without work has none (a repeating alarm costs money forever), except for
 * its entry in the list of activations and its retention.
 *
 * @module
 */
import { longestWaitMs } from '../clock.ts';
import { isHalted, undoUntil, windowOpensAt, type Session } from './session.ts';
import { gateAt } from './wave-gate.ts';
import { isTakingBack, takeBackDueAt } from './take-back.ts';

export interface WakeView {
  session: Session;
  /** A batch could be sent now, or leads wait to be planned. */
  isWorkDue: boolean;
  /** The earliest time that a waiting batch is due; during a check, a checked one. */
  nextAttemptAt: number | null;
  /** When the first key of mail in doubt expires; for a halted session only. */
  keyDiesAt: number | null;
  /**
   * True when the CRM is up to date, the row in the list of activations and the leads that were given back, and every
   * endpoint knows of the session's events.
   */
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
    // While the sending window is closed, there is nothing to send for.
    const windowAt = windowOpensAt(session, nowMs) ?? nowMs;
    if (session.state === 'awaiting_approval') {
      candidates.push(session.spec.approval?.expiresAt ?? nowMs);
    } else if (session.state === 'scheduled') {
      candidates.push(session.spec.schedule?.startAt ?? nowMs);
    } else if (session.isChecking) {
      candidates.push(Math.max(view.nextAttemptAt ?? nowMs, session.waitingUntil ?? nowMs, windowAt));
    } else if (session.state === 'cancelled') {
      // Its batches are withdrawn until none is open.
      candidates.push(session.waitingUntil ?? nowMs);
    } else if (isHalted(session)) {
      if (view.keyDiesAt !== null) candidates.push(view.keyDiesAt);
      // A probe is made with a batch: without one that is due it would only wake for nothing, again and again.
      const { probeAt } = session;
      const batchAt = view.isWorkDue ? null : view.nextAttemptAt;
      // Nor before the gate, the day's cap or the database lets anything leave, nor between two waves.
      if (probeAt !== null) {
        const heldUntil = Math.max(session.waitingUntil ?? probeAt, gateAt(session) ?? probeAt, windowAt);
        candidates.push(Math.max(probeAt, batchAt ?? probeAt, heldUntil));
      }
    } else if (startsAt === null) {
      const heldUntil = Math.max(session.waitingUntil ?? nowMs, windowAt);
      const watchedUntil = gateAt(session);
      if (view.isWorkDue) candidates.push(heldUntil);
      else if (view.nextAttemptAt !== null) {
        candidates.push(Math.max(view.nextAttemptAt, heldUntil));
        // Behind that, the gate waits for the mail that is repeated.
        if (watchedUntil !== null && watchedUntil > nowMs) candidates.push(watchedUntil);
      } else if (watchedUntil !== null) candidates.push(watchedUntil);
      // Neither due nor waiting, and yet not finished: look again, so that it is finished from rows.
      else candidates.push(nowMs);
    }
  } else if (view.retentionAt !== null) candidates.push(view.retentionAt);
  if (session.chore !== null) candidates.push(nowMs);
  if (isTakingBack(session)) candidates.push(takeBackDueAt(session, nowMs));
  if (!view.isRecorded) candidates.push(nowMs + recordRetryMs);
  if (candidates.length === 0) return null;
  const at = Math.max(nowMs, Math.min(...candidates));
  // A stored time may be by another clock, so no wait is longer than the possible maximum.
  return session.finishedAt === null ? Math.min(at, nowMs + longestWaitMs(session, nowMs)) : at;
}
