/**
 * The CRM database of the local state folder, opened by a script beside or without a running app.
 *
 * Keeps true: the schema is current before a script sees the database, the database is the one that
 * `npm start` serves, and the two can write to it at the same time.
 *
 * @module
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getPlatformProxy, unstable_readConfig } from 'wrangler';
import { emailHash, type HashEmail } from '../../src/crm/email.ts';
import { addressHashKey, makeStateDir, projectRoot, stateDir } from './local-state.ts';
import { prepareState } from './stack.ts';

export interface LocalCrm {
  db: D1Database;
  hashEmail: HashEmail;
  close(): Promise<void>;
}

/** Opens the database and, when it is behind, migrates it first. */
export async function openLocalCrm(): Promise<LocalCrm> {
  process.env['WRANGLER_SEND_METRICS'] = 'false';
  const folder = stateDir();
  let proxy = await openProxy(folder);
  if (!(await isCurrent(proxy.env.DB))) {
    // Not while it is open here: two runtimes would write one file.
    await proxy.dispose();
    await prepareState(folder);
    proxy = await openProxy(folder);
  }
  const key = addressHashKey(folder);
  return {
    db: waitWhileBusy(proxy.env.DB),
    hashEmail: (email) => emailHash(key, email),
    close: () => proxy.dispose(),
  };
}

function openProxy(folder: string) {
  // The database alone: with the whole configuration wrangler warns of objects and secrets it lacks.
  const { name, compatibility_date, d1_databases } = unstable_readConfig(
    { config: join(projectRoot, 'wrangler.toml') },
    { hideWarnings: true },
  ) as { name: string; compatibility_date: string; d1_databases: unknown };
  makeStateDir(folder);
  const configPath = join(folder, 'database-only.json');
  writeFileSync(configPath, JSON.stringify({ name, compatibility_date, d1_databases }));
  return getPlatformProxy<{ DB: D1Database }>({
    configPath,
    // The folder that `wrangler dev --persist-to` makes inside the one it is given.
    persist: { path: join(folder, 'v3') },
    envFiles: [],
  });
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

/** True when every migration of the project is in the database. */
async function isCurrent(db: D1Database): Promise<boolean> {
  const migrated = await db
    .prepare("SELECT 1 FROM sqlite_master WHERE name = 'd1_migrations'")
    .first<Record<string, number>>();
  if (migrated === null) return false;
  const { results } = await db.prepare('SELECT name FROM d1_migrations').all<{ name: string }>();
  const applied = new Set(results.map((row) => row.name));
  return readdirSync(join(projectRoot, 'migrations')).every(
    (name) => !name.endsWith('.sql') || applied.has(name),
  );
}
