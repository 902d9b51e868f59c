/**
 * A meter for what Cloudflare bills: rows that SQLite reads and writes, alarms, rows of D1.
 *
 * It wraps the runtime's own prototypes, so the product cannot bypass it, and reads the figures that the platform
 * bills by: `rowsRead` and `rowsWritten` of a cursor, `meta` of a D1 answer. Setting an alarm counts as one row
 * written, as it is billed.
 *
 * @module
 */
import type { Meter } from './bill.ts';

const zero: Meter = {
  sessionRowsWritten: 0,
  sessionRowsRead: 0,
  gateRowsWritten: 0,
  gateRowsRead: 0,
  alarmWriteCount: 0,
  d1RowsWritten: 0,
  d1RowsRead: 0,
  d1CallCount: 0,
};

export const meter: Meter = { ...zero };

export function resetMeter(): void {
  Object.assign(meter, zero);
}

const metered = new WeakSet();

/** The method of a prototype, to be wrapped once. */
function wrap<Target extends object>(
  target: Target,
  name: keyof Target & string,
  around: (method: (...args: unknown[]) => unknown) => (this: unknown, ...args: unknown[]) => unknown,
): void {
  const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
  Reflect.set(target, name, around(method));
}

/** Meters the storage of every Durable Object in this isolate; `storage` is any one of them. */
export function meterStorage(storage: DurableObjectStorage): void {
  const sqlPrototype = Object.getPrototypeOf(storage.sql) as SqlStorage;
  if (!metered.has(sqlPrototype)) {
    metered.add(sqlPrototype);
    wrap(sqlPrototype, 'exec', (exec) => {
      return function (...args) {
        const cursor = exec.apply(this, args) as SqlStorageCursor<Record<string, SqlStorageValue>>;
        const isGate = /\bgate\b/.test(String(args[0]));
        // A cursor has its figures after it was read. Every store reads it before it awaits.
        queueMicrotask(() => {
          if (isGate) {
            meter.gateRowsWritten += cursor.rowsWritten;
            meter.gateRowsRead += cursor.rowsRead;
          } else {
            meter.sessionRowsWritten += cursor.rowsWritten;
            meter.sessionRowsRead += cursor.rowsRead;
          }
        });
        return cursor;
      };
    });
  }
  const storagePrototype = Object.getPrototypeOf(storage) as DurableObjectStorage;
  if (metered.has(storagePrototype)) return;
  metered.add(storagePrototype);
  for (const name of ['setAlarm', 'deleteAlarm'] as const) {
    wrap(storagePrototype, name, (method) => {
      return function (...args) {
        meter.alarmWriteCount++;
        return method.apply(this, args);
      };
    });
  }
}

interface Metered {
  meta: { rows_read?: number; rows_written?: number };
}

function addAnswer(answer: Metered): void {
  meter.d1RowsRead += answer.meta.rows_read ?? 0;
  meter.d1RowsWritten += answer.meta.rows_written ?? 0;
}

/** Meters every D1 database of this isolate; `db` is any one of them. */
export function meterDatabase(db: D1Database): void {
  const prototype = Object.getPrototypeOf(db) as D1Database;
  if (metered.has(prototype)) return;
  metered.add(prototype);
  wrap(prototype, 'batch', (batch) => {
    return async function (...args) {
      meter.d1CallCount++;
      const answers = (await batch.apply(this, args)) as Metered[];
      answers.forEach(addAnswer);
      return answers;
    };
  });
  const statement = Object.getPrototypeOf(db.prepare('SELECT 1')) as D1PreparedStatement;
  for (const name of ['all', 'run'] as const) {
    wrap(statement, name, (method) => {
      return async function (...args) {
        meter.d1CallCount++;
        const answer = (await method.apply(this, args)) as Metered;
        addAnswer(answer);
        return answer;
      };
    });
  }
  // `first` returns no figures, so it is replaced by `all`, which is metered.
  wrap(statement, 'first', () => {
    return async function (...args) {
      const { results } = await (this as D1PreparedStatement).all();
      const row = results[0] ?? null;
      return typeof args[0] === 'string' && row !== null ? row[args[0]] : row;
    };
  });
}
