/**
 * The order of a slice's steps, seen by verbs that record their calls.
 */
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch/batch.ts';
import type { Outcome } from '../../src/core/batch/outcome.ts';
import type { WorkMode } from '../../src/core/session/session.ts';
import { type Permit, runSlice, sliceLimits, type SliceVerbs } from '../../src/core/session/slice.ts';
import { batchOf, inflight } from '../support/batches.ts';

const accepted: Outcome = { kind: 'accepted', messageIds: [], rejections: [] };
const limits = {
  ...{ maxMs: 20_000, maxBatchCount: 1_000, repeatWeight: 1 },
  ...{ senderCount: 1, callCount: 1, sendsInTurn: false },
};

/** Fake verbs over pages and batches; each call adds a line to the trace. */
class FakeVerbs implements SliceVerbs {
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
  /** Replaces a verb's work; called after the call was recorded. */
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
    this.on.sleepUntil?.();
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

  /** A slot that is further in the past than this is too late. */
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

  /** Slots that are leased and that no batch has. */
  slotsLeft = 0;
  pushes = (): null => null;
  reserve = (): Promise<null> => Promise.resolve(null);
  pushPermit = (): Promise<Permit> => Promise.reject(new Error('There is no CRM.'));
  push = (): Promise<Batch | null> => Promise.reject(new Error('There is no CRM.'));
  hasSlot = (): boolean => this.slotsLeft > 0;

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

  async deliver({ batch }: { batch: Batch }, _permit: Permit, onSent: (() => void) | null): Promise<Outcome> {
    await Promise.resolve();
    this.#say('deliver', `deliver ${batch.seq}`);
    await this.send();
    if (onSent !== null) this.trace.push(`sent ${batch.seq}`);
    onSent?.();
    await this.answer();
    return accepted;
  }

  /** The time that a payload takes to leave. */
  send = (): Promise<void> => Promise.resolve();

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
    const verbs = new FakeVerbs().add(1);
    await runSlice(verbs, limits);
    expect(verbs.trace).toEqual([
      'take 1',
      'permit',
      'flip 1',
      'render 1',
      'intend 1',
      'deliver 1',
      'settle 1',
    ]);
  });

  it('does not flip a batch again', async () => {
    const verbs = new FakeVerbs().add(1, (seq) => inflight([1], { seq, state: 'waiting' }));
    await runSlice(verbs, limits);
    expect(verbs.trace).not.toContain('flip 1');
    expect(verbs.trace).toContain('settle 1');
  });

  it('continues with the next batch when the CRM refuses one, and loses no permit', async () => {
    const verbs = new FakeVerbs().add(2);
    verbs.refused.add(1);
    await runSlice(verbs, limits);
    expect(verbs.trace.slice(0, 5)).toEqual(['take 1', 'permit', 'flip 1', 'give the permit back', 'take 2']);
    expect(verbs.trace.at(-1)).toBe('settle 2');
  });

  it('pauses after each page of the plan for as long as the page took, so that flips get the database', async () => {
    const verbs = new FakeVerbs();
    verbs.pagesLeft = 5;
    const endedAt: number[] = [];
    verbs.on.plan = () => {
      if (endedAt.length > 0) expect(verbs.nowMs - (endedAt.at(-1) ?? 0)).toBeGreaterThanOrEqual(40);
      verbs.nowMs += 40;
      endedAt.push(verbs.nowMs);
    };
    await runSlice(verbs, limits);
    expect(endedAt).toHaveLength(5);
  });

  it('sends the first mail before planning has ended', async () => {
    const verbs = new FakeVerbs();
    verbs.pagesLeft = 200;
    await runSlice(verbs, limits);
    const first = verbs.trace.indexOf('deliver 1');
    expect(first).toBeGreaterThan(-1);
    expect(verbs.trace.slice(0, first).filter((words) => words === 'plan').length).toBeLessThan(20);
    expect(verbs.trace.filter((words) => words === 'plan')).toHaveLength(200);
    expect(verbs.trace.filter((words) => words.startsWith('settle'))).toHaveLength(200);
  });

  it('does not wait for a planner that has ended, when a slot comes back at the end of a slice', async () => {
    const verbs = new FakeVerbs();
    verbs.pagesLeft = 1_000;
    // The only batch has nobody to mail, so that its slot is free again, and there is nothing to take.
    verbs.refused.add(1);
    verbs.on.returnPermit = () => {
      verbs.slotsLeft = 1;
    };
    await runSlice(verbs, { ...limits, maxBatchCount: 1 });
    expect(verbs.trace).toContain('give the permit back');
    expect(verbs.trace.filter((words) => words === 'plan')).toHaveLength(1);
  });

  it('ends soon after its last batch, although each one leases further slots', async () => {
    const verbs = new FakeVerbs().add(100);
    verbs.slotsLeft = 1;
    await runSlice(verbs, { ...limits, maxBatchCount: 10 });
    expect(verbs.trace.filter((words) => words.startsWith('settle'))).toHaveLength(11);
  });

  it('counts a repeat for as many as its call of the database', async () => {
    const verbs = new FakeVerbs().add(100, (seq) => inflight([seq], { seq, state: 'waiting' }));
    await runSlice(verbs, { ...limits, maxBatchCount: 20, repeatWeight: 2 });
    expect(verbs.trace.filter((words) => words.startsWith('settle'))).toHaveLength(10);
    expect(sliceLimits(100)).toMatchObject({ maxBatchCount: 1_600, repeatWeight: 2 });
    // Each batch has a call of its own.
    expect(sliceLimits(100, true)).toMatchObject({ maxBatchCount: 800, repeatWeight: 1 });
    expect(sliceLimits(10)).toMatchObject({ maxBatchCount: 800, repeatWeight: 1 });
  });

  it('prepares no more batches than it may call with, when the provider is the limit', () => {
    expect(sliceLimits(10)).toMatchObject({ senderCount: 5, callCount: 5 });
    expect(sliceLimits(1_000)).toMatchObject({ senderCount: 8, callCount: 5 });
  });

  it('prepares at most as many batches as it has senders', async () => {
    const verbs = new FakeVerbs().add(50);
    await runSlice(verbs, { ...limits, senderCount: 5 });
    expect(verbs.mostHeld).toBe(5);
    expect(verbs.held.size).toBe(0);
    expect(verbs.trace.filter((words) => words.startsWith('settle'))).toHaveLength(50);
  });

  it('makes at most the allowed number of calls at once, and prepares the next batches meanwhile', async () => {
    const verbs = new FakeVerbs().add(50);
    verbs.answer = () => new Promise((resolve) => setImmediate(resolve));
    await runSlice(verbs, { ...limits, senderCount: 5, callCount: 2 });
    let openCount = 0;
    let mostOpen = 0;
    let isReadyMeanwhile = false;
    for (const words of verbs.trace) {
      if (words.startsWith('intend')) openCount += 1;
      if (words.startsWith('settle')) openCount -= 1;
      if (words.startsWith('render') && openCount === 2) isReadyMeanwhile = true;
      mostOpen = Math.max(mostOpen, openCount);
    }
    expect(mostOpen).toBe(2);
    expect(isReadyMeanwhile).toBe(true);
    expect(verbs.trace.filter((words) => words.startsWith('settle'))).toHaveLength(50);
  });

  it('sends one payload after the other on a fast account, while earlier calls wait for their answers', async () => {
    const verbs = new FakeVerbs().add(20);
    const aWhile = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    verbs.send = aWhile;
    verbs.answer = async () => {
      for (let i = 0; i < 20; i++) await aWhile();
    };
    await runSlice(verbs, { ...limits, senderCount: 8, callCount: 5, sendsInTurn: true });
    let sendingCount = 0;
    let openCount = 0;
    let mostOpen = 0;
    for (const words of verbs.trace) {
      if (words.startsWith('intend')) {
        openCount += 1;
        sendingCount += 1;
      }
      if (words.startsWith('sent')) sendingCount -= 1;
      if (words.startsWith('settle')) openCount -= 1;
      expect(sendingCount).toBeLessThanOrEqual(1);
      mostOpen = Math.max(mostOpen, openCount);
    }
    expect(mostOpen).toBe(5);
    expect(verbs.trace.filter((words) => words.startsWith('settle'))).toHaveLength(20);
  });

  it('gives the turn on when a call ends without having said that its payload left', async () => {
    const verbs = new FakeVerbs().add(10);
    verbs.deliver = ({ batch }) => {
      verbs.trace.push(`deliver ${batch.seq}`);
      return Promise.resolve(accepted);
    };
    await runSlice(verbs, { ...limits, senderCount: 5, callCount: 5, sendsInTurn: true });
    expect(verbs.trace.filter((words) => words.startsWith('settle'))).toHaveLength(10);
  });

  it('stops prepared batches when the answer to another one has paused the session', async () => {
    const verbs = new FakeVerbs().add(20);
    verbs.answer = () => new Promise((resolve) => setImmediate(resolve));
    verbs.on.settle = () => (verbs.sessionMode = 'probe');
    await runSlice(verbs, { ...limits, senderCount: 5, callCount: 2 });
    expect(verbs.trace.filter((words) => words.startsWith('deliver'))).toHaveLength(2);
    expect(verbs.held.size).toBe(0);
    // The used permits; the others were returned.
    expect(verbs.permitsOut.size).toBe(2);
  });

  it('takes no new batch when its time is up, and finishes those that it has', async () => {
    const verbs = new FakeVerbs().add(10);
    verbs.on.deliver = () => (verbs.nowMs += 8_000);
    await runSlice(verbs, limits);
    expect(verbs.trace.filter((words) => words.startsWith('take'))).toEqual(['take 1', 'take 2', 'take 3']);
    expect(verbs.trace.at(-1)).toBe('settle 3');
  });

  it('takes no more batches than the platform lets one alarm compute for', async () => {
    const verbs = new FakeVerbs().add(10);
    await runSlice(verbs, { ...limits, maxBatchCount: 4, senderCount: 2 });
    expect(verbs.trace.filter((words) => words.startsWith('settle'))).toHaveLength(4);
    expect(verbs.held.size).toBe(0);
  });

  it('lets a batch in hand leave at its slot when its time is up meanwhile, and wastes no slot', async () => {
    const verbs = new FakeVerbs().add(3);
    verbs.nextPermit = () => ({ kind: 'granted', at: 23_000 });
    const leftAt: number[] = [];
    verbs.on.deliver = () => leftAt.push(verbs.nowMs);
    await runSlice(verbs, limits);
    expect(leftAt).toEqual([23_000]);
    expect(verbs.trace).not.toContain('give the permit back');
  });

  it('uses the slots that are leased when its time is up: nobody else has them', async () => {
    const verbs = new FakeVerbs().add(10);
    verbs.slotsLeft = 3;
    verbs.on.permit = () => verbs.slotsLeft--;
    verbs.on.deliver = () => (verbs.nowMs += 3_000);
    await runSlice(verbs, { ...limits, maxMs: 3_000 });
    // The first by the time, two more by their slots.
    expect(verbs.trace.filter((words) => words.startsWith('settle'))).toHaveLength(3);
  });

  it('lasts no longer than before with fewer senders than it may have', async () => {
    const verbs = new FakeVerbs().add(1);
    // One sender finds nothing to do; the other's batches come one after the other.
    verbs.on.settle = () => {
      verbs.nowMs += 1_000;
      verbs.add(1);
    };
    await runSlice(verbs, { ...limits, maxMs: 120_000, senderCount: 2 });
    expect(verbs.nowMs).toBeLessThanOrEqual(22_000);
  });

  it('probes with one call at a time', async () => {
    const verbs = new FakeVerbs().add(3);
    verbs.sessionMode = 'probe';
    await runSlice(verbs, { ...limits, senderCount: 5 });
    expect(verbs.mostHeld).toBe(1);
  });

  it('plans for a probe when there is no batch to probe with yet', async () => {
    const verbs = new FakeVerbs();
    verbs.pagesLeft = 1;
    verbs.sessionMode = 'probe';
    await runSlice(verbs, limits);
    expect(verbs.trace).toContain('settle 1');
  });

  it('ends when its probe has found the provider up again', async () => {
    const verbs = new FakeVerbs().add(3);
    verbs.sessionMode = 'probe';
    verbs.on.settle = () => (verbs.sessionMode = 'run');
    await runSlice(verbs, limits);
    expect(verbs.trace.filter((words) => words.startsWith('take'))).toEqual(['take 1']);
  });

  it('does nothing for a session that allows no work', async () => {
    const verbs = new FakeVerbs().add(3);
    verbs.pagesLeft = 3;
    verbs.sessionMode = 'none';
    await runSlice(verbs, limits);
    expect(verbs.trace).toEqual([]);
  });
});

describe('a command during a slice', () => {
  it.each(['permit', 'take'] as const)(
    'at its %s lets no call leave any more, and returns the permit',
    async (verb) => {
      const verbs = new FakeVerbs().add(3);
      verbs.on[verb] = () => (verbs.sessionMode = 'none');
      await runSlice(verbs, limits);
      expect(verbs.trace).toEqual(['take 1', 'permit', 'give the permit back']);
      expect(verbs.permitsOut.size).toBe(0);
      expect(verbs.held.size).toBe(0);
    },
  );

  it('after a call has left still settles the call', async () => {
    const verbs = new FakeVerbs().add(3);
    verbs.on.deliver = () => (verbs.sessionMode = 'none');
    await runSlice(verbs, limits);
    expect(verbs.trace.slice(-2)).toEqual(['deliver 1', 'settle 1']);
  });

  it('that takes the batch before its intent returns the permit, and the slice continues', async () => {
    const verbs = new FakeVerbs().add(2);
    verbs.takenBack.add(1);
    await runSlice(verbs, limits);
    expect(verbs.trace).toContain('give the permit back');
    expect(verbs.trace).not.toContain('deliver 1');
    expect(verbs.trace.at(-1)).toBe('settle 2');
  });

  it.each([
    ['its slot', [{ kind: 'granted', at: 5_000 }]],
    [
      'another slot',
      [
        { kind: 'granted', at: -1_000 },
        { kind: 'granted', at: 5_000 },
      ],
    ],
    [
      'the gate, with a batch that is ready',
      [
        { kind: 'granted', at: -1_000 },
        { kind: 'later', at: 9_000 },
      ],
    ],
    ['the gate', [{ kind: 'later', at: 9_000 }]],
  ] as const)('ends a wait for %s within half a second', async (_, permits) => {
    const verbs = new FakeVerbs().add(1);
    verbs.maxLateMs = 50;
    const granted: Permit[] = [...permits];
    verbs.nextPermit = () => granted.shift() ?? { kind: 'later', at: 60_000 };
    verbs.on.sleepUntil = () => {
      if (verbs.nowMs >= 500) verbs.sessionMode = 'none';
    };
    await runSlice(verbs, limits);
    expect(verbs.nowMs).toBeLessThanOrEqual(1_000);
    expect(verbs.trace.some((words) => words.startsWith('intend'))).toBe(false);
    expect(verbs.held.size).toBe(0);
  });

  it('stops the planner too', async () => {
    const verbs = new FakeVerbs();
    verbs.pagesLeft = 100;
    verbs.on.plan = () => {
      if (verbs.pagesLeft === 98) verbs.sessionMode = 'none';
    };
    await runSlice(verbs, limits);
    expect(verbs.pagesLeft).toBe(98);
  });
});

describe('a permit', () => {
  it('for a later time is awaited when the slice lasts that long', async () => {
    const verbs = new FakeVerbs().add(1);
    let isFirst = true;
    verbs.nextPermit = () => {
      const wait = isFirst;
      isFirst = false;
      return wait ? { kind: 'later', at: 6_000 } : { kind: 'granted', at: verbs.nowMs };
    };
    await runSlice(verbs, limits);
    expect(verbs.trace).toContain('wait until 6000');
    // The batch was released meanwhile; the fake does not queue it again.
    expect(verbs.held.size).toBe(0);
    expect(verbs.nowMs).toBe(6_000);
  });

  it('for a time after the end of the slice ends the slice', async () => {
    const verbs = new FakeVerbs().add(5);
    verbs.nextPermit = () => ({ kind: 'later', at: 60_000 });
    await runSlice(verbs, limits);
    expect(verbs.trace).toEqual(['take 1', 'permit', 'wait until 60000', 'give the permit back']);
    expect(verbs.nowMs).toBe(0);
  });

  it('whose slot passed while the CRM was slow is renewed, and the next batch begins earlier', async () => {
    const verbs = new FakeVerbs().add(2);
    verbs.maxLateMs = 50;
    let slot = 1_000;
    verbs.nextPermit = () => ({ kind: 'granted', at: (slot += 1_000) });
    const begunAt: number[] = [];
    verbs.on.flip = () => {
      begunAt.push(verbs.nowMs);
      verbs.nowMs += 600;
    };
    const leftAt: number[] = [];
    verbs.on.intend = () => leftAt.push(verbs.nowMs);
    await runSlice(verbs, limits);
    // The first began 250 ms before its slot at 2,000 and used the slot at 3,000; the second had enough time.
    expect(leftAt).toEqual([3_000, 4_000]);
    expect(begunAt).toEqual([1_750, 4_000 - 750]);
  });

  it('that is renewed is awaited before the call leaves', async () => {
    const verbs = new FakeVerbs().add(1);
    verbs.maxLateMs = 50;
    const permits: Permit[] = [
      { kind: 'granted', at: 0 },
      { kind: 'later', at: 5_000 },
      { kind: 'granted', at: 5_200 },
    ];
    verbs.nextPermit = () => permits.shift() ?? { kind: 'later', at: 60_000 };
    verbs.on.flip = () => (verbs.nowMs += 300);
    let leftAt = 0;
    verbs.on.intend = () => (leftAt = verbs.nowMs);
    await runSlice(verbs, limits);
    expect(leftAt).toBe(5_200);
    expect(verbs.trace).toContain('wait until 5000');
  });

  it('is used at its slot and not before', async () => {
    const verbs = new FakeVerbs().add(1);
    verbs.nextPermit = () => ({ kind: 'granted', at: 3_000 });
    let intendedAt = 0;
    verbs.on.intend = () => (intendedAt = verbs.nowMs);
    await runSlice(verbs, limits);
    expect(intendedAt).toBe(3_000);
  });
});

describe('a fault of a verb', () => {
  it.each(['plan', 'permit', 'flip', 'prepare', 'intend', 'deliver', 'settle'] as const)(
    'at %s is passed on when all senders have stopped, with no batch held and no permit lost',
    async (verb) => {
      const verbs = new FakeVerbs().add(20);
      verbs.pagesLeft = 3;
      let count = 0;
      verbs.on[verb] = () => {
        if (++count === 2) throw new Error('broken');
      };
      await expect(runSlice(verbs, { ...limits, senderCount: 5 })).rejects.toThrow('broken');
      const length = verbs.trace.length;
      await new Promise((resolve) => setImmediate(resolve));
      expect(verbs.trace).toHaveLength(length);
      expect(verbs.held.size).toBe(0);
    },
  );

  it('stops the other senders from taking batches, but lets them settle their calls', async () => {
    const verbs = new FakeVerbs().add(20);
    verbs.on.flip = () => {
      if (verbs.trace.filter((words) => words.startsWith('flip')).length === 5) throw new Error('broken');
    };
    await expect(runSlice(verbs, { ...limits, senderCount: 5 })).rejects.toThrow('broken');
    const count = (verb: string) => verbs.trace.filter((words) => words.startsWith(verb)).length;
    expect(count('settle')).toBe(count('deliver'));
    expect(count('take')).toBeLessThan(10);
  });

  it.each(['deliver', 'settle'] as const)(
    'at %s lets no batch leave that waits for its call',
    async (verb) => {
      const verbs = new FakeVerbs().add(20);
      verbs.answer = () => new Promise((resolve) => setImmediate(resolve));
      verbs.on[verb] = () => {
        throw new Error('broken');
      };
      await expect(runSlice(verbs, { ...limits, senderCount: 5, callCount: 2 })).rejects.toThrow('broken');
      expect(verbs.trace.filter((words) => words.startsWith('render')).length).toBeGreaterThan(2);
      expect(verbs.trace.filter((words) => words.startsWith('intend'))).toHaveLength(2);
    },
  );

  it('of the planner does not leave a sender waiting for leads forever', async () => {
    const verbs = new FakeVerbs();
    verbs.pagesLeft = 5;
    verbs.on.plan = () => {
      throw new Error('the database is away');
    };
    await expect(runSlice(verbs, { ...limits, senderCount: 5 })).rejects.toThrow('the database is away');
  });
});
