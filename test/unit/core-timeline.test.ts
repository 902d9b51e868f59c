import { describe, expect, it } from 'vitest';
import {
  applyCounts,
  finish,
  newSession,
  pauseFor,
  touch,
  type Session,
} from '../../src/core/session/session.ts';
import {
  addPoint,
  emptySeries,
  eventsBetween,
  firstSpacingMs,
  maxPointCount,
  placeEvent,
  type NewEvent,
  type Series,
} from '../../src/core/session/timeline.ts';
import type { TimelineEvent } from '../../src/shared/timeline.ts';
import { specOf } from '../support/batches.ts';

const queued = newSession(specOf(1_000, 100));
const running = touch(queued, 2_000, { state: 'running', startedAt: 2_000 });

const told = (before: Session | null, after: Session, by: string | null = null): string[] =>
  eventsBetween(before, after, by).map(({ kind, by: who, reason, message, count }) =>
    [kind, who, reason, message, count].filter((part) => part !== null).join(' '),
  );

describe('the events of a session', () => {
  it('begin with who started it and for how many leads', () => {
    expect(told(null, queued)).toEqual(['started ana@example.com 1000']);
  });

  it('do not include changes of counters', () => {
    expect(told(running, applyCounts(running, 3_000, { activated: 100, sent: 100 }))).toEqual([]);
    expect(told(queued, running)).toEqual([]);
    expect(told(running, { ...running, recordedRev: running.rev })).toEqual([]);
  });

  it('name the person who gave a command, and nobody where there was no command', () => {
    const paused = touch(running, 3_000, { state: 'paused', reason: 'user' });
    expect(told(running, paused, 'bo@example.com')).toEqual(['paused bo@example.com user']);
    expect(told(paused, touch(paused, 4_000, { state: 'running', reason: null }), 'bo@example.com')).toEqual([
      'resumed bo@example.com',
    ]);
    const cancelled = touch(running, 3_000, { state: 'cancelled', cancelledAt: 3_000 });
    expect(told(running, cancelled, 'bo@example.com')).toEqual(['cancelled bo@example.com']);
    const settled = applyCounts(cancelled, 4_000, { skipped: 1_000 });
    expect(told(settled, finish(settled, 4_000))).toEqual(['finished']);
  });

  it('say what a session lacked that ended as failed', () => {
    const short = applyCounts(running, 3_000, { skipped: 990 });
    expect(finish(short, 4_000)).toMatchObject({ state: 'failed', finishedAt: 4_000 });
    expect(told(short, finish(short, 4_000))).toEqual([
      expect.stringMatching(/^finished .* 10 of its leads/),
    ]);
  });

  it('say why a session paused by itself, and that it resumed by itself', () => {
    const paused = touch(pauseFor(running, 'mail_quota', 'No quota is left.'), 3_000, {});
    expect(told(running, paused)).toEqual(['paused mail_quota No quota is left.']);
    expect(told(paused, touch(paused, 4_000, { state: 'running', reason: null, lastError: null }))).toEqual([
      'resumed',
    ]);
  });

  it('count mail that a person retried or took as sent', () => {
    const troubled = applyCounts(running, 3_000, { activated: 100, sent: 80, failed: 12, unknown: 8 });
    const by = 'bo@example.com';
    expect(told(troubled, applyCounts(troubled, 4_000, { failed: -12 }), by)).toEqual([`retried ${by} 12`]);
    expect(told(troubled, applyCounts(troubled, 4_000, { unknown: -8 }), by)).toEqual([`retried ${by} 8`]);
    expect(told(troubled, applyCounts(troubled, 4_000, { unknown: -8, sent: 8 }), by)).toEqual([
      `assumed_sent ${by} 8`,
    ]);
  });

  it('include a repeated call, and a wait with its end', () => {
    const faulty = touch(running, 3_000, { faultStreak: 1, lastError: 'No answer in time.' });
    expect(told(running, faulty)).toEqual(['fault No answer in time.']);
    const [waiting] = eventsBetween(running, touch(running, 3_000, { waitingUntil: 9_000 }), null);
    expect(waiting).toMatchObject({ kind: 'waiting', at: 3_000, until: 9_000 });
  });
});

describe('an event that repeats', () => {
  const fault = (at: number, message = 'No answer in time.'): NewEvent => ({
    kind: 'fault',
    at,
    until: at,
    by: null,
    reason: null,
    message,
    count: null,
  });
  const kept = (...events: NewEvent[]): TimelineEvent[] =>
    events.map((event, at) => ({ id: at + 1, ...event }));

  it('is one event with a later end, and is not written each time', () => {
    expect(placeEvent(kept(fault(0)), fault(5_000))).toEqual({ kind: 'known' });
    expect(placeEvent(kept(fault(0)), fault(20_000))).toEqual({ kind: 'extend', id: 1, until: 20_000 });
  });

  it('is a new event for another reason, or after some time', () => {
    expect(placeEvent(kept(fault(0)), fault(5_000, 'Refused.'))).toEqual({ kind: 'add' });
    expect(placeEvent(kept(fault(0)), fault(61_000))).toEqual({ kind: 'add' });
  });

  it('stays one when two faults alternate', () => {
    const events = kept(fault(0, 'a'), fault(1_000, 'b'));
    expect(placeEvent(events, fault(2_000, 'a'))).toEqual({ kind: 'known' });
  });

  it('is written again when a person causes it again', () => {
    const pause = { ...fault(0), kind: 'paused', by: 'bo@example.com' } as const;
    expect(placeEvent(kept(pause), { ...pause, at: 1_000, until: 1_000 })).toEqual({ kind: 'add' });
  });
});

describe('the series of a session', () => {
  /** A session at a steady rate: its series, and how many times it was written. */
  function follow(durationMs: number, stepMs: number): { series: Series; writeCount: number } {
    let session = running;
    let series = addPoint(emptySeries, queued, running)!;
    let writeCount = 1;
    for (let at = 2_000 + stepMs; at <= 2_000 + durationMs; at += stepMs) {
      const next = applyCounts(session, at, { activated: 100, sent: 100 });
      const grown = addPoint(series, session, next);
      if (grown !== null) {
        series = grown;
        writeCount++;
      }
      session = next;
    }
    return { series, writeCount };
  }

  it('has a point every two seconds at first, beginning with zero', () => {
    const { series } = follow(20_000, 100);
    expect(series.points[0]).toEqual({ at: 2_000, processed: 0, sent: 0, failed: 0 });
    const gaps = series.points.slice(1).map((point, index) => point.at - series.points[index]!.at);
    expect(new Set(gaps)).toEqual(new Set([firstSpacingMs]));
  });

  it('has a bounded number of points, covers all of a long session, and keeps its rates', () => {
    const { series } = follow(4 * 3_600_000, 1_000);
    expect(series.points.length).toBeLessThanOrEqual(maxPointCount);
    expect(series.points.length).toBeGreaterThan(maxPointCount / 3);
    expect(series.points[0]?.at).toBe(2_000);
    for (const [index, point] of series.points.entries()) {
      const before = series.points[index - 1];
      if (before !== undefined)
        expect(((point.sent - before.sent) * 1_000) / (point.at - before.at)).toBeCloseTo(100);
    }
  });

  it('adds few writes to those of a session', () => {
    // Eight calls of a hundred mails a second, for ten minutes.
    expect(follow(600_000, 125).writeCount / 480_000).toBeLessThan(0.001);
    // One call a second.
    expect(follow(600_000, 1_000).writeCount / 60_000).toBeLessThan(0.006);
  });

  it('has a gap where the session was paused, so that a pause does not look slow', () => {
    const at = (session: Session, series: Series, before: Session): Series =>
      addPoint(series, before, session) ?? series;
    let series = addPoint(emptySeries, queued, running)!;
    const worked = applyCounts(running, 4_000, { activated: 100, sent: 100 });
    series = at(worked, series, running);
    const paused = touch(worked, 4_500, { state: 'paused', reason: 'user' });
    series = at(paused, series, worked);
    const resumed = touch(paused, 60_000, { state: 'running', reason: null });
    series = at(resumed, series, paused);
    const done = applyCounts(resumed, 60_100, { activated: 100, sent: 100 });
    series = at(finish(done, 60_200), at(done, series, resumed), done);
    expect(series.points.map(({ at: when, sent }) => [when, sent])).toEqual([
      [2_000, 0],
      [4_000, 100],
      [4_500, 100],
      [60_000, 100],
      [60_200, 200],
    ]);
  });

  /** A session in waves: what it sends, at seconds since its start. */
  function inWaves(results: readonly [seconds: number, sent: number][]): Series {
    let session = running;
    let series = addPoint(emptySeries, queued, running)!;
    for (const [seconds, sent] of results) {
      const nowMs = 2_000 + seconds * 1_000;
      const next =
        sent === 0 ? touch(session, nowMs, {}) : applyCounts(session, nowMs, { activated: sent, sent });
      series = addPoint(series, session, next) ?? series;
      session = next;
    }
    return series;
  }
  const sentAt = ({ points }: Series): [number, number][] =>
    points.map(({ at, sent }) => [(at - 2_000) / 1_000, sent]);

  it('is level between two waves, so that the time without mail does not look like slow mail', () => {
    const series = inWaves([
      [1, 50],
      // Too soon for a point of its own.
      [3_600, 0],
      [3_601, 100],
      [3_602, 100],
      [3_603, 100],
    ]);
    expect(sentAt(series)).toEqual([
      [0, 0],
      [1, 50],
      [3_600, 50],
      [3_602, 250],
    ]);
  });

  it('is level up to the results that end a wait without any other change', () => {
    const series = inWaves([
      [2, 100],
      [3, 100],
      [600, 100],
    ]);
    expect(sentAt(series)).toEqual([
      [0, 0],
      [2, 100],
      [3, 200],
      [600, 200],
      [600, 300],
    ]);
  });

  it('stays level there when points are left out', () => {
    const wave = (from: number): [number, number][] =>
      Array.from({ length: 200 }, (_, at) => [from + 2 * at, 10]);
    const { points, spacingMs } = inWaves([...wave(2), ...wave(4_000), ...wave(8_000)]);
    expect(spacingMs).toBeGreaterThan(firstSpacingMs);
    const level = points.filter((point, at) => at > 0 && point.sent === points[at - 1]?.sent);
    expect(level.map(({ at, sent }) => [(at - 2_000) / 1_000, sent])).toEqual([
      [4_000, 2_000],
      [8_000, 4_000],
    ]);
  });

  it('is bounded also where it is mostly quiet', () => {
    const { points } = inWaves(Array.from({ length: 2_000 }, (_, at) => [60 * (at + 1), 1]));
    expect(points.length).toBeLessThanOrEqual(maxPointCount);
    expect(points.at(-1)?.sent).toBeGreaterThan(1_990);
  });
});
