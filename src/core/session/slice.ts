/**
 * One slice: the work of one alarm, as a pure loop over verbs.
 *
 * A planner pages the audience into batches ahead of the senders. Each sender takes a batch through
 * permit → flip → prepare → intent → deliver → settle. Where the provider is fast there are more senders than calls at
 * once, so that the next batches are flipped and rendered while the mail API is answering. Every effect is a verb that
 * is passed in, so that a test can stop the slice at each of them.
 *
 * Owns the order of the verbs and when to stop. What an outcome means is batch/settle.ts.
 * Invariant: a killed slice leaves rows from which the next one goes on; nothing that matters is held in this file's
 * variables.
 *
 * @module
 */
import type { FlipResult, Recipient } from '../../shared/recipient.ts';
import type { Batch } from '../batch/batch.ts';
import type { Outcome } from '../batch/outcome.ts';
import type { WorkMode } from './session.ts';

/** A call to the mail API may leave at `at`; or nothing is free before `at`. */
export type Permit = { kind: 'granted'; at: number } | { kind: 'later'; at: number };

/** A batch with its intent on disk, ready to leave. */
export interface Intent {
  batch: Batch;
  key: string;
  payload: string;
  mailCount: number;
}

/** Mails rendered before the intent, or why some could not be. */
export interface Prepared {
  batch: Batch;
  recipients: readonly Recipient[];
  payload: string;
  payloadHash: string;
  mailCount: number;
}

export interface SliceVerbs {
  now(): number;
  sleepUntil(at: number): Promise<void>;
  /** What the session allows now; `none` once a command came in after the slice has begun. */
  mode(): WorkMode;
  /** True while leads of the audience wait to be made into batches. */
  isPlanning(): boolean;
  /** Pages the next leads into pending batches. */
  plan(): Promise<void>;
  /** Holds the next batch that is due, in memory only; null when none is. */
  take(): Batch | null;
  /** Lets go of a held batch that was not sent. */
  release(batch: Batch): void;
  /** Sets the batch's leads active in the CRM; null when it refuses them (they are settled as failed). */
  flip(batch: Batch): Promise<FlipResult | null>;
  /** Writes what became of leads that get no mail; returns the batch, or null when none of it is left to send. */
  settleFlip(batch: Batch, result: FlipResult): Batch | null;
  /** When this batch may leave. */
  permit(batch: Batch): Promise<Permit>;
  /** False for a slot that has passed: a call that leaves late falls into another's interval. */
  isUsable(permit: Permit): boolean;
  /** Another slot for a batch that missed the one it had. */
  renewPermit(): Promise<Permit>;
  returnPermit(permit: Permit): void;
  /** True while a slot is leased that no batch has. */
  hasSlot(): boolean;
  /**
   * Where leads are set active in a foreign CRM too, which of the two limits is the lower one; null: there is no CRM. The
   * lower one's slot is taken first, so that none of it is lost while the other one is waited for.
   */
  pushes(): 'mail' | 'crm' | null;
  /** Whether the day's cap holds this batch back, and until when; null: it may leave. */
  reserve(batch: Batch): Promise<Permit | null>;
  /** When a call to that CRM may leave. */
  pushPermit(): Promise<Permit>;
  /**
   * Sets the batch's leads active in that CRM; those that it refuses are settled as failed. Null when none of the batch is
   * left to send, or nothing may leave.
   */
  push(batch: Batch, permit: Permit): Promise<Batch | null>;
  /** Renders; null when no recipient could be rendered (they are settled as failed). */
  prepare(batch: Batch): Promise<Prepared | null>;
  /** Writes the intent; null when the batch may no longer leave. */
  intend(prepared: Prepared): Intent | null;
  /** Makes the call. With `onSent` its payload leaves undivided, and `onSent` is called when the next may leave. */
  deliver(intent: Intent, permit: Permit, onSent: (() => void) | null): Promise<Outcome>;
  /** Writes the outcome, counters and rev in one transaction. */
  settle(intent: Intent, outcome: Outcome): void;
  /** Notes that nothing may leave before this time. */
  waitUntil(at: number, kind?: 'crm_slot'): void;
}

export interface SliceLimits {
  /** The slice takes no new batch after this long. */
  maxMs: number;
  /** Nor after so many, or a few more for slots that are leased already. */
  maxBatchCount: number;
  /** For how many of these a batch counts that is not flipped with others: a repeat, which asks D1 on its own. */
  repeatWeight: number;
  /** Batches in hand. */
  senderCount: number;
  /** Of these at the mail API, with an intent on disk: what a crash can leave in doubt. */
  callCount: number;
  /** True when calls send their payloads one after the other, so that one waits for its answer while the next leaves. */
  sendsInTurn: boolean;
}

/** Six simultaneous connections are the platform's limit for one invocation. */
const callCount = 5;
/** From this rate on the provider is no longer the bottleneck. */
const fastRatePerSecond = 100;
/** The most batches that a slice has in hand. */
export const maxSenderCount = 8;

/** Leads may be active this long before their batch gets its permit. */
const flipAheadMs = 100;
/** With eight batches in hand the sweep of a stopped session still finds all that are active. */
const maxFlipAheadCount = 4;

/** Batches that may be flipped before a sender has taken them, so that a call of the database flips several. */
export function flipAheadCount(maxRatePerSecond: number): number {
  return Math.min(maxFlipAheadCount, Math.ceil((maxRatePerSecond * flipAheadMs) / 1_000) - 1);
}

/**
 * An alarm may take 15 minutes of wall time
 * (https://developers.cloudflare.com/durable-objects/platform/limits/#wall-time-limits-by-invocation-type). At the
 * boundary of two slices the senders drain and fill again, which takes some hundred ms: once in two minutes it is
 * below half a percent.
 */
const maxMs = 120_000;
/**
 * D1 allows an invocation 1,000 queries (https://developers.cloudflare.com/d1/platform/limits/). A flip is one call of
 * D1, and a slice makes some hundred others: pages of the audience, the list, the look for a restore. That a call with
 * three statements counts once was not tried on an account. If it does not, a slice ends early, as after any fault of
 * the platform. An object that computes for 30 s without a request is likely to be evicted; this is 14 s.
 */
const maxBatchCount = 800;
/** Where a flip sets two batches or more active. At 12 ms of CPU each this is 19 of the 30 s. */
const maxBatchCountAhead = 1_600;
/** A slice in which a sender found nothing to do lasts this much longer: what is due by then needs all senders. */
const thinMs = 20_000;
/** A longer wait ends the slice: the next alarm waits at no cost. */
const patienceMs = 10_000;
/** A wait for a slot looks this often for a command: until the slice ends, its leads stay active. */
const lookMs = 500;

/**
 * The limits of a slice under an account that may make so many calls a second. Where the provider is the
 * limit, more batches in hand than calls would only take slots from other sessions.
 */
export function sliceLimits(maxRatePerSecond: number, hasDailyLimit = false, hasCrm = false): SliceLimits {
  // With a foreign CRM a batch is in hand for two calls, one after the other.
  const senderCount = maxRatePerSecond < fastRatePerSecond && !hasCrm ? callCount : maxSenderCount;
  // Under a limit of the day each batch is flipped on its own.
  const count = flipAheadCount(maxRatePerSecond) > 0 && !hasDailyLimit ? maxBatchCountAhead : maxBatchCount;
  return {
    maxMs,
    maxBatchCount: count,
    repeatWeight: count / maxBatchCount,
    senderCount,
    callCount,
    // A slower account's permits keep its calls apart.
    sendsInTurn: maxRatePerSecond >= fastRatePerSecond,
  };
}

/** The flip runs this long before its permit's slot, so that the slot is not spent on a database round trip. */
export const flipLeadMs = 250;
/** A slow database is asked earlier, but not so early that a command finds many leads flipped for nothing. */
const maxFlipLeadMs = 2_000;

/** How long before its slot a batch is begun: a little longer than recent flips have taken. */
class Headstart {
  ms: number = flipLeadMs;

  learn(tookMs: number): void {
    const enough = Math.max(1.25 * tookMs, 0.9 * this.ms);
    this.ms = Math.min(maxFlipLeadMs, Math.max(flipLeadMs, enough));
  }
}

/**
 * Runs one slice to its end: the time is up, nothing is due, or the session was told to stop. When only the time is
 * up, each sender still sends the batch that it holds, at the slot that it was given.
 *
 * @throws what a verb throws, after all senders have come to rest; the shell classifies it
 */
export async function runSlice(verbs: SliceVerbs, limits: SliceLimits): Promise<void> {
  const beganAt = verbs.now();
  let endsAt = beganAt + limits.maxMs;
  /** Slots lie up to five seconds ahead; a call that was refused its slot again and again is left to the next slice. */
  const latestAt = endsAt + patienceMs;
  const planned = new Signal();
  const headstart = new Headstart();
  const calls = new Slots(limits.callCount);
  const turn = limits.sendsInTurn ? new Slots(1) : null;
  const faults: unknown[] = [];
  const first = verbs.mode();
  let takenCount = 0;
  let mustWait = false;
  let isPlannerOn = true;
  // A slice does one kind of work: a probe that finds the provider back ends it, and the next one runs.
  const mode = (until = latestAt): WorkMode => {
    if (faults.length > 0) return 'none';
    const nowMs = verbs.now();
    // Before it began: the clock was set back, and the slice would go on for as long as that.
    if (nowMs >= until || nowMs < beganAt) return 'none';
    return verbs.mode() === first ? first : 'none';
  };
  /** True when no further batch may be begun. Slots that are leased already are used: nobody else gets them. */
  const isOver = (): boolean => {
    if (mustWait || mode() === 'none') return true;
    // A slot brings a batch, which may lease further slots: without a bound this would go on and on.
    if (takenCount >= limits.maxBatchCount + limits.senderCount) return true;
    return (takenCount >= limits.maxBatchCount || verbs.now() >= endsAt) && !verbs.hasSlot();
  };
  const isTooLate = (at: number): boolean => {
    if (at - verbs.now() >= patienceMs || at >= latestAt) mustWait = true;
    return mustWait;
  };

  // A probe plans too: there must be something to ask the provider with.
  const isPlanning = (): boolean => first !== 'check' && !isOver() && verbs.isPlanning();

  async function planner(): Promise<void> {
    try {
      while (isPlanning()) {
        const plannedFrom = verbs.now();
        await verbs.plan();
        planned.raise();
        // The senders' flips queue at the same database: the planner leaves them as much of it as it took.
        const endedAt = verbs.now();
        if (isPlanning()) await verbs.sleepUntil(endedAt + (endedAt - plannedFrom));
      }
    } finally {
      // It does not come back when a slot is free again, so nobody may wait for it.
      isPlannerOn = false;
    }
  }

  async function sender(): Promise<void> {
    for (;;) {
      if (isOver()) return;
      const batch = verbs.take();
      if (batch !== null) {
        takenCount += batch.recipients === null ? 1 : limits.repeatWeight;
        const fail = (error: unknown): void => void faults.push(error);
        const goOn = await send(verbs, batch, {
          isTooLate,
          mode: () => mode(),
          headstart,
          calls,
          turn,
          fail,
        });
        if (!goOn) return;
      } else if (isPlannerOn && isPlanning()) await planned.wait();
      else {
        // The others go on, but not for long with fewer senders than there may be.
        endsAt = Math.min(endsAt, verbs.now() + thinMs);
        return;
      }
    }
  }

  const guard = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      faults.push(error);
    } finally {
      // Senders that wait for leads look again: the planner may have ended or failed.
      planned.raise();
    }
  };
  const senderCount = first === 'probe' ? 1 : limits.senderCount;
  await Promise.all([guard(planner), ...Array.from({ length: senderCount }, () => guard(sender))]);
  // Not wrapped: its type and message are what the shell classifies.
  if (faults.length > 0) throw faults[0];
}

/** Takes one held batch as far as it goes; false when the sender should stop. */
async function send(
  verbs: SliceVerbs,
  held: Batch,
  {
    isTooLate,
    mode,
    headstart,
    calls,
    turn,
    fail,
  }: {
    isTooLate: (at: number) => boolean;
    mode: () => WorkMode;
    headstart: Headstart;
    calls: Slots;
    turn: Slots | null;
    fail: (error: unknown) => void;
  },
): Promise<boolean> {
  let permit: Permit | null = null;
  let pushPermit: Permit | null = null;
  let isCalling = false;
  let hasTurn = false;
  const takeTurn = async (): Promise<void> => {
    await turn?.take();
    hasTurn = true;
  };
  const endTurn = (): void => {
    if (hasTurn) turn?.free();
    hasTurn = false;
  };
  /** False when the session was told to stop meanwhile. */
  const waitFor = async (at: number): Promise<boolean> => {
    // Counted: a clock that is set back meanwhile does not make the wait longer.
    const pieceCount = Math.ceil((at - verbs.now()) / lookMs);
    for (let piece = 0; piece < pieceCount && mode() !== 'none'; piece++)
      await verbs.sleepUntil(Math.min(at, verbs.now() + lookMs));
    return mode() !== 'none';
  };
  try {
    const limit = held.recipients === null ? verbs.pushes() : null;
    permit = limit === 'crm' ? await verbs.reserve(held) : await verbs.permit(held);
    if (permit?.kind === 'later') {
      verbs.waitUntil(permit.at);
      if (isTooLate(permit.at)) return false;
      return await waitFor(permit.at);
    }
    if (permit !== null && !(await waitFor(permit.at - headstart.ms))) return false;
    if (limit !== null) {
      pushPermit = await verbs.pushPermit();
      if (pushPermit.kind === 'later') {
        verbs.waitUntil(pushPermit.at, 'crm_slot');
        if (isTooLate(pushPermit.at)) return false;
        return await waitFor(pushPermit.at);
      }
      if (!(await waitFor(pushPermit.at))) return false;
    }
    const begunAt = verbs.now();
    let batch: Batch | null = held;
    if (batch.recipients === null) {
      const flipped = await verbs.flip(held);
      batch = flipped === null ? null : verbs.settleFlip(held, flipped);
      if (batch !== null && pushPermit !== null) batch = await verbs.push(batch, pushPermit);
    }
    const prepared = batch === null ? null : await verbs.prepare(batch);
    if (prepared === null) return true;
    headstart.learn(verbs.now() - begunAt);
    if (permit !== null && !(await waitFor(permit.at))) return false;
    await calls.take();
    isCalling = true;
    await takeTurn();
    for (;;) {
      // Meanwhile the answer to another call may have paused the session.
      if (mode() === 'none') return false;
      if (permit !== null && verbs.isUsable(permit)) break;
      // Nobody waits for the turn of one who waits for another slot.
      endTurn();
      permit = await verbs.renewPermit();
      if (permit.kind === 'later') {
        verbs.waitUntil(permit.at);
        if (isTooLate(permit.at)) return false;
      }
      if (!(await waitFor(permit.at))) return false;
      await takeTurn();
    }
    const intent = verbs.intend(prepared);
    if (intent === null) return true;
    const used = permit;
    permit = null;
    const outcome = await verbs.deliver(intent, used, turn === null ? null : endTurn);
    verbs.settle(intent, outcome);
    // A command came in just before the call, so another session can use the slot.
    if (outcome.kind === 'notSent') verbs.returnPermit(used);
    return true;
  } catch (error) {
    // Before the call is freed below: the sender that waits for it must see the fault and not send.
    fail(error);
    return false;
  } finally {
    endTurn();
    if (isCalling) calls.free();
    if (permit !== null) verbs.returnPermit(permit);
    verbs.release(held);
  }
}

/** A semaphore: so many at once, the others wait in the order of their coming. */
class Slots {
  readonly #waiting: (() => void)[] = [];
  #freeCount: number;

  constructor(count: number) {
    this.#freeCount = count;
  }

  async take(): Promise<void> {
    if (this.#freeCount > 0) this.#freeCount -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  free(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#freeCount += 1;
    else next();
  }
}

/** A condition variable: `wait` resolves at the next `raise`. */
class Signal {
  #raise = (): void => {};
  #raised = this.#next();

  raise(): void {
    this.#raise();
    this.#raised = this.#next();
  }

  wait(): Promise<void> {
    return this.#raised;
  }

  #next(): Promise<void> {
    return new Promise((resolve) => (this.#raise = resolve));
  }
}
