/**
 * How one session is followed, as a pure state machine: events in, new state and effects out. It decides
 * when to stream, when to poll and when it is over; it touches no clock, network or timer.
 *
 * Invariants: only a terminal state finishes a session, never a dropped connection; while no stream is
 * known to work, a healthy server is polled every 2 s; after the end nothing is asked again.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../../../src/shared/progress.ts';
import { timing } from './timing.ts';
import type { Link } from './wire.ts';

export interface FollowerState {
  /** A person started this session here: worth a stream. Sessions found at page load are polled. */
  wantsStream: boolean;
  stream: 'closed' | 'opening' | 'open';
  /** When the present stream was asked for. */
  streamSince: number;
  /** When the stream last showed something. */
  heardAt: number;
  shortStreamCount: number;
  /** When to open a stream (again); null while one is there or none is wanted. */
  streamAt: number | null;
  /** When the next poll is due; null while a working stream makes polls needless. */
  pollAt: number | null;
  polling: boolean;
  pollStartedAt: number;
  pollFailCount: number;
  etag: string | null;
  /** Highest rev seen, by any way. */
  rev: number;
  /** A 404 before this time may only mean that the start request is still on its way. */
  pendingUntil: number;
  link: Link;
  over: boolean;
}

export type FollowerEvent =
  | { kind: 'stream-open' }
  | { kind: 'stream-progress'; progress: Progress; final: boolean }
  /** Anything else that came through the stream. */
  | { kind: 'stream-heard' }
  | { kind: 'stream-closed' }
  | { kind: 'poll-progress'; progress: Progress; etag: string | null }
  | { kind: 'poll-unchanged' }
  | { kind: 'poll-missing' }
  /** `permanent`: only a person can lift it, by signing in (`signedOut`) or by getting another role. */
  | { kind: 'poll-refused'; retryAfterMs: number | null; permanent: boolean; signedOut: boolean }
  | { kind: 'poll-failed'; online: boolean }
  | { kind: 'erased' }
  /** Back online, or shown again: do not wait for a timer. */
  | { kind: 'nudge' }
  /** A person started or resumed the session here. */
  | { kind: 'live' }
  | { kind: 'tick' };

export type FollowerEffect =
  | { kind: 'open-stream' }
  | { kind: 'close-stream' }
  | { kind: 'poll'; etag: string | null }
  /** Terminal: show it as finished, ask no more. */
  | { kind: 'finish' }
  /** The server does not know it: clear the stored id. */
  | { kind: 'forget' };

export interface FollowerStep {
  state: FollowerState;
  effects: FollowerEffect[];
}

/** The follower of a session as a page begins to follow it. Step it with `tick` at once. */
export function newFollower(options: {
  nowMs: number;
  wantsStream: boolean;
  rev?: number | undefined;
  pendingUntil?: number | undefined;
}): FollowerState {
  return {
    wantsStream: options.wantsStream,
    stream: 'closed',
    streamSince: 0,
    heardAt: 0,
    shortStreamCount: 0,
    streamAt: options.wantsStream ? options.nowMs : null,
    // A stream's first event is the whole state; without one the server is asked at once.
    pollAt: options.wantsStream ? options.nowMs + timing.pollIntervalMs : options.nowMs,
    polling: false,
    pollStartedAt: 0,
    pollFailCount: 0,
    etag: null,
    rev: options.rev ?? -1,
    pendingUntil: options.pendingUntil ?? 0,
    link: 'connecting',
    over: false,
  };
}

/** When the follower next has to be stepped with `tick`; null when only events can move it. */
export function nextTickAt(state: FollowerState): number | null {
  if (state.over) return null;
  const times: number[] = [];
  if (state.streamAt !== null) times.push(state.streamAt);
  if (state.pollAt !== null && !state.polling) times.push(state.pollAt);
  if (state.stream === 'opening') times.push(state.streamSince + timing.firstEventMs);
  if (state.stream === 'open' && !state.polling) times.push(state.heardAt + timing.silenceMs);
  return times.length === 0 ? null : Math.min(...times);
}

/**
 * One step of the machine.
 *
 * @param random - 0 ≤ x < 1; spreads the retries of many tabs after an outage
 */
export function stepFollower(
  state: FollowerState,
  event: FollowerEvent,
  nowMs: number,
  random: () => number,
): FollowerStep {
  if (state.over) {
    // Only a person's retry brings a finished session back.
    if (event.kind !== 'live') return { state, effects: [] };
    return stepFollower(
      newFollower({ nowMs, wantsStream: true, rev: state.rev }),
      { kind: 'tick' },
      nowMs,
      random,
    );
  }
  switch (event.kind) {
    case 'tick':
      return onTick(state, nowMs);
    case 'nudge':
      return onTick(
        {
          ...state,
          pollAt: state.polling ? state.pollAt : nowMs,
          streamAt: state.streamAt === null ? null : nowMs,
          pollFailCount: 0,
        },
        nowMs,
      );
    case 'live':
      if (state.wantsStream) return { state, effects: [] };
      return onTick({ ...state, wantsStream: true, shortStreamCount: 0, streamAt: nowMs }, nowMs);
    case 'stream-open':
    case 'stream-heard':
      return { state: state.stream === 'closed' ? state : { ...state, heardAt: nowMs }, effects: [] };
    case 'stream-progress':
      return onStreamProgress(state, event.progress, event.final, nowMs);
    case 'stream-closed':
      return state.stream === 'closed' ? { state, effects: [] } : onStreamLost(state, nowMs, []);
    case 'poll-progress':
      return onPollProgress(state, event.progress, event.etag, nowMs);
    case 'poll-unchanged':
      return { state: afterPoll(state, nowMs), effects: [] };
    case 'poll-missing':
      if (nowMs < state.pendingUntil)
        return { state: { ...afterPoll(state, nowMs), link: 'connecting' }, effects: [] };
      return end(state, 'forget');
    case 'erased':
      return end(state, 'forget');
    case 'poll-refused': {
      const waitMs = event.permanent
        ? timing.refusedIntervalMs
        : Math.min(timing.maxRetryAfterMs, event.retryAfterMs ?? backoffMs(state.pollFailCount, random));
      return {
        state: {
          ...state,
          polling: false,
          pollFailCount: state.pollFailCount + 1,
          pollAt: nowMs + Math.max(timing.pollIntervalMs, waitMs),
          link: event.signedOut ? 'signed-out' : event.permanent ? 'refused' : 'retrying',
        },
        effects: [],
      };
    }
    case 'poll-failed':
      return {
        state: {
          ...state,
          polling: false,
          pollFailCount: state.pollFailCount + 1,
          pollAt: nowMs + backoffMs(state.pollFailCount, random),
          link: event.online ? 'retrying' : 'offline',
        },
        effects: [],
      };
    default:
      return event satisfies never;
  }
}

/** Waits between failed polls: 2 s, 4 s, 8 s … to the ceiling, the upper half of each jittered. */
function backoffMs(failCount: number, random: () => number): number {
  const ceilingMs = Math.min(timing.maxBackoffMs, timing.pollIntervalMs * 2 ** Math.min(failCount, 10));
  return failCount === 0 ? ceilingMs : ceilingMs / 2 + (ceilingMs / 2) * random();
}

function onTick(state: FollowerState, nowMs: number): FollowerStep {
  const effects: FollowerEffect[] = [];
  let next = state;
  if (next.stream === 'opening' && nowMs >= next.streamSince + timing.firstEventMs) {
    const lost = onStreamLost(next, nowMs, [{ kind: 'close-stream' }]);
    next = lost.state;
    effects.push(...lost.effects);
  }
  if (next.streamAt !== null && nowMs >= next.streamAt) {
    next = { ...next, stream: 'opening', streamSince: nowMs, heardAt: nowMs, streamAt: null };
    effects.push({ kind: 'open-stream' });
  }
  const silent = next.stream === 'open' && nowMs >= next.heardAt + timing.silenceMs;
  const due = next.pollAt !== null && nowMs >= next.pollAt;
  if (!next.polling && (due || silent)) {
    next = { ...next, polling: true, pollStartedAt: nowMs };
    effects.push({ kind: 'poll', etag: next.etag });
  }
  return { state: next, effects };
}

/** A closed stream is opened again: soon when it lived well, after 60 s when three in a row did not. */
function onStreamLost(state: FollowerState, nowMs: number, effects: FollowerEffect[]): FollowerStep {
  const short = state.stream !== 'open' || nowMs - state.streamSince < timing.shortStreamMs;
  const shortStreamCount = short ? state.shortStreamCount + 1 : 0;
  const fallBack = shortStreamCount >= timing.maxShortStreamCount;
  const waitMs = fallBack
    ? timing.streamRetryMs
    : short
      ? timing.streamReopenMs * 2 ** shortStreamCount
      : timing.streamReopenMs;
  return {
    state: {
      ...state,
      stream: 'closed',
      shortStreamCount,
      streamAt: nowMs + waitMs,
      // Whatever the stream owed us is asked for now.
      pollAt: state.pollAt ?? nowMs,
      link: fallBack ? 'polling' : state.link === 'streaming' ? 'connecting' : state.link,
    },
    effects,
  };
}

function onStreamProgress(
  state: FollowerState,
  progress: Progress,
  final: boolean,
  nowMs: number,
): FollowerStep {
  // An event that was on its way when the stream was closed.
  if (state.stream === 'closed') return { state, effects: [] };
  const heard: FollowerState = {
    ...state,
    stream: 'open',
    heardAt: nowMs,
    rev: Math.max(state.rev, progress.rev),
    pendingUntil: 0,
    pollAt: null,
    pollFailCount: 0,
    link: 'streaming',
  };
  if (final || isTerminal(progress)) return end(heard, 'finish');
  const healthy = nowMs - state.streamSince >= timing.shortStreamMs;
  return { state: healthy ? { ...heard, shortStreamCount: 0 } : heard, effects: [] };
}

function onPollProgress(
  state: FollowerState,
  progress: Progress,
  etag: string | null,
  nowMs: number,
): FollowerStep {
  const polled: FollowerState = {
    ...afterPoll(state, nowMs),
    etag,
    rev: Math.max(state.rev, progress.rev),
    pendingUntil: 0,
  };
  if (isTerminal(progress) && progress.rev >= state.rev) return end(polled, 'finish');
  // The stream was silent and yet there was news: something on its way holds events back.
  const heldBack =
    state.stream === 'open' &&
    progress.rev > state.rev &&
    state.heardAt + timing.silenceMs <= state.pollStartedAt;
  if (!heldBack) return { state: polled, effects: [] };
  return onStreamLost({ ...polled, streamSince: nowMs }, nowMs, [{ kind: 'close-stream' }]);
}

function afterPoll(state: FollowerState, nowMs: number): FollowerState {
  const streaming = state.stream === 'open';
  return {
    ...state,
    polling: false,
    pollFailCount: 0,
    // Counted from the request, so that a slow answer does not stretch the cadence.
    pollAt: streaming ? null : Math.max(nowMs, state.pollStartedAt + timing.pollIntervalMs),
    heardAt: streaming ? nowMs : state.heardAt,
    link: streaming ? 'streaming' : 'polling',
  };
}

function end(state: FollowerState, how: 'finish' | 'forget'): FollowerStep {
  const effects: FollowerEffect[] = state.stream === 'closed' ? [] : [{ kind: 'close-stream' }];
  return {
    state: { ...state, over: true, stream: 'closed', streamAt: null, pollAt: null, polling: false },
    effects: [...effects, { kind: how }],
  };
}
