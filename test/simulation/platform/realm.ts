/**
 * The realm: replaces what the product reads from its surroundings by the simulator's.
 *
 * Clock, timers, random numbers, network, streams and digests become deterministic while a simulation is active. Outside of
 * one, the process has its own. Digests are computed synchronously: the native ones resolve in a thread, at a time that
 * no seed decides.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import type { Actor, SimEvent, Simulator } from './simulator.ts';

interface Active {
  sim: Simulator;
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** A line of the product's log. */
  log: (level: string, text: string) => void;
  /** A timer threw. */
  uncaught: (actor: Actor | null, error: unknown) => void;
}

let active: Active | null = null;

/** Makes a simulation the surroundings of the product's code; null: none. */
export function enterRealm(next: Active | null): void {
  active = next;
}

const real = {
  now: Date.now,
  random: Math.random,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
};

class Timer {
  event: SimEvent | null = null;
}

function cancel(timer: unknown): boolean {
  if (!(timer instanceof Timer)) return false;
  if (timer.event !== null) timer.event.isCancelled = true;
  timer.event = null;
  return true;
}

function start(sim: Simulator, work: () => void, ms: number, repeats: boolean): Timer {
  const timer = new Timer();
  const actor = sim.current;
  const again = (): void => {
    timer.event = sim.after(ms, actor, 'timer', () => {
      timer.event = null;
      if (repeats) again();
      try {
        work();
      } catch (error) {
        active?.uncaught(actor, error);
      }
    });
  };
  again();
  return timer;
}

interface StreamSource {
  start?: (controller: {
    desiredSize: number;
    enqueue: (chunk: Uint8Array) => void;
    close: () => void;
    error: () => void;
  }) => void;
  cancel?: (reason: string) => unknown;
}

/** A stream that is read by the simulator: what is enqueued goes to `onChunk` at once. */
export class SimStream {
  onChunk: ((chunk: Uint8Array) => void) | null = null;
  onClose: (() => void) | null = null;
  readonly #early: Uint8Array[] = [];
  readonly #source: StreamSource;
  #isClosed = false;

  constructor(source: StreamSource) {
    this.#source = source;
    const controller = {
      desiredSize: 1,
      enqueue: (chunk: Uint8Array): void => {
        if (this.#isClosed) throw new TypeError('The stream is closed.');
        if (this.onChunk === null) this.#early.push(chunk);
        else this.onChunk(chunk);
      },
      close: (): void => this.#close(),
      error: (): void => this.#close(),
    };
    source.start?.(controller);
  }

  read(onChunk: (chunk: Uint8Array) => void, onClose: () => void): void {
    this.onChunk = onChunk;
    this.onClose = onClose;
    for (const chunk of this.#early.splice(0)) onChunk(chunk);
    if (this.#isClosed) onClose();
  }

  cancel(): void {
    this.#isClosed = true;
    void this.#source.cancel?.('gone');
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onClose?.();
  }
}

/** The part of Response that the objects use: they only make one. */
export class SimResponse {
  readonly body: unknown;
  readonly status: number;

  constructor(body: unknown, init: { status?: number } = {}) {
    this.body = body;
    this.status = init.status ?? 200;
  }
}

let isInstalled = false;

/** Replaces the globals, once for the process. */
export function installRealm(): void {
  if (isInstalled) return;
  isInstalled = true;
  const put = (target: object, name: string, value: unknown): void => {
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  };
  put(Date, 'now', () => (active === null ? real.now() : active.sim.wallMs()));
  put(Math, 'random', () => (active === null ? real.random() : active.sim.random.next()));
  put(globalThis, 'setTimeout', (work: () => void, ms = 0) =>
    active?.sim.current == null ? real.setTimeout(work, ms) : start(active.sim, work, ms, false),
  );
  put(globalThis, 'setInterval', (work: () => void, ms = 0) =>
    active?.sim.current == null ? real.setInterval(work, ms) : start(active.sim, work, ms, true),
  );
  put(globalThis, 'clearTimeout', (timer: NodeJS.Timeout) => {
    if (!cancel(timer)) real.clearTimeout(timer);
  });
  put(globalThis, 'clearInterval', (timer: NodeJS.Timeout) => {
    if (!cancel(timer)) real.clearInterval(timer);
  });
  const realFetch = globalThis.fetch;
  put(globalThis, 'fetch', (url: string, init: RequestInit) =>
    active === null ? realFetch(url, init) : active.fetch(url, init),
  );
  put(crypto.subtle, 'digest', (_algorithm: string, data: Uint8Array) => {
    const digest = createHash('sha256').update(data).digest();
    return Promise.resolve(digest.buffer.slice(digest.byteOffset, digest.byteOffset + digest.byteLength));
  });
  for (const level of ['info', 'warn', 'error'] as const) {
    const log = console[level].bind(console);
    put(console, level, (text: string) =>
      active?.sim.current == null ? log(text) : active.log(level, text),
    );
  }
  put(globalThis, 'ReadableStream', SimStream);
  put(globalThis, 'Response', SimResponse);
  // A crash leaves promises behind that nobody awaits any more.
  process.on('unhandledRejection', () => {});
}
