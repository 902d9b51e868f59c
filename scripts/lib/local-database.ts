/**
 * The D1 database of a local state folder: opening it, and applying the migrations that it has not seen.
 *
 * Invariant: it is left as `wrangler d1 migrations apply --local` leaves it, table of migrations included. That command
 * starts a runtime of its own for each migration, which took a minute for two dozen of them where this takes a second.
 *
 * @module
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getPlatformProxy, unstable_readConfig, unstable_splitSqlQuery } from 'wrangler';
import { makeStateDir, projectRoot } from './local-state.ts';
import { UserError } from './processes.ts';

export interface LocalDatabase {
  db: D1Database;
  close(): Promise<void>;
}

const migrationsDir = join(projectRoot, 'migrations');

/** Opens the database as it is. */
export async function openDatabase(folder: string): Promise<LocalDatabase> {
  process.env['WRANGLER_SEND_METRICS'] = 'false';
  // The database alone: with the whole configuration wrangler warns of objects and secrets it lacks.
  const { name, compatibility_date, d1_databases } = unstable_readConfig(
    { config: join(projectRoot, 'wrangler.toml') },
    { hideWarnings: true },
  ) as { name: string; compatibility_date: string; d1_databases: unknown };
  makeStateDir(folder);
  const configPath = join(folder, 'database-only.json');
  writeFileSync(configPath, JSON.stringify({ name, compatibility_date, d1_databases }));
  const proxy = await getPlatformProxy<{ DB: D1Database }>({
    configPath,
    // The folder that `wrangler dev --persist-to` makes inside the one it is given.
    persist: { path: join(folder, 'v3') },
    envFiles: [],
  });
  return { db: proxy.env.DB, close: () => proxy.dispose() };
}

/** The files of migrations that the database has not seen, in their order. */
export async function pendingMigrations(db: D1Database): Promise<string[]> {
  const names = readdirSync(migrationsDir).filter((name) => name.endsWith('.sql'));
  const table = await db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'd1_migrations'").first();
  if (table === null) return names.sort();
  const { results } = await db.prepare('SELECT name FROM d1_migrations').all<{ name: string }>();
  const applied = new Set(results.map((row) => row.name));
  return names.filter((name) => !applied.has(name)).sort();
}

/**
 * Applies the pending migrations, each in a transaction with its line in the table of migrations.
 *
 * @throws UserError naming the migration that failed
 */
export async function applyMigrations(db: D1Database): Promise<void> {
  // As wrangler writes it.
  await db
    .prepare(
      'CREATE TABLE IF NOT EXISTS d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)',
    )
    .run();
  for (const name of await pendingMigrations(db)) {
    const statements = unstable_splitSqlQuery(readFileSync(join(migrationsDir, name), 'utf8'));
    try {
      await db.batch([
        ...statements.map((sql) => db.prepare(sql)),
        db.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name),
      ]);
    } catch (fault) {
      throw new UserError(`The database could not be migrated: ${name}: ${String(fault)}`);
    }
  }
}
