/**
 * The CRM database of the local state folder, opened by a script beside or without a running app.
 *
 * Invariants: the schema is current before a script uses the database; it is the database of `npm start`; and the
 * script and the app can write to it at the same time.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { emailHash, type HashEmail } from '../../src/crm/email.ts';
import { openDatabase, pendingMigrations } from './local-database.ts';
import { addressHashKey, stateDir } from './local-state.ts';
import { prepareState } from './stack.ts';

export interface LocalCrm {
  db: D1Database;
  hashEmail: HashEmail;
  close(): Promise<void>;
}

/** Opens the database and, when it is behind, migrates it first. */
export async function openLocalCrm(): Promise<LocalCrm> {
  const folder = stateDir();
  const open = await openDatabase(folder);
  try {
    if ((await pendingMigrations(open.db)).length > 0) await prepareState(folder, undefined, { open });
  } catch (fault) {
    await open.close();
    throw fault;
  }
  const key = addressHashKey(folder);
  return {
    db: waitWhileBusy(open.db),
    hashEmail: (email) => emailHash(key, email),
    close: open.close,
  };
}

/** A running app holds the database for milliseconds at a time; longer than this it is stuck. */
const maxBusyMs = 30_000;

/**
 * The same database, but a batch waits its turn while another process writes. A batch is a transaction,
 * so one that SQLite refused as busy has left nothing behind.
 */
function waitWhileBusy(db: D1Database): D1Database {
  const batch: D1Database['batch'] = async <Row>(statements: D1PreparedStatement[]) => {
    const deadline = performance.now() + maxBusyMs;
    for (;;) {
      try {
        return await db.batch<Row>(statements);
      } catch (error) {
        const isBusy = error instanceof Error && error.message.includes('SQLITE_BUSY');
        if (!isBusy || performance.now() > deadline) throw error;
        await sleep(20 + Math.random() * 80);
      }
    }
  };
  return new Proxy(db, {
    get(target, property) {
      if (property === 'batch') return batch;
      const value: unknown = Reflect.get(target, property);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
