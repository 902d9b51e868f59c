/**
 * Durable Objects as the platform runs them: instances, RPC, gates, storage, alarms and their deaths.
 *
 * The rules are those of assumptions.ts. Beyond them: a handler that throws again and again is given up after some
 * repeats, and an alarm that is set and not on disk yet when another is delivered stays.
 * In one thing it is kinder: `deleteAll` and what its turn writes after it are one commit here, as where a turn cannot
 * be interrupted; the real runtime deletes at once.
 *
 * @module
 */
import type { SQLInputValue } from 'node:sqlite';
import { SimStream, type SimResponse } from './realm.ts';
import { Actor, type SimEvent, type Simulator } from './simulator.ts';
import {
  returnDatabase,
  takeDatabase,
  type Database,
  type Row,
  type Schema,
  type SchemaState,
  type Written,
} from './sqlite.ts';

type Method = (...args: unknown[]) => unknown;

/** An object as its class makes it. */
export type ObjectClass = new (ctx: never, env: never) => object;

/** What the world decides about the platform's weather. */
export interface Weather {
  /** Of one hop between two actors, ms. */
  hopMs(): number;
  /** Until a turn's writes are durable, ms; 0: at once. */
  commitMs(): number;
  /** `commitMs` is never above 0, so that nothing comes between a turn's writes and their commit. */
  readonly commitsAtOnce: boolean;
  /** True when an await of a storage operation takes some time. */
  isStorageSlow(): boolean;
  alarm(host: ObjectHost): { lateMs: number; isLost: boolean; isTwice: boolean };
  /** True while an object's database takes no write. */
  isStorageAway(host: ObjectHost): boolean;
  crashed(host: ObjectHost, kind: string): void;
  /** A turn has ended whose writes are durable later. @param written - in the commit that they will be part of */
  turnEnded(host: ObjectHost, written: Written): void;
  committed(host: ObjectHost, written: Written): void;
  called(host: ObjectHost, method: string, args: readonly unknown[]): void;
}

const maxAlarmRetryCount = 6;

export interface ObjectParts {
  sim: Simulator;
  weather: Weather;
  /** Of its class. */
  schema: Schema | null;
  make: (host: ObjectHost, instance: Instance) => object;
}

/** One object: its durable state, and the instance that runs now. */
export class ObjectHost {
  readonly name: string;
  readonly className: string;
  readonly database: Database;
  instance: Instance | null = null;
  /** The alarm as the running instance sees it. */
  alarmAt: number | null = null;
  /** The alarm as it is on disk. */
  durableAlarmAt: number | null = null;
  /** True when the platform lost the alarm on disk, which a test's rule about resuming must know. */
  isAlarmLost = false;
  readonly #sim: Simulator;
  readonly #weather: Weather;
  readonly #make: (host: ObjectHost, instance: Instance) => object;
  #wake: SimEvent | null = null;
  #handlerOf: Instance | null = null;
  /** Delivered, and not yet begun. */
  #isFiring = false;
  #isAlarmTouched = false;
  #isFiredMeanwhile = false;
  #retryCount = 0;
  isGroupOpen = false;
  isCommitScheduled = false;
  isAlarmInGroup = false;
  #writtenInGroup: Written = 'other';
  #hasSavepoint = false;
  #schemaBefore: SchemaState;
  readonly #schema: Schema | null;

  constructor(parts: ObjectParts, className: string, name: string) {
    this.#sim = parts.sim;
    this.#weather = parts.weather;
    this.#make = parts.make;
    this.#schema = parts.schema;
    this.database = takeDatabase(parts.schema);
    this.#schemaBefore = this.database.schemaState;
    this.className = className;
    this.name = name;
  }

  get sim(): Simulator {
    return this.#sim;
  }

  get weather(): Weather {
    return this.#weather;
  }

  /** True while an alarm is handled. */
  get isHandlingAlarm(): boolean {
    return this.#handlerOf !== null;
  }

  /** The running instance; made when there is none. */
  live(): Instance {
    if (this.instance !== null) return this.instance;
    const instance = new Instance(this);
    this.instance = instance;
    this.#sim.turn(instance, () => {
      instance.object = this.#make(this, instance);
    });
    return instance;
  }

  // ── RPC ────────────────────────────────────────────────────────────────────────────────────────

  call(method: string, args: unknown[]): Promise<unknown> {
    const caller = this.#sim.current;
    const sent = clone(args) as unknown[];
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void): void => {
        this.#sim.after(this.#weather.hopMs(), caller, `answer ${method}`, settle);
      };
      const send = (): void => this.#arrive(method, sent, answer, resolve, reject);
      if (caller === null) send();
      else caller.emit(send);
    });
  }

  #arrive(
    method: string,
    args: unknown[],
    answer: (settle: () => void) => void,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#sim.after(this.#weather.hopMs(), null, 'hop', () => {
      const instance = this.live();
      const pending = { fail: (error: Error): void => answer(() => reject(error)) };
      this.#sim.after(0, instance, `call ${this.name} ${method}`, () => {
        this.#weather.called(this, method, args);
        const settle = (send: () => void): void => {
          // An answer that is held when the instance dies becomes a failure.
          instance.emit(() => {
            if (instance.pending.delete(pending)) answer(send);
          });
        };
        const run = async (): Promise<unknown> =>
          (instance.object as Record<string, Method | undefined>)[method]?.call(instance.object, ...args);
        run().then(
          (value) => {
            const sent = clone(value);
            settle(() => resolve(sent));
          },
          (error: unknown) => settle(() => reject(errorCopy(error))),
        );
      });
      instance.pending.add(pending);
    });
  }

  /** Opens the object's event stream. */
  openStream(
    reader: Actor,
    lastRev: number | null,
    events: { chunk: (text: string) => void; end: (status: number) => void },
  ): void {
    this.#sim.after(this.#weather.hopMs(), null, 'hop', () => {
      const instance = this.live();
      const deliver = (work: () => void): void => {
        instance.emit(() => this.#sim.after(this.#weather.hopMs(), reader, 'stream', work));
      };
      const stop = { fail: (): void => void this.#sim.after(1, reader, 'stream lost', () => events.end(0)) };
      instance.pending.add(stop);
      this.#sim.after(0, instance, `stream ${this.name}`, () => {
        const headers = {
          get: (name: string) => (name === 'last-event-id' ? (lastRev?.toString() ?? null) : null),
        };
        const fetchMethod = (instance.object as { fetch: (request: unknown) => Promise<unknown> }).fetch;
        void fetchMethod.call(instance.object, { headers }).then((response) => {
          const { body, status } = response as SimResponse;
          if (!(body instanceof SimStream)) {
            instance.pending.delete(stop);
            deliver(() => events.end(status));
            return;
          }
          body.read(
            (chunk) => {
              const text = decoder.decode(chunk);
              deliver(() => events.chunk(text));
            },
            () => {
              instance.pending.delete(stop);
              deliver(() => events.end(200));
            },
          );
        });
      });
    });
  }

  // ── storage ────────────────────────────────────────────────────────────────────────────────────

  /**
   * Begins the commit that what is written now belongs to.
   *
   * @returns true when it begins now, and can be undone as a whole
   */
  openGroup(): boolean {
    if (this.isGroupOpen) return false;
    this.isGroupOpen = true;
    if (this.#weather.commitsAtOnce) return false;
    this.#hasSavepoint = true;
    this.#schemaBefore = this.database.schemaState;
    this.database.control('SAVEPOINT turn');
    return true;
  }

  /** Undoes what the open group has written so far. */
  undoGroup(): void {
    this.database.control('ROLLBACK TO turn');
    this.database.schemaState = this.#schemaBefore;
  }

  /** Something is written in the open group. */
  wrote(what: Written): void {
    if (what === 'batches' || this.#writtenInGroup === 'other') this.#writtenInGroup = what;
  }

  /** A turn has ended, and other turns may write before what it has written is committed. */
  turnEnded(): void {
    this.#weather.turnEnded(this, this.#writtenInGroup);
  }

  commit(): void {
    if (!this.isGroupOpen) return;
    if (this.#hasSavepoint) this.database.control('RELEASE turn');
    this.#hasSavepoint = false;
    this.isGroupOpen = false;
    this.isCommitScheduled = false;
    const written = this.#writtenInGroup;
    this.#writtenInGroup = 'other';
    if (this.isAlarmInGroup) {
      this.isAlarmInGroup = false;
      this.durableAlarmAt = this.alarmAt;
      this.isAlarmLost = false;
      this.#setWake();
    }
    this.#weather.committed(this, written);
  }

  #rollBack(): void {
    if (!this.isGroupOpen) return;
    if (!this.#hasSavepoint) throw new Error(`${this.name} has not committed what a turn has written.`);
    this.undoGroup();
    this.database.control('RELEASE turn');
    this.#hasSavepoint = false;
    this.isGroupOpen = false;
    this.#writtenInGroup = 'other';
    this.isCommitScheduled = false;
    this.isAlarmInGroup = false;
  }

  // ── alarms ─────────────────────────────────────────────────────────────────────────────────────

  setAlarm(at: number | null): void {
    this.openGroup();
    this.alarmAt = at;
    this.isAlarmInGroup = true;
    if (this.#handlerOf !== null) this.#isAlarmTouched = true;
  }

  #setWake(extraMs = 0): void {
    if (this.#wake !== null) this.#wake.isCancelled = true;
    this.#wake = null;
    const at = this.durableAlarmAt;
    if (at === null) return;
    const { lateMs, isLost, isTwice } = this.#weather.alarm(this);
    if (isLost) {
      this.isAlarmLost = true;
      return;
    }
    const delayMs = Math.max(0, at - this.#sim.wallMs()) + lateMs + extraMs;
    this.#wake = this.#sim.after(delayMs, null, 'alarm', () => {
      this.#wake = null;
      this.#fire(isTwice);
    });
  }

  #fire(isTwice: boolean): void {
    const instance = this.live();
    this.#isFiring = true;
    this.#sim.after(0, instance, `alarm ${this.name}`, () => {
      // It was for the instance before; the crash has fired it again.
      if (this.instance !== instance) return;
      this.#isFiring = false;
      if (this.#handlerOf !== null) {
        this.#isFiredMeanwhile = true;
        return;
      }
      this.#handlerOf = instance;
      // An alarm that was set and is not on disk yet stays: the platform deletes only the one that it delivers.
      this.#isAlarmTouched = this.isAlarmInGroup;
      if (!this.isAlarmInGroup) this.alarmAt = null;
      const { alarm } = instance.object as { alarm: () => Promise<void> };
      const run = async (): Promise<void> => alarm.call(instance.object);
      run().then(
        () => this.#handled(instance, isTwice),
        (error: unknown) => this.#threw(instance, error),
      );
    });
  }

  #handled(instance: Instance, isTwice: boolean): void {
    if (this.#handlerOf !== instance) return;
    this.#handlerOf = null;
    this.#retryCount = 0;
    if (!this.#isAlarmTouched) this.durableAlarmAt = null;
    this.#fireAgain(isTwice);
  }

  #threw(instance: Instance, error: unknown): void {
    if (this.#handlerOf !== instance) return;
    this.#handlerOf = null;
    this.#sim.note(`alarm threw ${this.name} ${String(error)}`);
    // Instead of a repeat the alarm comes that the handler has set.
    if (this.#isAlarmTouched) return void this.#fireAgain(false);
    this.alarmAt = this.durableAlarmAt;
    if (this.#retryCount++ >= maxAlarmRetryCount) {
      this.durableAlarmAt = null;
      this.alarmAt = null;
      return;
    }
    this.#setWake(2_000 * 2 ** this.#retryCount);
  }

  /** Delivers the alarm that was due while its handler ran. One that the handler has set for later stays. */
  #fireAgain(isTwice: boolean): void {
    if (!isTwice && !this.#isFiredMeanwhile) return;
    this.#isFiredMeanwhile = false;
    this.#sim.after(this.#weather.hopMs(), null, 'alarm again', () => this.#fire(false));
  }

  // ── death ──────────────────────────────────────────────────────────────────────────────────────

  /**
   * Ends the running instance.
   *
   * @param lingerMs - for so long its code still runs beside the next instance, without its storage
   */
  crash(kind: string, lingerMs = 0): void {
    const { instance } = this;
    if (instance === null) return;
    this.#weather.crashed(this, kind);
    this.instance = null;
    instance.isFenced = true;
    instance.isGateBroken = this.isGroupOpen;
    instance.held.length = 0;
    if (lingerMs === 0) instance.isGone = true;
    else this.#sim.after(lingerMs, null, 'linger over', () => (instance.isGone = true));
    this.#rollBack();
    for (const { fail } of instance.pending) fail(new Error('Network connection lost.'));
    instance.pending.clear();
    this.alarmAt = this.durableAlarmAt;
    const wasHandling = this.#handlerOf !== null || this.#isFiring;
    this.#handlerOf = null;
    this.#isFiring = false;
    // The platform delivers an alarm again whose handler died.
    if (wasHandling || this.#isFiredMeanwhile) this.#setWake(this.#sim.random.int(0, 500));
    this.#isFiredMeanwhile = false;
  }

  /** Without an instance and with nothing under way, on the rows that the database has, and with this alarm. */
  rest(alarmAt: number | null): void {
    this.#rollBack();
    if (this.instance !== null) this.instance.isGone = true;
    this.instance = null;
    this.#handlerOf = null;
    this.#isFiring = false;
    this.#isAlarmTouched = false;
    this.#isFiredMeanwhile = false;
    this.#retryCount = 0;
    this.isAlarmLost = false;
    this.alarmAt = alarmAt;
    this.durableAlarmAt = alarmAt;
    this.#setWake();
  }

  /** At the end of a world. */
  dispose(): void {
    // Whatever is open is undone with the world.
    returnDatabase(this.database, this.#schema);
  }
}

interface Pending {
  fail: (error: Error) => void;
}

const decoder = new TextDecoder();

/** One life of an object in memory. */
export class Instance extends Actor {
  readonly host: ObjectHost;
  /** Its storage belongs to another instance now. */
  isFenced = false;
  /** It lost writes: nothing leaves any more, because whatever leaves waits for the writes before it. */
  isGateBroken = false;
  readonly held: (() => void)[] = [];
  object: object = {};
  readonly pending = new Set<Pending>();

  constructor(host: ObjectHost) {
    super(host.name);
    this.host = host;
  }

  override emit(send: () => void): void {
    if (this.isGateBroken) return;
    if (this.host.isGroupOpen && !this.isFenced) this.held.push(send);
    else send();
  }

  override endTurn(): void {
    const { host } = this;
    if (!host.isGroupOpen || this.isFenced) return;
    if (!host.isCommitScheduled) {
      const ms = host.weather.commitMs();
      if (ms === 0) {
        this.commit();
        return;
      }
      host.isCommitScheduled = true;
      host.sim.after(ms, this, 'commit', () => this.commit(), true);
    }
    host.turnEnded();
  }

  commit(): void {
    if (this.isFenced) return;
    this.host.commit();
    for (const send of this.held.splice(0)) send();
  }

  /** A storage operation that is awaited: it takes effect now, and resolves now or a little later. */
  awaited<T>(value: T): Promise<T> {
    const { sim, weather } = this.host;
    if (!weather.isStorageSlow()) return Promise.resolve(value);
    this.inputHolds++;
    return new Promise((resolve) => {
      sim.after(
        1,
        this,
        'storage',
        () => {
          this.inputHolds--;
          if (this.inputHolds === 0) sim.release(this);
          resolve(value);
        },
        true,
      );
    });
  }
}

// ── what an instance gets ───────────────────────────────────────────────────────────────────────

const maxParameterCount = 100;

/** The instance's `ctx`. */
export function contextOf(instance: Instance): unknown {
  const { host } = instance;
  const { database } = host;
  const check = (isWrite: boolean): void => {
    if (instance.isFenced) throw new Error('Durable Object storage is no longer accessible.');
    if (isWrite && host.weather.isStorageAway(host)) throw new Error('database is locked: SQLITE_BUSY');
  };
  const exec = (sql: string, ...params: SQLInputValue[]): unknown => {
    if (params.length > maxParameterCount) throw new Error('too many SQL variables: SQLITE_ERROR');
    if (params.length === 0 && isScript(sql)) {
      check(true);
      host.openGroup();
      host.wrote('batches');
      database.script(sql);
      return cursor([], 0);
    }
    // First, because a missing table is found when a statement is prepared, and prepared statements are kept.
    check(false);
    const prepared = database.prepare(sql);
    if (prepared.isWrite) {
      check(true);
      host.openGroup();
      host.wrote(prepared.writes);
    }
    const { rows, changes, mayHaveBlobs } = database.execute(prepared, params);
    return cursor(mayHaveBlobs ? rows.map(toCells) : rows, changes);
  };
  return {
    id: { name: host.name, toString: () => host.name },
    waitUntil: (promise: Promise<unknown>): void => void promise.catch(() => {}),
    blockConcurrencyWhile: <T>(work: () => Promise<T>): Promise<T> => work(),
    storage: {
      sql: { exec },
      transactionSync<T>(work: () => T): T {
        check(false);
        if (host.openGroup()) {
          try {
            return work();
          } catch (error) {
            host.undoGroup();
            throw error;
          }
        }
        const schemaBefore = database.schemaState;
        database.control('SAVEPOINT step');
        try {
          const result = work();
          database.control('RELEASE step');
          return result;
        } catch (error) {
          database.control('ROLLBACK TO step');
          database.control('RELEASE step');
          database.schemaState = schemaBefore;
          throw error;
        }
      },
      async setAlarm(at: number | Date): Promise<void> {
        check(true);
        host.setAlarm(Number(at));
        return instance.awaited(undefined);
      },
      async getAlarm(): Promise<number | null> {
        check(false);
        return instance.awaited(host.alarmAt);
      },
      async deleteAlarm(): Promise<void> {
        check(true);
        host.setAlarm(null);
        return instance.awaited(undefined);
      },
      async deleteAll(): Promise<void> {
        check(true);
        host.openGroup();
        host.wrote('batches');
        const tables = database.run(
          "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        );
        for (const { name } of tables.rows) database.script(`DROP TABLE ${String(name)}`);
        host.setAlarm(null);
        return instance.awaited(undefined);
      },
    },
  };
}

/** Several statements: a migration. */
function isScript(sql: string): boolean {
  return sql.startsWith('\n') && sql.trimEnd().endsWith(';');
}

function cursor(rows: Row[], changes: number): unknown {
  return {
    rowsWritten: changes,
    toArray: () => rows,
    one: () => {
      const [row] = rows;
      if (row === undefined || rows.length > 1)
        throw new Error('Expected exactly one result from SQL query.');
      return row;
    },
  };
}

/** The platform returns blobs as ArrayBuffer. */
function toCells(row: Row): Row {
  for (const name in row) {
    const value = row[name];
    if (value instanceof Uint8Array) {
      row[name] = value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength);
    }
  }
  return row;
}

/** What RPC does to an argument: a copy, and nothing that cannot be copied. */
export function clone(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'function') throw new TypeError('A function cannot be sent.');
    return value;
  }
  if (Array.isArray(value)) return value.map(clone);
  const copy: Row = {};
  for (const [name, part] of Object.entries(value)) copy[name] = clone(part);
  return copy;
}

function errorCopy(error: unknown): Error {
  const copy = new Error(error instanceof Error ? error.message : String(error));
  if (error instanceof Error) copy.name = error.name;
  return copy;
}

/** A namespace of objects, as a binding. */
export function namespaceOf(hostOf: (name: string) => ObjectHost): unknown {
  const stubs = new Map<string, object>();
  const getByName = (name: string): object => {
    const known = stubs.get(name);
    if (known !== undefined) return known;
    const host = hostOf(name);
    const methods = new Map<string, Method>();
    const stub = new Proxy(
      {},
      {
        get: (_target, property) => {
          // A stub is no promise.
          if (typeof property !== 'string' || property === 'then') return undefined;
          const method = methods.get(property) ?? ((...args: unknown[]) => host.call(property, args));
          methods.set(property, method);
          return method;
        },
      },
    );
    stubs.set(name, stub);
    return stub;
  };
  return { getByName, idFromString: (id: string) => id, get: getByName };
}
