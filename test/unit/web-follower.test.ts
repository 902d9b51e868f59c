import { describe, expect, it } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import {
  newFollower,
  nextTickAt,
  stepFollower,
  type FollowerEvent,
  type FollowerState,
} from '../../web/src/lib/sync/follower.ts';
import { timing } from '../../web/src/lib/sync/timing.ts';
import { progressOf } from '../support/progress.ts';

const progressAt = (rev: number, change: Partial<Progress> = {}): Progress => progressOf({ rev, ...change });

/** A follower under a clock that only moves when told to; remembers every effect with its time. */
class Bench {
  now = 0;
  state: FollowerState;
  readonly trace: string[] = [];

  constructor(options: { wantsStream: boolean; pendingUntil?: number }) {
    this.state = newFollower({ nowMs: 0, ...options });
    this.event({ kind: 'tick' });
  }

  event(event: FollowerEvent): this {
    const step = stepFollower(this.state, event, this.now, () => 0.5);
    this.state = step.state;
    for (const effect of step.effects) {
      this.trace.push(
        `${this.now} ${effect.kind}${effect.kind === 'poll' && effect.etag ? ` ${effect.etag}` : ''}`,
      );
    }
    return this;
  }

  /** Moves to the next time at which the follower asked to be woken. */
  wake(): this {
    const at = nextTickAt(this.state);
    if (at === null) throw new Error('the follower waits for nothing');
    this.now = Math.max(this.now, at);
    return this.event({ kind: 'tick' });
  }

  polled(rev: number, change: Partial<Progress> = {}): this {
    return this.event({ kind: 'poll-progress', progress: progressAt(rev, change), etag: `"${rev}"` });
  }
  streamed(rev: number, change: Partial<Progress> = {}): this {
    return this.event({ kind: 'stream-progress', progress: progressAt(rev, change), final: false });
  }
  at(now: number): this {
    this.now = now;
    return this;
  }
  take(): string[] {
    return this.trace.splice(0);
  }
}

describe('a follower of a session found at page load', () => {
  it('asks at once, then every two seconds with the etag of the last answer', () => {
    const bench = new Bench({ wantsStream: false });
    bench.at(40).polled(5).wake();
    bench.at(2_050).event({ kind: 'poll-unchanged' }).wake();
    bench.at(4_100).polled(7).wake();
    expect(bench.take()).toEqual(['0 poll', '2000 poll "5"', '4000 poll "5"', '6000 poll "7"']);
  });

  it('keeps the interval of two seconds when answers are slow, and has one request at a time', () => {
    const bench = new Bench({ wantsStream: false });
    expect(nextTickAt(bench.state)).toBeNull();
    bench.at(1_900).polled(1).wake();
    bench.at(6_500).polled(2).wake();
    expect(bench.take()).toEqual(['0 poll', '2000 poll "1"', '6500 poll "2"']);
  });

  it('opens no stream', () => {
    const bench = new Bench({ wantsStream: false });
    for (let turn = 0; turn < 60; turn += 1)
      bench
        .at(bench.now + 30)
        .polled(turn)
        .wake();
    expect(bench.take().filter((line) => line.includes('stream'))).toEqual([]);
  });

  it('ends with a terminal answer and asks no more', () => {
    const bench = new Bench({ wantsStream: false });
    bench.polled(9, { state: 'completed', finishedAt: 5 });
    expect(bench.take()).toEqual(['0 poll', '0 finish']);
    expect(nextTickAt(bench.state)).toBeNull();
  });

  it('continues while a cancelled session still settles', () => {
    const bench = new Bench({ wantsStream: false });
    bench.polled(9, { state: 'cancelled' }).wake();
    expect(bench.take()).toEqual(['0 poll', '2000 poll "9"']);
  });

  it('is not ended by an answer that arrives out of order', () => {
    const bench = new Bench({ wantsStream: false });
    bench.polled(9).wake().polled(4, { state: 'completed', finishedAt: 5 });
    expect(bench.take()).not.toContain('2000 finish');
    expect(nextTickAt(bench.state)).toBe(4_000);
  });

  it('forgets a session that the server does not know', () => {
    const bench = new Bench({ wantsStream: false });
    bench.event({ kind: 'poll-missing' });
    expect(bench.take()).toEqual(['0 poll', '0 forget']);
  });

  it('keeps a session whose start request may still be on its way, but not forever', () => {
    const bench = new Bench({ wantsStream: false, pendingUntil: 5_000 });
    bench.event({ kind: 'poll-missing' });
    bench.wake().event({ kind: 'poll-missing' });
    bench.wake().event({ kind: 'poll-missing' });
    bench.wake().event({ kind: 'poll-missing' });
    expect(bench.take()).toEqual(['0 poll', '2000 poll', '4000 poll', '6000 poll', '6000 forget']);
  });
});

describe('a follower over a bad network', () => {
  it('backs off to a maximum, never ends, and returns to two seconds after the first answer', () => {
    const bench = new Bench({ wantsStream: false });
    const waits: number[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      bench.event({ kind: 'poll-failed', online: true });
      waits.push((nextTickAt(bench.state) ?? NaN) - bench.now);
      bench.wake();
    }
    expect(waits).toEqual([2_000, 3_000, 6_000, 11_250, 11_250, 11_250, 11_250, 11_250]);
    expect(Math.max(...waits)).toBeLessThanOrEqual(timing.maxBackoffMs);
    expect(bench.state.link).toBe('retrying');
    bench.polled(3);
    expect(bench.state.link).toBe('polling');
    expect((nextTickAt(bench.state) ?? NaN) - bench.now).toBe(2_000);
  });

  it('says offline when the browser does, and asks at once when it is back', () => {
    const bench = new Bench({ wantsStream: false });
    bench.event({ kind: 'poll-failed', online: false });
    bench.wake().event({ kind: 'poll-failed', online: false });
    expect(bench.state.link).toBe('offline');
    bench.at(bench.now + 1).take();
    bench.event({ kind: 'nudge' });
    expect(bench.take()).toEqual([`${bench.now} poll`]);
  });

  it('waits as long as the server asks, but not forever', () => {
    const bench = new Bench({ wantsStream: false });
    bench.event({ kind: 'poll-refused', retryAfterMs: 7_000, permanent: false, signedOut: false });
    expect(nextTickAt(bench.state)).toBe(7_000);
    bench
      .wake()
      .event({ kind: 'poll-refused', retryAfterMs: 86_400_000, permanent: false, signedOut: false });
    expect(nextTickAt(bench.state)).toBe(7_000 + timing.maxRetryAfterMs);
  });

  it('keeps a session that the reader may not see at the moment', () => {
    const bench = new Bench({ wantsStream: false });
    bench.event({ kind: 'poll-refused', retryAfterMs: null, permanent: true, signedOut: true });
    expect(bench.state.link).toBe('signed-out');
    expect(nextTickAt(bench.state)).toBe(timing.refusedIntervalMs);
  });
});

describe('a follower of a session started here', () => {
  it('streams, and does not poll while the stream works', () => {
    const bench = new Bench({ wantsStream: true });
    for (let turn = 1; turn < 100; turn += 1)
      bench
        .at(turn * 200)
        .streamed(turn)
        .event({ kind: 'tick' });
    expect(bench.take()).toEqual(['0 open-stream']);
    expect(bench.state.link).toBe('streaming');
  });

  it('ends with the end event', () => {
    const bench = new Bench({ wantsStream: true });
    bench.at(300).event({
      kind: 'stream-progress',
      progress: progressAt(9, { state: 'completed', finishedAt: 1 }),
      final: true,
    });
    expect(bench.take()).toEqual(['0 open-stream', '300 close-stream', '300 finish']);
  });

  it('is never ended by a dropped connection: it polls at once and opens the stream again', () => {
    const bench = new Bench({ wantsStream: true });
    bench.at(100).streamed(1).at(20_000).streamed(40).event({ kind: 'stream-closed' }).wake().wake();
    expect(bench.take()).toEqual(['0 open-stream', '20000 poll', '20500 open-stream']);
  });

  it('polls after three short-lived streams, and tries the stream again after a minute', () => {
    const bench = new Bench({ wantsStream: true });
    let opened = bench.take().length;
    bench.event({ kind: 'stream-closed' });
    while (bench.now < 75_000) {
      bench.wake();
      for (const line of bench.take()) {
        if (line.endsWith('open-stream')) {
          opened += 1;
          bench.event({ kind: 'stream-closed' });
        } else if (line.includes('poll')) {
          bench.event({ kind: 'poll-unchanged' });
        }
      }
      if (opened === 3 && bench.now < 60_000) expect(bench.state.link).toBe('polling');
    }
    // Two more within seconds, then one after the minute.
    expect(opened).toBe(4);
  });

  it('counts only consecutive short-lived streams', () => {
    const bench = new Bench({ wantsStream: true });
    for (let turn = 0; turn < 20; turn += 1) {
      // A proxy that cuts every stream after ten seconds.
      bench.at(bench.now + 100).streamed(turn * 2);
      bench
        .at(bench.now + 9_900)
        .streamed(turn * 2 + 1)
        .event({ kind: 'stream-closed' });
      while (bench.state.stream === 'closed') {
        bench.wake();
        if (bench.state.polling) bench.event({ kind: 'poll-unchanged' });
      }
    }
    expect(bench.state.shortStreamCount).toBe(0);
  });

  it('gives up a silent stream, as behind a buffering proxy', () => {
    const bench = new Bench({ wantsStream: true });
    bench.event({ kind: 'stream-open' });
    // The first poll replaces it meanwhile.
    bench.wake();
    expect(bench.take()).toEqual(['0 open-stream', '2000 poll']);
    bench.at(2_020).polled(3);
    while (bench.state.stream !== 'closed') {
      bench.wake();
      if (bench.state.polling) bench.event({ kind: 'poll-unchanged' });
    }
    expect(bench.now).toBe(timing.firstEventMs);
    expect(bench.take()).toContain(`${timing.firstEventMs} close-stream`);
  });

  it('checks a silent stream by a poll, keeps it when nothing happened, and drops it when it has missed a change', () => {
    const bench = new Bench({ wantsStream: true });
    bench.at(100).streamed(1).wake();
    expect(bench.now).toBe(100 + timing.silenceMs);
    bench.event({ kind: 'poll-unchanged' });
    expect(bench.state.stream).toBe('open');
    bench.take();
    bench.wake().polled(8);
    expect(bench.take()).toContain(`${bench.now} close-stream`);
    expect(bench.state.stream).toBe('closed');
  });

  it('forgets a session that was erased while it was watched', () => {
    const bench = new Bench({ wantsStream: true });
    bench.at(10).streamed(1).event({ kind: 'erased' });
    expect(bench.take()).toEqual(['0 open-stream', '10 close-stream', '10 forget']);
  });

  it('ignores events of a stream that it has closed', () => {
    const bench = new Bench({ wantsStream: true });
    bench.event({ kind: 'stream-closed' });
    const before = bench.state;
    bench.streamed(5);
    expect(bench.state).toBe(before);
  });

  it('opens a stream again when a person retries a finished session', () => {
    const bench = new Bench({ wantsStream: false });
    bench.polled(9, { state: 'completed', finishedAt: 5 }).take();
    bench.at(60_000).event({ kind: 'tick' });
    expect(bench.take()).toEqual([]);
    bench.event({ kind: 'live' });
    expect(bench.take()).toEqual(['60000 open-stream']);
  });
});
