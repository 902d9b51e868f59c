/**
 * The simulated scheduler: one queue of events, one clock, one thread.
 *
 * An event is delivered to one actor (an instance of a Durable Object, a person, a reader). The event and all
 * microtasks that follow from it are one turn, as in workerd, where control returns to the event loop only when no
 * microtask is left. Nothing else runs meanwhile, so `current` names the actor whose code is running.
 * Invariant: the order of events depends on the seed only. Nothing in here reads the real clock.
 *
 * @module
 */
import { setFlagsFromString } from 'node:v8';
import { emptyHash, mix, Random, streamSeed } from './random.ts';

setFlagsFromString('--allow-natives-syntax');
// Runs all microtasks now. Works only outside of a microtask, so `Simulator.run` must be called from a timer.
// eslint-disable-next-line @typescript-eslint/no-implied-eval -- V8's own syntax, which TypeScript cannot parse
const runMicrotasks = new Function('%PerformMicrotaskCheckpoint()') as () => void;

/** Whoever gets events. What it sends while its writes are not durable is held (the output gate). */
export class Actor {
  readonly name: string;
  /** Its events are dropped. */
  isGone = false;
  /** While above zero, events wait (the input gate). */
  inputHolds = 0;
  readonly waiting: SimEvent[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Sends something to the outside: at once, or when what was written before is durable. */
  emit(send: () => void): void {
    send();
  }

  /** Called at the end of each turn. */
  endTurn(): void {}
}

export interface SimEvent {
  at: number;
  seq: number;
  kind: string;
  /** Null: the platform itself. */
  actor: Actor | null;
  /** The input gate does not hold it. */
  passesGate: boolean;
  isCancelled: boolean;
  run: () => void;
}

/** 1 January 2026. */
const startMs = 1_767_225_600_000;

export class Simulator {
  readonly seed: number;
  /** For latencies and the order of things. */
  readonly random: Random;
  /** True time, ms; moves forward only. */
  nowMs = startMs;
  /** What the hosts' clock is ahead of true time. */
  clockOffsetMs = 0;
  current: Actor | null = null;
  stepCount = 0;
  /** Hash of the event log so far. */
  hash = emptyHash;
  /** Gets each line of the event log; null when nobody reads it. */
  onLine: ((line: string) => void) | null = null;
  /** Called before and after the turn of an actor. */
  beforeTurn: ((event: SimEvent) => void) | null = null;
  afterTurn: ((event: SimEvent) => void) | null = null;
  readonly #queue: SimEvent[] = [];
  #seq = 0;

  /** @param random - the source of the schedule, where it is not the seed's */
  constructor(seed: number, random = new Random(streamSeed(seed, 'schedule'))) {
    this.seed = seed;
    this.random = random;
  }

  get startedMs(): number {
    return startMs;
  }

  /** The hosts' clock. */
  wallMs(): number {
    return Math.floor(this.nowMs + this.clockOffsetMs);
  }

  stream(name: string): Random {
    return new Random(streamSeed(this.seed, name));
  }

  /** Adds a line to the event log. */
  note(line: string): void {
    this.hash = mix(this.hash, line);
    this.onLine?.(`${((this.nowMs - startMs) / 1000).toFixed(3)} ${line}`);
  }

  after(delayMs: number, actor: Actor | null, kind: string, run: () => void, passesGate = false): SimEvent {
    const event: SimEvent = {
      at: this.nowMs + Math.max(0, delayMs),
      seq: this.#seq++,
      kind,
      actor,
      passesGate,
      isCancelled: false,
      run,
    };
    this.#push(event);
    return event;
  }

  /**
   * Delivers events until `isOver` or no event is left. Call it from a timer, not from a microtask.
   *
   * @param untilMs - true time after which nothing is delivered
   * @returns false when no event was left
   */
  run(untilMs: number, isOver: () => boolean): boolean {
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined) return false;
      if (next.at > untilMs) {
        this.nowMs = untilMs;
        return true;
      }
      this.#pop();
      if (!next.isCancelled) this.#deliver(next);
      if (isOver()) return true;
    }
  }

  /** What is still to be delivered, in order. */
  pending(): SimEvent[] {
    return this.#queue
      .filter(({ isCancelled, actor }) => !isCancelled && actor?.isGone !== true)
      .sort((one, other) => (isBefore(one, other) ? -1 : 1));
  }

  /** True when nothing but events of this kind is still to be delivered. */
  hasOnly(kind: string): boolean {
    return this.#queue.every(
      (event) => event.kind === kind || event.isCancelled || event.actor?.isGone === true,
    );
  }

  /** Drops everything that is still to be delivered. */
  clear(): void {
    this.#queue.length = 0;
  }

  /** Delivers what an actor's closed input gate has held. */
  release(actor: Actor): void {
    for (const event of actor.waiting.splice(0)) {
      event.at = this.nowMs;
      event.seq = this.#seq++;
      this.#push(event);
    }
  }

  #deliver(event: SimEvent): void {
    const { actor } = event;
    this.nowMs = Math.max(this.nowMs, event.at);
    if (actor !== null) {
      if (actor.isGone) return;
      if (actor.inputHolds > 0 && !event.passesGate) {
        actor.waiting.push(event);
        return;
      }
      this.beforeTurn?.(event);
      // The hook may have ended it.
      if (hasEnded(actor)) return;
    }
    this.stepCount++;
    this.note(`${event.kind} ${actor === null ? '-' : actor.name} ${this.nowMs}`);
    this.turn(actor, event.run);
    this.afterTurn?.(event);
  }

  /** Runs code as an actor, with all its microtasks. */
  turn(actor: Actor | null, run: () => void): void {
    const before = this.current;
    this.current = actor;
    try {
      run();
      runMicrotasks();
      if (actor !== null && !actor.isGone) actor.endTurn();
    } finally {
      this.current = before;
    }
  }

  // A binary heap by time, then by the order of their coming.

  #push(event: SimEvent): void {
    const queue = this.#queue;
    let at = queue.length;
    queue.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = queue[up];
      if (parent === undefined || isBefore(parent, event)) break;
      queue[at] = parent;
      at = up;
    }
    queue[at] = event;
  }

  #pop(): void {
    const queue = this.#queue;
    const last = queue.pop();
    if (last === undefined || queue.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      let child = queue[down];
      if (child === undefined) break;
      const right = queue[down + 1];
      if (right !== undefined && isBefore(right, child)) {
        down++;
        child = right;
      }
      if (isBefore(last, child)) break;
      queue[at] = child;
      at = down;
    }
    queue[at] = last;
  }
}

function hasEnded(actor: Actor): boolean {
  return actor.isGone;
}

function isBefore(one: SimEvent, other: SimEvent): boolean {
  return one.at < other.at || (one.at === other.at && one.seq < other.seq);
}
