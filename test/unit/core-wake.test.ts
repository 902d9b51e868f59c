/**
 * When a session's alarm fires next: one line for each state of a session.
 */
import { describe, expect, it } from 'vitest';
import { newSession, workMode, type Session } from '../../src/core/session/session.ts';
import { nextWakeAt, recordRetryMs, type WakeView } from '../../src/core/session/wake.ts';
import { specOf } from '../support/batches.ts';

const nowMs = 1_000_000;
const session = (change: Partial<Session>): Session => ({ ...newSession(specOf(10)), ...change });
const running = session({ state: 'running' });

const at = (change: Partial<WakeView> & { session: Session }): number | null =>
  nextWakeAt(
    {
      isWorkDue: false,
      nextAttemptAt: null,
      keyDiesAt: null,
      isRecorded: true,
      retentionAt: null,
      ...change,
    },
    nowMs,
  );

describe('the next alarm', () => {
  it.each<[string, Partial<WakeView> & { session: Session }, number | null]>([
    ['queued, leads to plan', { session: session({}), isWorkDue: true }, nowMs],
    [
      'queued, it can still be undone',
      { session: newSession({ ...specOf(10), startsAt: nowMs + 9_000 }), isWorkDue: true },
      nowMs + 9_000,
    ],
    [
      'queued, it can still be undone, the list of activations does not have it',
      { session: newSession({ ...specOf(10), startsAt: nowMs + 9_000 }), isWorkDue: true, isRecorded: false },
      nowMs + recordRetryMs,
    ],
    ['running, a batch is due', { session: running, isWorkDue: true }, nowMs],
    [
      'running, a batch is due, the provider asked to wait',
      { session: session({ state: 'running', waitingUntil: nowMs + 9_000 }), isWorkDue: true },
      nowMs + 9_000,
    ],
    [
      'running, a batch is due, the wait is over',
      { session: session({ state: 'running', waitingUntil: nowMs - 9_000 }), isWorkDue: true },
      nowMs,
    ],
    ['running, batches wait', { session: running, nextAttemptAt: nowMs + 700 }, nowMs + 700],
    ['running, a waiting batch is overdue', { session: running, nextAttemptAt: 5 }, nowMs],
    [
      'running, batches wait, the provider asked to wait longer',
      { session: session({ state: 'running', waitingUntil: nowMs + 9_000 }), nextAttemptAt: nowMs + 700 },
      nowMs + 9_000,
    ],
    ['running, nothing due and nothing waiting: look again, to finish', { session: running }, nowMs],
    ['paused by a person', { session: session({ state: 'paused', reason: 'user' }), isWorkDue: true }, null],
    [
      'paused for the quota',
      { session: session({ state: 'paused', reason: 'mail_quota' }), nextAttemptAt: 5 },
      null,
    ],
    [
      'paused, the provider is probed',
      { session: session({ state: 'paused', reason: 'mail_unreachable', probeAt: nowMs + 4_000 }) },
      nowMs + 4_000,
    ],
    [
      'paused, the probe is overdue',
      { session: session({ state: 'paused', reason: 'mail_unreachable', probeAt: 5 }) },
      nowMs,
    ],
    [
      'paused, the probe is overdue, the provider asked to wait',
      {
        session: session({
          state: 'paused',
          reason: 'mail_unreachable',
          probeAt: 5,
          waitingUntil: nowMs + 60_000,
        }),
        isWorkDue: true,
      },
      nowMs + 60_000,
    ],
    [
      'cancelled, its batches are withdrawn',
      { session: session({ state: 'cancelled', cancelledAt: 5 }), nextAttemptAt: nowMs + 5_000 },
      nowMs,
    ],
    [
      'cancelled, the CRM does not answer',
      { session: session({ state: 'cancelled', cancelledAt: 5, waitingUntil: nowMs + 500 }) },
      nowMs + 500,
    ],
    [
      'cancelled, a person has unknown mail checked',
      { session: session({ state: 'cancelled', isChecking: true }), nextAttemptAt: nowMs + 700 },
      nowMs + 700,
    ],
    [
      'paused by a person with mail in doubt: when its key dies',
      { session: session({ state: 'paused', reason: 'user' }), keyDiesAt: nowMs + 82_800_000 },
      nowMs + 82_800_000,
    ],
    [
      'completed, the rest of a command is to be carried out',
      {
        session: session({
          state: 'completed',
          finishedAt: 5,
          chore: { kind: 'assumeSent', afterSeq: 200, untilSeq: 900, by: null },
        }),
      },
      nowMs,
    ],
    ['completed and recorded', { session: session({ state: 'completed', finishedAt: 5 }) }, null],
    [
      'completed, the history does not know yet',
      { session: session({ state: 'completed', finishedAt: 5 }), isRecorded: false },
      nowMs + recordRetryMs,
    ],
    [
      'completed, recipients are kept until then',
      { session: session({ state: 'completed', finishedAt: 5 }), retentionAt: nowMs + 86_400_000 },
      nowMs + 86_400_000,
    ],
    [
      'paused by a person, the history does not know yet',
      { session: session({ state: 'paused', reason: 'user' }), isRecorded: false },
      nowMs + recordRetryMs,
    ],
    ['running counts before the history', { session: running, isWorkDue: true, isRecorded: false }, nowMs],
  ])('%s', (_, view, expected) => {
    expect(at(view)).toBe(expected);
  });

  it('is set for every session that can continue by itself, and never in the past', () => {
    for (const state of ['queued', 'running', 'cancelled'] as const) {
      for (const isWorkDue of [true, false]) {
        for (const nextAttemptAt of [null, 5, nowMs + 5]) {
          for (const waitingUntil of [null, 5, nowMs + 5]) {
            const wakeAt = at({ session: session({ state, waitingUntil }), isWorkDue, nextAttemptAt });
            expect(wakeAt).not.toBeNull();
            expect(wakeAt).toBeGreaterThanOrEqual(nowMs);
          }
        }
      }
    }
  });

  it('finds something to do for a session that waits to probe its provider', () => {
    for (const probeAt of [5, nowMs + 4_000]) {
      for (const waitingUntil of [null, 5, nowMs + 60_000]) {
        const waiting = session({ state: 'paused', reason: 'mail_unreachable', probeAt, waitingUntil });
        const wakeAt = at({ session: waiting, isWorkDue: true }) ?? Number.NaN;
        expect(workMode(waiting, wakeAt), `${probeAt}, ${waitingUntil}`).toBe('probe');
        // Before that it would wake for nothing, again and again.
        if (wakeAt > nowMs) expect(workMode(waiting, nowMs), `${probeAt}, ${waitingUntil}`).toBe('none');
      }
    }
  });
});
