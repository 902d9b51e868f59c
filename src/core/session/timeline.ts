/**
 * The timeline: the events of a session, derived from each change of its record.
 *
 * Owns which changes are events, which of them are merged into one, and which moments are kept as points of the
 * throughput. No storage and no clock; the time of a change is in the record.
 * Invariants: at most {@link maxEventCount} events and {@link maxPointCount} points for a session of any length; a
 * fault that repeats for an hour costs a few writes, not one each time.
 *
 * @module
 */
import type { ThroughputPoint, TimelineEvent } from '../../shared/timeline.ts';
import { processedCount, type Session, type TakeBack } from './session.ts';
import { presentWave } from './wave-gate.ts';

export type NewEvent = Omit<TimelineEvent, 'id'>;

/** More than a person reads. A session that is paused and resumed all day stays below. */
export const maxEventCount = 200;
export const maxPointCount = 300;
/** Distance of the first points. Each is a billed row: at one call a second they are a tenth of a session's rows. */
export const firstSpacingMs = 2_000;
/** Above a call that takes long, and two buckets of the finest plot. */
const minQuietMs = 10_000;
/** Of a series that was thinned: room for new points, so that it is not thinned again at once. */
const maxKeptCount = 225;
/** An event that repeats within this time extends the earlier one. */
const sameEventMs = 60_000;
/** How exactly the end of a repeating event is known. */
const extendMs = 10_000;
/** Two kinds of trouble that take turns are two events, not a hundred. */
const lookBackCount = 6;

/**
 * What happened between two states of a session.
 *
 * @param before - null for a new session
 * @param by - who caused the change, when it was a person's command
 */
export function eventsBetween(before: Session | null, after: Session, by: string | null): NewEvent[] {
  const event = (kind: TimelineEvent['kind'], change: Partial<NewEvent> = {}): NewEvent => ({
    kind,
    at: after.updatedAt,
    until: after.updatedAt,
    by,
    reason: null,
    message: null,
    count: null,
    ...change,
  });
  const scheduled = (who: string | null): NewEvent =>
    event('scheduled', { by: who, until: after.spec.schedule?.startAt ?? after.updatedAt });
  const asked = (who: string | null): NewEvent =>
    event('approval_asked', {
      by: who,
      until: after.spec.approval?.expiresAt ?? after.updatedAt,
      count: after.total,
    });
  if (before === null) {
    const { owner, schedule, approval } = after.spec;
    if (approval !== undefined) return [...(schedule === undefined ? [] : [scheduled(owner)]), asked(owner)];
    return [
      after.state === 'scheduled' ? scheduled(owner) : event('started', { by: owner, count: after.total }),
    ];
  }
  if (before.rev === after.rev) return [];
  const events: NewEvent[] = [];
  const isNewTime = after.spec.schedule?.startAt !== before.spec.schedule?.startAt;
  const wasAwaiting = before.state === 'awaiting_approval';
  const isTurned = after.state === 'scheduled' && before.state !== 'scheduled' && !wasAwaiting;
  if (isNewTime || isTurned) events.push(scheduled(by));
  if (after.spec.window !== before.spec.window) events.push(event('window_changed'));
  const retried = before.counts.failed - after.counts.failed;
  const cleared = before.counts.unknown - after.counts.unknown;
  if (by !== null && retried > 0) events.push(event('retried', { count: retried }));
  if (by !== null && cleared > 0) {
    const isAssumed = after.counts.sent - before.counts.sent === cleared;
    events.push(event(isAssumed ? 'assumed_sent' : 'retried', { count: cleared }));
  }
  if (after.state === 'awaiting_approval' && before.spec.approval?.askedAt !== after.spec.approval?.askedAt)
    events.push(asked(by));
  if (wasAwaiting && after.spec.approval?.approved !== undefined) events.push(event('approved'));
  if (before.state !== after.state || before.reason !== after.reason) {
    if (after.state === 'paused') {
      const message = after.reason === 'user' ? null : after.lastError;
      events.push(event('paused', { reason: after.reason, message }));
    } else if (after.state === 'wave_held') {
      events.push(
        event('wave_held', { message: after.lastError, count: presentWave(after)?.number ?? null }),
      );
    } else if (after.state === 'cancelled') events.push(event(endKind(after)));
    else if (after.state === 'queued')
      events.push(event('started', { by: wasAwaiting ? null : by, count: after.total }));
    else if (after.state === 'running' && before.state === 'paused') events.push(event('resumed'));
  }
  const isFault =
    after.faultStreak > before.faultStreak ||
    (after.lastError !== null && after.lastError !== before.lastError);
  if (after.state === 'running' && isFault) events.push(event('fault', { message: after.lastError }));
  if (after.state === 'running' && (after.waitingUntil ?? 0) > (before.waitingUntil ?? 0)) {
    events.push(event('waiting', { until: Math.max(after.updatedAt, after.waitingUntil ?? 0) }));
  }
  if (before.finishedAt === null && after.finishedAt !== null) {
    const message = after.state === 'failed' ? after.lastError : null;
    events.push(event('finished', { by: null, message }));
  }
  return [
    ...events,
    ...waveEvents(before, after, by, event),
    ...takeBackEvents(before.takeBack, after.takeBack, event),
  ];
}

function waveEvents(
  before: Session,
  after: Session,
  by: string | null,
  event: (kind: TimelineEvent['kind'], change: Partial<NewEvent>) => NewEvent,
): NewEvent[] {
  const [was, is] = [presentWave(before), presentWave(after)];
  if (was === null || is === null || was === is) return [];
  const events: NewEvent[] = [];
  // Where a person went on in the middle of a wave, the same wave is still the present one.
  const isPassed = is.number > was.number || before.state === 'wave_held';
  if (isPassed && after.state === 'running' && by !== null)
    events.push(event('wave_passed', { count: was.number }));
  if (is.startedAt !== null && (was.number < is.number || was.startedAt === null))
    events.push(event('wave_started', { by: null, count: is.number }));
  return events;
}

function takeBackEvents(
  before: TakeBack | null,
  after: TakeBack | null,
  event: (kind: TimelineEvent['kind'], change: Partial<NewEvent>) => NewEvent,
): NewEvent[] {
  if (after === null || after === before) return [];
  const { choice, manifestHash, leads, reverted, kept, failed } = after;
  if (after.startedAt !== before?.startedAt) {
    const whose = choice === 'all' ? 'Leads that were emailed too.' : 'Only leads that were not emailed.';
    return [event('take_back_started', { count: leads, message: `${whose} Manifest ${manifestHash}` })];
  }
  if (after.endedAt === null || before.endedAt !== null) return [];
  const message = `${kept} kept because something else has changed them since, ${failed} failed.`;
  return [event('take_back_ended', { by: null, count: reverted, message })];
}

function endKind({ reason }: Session): TimelineEvent['kind'] {
  if (reason === 'approval_rejected') return 'rejected';
  return reason === 'approval_expired' ? 'approval_expired' : 'cancelled';
}

/** A slice that died left this many calls without a known outcome. */
export function recovered(count: number, nowMs: number): NewEvent {
  return { kind: 'recovered', at: nowMs, until: nowMs, by: null, reason: null, message: null, count };
}

/** What to do with an event, given those that there are: add it, make an earlier one longer, or nothing. */
export type EventStep = { kind: 'add' } | { kind: 'extend'; id: number; until: number } | { kind: 'known' };

/** @param events - those that are kept, oldest first */
export function placeEvent(events: readonly TimelineEvent[], next: NewEvent): EventStep {
  const earlier = events
    .slice(-lookBackCount)
    .findLast(
      ({ kind, by, reason, message, until }) =>
        kind === next.kind &&
        by === next.by &&
        reason === next.reason &&
        message === next.message &&
        next.at - until <= sameEventMs,
    );
  if (earlier === undefined || (next.kind !== 'fault' && next.kind !== 'waiting')) return { kind: 'add' };
  if (next.until - earlier.until < extendMs) return { kind: 'known' };
  return { kind: 'extend', id: earlier.id, until: next.until };
}

export interface Series {
  spacingMs: number;
  points: readonly ThroughputPoint[];
}

export const emptySeries: Series = { spacingMs: firstSpacingMs, points: [] };

/** Counters of a session as a point. */
const pointOf = ({ counts }: Pick<Session, 'counts'>, at: number): ThroughputPoint => ({
  at,
  processed: processedCount(counts),
  sent: counts.sent,
  failed: counts.refused + counts.failed + counts.unknown,
});

const isSame = (one: ThroughputPoint, other: ThroughputPoint): boolean =>
  one.processed === other.processed && one.sent === other.sent && one.failed === other.failed;

/** The series after a change, or null when it says nothing new. */
export function addPoint(series: Series, before: Session | null, after: Session): Series | null {
  if (before === null || after.startedAt === null) return null;
  const point = pointOf(after, after.updatedAt);
  // A plot must show first of all whether the session ran between two points.
  const isTurn = before.state !== after.state || before.finishedAt !== after.finishedAt;
  const last = series.points.at(-1);
  if (last !== undefined && !isTurn) {
    if (after.finishedAt !== null || point.processed === last.processed) return null;
    if (point.at - last.at < series.spacingMs) return null;
  }
  return thinned({
    ...series,
    points: [...series.points, ...(last === undefined ? [] : quietEnds(series, last, before, point)), point],
  });
}

/** How long a time without results is that a plot shows. Shorter, it may be one slow call. */
const quietFromMs = ({ spacingMs }: Series): number => Math.max(minQuietMs, spacingMs);

/**
 * Both ends of a time without results that a change has ended, as far as they are no points yet: a plot draws a line from
 * point to point, and between two waves nothing is sent.
 */
function quietEnds(
  series: Series,
  last: ThroughputPoint,
  before: Session,
  point: ThroughputPoint,
): ThroughputPoint[] {
  const known = pointOf(before, last.at);
  // The last results before it may have come too soon after a point to be one.
  const begin = isSame(known, last) ? known : { ...known, at: Math.max(last.at, before.progressedAt) };
  if (point.at - begin.at <= quietFromMs(series)) return [];
  const end = { ...begin, at: point.at };
  return [...(begin.at > last.at ? [begin] : []), ...(isSame(end, point) ? [] : [end])];
}

/** Every other point of a series that has become too long, at twice the distance; the ends of quiet times stay. */
function thinned(series: Series): Series {
  const { points } = series;
  if (points.length <= maxPointCount) return series;
  const wider: Series = { ...series, spacingMs: series.spacingMs * 2 };
  const isOfEveryOther = (index: number): boolean => index % 2 === 0 || index === points.length - 1;
  const endsQuiet = (index: number): boolean => {
    const [one, other] = [points[index - 1], points[index]];
    if (one === undefined || other === undefined) return false;
    return isSame(one, other) && other.at - one.at > quietFromMs(wider);
  };
  const kept = points.filter((_, index) => isOfEveryOther(index) || endsQuiet(index) || endsQuiet(index + 1));
  // Where quiet times alone fill the series, they are thinned like the rest.
  const isFull = kept.length > maxKeptCount;
  return { ...wider, points: isFull ? points.filter((_, index) => isOfEveryOther(index)) : kept };
}
