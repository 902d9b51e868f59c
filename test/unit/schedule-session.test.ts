/**
 * Scheduled sessions: when they begin, when a person is asked instead, and what people may do to them.
 */
import { describe, expect, it } from 'vitest';
import { longestWaitMs } from '../../src/core/clock.ts';
import { beginScheduled, freezeAudience, maxLateMs, pauseIfMissed } from '../../src/core/schedule/begin.ts';
import { checkSchedule, windowFault } from '../../src/core/schedule/check-timing.ts';
import { waitForWindow } from '../../src/core/schedule/window.ts';
import { decideCommand, type Command } from '../../src/core/session/command.ts';
import { toProgress } from '../../src/core/session/progress-view.ts';
import { finish, newSession, workMode, type Session } from '../../src/core/session/session.ts';
import { eventsBetween } from '../../src/core/session/timeline.ts';
import { nextWakeAt } from '../../src/core/session/wake.ts';
import type { SendingWindow } from '../../src/shared/schedule/sending-window.ts';
import { specOf } from '../support/batches.ts';

const dayMs = 86_400_000;
/** Tuesday, 9:00 in Berlin. */
const startAt = Date.parse('2026-12-01T08:00Z');
const schedule = { at: '2026-12-01T09:00', zone: 'Europe/Berlin', freezeAt: 'scheduling', startAt } as const;
const nowMs = startAt - 14 * dayMs;
const scheduled: Session = newSession({ ...specOf(10), createdAt: nowMs, schedule });
const workdays: SendingWindow = {
  zone: 'Europe/Berlin',
  days: [1, 2, 3, 4, 5],
  from: '09:00',
  until: '17:00',
};
/** A Saturday. */
const closedMs = Date.parse('2026-12-05T12:00Z');
const opensAt = Date.parse('2026-12-07T08:00Z');

const wakeAt = (session: Session, now: number, isWorkDue = true): number | null =>
  nextWakeAt(
    { session, isWorkDue, nextAttemptAt: null, keyDiesAt: null, isRecorded: true, retentionAt: null },
    now,
  );

const nothingLeft = (): boolean => false;

describe('a scheduled session', () => {
  it('does nothing before its time, and wakes once, weeks later', () => {
    expect(scheduled.state).toBe('scheduled');
    expect(workMode(scheduled, nowMs)).toBe('none');
    expect(wakeAt(scheduled, nowMs)).toBe(startAt);
    expect(nowMs + longestWaitMs(scheduled, nowMs)).toBe(startAt);
    expect(beginScheduled(scheduled, startAt - 1)).toBe(scheduled);
    const view = toProgress(scheduled, startAt - 1);
    expect(view).toMatchObject({ state: 'scheduled', schedule, stalledSince: null, startedAt: null });
  });

  it('asks a person when the database kept it from its first mail for more than an hour', () => {
    const begun = beginScheduled(scheduled, startAt);
    expect(pauseIfMissed(begun, startAt + maxLateMs, nothingLeft)).toBe(begun);
    const missed = pauseIfMissed(begun, startAt + maxLateMs + 1, nothingLeft);
    expect(missed).toMatchObject({ state: 'paused', reason: 'schedule_missed' });
  });

  it('goes on late when a person has set it going, when mail has left, or when its window was closed', () => {
    const lateMs = startAt + 2 * maxLateMs;
    const byPerson: Session = {
      ...scheduled,
      state: 'queued',
      spec: { ...scheduled.spec, startsAt: startAt - 1 },
    };
    expect(pauseIfMissed(byPerson, lateMs, nothingLeft)).toBe(byPerson);
    const underWay: Session = { ...beginScheduled(scheduled, startAt), state: 'running', startedAt: startAt };
    expect(pauseIfMissed(underWay, lateMs, () => true)).toBe(underWay);
    const spec = { ...scheduled.spec, window: workdays, schedule: { ...schedule, startAt: closedMs } };
    const waiting: Session = { ...scheduled, state: 'queued', spec };
    expect(pauseIfMissed(waiting, opensAt, nothingLeft)).toBe(waiting);
    expect(pauseIfMissed(waiting, opensAt + maxLateMs + 1, nothingLeft)).toMatchObject({ state: 'paused' });
  });

  it('asks a person when it began in time, and lost its alarm before its first mail', () => {
    const begun: Session = {
      ...beginScheduled(scheduled, startAt),
      ...({ state: 'running', startedAt: startAt } as const),
    };
    const lateMs = startAt + maxLateMs + 1;
    expect(pauseIfMissed(begun, startAt + maxLateMs, nothingLeft)).toBe(begun);
    expect(pauseIfMissed(begun, lateMs, nothingLeft)).toMatchObject({
      state: 'paused',
      reason: 'schedule_missed',
    });
    // The day's cap is known, and a person who resumes it was asked.
    const capped: Session = { ...begun, lateFrom: lateMs };
    expect(pauseIfMissed(capped, lateMs + maxLateMs, nothingLeft)).toBe(capped);
    // Whoever takes its hours away before they begin has decided that it sends now.
    const windowed = { ...begun, spec: { ...begun.spec, window: workdays } };
    const opened = decideCommand(windowed, { kind: 'reschedule', window: null }, lateMs + maxLateMs);
    if (opened.kind !== 'changed') throw new Error('its hours were not changed');
    expect(pauseIfMissed(opened.session, lateMs + maxLateMs, nothingLeft)).toBe(opened.session);
    // What kept it waiting after that is another reason.
    expect(pauseIfMissed(capped, lateMs + maxLateMs + 1, nothingLeft)).toMatchObject({
      reason: 'schedule_missed',
    });
    const paused: Session = { ...begun, state: 'paused', reason: 'user' };
    const resumed = decideCommand(paused, { kind: 'resume' }, lateMs);
    if (resumed.kind !== 'changed') throw new Error('it was not resumed');
    expect(pauseIfMissed(resumed.session, lateMs, nothingLeft)).toBe(resumed.session);
  });

  it('asks a person again when *start now* is undone after its time', () => {
    const undone = decideCommand(
      { ...scheduled, state: 'queued', spec: { ...scheduled.spec, startsAt: startAt + 10_000 } },
      { kind: 'cancel', isUndo: true },
      startAt + 5_000,
    );
    expect(undone).toMatchObject({
      kind: 'changed',
      session: { state: 'paused', reason: 'schedule_missed' },
    });
  });

  it('is set going at its time', () => {
    const begun = beginScheduled(scheduled, startAt);
    expect(begun).toMatchObject({ state: 'queued', rev: scheduled.rev + 1 });
    expect(workMode(begun, startAt)).toBe('run');
    expect(eventsBetween(scheduled, begun, null)).toMatchObject([{ kind: 'started', by: null, count: 10 }]);
  });

  it('is set going an hour late, and asks a person after that', () => {
    expect(beginScheduled(scheduled, startAt + maxLateMs).state).toBe('queued');
    const missed = beginScheduled(scheduled, startAt + maxLateMs + 1);
    expect(missed).toMatchObject({ state: 'paused', reason: 'schedule_missed' });
    expect(workMode(missed, startAt + maxLateMs + 1)).toBe('none');
    expect(wakeAt(missed, startAt + maxLateMs + 1)).toBeNull();
    expect(eventsBetween(scheduled, missed, null)).toMatchObject([
      { kind: 'paused', reason: 'schedule_missed' },
    ]);
  });

  it('ends at once when nobody matches at its start', () => {
    const begun = beginScheduled(
      newSession({ ...scheduled.spec, schedule: { ...schedule, freezeAt: 'start' } }),
      startAt,
    );
    const frozen = freezeAudience(begun, { maxLeadId: 0, total: 0, revision: 7 }, startAt);
    expect(frozen).toMatchObject({ total: 0, plan: { isDone: true, unlistedCount: 0 } });
    expect(finish(frozen, startAt).state).toBe('completed');
  });

  it('takes the leads that match at its start', () => {
    const frozen = freezeAudience(scheduled, { maxLeadId: 90, total: 80, revision: 7 }, startAt);
    expect(frozen).toMatchObject({
      total: 80,
      spec: { maxLeadId: 90, revision: 7, schedule: { frozenAt: startAt } },
    });
    // Readers see the schedule as it was chosen.
    expect(toProgress(frozen, startAt).schedule).toEqual(schedule);
  });
});

const missed = beginScheduled(scheduled, startAt + 2 * maxLateMs);
const time = { at: '2026-12-02T09:00', zone: 'Europe/Berlin', startAt: startAt + dayMs };
const startNow: Command = { kind: 'startNow', startsAt: nowMs + 10_000 };

describe('people', () => {
  it.each<[string, Session, Command, object | 'refused' | 'unchanged']>([
    ['start it now', scheduled, startNow, { state: 'queued', spec: { startsAt: nowMs + 10_000 } }],
    ['start one that was missed', missed, startNow, { state: 'queued', reason: null }],
    ['resume one that was missed', missed, { kind: 'resume' }, { state: 'running', reason: null }],
    [
      'change its time',
      scheduled,
      { kind: 'reschedule', time },
      { state: 'scheduled', spec: { schedule: time } },
    ],
    [
      'change the time of one that was missed',
      missed,
      { kind: 'reschedule', time },
      { state: 'scheduled', reason: null },
    ],
    [
      'keep when the audience is frozen',
      scheduled,
      { kind: 'reschedule', time },
      { spec: { schedule: { freezeAt: 'scheduling' } } },
    ],
    ['set its time again', scheduled, { kind: 'reschedule', time: schedule }, 'unchanged'],
    ['add a window', scheduled, { kind: 'reschedule', window: workdays }, { spec: { window: workdays } }],
    ['cancel it', scheduled, { kind: 'cancel' }, { state: 'cancelled', plan: { isDone: true } }],
    [
      'take back that they started it before its time',
      { ...scheduled, state: 'queued', spec: { ...scheduled.spec, startsAt: nowMs + 10_000 } },
      { kind: 'cancel', isUndo: true },
      { state: 'scheduled', spec: { schedule } },
    ],
    ['take it back once', scheduled, { kind: 'cancel', isUndo: true }, 'unchanged'],
    ['do not pause it', scheduled, { kind: 'pause' }, 'refused'],
    ['do not resume it', scheduled, { kind: 'resume' }, 'refused'],
    ['start one that runs', { ...scheduled, state: 'running' }, startNow, 'unchanged'],
    [
      'do not start one that was paused',
      { ...scheduled, state: 'paused', reason: 'user' },
      startNow,
      'refused',
    ],
    [
      'do not change the time of one that runs',
      { ...scheduled, state: 'running' },
      { kind: 'reschedule', time },
      'refused',
    ],
    [
      'change the window of one that runs',
      { ...scheduled, state: 'running' },
      { kind: 'reschedule', window: workdays },
      { state: 'running', spec: { window: workdays } },
    ],
    [
      'do not change one that has ended',
      { ...scheduled, state: 'completed', finishedAt: nowMs },
      { kind: 'reschedule', window: null },
      'refused',
    ],
  ])('%s', (_, session, command, wanted) => {
    const decision = decideCommand(session, command, nowMs);
    if (typeof wanted === 'string') expect(decision.kind).toBe(wanted);
    else
      expect(decision).toMatchObject({
        kind: 'changed',
        session: { ...wanted, generation: session.generation + 1 },
      });
  });

  it('are told of each change in the timeline', () => {
    expect(eventsBetween(null, scheduled, null)).toMatchObject([
      { kind: 'scheduled', by: 'ana@example.com', until: startAt },
    ]);
    const decision = decideCommand(scheduled, { kind: 'reschedule', time, window: workdays }, nowMs);
    if (decision.kind !== 'changed') throw new Error('It was not changed.');
    expect(eventsBetween(scheduled, decision.session, 'bo@example.com')).toMatchObject([
      { kind: 'scheduled', by: 'bo@example.com', until: startAt + dayMs },
      { kind: 'window_changed', by: 'bo@example.com' },
    ]);
  });
});

describe('outside of its window', () => {
  const running: Session = {
    ...newSession({ ...specOf(10), createdAt: closedMs, window: workdays }),
    state: 'running',
    progressedAt: closedMs - 4 * dayMs,
  };

  it.each<[string, Partial<Session>]>([
    ['a running session', {}],
    ['a queued session', { state: 'queued' }],
    ['a probe', { state: 'paused', reason: 'mail_unreachable', probeAt: closedMs - 1 }],
    ['a check that a person asked for', { state: 'paused', reason: 'user', isChecking: true }],
    ['a check of a cancelled session', { state: 'cancelled', isChecking: true }],
  ])('%s sends nothing and wakes when it opens', (_, change) => {
    const session = { ...running, ...change };
    expect(workMode(session, closedMs)).toBe('none');
    expect(workMode(session, opensAt)).not.toBe('none');
    expect(wakeAt(session, closedMs)).toBe(opensAt);
  });

  it('a session says when it opens, and does not stall', () => {
    const waiting = waitForWindow(running, closedMs);
    expect(waiting).toMatchObject({
      waitingUntil: opensAt,
      waitingFor: { kind: 'window' },
      rev: running.rev + 1,
    });
    expect(waitForWindow(waiting, closedMs + 1)).toBe(waiting);
    for (const session of [running, waiting]) {
      expect(toProgress(session, closedMs + 60_000)).toMatchObject({
        waitingUntil: opensAt,
        waitingFor: { kind: 'window' },
        window: workdays,
        stalledSince: null,
        etaSeconds: null,
      });
    }
  });

  it('a probe is shown to come when it opens, and not at once', () => {
    const probing: Session = {
      ...running,
      state: 'paused',
      reason: 'mail_unreachable',
      probeAt: closedMs - 1,
    };
    expect(toProgress(probing, closedMs)).toMatchObject({ waitingUntil: opensAt, waitingFor: null });
  });

  it('an alarm that is set by an earlier clock is not believed', () => {
    expect(closedMs + longestWaitMs(running, closedMs)).toBe(opensAt);
    expect(longestWaitMs(running, opensAt)).toBeLessThan(dayMs);
  });

  it('what is left to record and to withdraw is done at once', () => {
    expect(wakeAt({ ...running, state: 'cancelled' }, closedMs)).toBe(closedMs);
    expect(
      wakeAt({ ...running, chore: { kind: 'assumeSent', afterSeq: 0, untilSeq: 1, by: null } }, closedMs),
    ).toBe(closedMs);
    expect(wakeAt(running, closedMs, false)).toBe(closedMs);
  });

  it('a session goes on at once when a person takes the window away', () => {
    const waiting = waitForWindow(running, closedMs);
    const decision = decideCommand(waiting, { kind: 'reschedule', window: null }, closedMs);
    if (decision.kind !== 'changed') throw new Error('It was not changed.');
    expect(workMode(decision.session, closedMs)).toBe('run');
    expect(wakeAt(decision.session, closedMs)).toBe(closedMs);
    expect(toProgress(decision.session, closedMs)).toMatchObject({ waitingUntil: null, stalledSince: null });
  });
});

describe('what is refused', () => {
  it.each<[string, string, string, string]>([
    ['an unknown zone', '2026-12-01T09:00', 'Mars/Olympus', 'unknown_zone'],
    ['an offset', '2026-12-01T09:00', '+01:00', 'unknown_zone'],
    ['a time that is over', '2026-11-17T08:59', 'Europe/Berlin', 'start_in_past'],
    ['a time in more than a year', '2027-11-30T09:00', 'Europe/Berlin', 'start_too_far'],
  ])('%s', (_, at, zone, code) => {
    expect(checkSchedule({ at, zone, freezeAt: 'start' }, nowMs)).toMatchObject({ kind: 'refused', code });
  });

  it.each<[string, Partial<SendingWindow>, string | null]>([
    ['a window in an unknown zone', { zone: 'Europe/Atlantis' }, 'unknown_zone'],
    ['a window without days', { days: [] }, 'window_never_opens'],
    ['a window without time', { until: '09:00' }, 'window_never_opens'],
    ['not a window over midnight', { from: '22:00', until: '06:00' }, null],
    ['not a whole day', { from: '00:00', until: '24:00' }, null],
  ])('%s', (_, change, code) => {
    expect(windowFault({ ...workdays, ...change })?.code ?? null).toBe(code);
  });

  it('a usable time has its moment', () => {
    expect(checkSchedule(schedule, nowMs)).toEqual({ kind: 'ok', schedule });
  });
});
