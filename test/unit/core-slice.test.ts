/**
 * The order of a slice, by the calls of verbs that only record that they were called.
 */
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch/batch.ts';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import type { WorkMode } from '../../src/core/session/session.ts';
import { type Permit, runSlice, sliceLimits, type SliceVerbs } from '../../src/core/session/slice.ts';
import { batchOf, inflight } from '../support/session-model.ts';

const accepted: Outcome = { kind: 'accepted', messageIds: [], rejections: [] };
const limits = { maxMs: 20_000, senderCount: 1, callCount: 1 };

/** A world of pages and batches; each verb is one line of the trace. */
class World implements SliceVerbs {
  readonly trace: string[] = [];
  nowMs = 0;
  sessionMode: WorkMode = 'run';
  pagesLeft = 0;
  readonly due: Batch[] = [];
  readonly held = new Set<number>();
  /** Batches that a command takes back before their intent is written. */
  readonly takenBack = new Set<number>();
  /** Batches that the CRM refuses. */
  readonly refused = new Set<number>();
  readonly permitsOut = new Set<Permit>();
  mostHeld = 0;
  /** Replaces a verb's work; called after it was written down. */
  on: Partial<Record<keyof SliceVerbs, () => void>> = {};
  nextPermit: () => Permit = () => ({ kind: 'granted', at: this.nowMs });
  #seq = 0;

  #say(verb: keyof SliceVerbs, words: string): void {
    this.trace.push(words);
    this.on[verb]?.();
  }

  add(count: number, make: (seq: number) => Batch = (seq) => batchOf([seq], { seq })): this {
    for (let i = 0; i < count; i++) this.due.push(make(++this.#seq));
    return this;
  }

  now = (): number => this.nowMs;
  mode = (): WorkMode => this.sessionMode;
  isPlanning = (): boolean => this.pagesLeft > 0;

  sleepUntil(at: number): Promise<void> {
    this.nowMs = Math.max(this.nowMs, at);
    return Promise.resolve();
  }

  async plan(): Promise<void> {
    await Promise.resolve();
    this.pagesLeft--;
    this.add(1);
    this.#say('plan', 'plan');
  }

  take(): Batch | null {
    const batch = this.due.shift() ?? null;
    if (batch !== null) {
      this.held.add(batch.seq);
      this.mostHeld = Math.max(this.mostHeld, this.held.size);
      this.#say('take', `take ${batch.seq}`);
    }
    return batch;
  }

  release(batch: Batch): void {
    this.held.delete(batch.seq);
  }

  async permit(): Promise<Permit> {
    await Promise.resolve();
    this.#say('permit', 'permit');
    const permit = this.nextPermit();
    this.permitsOut.add(permit);
    return permit;
  }

  /** Slots that have passed: later than this is too late. */
  maxLateMs = Infinity;

  isUsable(permit: Permit): boolean {
    return permit.kind === 'granted' && this.nowMs <= permit.at + this.maxLateMs;
  }

  async renewPermit(): Promise<Permit> {
    await Promise.resolve();
    this.#say('renewPermit', 'another permit');
    const permit = this.nextPermit();
    this.permitsOut.add(permit);
    return permit;
  }

  returnPermit(permit: Permit): void {
    this.permitsOut.delete(permit);
    this.#say('returnPermit', 'give the permit back');
  }

  async flip(batch: Batch) {
    await Promise.resolve();
    this.#say('flip', `flip ${batch.seq}`);
    return this.refused.has(batch.seq)
      ? null
      : {
          activated: [],
          skipped: [],
          emailHashes: new Map<number, string>(),
          ownedElsewhere: new Set<number>(),
        };
  }

  settleFlip(batch: Batch): Batch | null {
    return inflight(batch.leadIds, { seq: batch.seq });
  }

  async prepare(batch: Batch) {
    await Promise.resolve();
    this.#say('prepare', `render ${batch.seq}`);
    return { batch, recipients: [], payload: '', payloadHash: '', mailCount: 1 };
  }

  intend({ batch }: { batch: Batch }) {
    this.#say('intend', `intend ${batch.seq}`);
    if (this.takenBack.has(batch.seq)) return null;
    return { batch, key: '', payload: '', mailCount: 1 };
  }

  async deliver({ batch }: { batch: Batch }): Promise<Outcome> {
    await Promise.resolve();
    this.#say('deliver', `deliver ${batch.seq}`);
    await this.answer();
    return accepted;
  }

  /** The time that the mail API takes. */
  answer = (): Promise<void> => Promise.resolve();

  settle({ batch }: { batch: Batch }): void {
    this.#say('settle', `settle ${batch.seq}`);
  }

  waitUntil(at: number): void {
    this.#say('waitUntil', `wait until ${at}`);
  }
}

describe('a slice', () => {
  it('takes a batch through permit, flip, rendering, intent, delivery and settlement, in this order', async () => {
    const context = new World().add(1);
    await runSlice(context, limits);
    expect(context.trace).toEqual([
      'take 1',
      'permit',
      'flip 1',
      'render 1',
      'intend 1',
      'deliver 1',
      'settle 1',
    ]);
  });

  it('does not flip again what was flipped before', async () => {
    const context = new World().add(1, (seq) => inflight([1], { seq, state: 'waiting' }));
    await runSlice(context, limits);
    expect(context.trace).not.toContain('flip 1');
    expect(context.trace).toContain('settle 1');
  });

  it('goes on with the next batch where the CRM refuses one, and loses no permit', async () => {
    const context = new World().add(2);
    context.refused.add(1);
    await runSlice(context, limits);
    expect(context.trace.slice(0, 5)).toEqual([
      'take 1',
      'permit',
      'flip 1',
      'give the permit back',
      'take 2',
    ]);
    expect(context.trace.at(-1)).toBe('settle 2');
  });

  it('leaves the database to the flips for as long as each page of the plan took', async () => {
    const context = new World();
    context.pagesLeft = 5;
    const endedAt: number[] = [];
    context.on.plan = () => {
      if (endedAt.length > 0) expect(context.nowMs - (endedAt.at(-1) ?? 0)).toBeGreaterThanOrEqual(40);
      context.nowMs += 40;
      endedAt.push(context.nowMs);
    };
    await runSlice(context, limits);
    expect(endedAt).toHaveLength(5);
  });

  it('sends the first mail while it still plans', async () => {
    const context = new World();
    context.pagesLeft = 200;
    await runSlice(context, limits);
    const first = context.trace.indexOf('deliver 1');
    expect(first).toBeGreaterThan(-1);
    expect(context.trace.slice(0, first).filter((words) => words === 'plan').length).toBeLessThan(20);
    expect(context.trace.filter((words) => words === 'plan')).toHaveLength(200);
    expect(context.trace.filter((words) => words.startsWith('settle'))).toHaveLength(200);
  });

  it('has no more in hand than it may call with, where the provider is the limit', () => {
    expect(sliceLimits(10)).toMatchObject({ senderCount: 5, callCount: 5 });
    expect(sliceLimits(1_000)).toMatchObject({ senderCount: 8, callCount: 5 });
  });

  it('has at most as many batches in hand as it has senders', async () => {
    const context = new World().add(50);
    await runSlice(context, { ...limits, senderCount: 5 });
    expect(context.mostHeld).toBe(5);
    expect(context.held.size).toBe(0);
    expect(context.trace.filter((words) => words.startsWith('settle'))).toHaveLength(50);
  });

  it('has at most as many calls out as it may, and gets the next batches ready meanwhile', async () => {
    const context = new World().add(50);
    context.answer = () => new Promise((resolve) => setImmediate(resolve));
    await runSlice(context, { ...limits, senderCount: 5, callCount: 2 });
    let openCount = 0;
    let mostOpen = 0;
    let isReadyMeanwhile = false;
    for (const words of context.trace) {
      if (words.startsWith('intend')) openCount += 1;
      if (words.startsWith('settle')) openCount -= 1;
      if (words.startsWith('render') && openCount === 2) isReadyMeanwhile = true;
      mostOpen = Math.max(mostOpen, openCount);
    }
    expect(mostOpen).toBe(2);
    expect(isReadyMeanwhile).toBe(true);
    expect(context.trace.filter((words) => words.startsWith('settle'))).toHaveLength(50);
  });

  it('lets no batch leave that was ready, once the answer to another has paused the session', async () => {
    const context = new World().add(20);
    context.answer = () => new Promise((resolve) => setImmediate(resolve));
    context.on.settle = () => (context.sessionMode = 'probe');
    await runSlice(context, { ...limits, senderCount: 5, callCount: 2 });
    expect(context.trace.filter((words) => words.startsWith('deliver'))).toHaveLength(2);
    expect(context.held.size).toBe(0);
    // Those that were used; the others were given back.
    expect(context.permitsOut.size).toBe(2);
  });

  it('takes no new batch once its time is up, and finishes those that it has', async () => {
    const context = new World().add(10);
    context.on.deliver = () => (context.nowMs += 8_000);
    await runSlice(context, limits);
    expect(context.trace.filter((words) => words.startsWith('take'))).toEqual(['take 1', 'take 2', 'take 3']);
    expect(context.trace.at(-1)).toBe('settle 3');
  });

  it('probes with one call at a time', async () => {
    const context = new World().add(3);
    context.sessionMode = 'probe';
    await runSlice(context, { ...limits, senderCount: 5 });
    expect(context.mostHeld).toBe(1);
  });

  it('plans for a probe, too, where there is nothing yet to probe with', async () => {
    const context = new World();
    context.pagesLeft = 1;
    context.sessionMode = 'probe';
    await runSlice(context, limits);
    expect(context.trace).toContain('settle 1');
  });

  it('ends when its probe has found the provider back', async () => {
    const context = new World().add(3);
    context.sessionMode = 'probe';
    context.on.settle = () => (context.sessionMode = 'run');
    await runSlice(context, limits);
    expect(context.trace.filter((words) => words.startsWith('take'))).toEqual(['take 1']);
  });

  it('does nothing for a session that allows nothing', async () => {
    const context = new World().add(3);
    context.pagesLeft = 3;
    context.sessionMode = 'none';
    await runSlice(context, limits);
    expect(context.trace).toEqual([]);
  });
});

describe('a command in the middle of a slice', () => {
  it.each(['permit', 'take'] as const)(
    'at its %s lets nothing leave any more, and gives the permit back',
    async (verb) => {
      const context = new World().add(3);
      context.on[verb] = () => (context.sessionMode = 'none');
      await runSlice(context, limits);
      expect(context.trace).toEqual(['take 1', 'permit', 'give the permit back']);
      expect(context.permitsOut.size).toBe(0);
      expect(context.held.size).toBe(0);
    },
  );

  it('after the call has left still settles it', async () => {
    const context = new World().add(3);
    context.on.deliver = () => (context.sessionMode = 'none');
    await runSlice(context, limits);
    expect(context.trace.slice(-2)).toEqual(['deliver 1', 'settle 1']);
  });

  it('that takes the batch before its intent returns the permit, and the slice goes on', async () => {
    const context = new World().add(2);
    context.takenBack.add(1);
    await runSlice(context, limits);
    expect(context.trace).toContain('give the permit back');
    expect(context.trace).not.toContain('deliver 1');
    expect(context.trace.at(-1)).toBe('settle 2');
  });

  it('stops the planner, too', async () => {
    const context = new World();
    context.pagesLeft = 100;
    context.on.plan = () => {
      if (context.pagesLeft === 98) context.sessionMode = 'none';
    };
    await runSlice(context, limits);
    expect(context.pagesLeft).toBe(98);
  });
});

describe('a permit', () => {
  it('for later is waited for, when the slice lasts that long', async () => {
    const context = new World().add(1);
    let isFirst = true;
    context.nextPermit = () => {
      const wait = isFirst;
      isFirst = false;
      return wait ? { kind: 'later', at: 6_000 } : { kind: 'granted', at: context.nowMs };
    };
    await runSlice(context, limits);
    expect(context.trace).toContain('wait until 6000');
    // The batch was let go of meanwhile; the fake world does not put it back.
    expect(context.held.size).toBe(0);
    expect(context.nowMs).toBe(6_000);
  });

  it('for after the end of the slice ends it', async () => {
    const context = new World().add(5);
    context.nextPermit = () => ({ kind: 'later', at: 60_000 });
    await runSlice(context, limits);
    expect(context.trace).toEqual(['take 1', 'permit', 'wait until 60000', 'give the permit back']);
    expect(context.nowMs).toBe(0);
  });

  it('whose slot passed while the CRM was slow is renewed, and the next batch begins earlier', async () => {
    const context = new World().add(2);
    context.maxLateMs = 50;
    let slot = 1_000;
    context.nextPermit = () => ({ kind: 'granted', at: (slot += 1_000) });
    const begunAt: number[] = [];
    context.on.flip = () => {
      begunAt.push(context.nowMs);
      context.nowMs += 600;
    };
    const leftAt: number[] = [];
    context.on.intend = () => leftAt.push(context.nowMs);
    await runSlice(context, limits);
    // The first began 250 ms before its slot at 2,000 and took the slot at 3,000; the second had time.
    expect(leftAt).toEqual([3_000, 4_000]);
    expect(begunAt).toEqual([1_750, 4_000 - 750]);
  });

  it('that comes too late is waited for before the call leaves', async () => {
    const context = new World().add(1);
    context.maxLateMs = 50;
    const permits: Permit[] = [
      { kind: 'granted', at: 0 },
      { kind: 'later', at: 5_000 },
      { kind: 'granted', at: 5_200 },
    ];
    context.nextPermit = () => permits.shift() ?? { kind: 'later', at: 60_000 };
    context.on.flip = () => (context.nowMs += 300);
    let leftAt = 0;
    context.on.intend = () => (leftAt = context.nowMs);
    await runSlice(context, limits);
    expect(leftAt).toBe(5_200);
    expect(context.trace).toContain('wait until 5000');
  });

  it('is used at its slot and not before', async () => {
    const context = new World().add(1);
    context.nextPermit = () => ({ kind: 'granted', at: 3_000 });
    let intendedAt = 0;
    context.on.intend = () => (intendedAt = context.nowMs);
    await runSlice(context, limits);
    expect(intendedAt).toBe(3_000);
  });
});

describe('a fault of a verb', () => {
  it.each(['plan', 'permit', 'flip', 'prepare', 'intend', 'deliver', 'settle'] as const)(
    'at %s is handed on once all senders have come to rest, with nothing held and no permit lost',
    async (verb) => {
      const context = new World().add(20);
      context.pagesLeft = 3;
      let count = 0;
      context.on[verb] = () => {
        if (++count === 2) throw new Error('broken');
      };
      await expect(runSlice(context, { ...limits, senderCount: 5 })).rejects.toThrow('broken');
      const length = context.trace.length;
      await new Promise((resolve) => setImmediate(resolve));
      expect(context.trace).toHaveLength(length);
      expect(context.held.size).toBe(0);
    },
  );

  it('stops the other senders from taking batches, but lets them settle their calls', async () => {
    const context = new World().add(20);
    context.on.flip = () => {
      if (context.trace.filter((words) => words.startsWith('flip')).length === 5) throw new Error('broken');
    };
    await expect(runSlice(context, { ...limits, senderCount: 5 })).rejects.toThrow('broken');
    const count = (verb: string) => context.trace.filter((words) => words.startsWith(verb)).length;
    expect(count('settle')).toBe(count('deliver'));
    expect(count('take')).toBeLessThan(10);
  });

  it('of the planner does not leave a sender waiting for leads for ever', async () => {
    const context = new World();
    context.pagesLeft = 5;
    context.on.plan = () => {
      throw new Error('the database is away');
    };
    await expect(runSlice(context, { ...limits, senderCount: 5 })).rejects.toThrow('the database is away');
  });
});
