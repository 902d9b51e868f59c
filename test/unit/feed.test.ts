import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Feed } from '../../src/durable/session/feed.ts';
import type { Issue, Progress } from '../../src/shared/progress.ts';
import { progressOf } from '../support/progress.ts';

/** A session as the feed sees it. */
class Source {
  view: Progress | null = progressOf({ total: 1_000_000 });
  viewCount = 0;

  progress(): Progress | null {
    this.viewCount++;
    return this.view;
  }
  issues(): Issue[] {
    return [{ track: 'email', state: 'failed', code: 'refused', message: 'Refused.', count: 1 }];
  }
  now(): number {
    return Date.now();
  }
  look(): void {}
  move(change: Partial<Progress> = {}): void {
    if (this.view !== null) this.view = { ...this.view, ...change, rev: this.view.rev + 1 };
  }
}

interface Event {
  name: string;
  id: number | null;
  at: number;
}

/** Reads as soon as there is something, or only on demand. */
class Reader {
  readonly events: Event[] = [];
  state: 'open' | 'closed' | 'cut' = 'open';
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();

  constructor(stream: ReadableStream<Uint8Array>, reads: 'all' | 'nothing' = 'all') {
    this.#reader = stream.getReader();
    if (reads === 'all') void this.readAll();
  }

  async readOne(): Promise<void> {
    try {
      const { value, done } = await this.#reader.read();
      if (done) this.state = 'closed';
      else this.#take(this.#decoder.decode(value));
    } catch {
      this.state = 'cut';
    }
  }
  async readAll(): Promise<void> {
    while (this.state === 'open') await this.readOne();
  }
  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
  get ids(): number[] {
    return this.events.flatMap(({ id }) => (id === null ? [] : [id]));
  }
  get names(): string[] {
    return this.events.map(({ name }) => name);
  }

  #take(text: string): void {
    const name = /^event: (\w+)$/m.exec(text)?.[1] ?? (text.startsWith(':') ? 'keep-alive' : 'retry');
    const id = /^id: (\d+)$/m.exec(text)?.[1];
    this.events.push({ name, id: id === undefined ? null : Number(id), at: Date.now() });
  }
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

let source: Source;
let feed: Feed;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
  source = new Source();
  feed = new Feed(source);
});
afterEach(() => {
  vi.useRealTimers();
});

/** Changes every `everyMs` for `durationMs`. */
async function run(durationMs: number, everyMs: number): Promise<void> {
  for (let at = 0; at < durationMs; at += everyMs) {
    source.move();
    feed.publish();
    await pass(everyMs);
  }
}

/** Changes that no reader sees, and then two results at once. */
async function moveTwiceAfterNothing(): Promise<void> {
  for (let step = 0; step < 5; step++) {
    feed.publish();
    await pass(10);
  }
  for (let step = 0; step < 2; step++) {
    source.move();
    feed.publish();
    await pass(0);
  }
}

/** A reader that reads nothing, so that its buffer is full. */
async function behind(): Promise<Reader> {
  const reader = new Reader(feed.connect(null), 'nothing');
  await run(2_000, 200);
  return reader;
}

describe('a feed that nobody reads', () => {
  it('computes nothing and has no timer, however much changes', async () => {
    await run(1_000, 10);
    expect(source.viewCount).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('stops when its last reader has left, even in the middle of a flush', async () => {
    const reader = new Reader(feed.connect(null));
    await pass(1);
    source.move();
    feed.publish();
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    await reader.cancel();
    expect(feed.readerCount).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a reader', () => {
  it('gets the whole state at once, then at most seven views a second on average, and the newest in the end', async () => {
    const reader = new Reader(feed.connect(null));
    await run(10_000, 7);
    await pass(200);
    expect(reader.ids[0]).toBe(1);
    expect(reader.ids.at(-1)).toBe(source.view?.rev);
    const progress = reader.events.filter(({ name }) => name === 'progress');
    expect(progress.length).toBeGreaterThan(45);
    for (const [index, { at }] of progress.entries()) {
      // In any second one more: the view that was saved up before.
      if (index >= 9) expect(at - progress[index - 8]!.at).toBeGreaterThanOrEqual(1_000);
    }
    expect(reader.ids).toEqual([...new Set(reader.ids)].sort((a, b) => a - b));
  });

  it('gets results at once while there are five a second, also when they are early', async () => {
    const reader = new Reader(feed.connect(1));
    await pass(1_000);
    const waitsMs: number[] = [];
    for (let step = 0; step < 50; step++) {
      source.move();
      feed.publish();
      const movedAt = Date.now();
      await pass(step % 2 === 0 ? 170 : 230);
      waitsMs.push((reader.events.at(-1)?.at ?? Infinity) - movedAt);
    }
    expect(reader.ids).toHaveLength(50);
    expect(Math.max(...waitsMs)).toBe(0);
  });

  it('gets a result at once, also after much that changes nothing it sees', async () => {
    const reader = new Reader(feed.connect(1));
    await moveTwiceAfterNothing();
    expect(reader.ids).toEqual([2, 3]);
  });

  it('gets a change that can wait with the result after it, or alone after 150 ms', async () => {
    const reader = new Reader(feed.connect(1));
    await pass(1_000);
    source.move();
    feed.publish(true);
    await pass(50);
    expect(reader.ids).toEqual([]);
    source.move();
    feed.publish();
    await pass(0);
    expect(reader.ids).toEqual([3]);
    await pass(1_000);
    source.move();
    feed.publish(true);
    await pass(149);
    expect(reader.ids).toEqual([3]);
    await pass(1);
    expect(reader.ids).toEqual([3, 4]);
  });

  it('gets nothing twice when it has the newest rev already', async () => {
    const reader = new Reader(feed.connect(1));
    await pass(10);
    expect(reader.names).toEqual(['retry']);
    source.move();
    feed.publish();
    await pass(250);
    expect(reader.ids).toEqual([2]);
  });

  it('that sends a rev that never existed gets the state', async () => {
    const reader = new Reader(feed.connect(999));
    await pass(10);
    expect(reader.ids).toEqual([1]);
  });

  it('gets issues with the first view that has some, and further ones at most every five seconds', async () => {
    const reader = new Reader(feed.connect(null));
    await pass(10);
    const email = { ...source.view!.email, failed: 3 };
    source.move({ email });
    feed.publish();
    await pass(250);
    source.move();
    feed.publish();
    await pass(250);
    source.move({ email: { ...email, unknown: 1 } });
    feed.publish();
    await pass(250);
    expect(reader.names).toEqual(['retry', 'progress', 'issues', 'progress', 'progress', 'progress']);
    await pass(5_000);
    source.move({ email: { ...email, unknown: 1 } });
    feed.publish();
    await pass(250);
    expect(reader.names.slice(6)).toEqual(['issues', 'progress']);
  });

  it('gets issues that came too soon after others with a keep-alive, when nothing else changes', async () => {
    const reader = new Reader(feed.connect(null));
    const failed = (count: number): Partial<Progress> => ({
      email: { ...source.view!.email, failed: count },
    });
    source.move(failed(1));
    feed.publish();
    await pass(1_000);
    source.move(failed(2));
    feed.publish();
    await pass(1_000);
    const countOfIssues = (): number => reader.names.filter((name) => name === 'issues').length;
    expect(countOfIssues()).toBe(1);
    await pass(15_000);
    expect(countOfIssues()).toBe(2);
    await pass(60_000);
    expect(countOfIssues()).toBe(2);
  });

  it('learns within 15 seconds that the session stalls, once, without a new revision', async () => {
    const reader = new Reader(feed.connect(null));
    await pass(10);
    if (source.view !== null) source.view = { ...source.view, stalledSince: 1 };
    await pass(46_000);
    expect(reader.names).toEqual(['retry', 'progress', 'progress', 'keep-alive', 'keep-alive']);
    expect(reader.ids).toEqual([1]);
  });

  it('still gets changes when the clock is set back', async () => {
    const reader = new Reader(feed.connect(null));
    source.move();
    feed.publish();
    await pass(250);
    vi.setSystemTime(Date.now() - 86_400_000);
    source.move();
    feed.publish();
    await pass(250);
    expect(reader.ids).toEqual([1, 2, 3]);
    // The age of the stream is not known any more, so the reader reconnects.
    await pass(15_000);
    expect(reader.state).toBe('closed');
  });

  it('gets a keep-alive every 15 seconds', async () => {
    const reader = new Reader(feed.connect(null));
    await pass(46_000);
    expect(reader.names.filter((name) => name === 'keep-alive')).toHaveLength(3);
  });

  it('is disconnected within five minutes, without an end, and resumes where it was', async () => {
    const reader = new Reader(feed.connect(null));
    await pass(300_000);
    expect(reader.state).toBe('closed');
    expect(reader.names).not.toContain('end');
    expect(feed.readerCount).toBe(0);
    source.move();
    const again = new Reader(feed.connect(reader.ids.at(-1) ?? null));
    await pass(10);
    expect(again.ids).toEqual([2]);
  });

  it('gets the end as the last event, and the stream closes; a later reader gets it too', async () => {
    const reader = new Reader(feed.connect(null));
    await pass(10);
    source.move({ state: 'completed', finishedAt: 1 });
    feed.publish();
    await pass(250);
    expect(reader.names).toEqual(['retry', 'progress', 'end']);
    expect(reader.state).toBe('closed');
    expect(vi.getTimerCount()).toBe(0);
    await pass(86_400_000);
    for (const cursor of [null, 0, 1, 2, 99]) {
      const late = new Reader(feed.connect(cursor));
      await pass(1);
      expect(late.names, String(cursor)).toEqual(['retry', 'end']);
      expect(late.state).toBe('closed');
    }
  });

  it('is told that the session was erased', async () => {
    const reader = new Reader(feed.connect(null));
    await pass(10);
    feed.closeDeleted('activation_1704123456789_a7bc3d2f1');
    await pass(10);
    expect(reader.names.at(-1)).toBe('deleted');
    expect(reader.state).toBe('closed');
  });
});

describe('a reader that does not read', () => {
  it('has a few events buffered, however long the session is, and slows no other reader', async () => {
    const slow = new Reader(feed.connect(null), 'nothing');
    const quick = new Reader(feed.connect(null));
    await run(20_000, 50);
    await pass(200);
    expect(quick.ids.at(-1)).toBe(source.view?.rev);
    expect(quick.ids.length).toBeGreaterThan(90);
    // It finally reads its buffer: a few old views, and soon the newest.
    void slow.readAll();
    await pass(150);
    expect(slow.events.length).toBeLessThanOrEqual(6);
    expect(slow.ids.at(-1)).toBe(source.view?.rev);
    expect(slow.ids).toEqual([...new Set(slow.ids)].sort((a, b) => a - b));
  });

  it('takes no view from the others, however long it reads nothing', async () => {
    const slow = new Reader(feed.connect(null), 'nothing');
    const quick = new Reader(feed.connect(null));
    await run(2_000, 200);
    expect(slow.events).toEqual([]);
    await moveTwiceAfterNothing();
    expect(quick.ids.at(-1)).toBe(source.view?.rev);
  });

  it('is kept while it reads, however slowly', async () => {
    const slow = new Reader(feed.connect(null), 'nothing');
    for (let at = 0; at < 120_000; at += 150) {
      source.move();
      feed.publish();
      if (at % 300 === 0) void slow.readOne();
      await pass(150);
    }
    expect(slow.state).toBe('open');
    expect(feed.readerCount).toBe(1);
  });

  it('is kept when it reads just before it would be dropped', async () => {
    const slow = await behind();
    // A keep-alive, which drops readers, comes every 15 seconds; between two looks.
    await pass(42_990);
    void slow.readAll();
    await pass(1_000);
    expect(slow.state).toBe('open');
    expect(slow.ids.at(-1)).toBe(source.view?.rev);
  });

  it('gets the newest view soon also where the view cannot be read once', async () => {
    const slow = await behind();
    void slow.readAll();
    const { view } = source;
    const failing = vi.spyOn(source, 'progress').mockImplementationOnce(() => {
      throw new Error('The storage does not answer.');
    });
    await pass(150).catch(() => {});
    expect(failing).toHaveBeenCalled();
    await pass(150);
    expect(slow.ids.at(-1)).toBe(view?.rev);
  });

  it.each(['end', 'deleted'] as const)('gets %s as the last event once it reads', async (name) => {
    const slow = await behind();
    if (name === 'deleted') feed.closeDeleted('session');
    else {
      source.move({ state: 'completed', finishedAt: Date.now() });
      feed.publish();
      await pass(0);
    }
    void slow.readAll();
    await pass(150);
    expect(slow.names.at(-1)).toBe(name);
    expect(slow.state).toBe('closed');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer of its own once it has caught up, or has left', async () => {
    const slow = await behind();
    void slow.readAll();
    await pass(500);
    // That of the keep-alive.
    expect(vi.getTimerCount()).toBe(1);
    const left = await behind();
    await left.cancel();
    await slow.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is dropped after half a minute, with its buffer', async () => {
    const slow = new Reader(feed.connect(null), 'nothing');
    await run(60_000, 500);
    expect(feed.readerCount).toBe(0);
    await slow.readOne();
    expect(slow.state).toBe('cut');
  });

  it('is kept when it has caught up after being behind', async () => {
    const reader = new Reader(feed.connect(null), 'nothing');
    // The buffer was full, and then came nothing new: the reader lacks only a keep-alive.
    await run(500, 250);
    await pass(16_000);
    void reader.readAll();
    await pass(100_000);
    expect(reader.state).toBe('open');
    expect(feed.readerCount).toBe(1);
  });
});
