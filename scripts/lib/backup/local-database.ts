/**
 * The CRM database of a state folder as an SQLite file; the app may be running.
 *
 * Invariant: all reads see one state of the database, while the app may write.
 *
 * @module
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseEnv } from 'node:util';
import { unstable_readConfig } from 'wrangler';
import { addressHashKey, projectRoot } from '../local-state.ts';
import { UserError } from '../processes.ts';
import type { BackupSource, Settings } from './backup-folder.ts';
import type { Query } from './sql-dump.ts';

/** A query over an open file. */
export function queryOf(database: DatabaseSync): Query {
  return (sql) => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return Promise.resolve(statement.all() as unknown as (string | number | null)[][]);
  };
}

/**
 * The file in which wrangler keeps the database of a state folder.
 *
 * @throws UserError when there is none
 */
export function databaseFileOf(stateDir: string): string {
  const folder = join(stateDir, 'v3/d1/miniflare-D1DatabaseObject');
  const files = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.endsWith('.sqlite') && name !== 'metadata.sqlite')
    : [];
  const [name] = files;
  if (name === undefined) throw new UserError(`${stateDir} has no database.`);
  if (files.length > 1)
    throw new UserError(`${folder} has more than one database; only one can be the app's.`);
  return join(folder, name);
}

/** The hexadecimal ids of all session objects that a state folder has. */
export function objectIdsOf(stateDir: string): string[] {
  const folder = join(stateDir, 'v3/do');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('ActivationSession'))
    .flatMap((name) => readdirSync(join(folder, name)))
    .flatMap((name) => /^([0-9a-f]{64})\.sqlite$/.exec(name)?.[1] ?? []);
}

function settingsOf(stateDir: string): Settings {
  const { vars } = unstable_readConfig(
    { config: join(projectRoot, 'wrangler.toml') },
    { hideWarnings: true },
  ) as { vars: Record<string, unknown> };
  const file = join(stateDir, 'worker.env');
  const given = existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {};
  // Only variables of wrangler.toml are kept with their values; everything else may be a secret.
  const known = Object.keys(vars);
  return {
    vars: Object.fromEntries(known.map((name) => [name, given[name] ?? String(vars[name])])),
    secrets: Object.keys(given).filter((name) => !known.includes(name)),
  };
}

/** A state folder as the source of a backup. Call `close` afterwards. */
export function openLocalSource(stateDir: string): BackupSource & { close(): void } {
  const database = new DatabaseSync(databaseFileOf(stateDir));
  database.exec('PRAGMA busy_timeout = 30000; BEGIN');
  return {
    name: 'local state',
    query: queryOf(database),
    settings: settingsOf(stateDir),
    addressHashKey: addressHashKey(stateDir),
    // Everything is read in one transaction.
    wasStill: () => Promise.resolve(true),
    close: () => {
      database.close();
    },
  };
}
