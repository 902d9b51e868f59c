import { describe, expect, test } from 'vitest';
import { clockToleranceMs, longestWaitMs, setBack, stepBackMs } from '../../src/core/clock.ts';
import { isKeyAlive, keyStepToleranceMs } from '../../src/core/batch/doubt.ts';
import { toProgress } from '../../src/core/session/progress-view.ts';
import {
  newSession,
  nextFence,
  waitOn,
  type Session,
  type SessionSpec,
} from '../../src/core/session/session.ts';
import { nextWakeAt } from '../../src/core/session/wake.ts';

const nowMs = 100 * 86_400_000;
const dayMs = 86_400_000;
const hourMs = 3_600_000;
const running = (change: Partial<Session> = {}): Session => ({
  ...newSession({ sessionId: 's', total: 10, createdAt: nowMs } as SessionSpec),
  state: 'running',
  startedAt: nowMs,
  ...change,
});

describe('a clock that was set back', () => {
  test('is recognized when it is earlier than the last write by more than the difference between machines', () => {
    expect(stepBackMs(running(), nowMs - clockToleranceMs)).toBe(0);
    expect(stepBackMs(running(), nowMs - dayMs)).toBe(dayMs);
    expect(stepBackMs(running(), nowMs + dayMs)).toBe(0);
  });

  test('keeps the length of every wait and raises the revision', () => {
    const session = running({
      waitingUntil: nowMs + 600_000,
      probeAt: nowMs + 60_000,
      progressedAt: nowMs - 9_000,
      outageSince: nowMs - 8_000,
      checkableUntil: nowMs + hourMs,
    });
    const moved = setBack(session, nowMs - dayMs, dayMs, false);
    expect(moved).toMatchObject({
      rev: session.rev + 1,
      updatedAt: nowMs - dayMs,
      waitingUntil: nowMs - dayMs + 600_000,
      probeAt: nowMs - dayMs + 60_000,
      progressedAt: nowMs - dayMs - 9_000,
      outageSince: nowMs - dayMs - 8_000,
      checkableUntil: nowMs - dayMs + hourMs,
    });
    expect(setBack(session, nowMs - dayMs, dayMs, true).checkableUntil).toBeNull();
    expect(stepBackMs(moved, nowMs - dayMs)).toBe(0);
  });

  test('numbers no flip lower than one that the version before has on its way', () => {
    const session = running({ fence: 0, updatedAt: nowMs });
    expect(nextFence(setBack(session, nowMs - dayMs, dayMs, true), nowMs - dayMs)).toBeGreaterThan(nowMs);
    const numbered = setBack({ ...session, fence: nowMs + 5 }, nowMs - dayMs, dayMs, true);
    expect(nextFence(numbered, nowMs - dayMs)).toBe(nowMs + 6);
  });

  test.each([
    [null, hourMs],
    [nowMs + 10 * dayMs, dayMs],
    // What was waited for is over, so an alarm a day ahead is by another clock.
    [nowMs - 1, hourMs],
  ])('no wait is longer than the possible maximum, whatever was stored (%s)', (waitingUntil, longestMs) => {
    const session = running({ waitingUntil, recordedRev: 1 });
    const wakeAt = nextWakeAt(
      {
        session,
        isWorkDue: (waitingUntil ?? 0) > nowMs,
        nextAttemptAt: nowMs + 10 * dayMs,
        keyDiesAt: null,
        isRecorded: true,
        retentionAt: null,
      },
      nowMs,
    );
    expect((wakeAt ?? 0) - nowMs).toBe(longestMs);
    expect(longestWaitMs(session, nowMs)).toBe(longestMs);
  });

  test('reports a stall despite a result in the future or an impossibly long wait', () => {
    expect(toProgress(running({ progressedAt: nowMs + dayMs }), nowMs).stalledSince).toBe(nowMs);
    const lost = running({ progressedAt: nowMs - 60_000, waitingUntil: nowMs + 2 * dayMs });
    expect(toProgress(lost, nowMs).stalledSince).toBe(nowMs - 60_000);
  });

  test('does not treat a key of unknown age as alive', () => {
    const traits = { idempotencyWindowMs: dayMs };
    expect(isKeyAlive(nowMs + keyStepToleranceMs, nowMs, traits)).toBe(true);
    expect(isKeyAlive(nowMs + keyStepToleranceMs + 1, nowMs, traits)).toBe(false);
    expect(isKeyAlive(nowMs - dayMs + hourMs, nowMs, traits)).toBe(false);
  });
});

describe('the reason of a wait', () => {
  const waiting = (since: number, change: Partial<Session> = {}): Session =>
    running({ progressedAt: since, waitingFor: { kind: 'rate_limit', since }, ...change });

  test('is shown after three seconds without a result, and only then', () => {
    expect(toProgress(waiting(nowMs - 2_999), nowMs).waitingFor).toBeNull();
    expect(toProgress(waiting(nowMs - 3_000), nowMs).waitingFor).toEqual({
      kind: 'rate_limit',
      since: nowMs - 3_000,
    });
    expect(toProgress(waiting(nowMs - 9_000, { progressedAt: nowMs - 1 }), nowMs).waitingFor).toBeNull();
  });

  test('is shown at once when the end of the wait is known', () => {
    expect(toProgress(waiting(nowMs, { waitingUntil: nowMs + 1 }), nowMs).waitingFor?.kind).toBe(
      'rate_limit',
    );
  });

  test('is not shown for a session that is paused or has ended', () => {
    expect(toProgress(waiting(nowMs - 9_000, { state: 'paused' }), nowMs).waitingFor).toBeNull();
    expect(toProgress(waiting(nowMs - 9_000, { finishedAt: nowMs }), nowMs).waitingFor).toBeNull();
  });

  test('keeps its start time while the reason stays the same', () => {
    const session = waiting(nowMs - 9_000);
    expect(waitOn(session, 'rate_limit', nowMs).since).toBe(nowMs - 9_000);
    expect(waitOn(session, 'crm', nowMs)).toEqual({ kind: 'crm', since: nowMs });
    expect(waitOn({ ...session, progressedAt: nowMs - 1 }, 'rate_limit', nowMs).since).toBe(nowMs);
  });
});
