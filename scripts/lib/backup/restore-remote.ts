/**
 * Puts a staged database into an environment on a Cloudflare account.
 *
 * Invariant: a database that is not empty needs --into-existing. All rows are one import, which D1 stores whole or not
 * at all. The key is set before the database, so that a restore that breaks off between the two fails visibly and is
 * repeated.
 *
 * @module
 */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { recoveryActions } from '../../../src/crm/recovery.ts';
import { UserError } from '../processes.ts';
import { CloudflareEnvironment, signIn } from './cloudflare-account.ts';
import { queryOf } from './local-database.ts';
import { dropStatements, dumpDatabase, statementText, type Query } from './sql-dump.ts';

export interface RemoteTarget {
  /** @throws UserError when the database is not empty and may not be replaced */
  requireTarget(): Promise<void>;
  place(
    staged: { file: string; workFolder: string; addressHashKey: string },
    onStep: (words: string) => void,
  ): Promise<void>;
}

/** True when the database has rows. The tables may be missing in a new database. */
async function hasContent(query: Query): Promise<boolean> {
  const names = (await query("SELECT name FROM sqlite_master WHERE type = 'table'")).map(([name]) =>
    String(name),
  );
  const kept = ['leads', 'activations', 'suppressions', 'imports', 'templates', 'audit'];
  for (const table of kept.filter((name) => names.includes(name))) {
    if ((await query(`SELECT 1 FROM "${table}" LIMIT 1`)).length > 0) return true;
  }
  return false;
}

/** Sessions that would continue while the database is replaced. */
async function runningCount(query: Query): Promise<number> {
  const tables = await query("SELECT 1 FROM sqlite_master WHERE name = 'activations'");
  if (tables.length === 0) return 0;
  const [[count] = []] = await query(
    "SELECT count(*) FROM activations WHERE state IN ('queued', 'running') OR progress ->> 'reason' = 'mail_unreachable'",
  );
  return Number(count);
}

/** True while an earlier restore is not reconciled: each session waits for that before it sends. */
async function isHeld(query: Query): Promise<boolean> {
  const { opened, finished } = recoveryActions;
  const [[held] = []] = await query(
    `SELECT coalesce(max(id) FILTER (WHERE action = '${opened}'), 0)
       > coalesce(max(id) FILTER (WHERE action = '${finished}'), 0) FROM audit`,
  );
  return held === 1;
}

/** The target over an environment. */
export function remoteTarget(environment: CloudflareEnvironment, intoExisting: boolean): RemoteTarget {
  const { name, query } = environment;
  return {
    async requireTarget() {
      if (!(await hasContent(query))) return;
      if (!intoExisting) {
        throw new UserError(
          `The database ${name} is not empty. Name another environment with --env, or replace it with --into-existing.`,
        );
      }
      const running = await runningCount(query);
      if (running > 0 && !(await isHeld(query))) {
        throw new UserError(
          `${String(running)} activations run on ${name}. Pause them first: they would send mail while the database is replaced.`,
        );
      }
    },

    async place({ file, workFolder, addressHashKey }, onStep) {
      onStep('Setting the key of the address hash');
      await environment.setSecret('ADDRESS_HASH_KEY', addressHashKey);
      onStep(`Writing the database ${name}`);
      const importFile = join(workFolder, 'import.sql');
      const database = new DatabaseSync(file);
      try {
        const out = createWriteStream(importFile, { mode: 0o600 });
        for (const sql of await dropStatements(query)) out.write(statementText(sql));
        await dumpDatabase(queryOf(database), async (text) => {
          if (!out.write(text)) await new Promise<void>((resolve) => out.once('drain', resolve));
        });
        await new Promise<void>((resolve) => out.end(resolve));
        await environment.importFile(importFile);
        onStep('Comparing');
        await requireSame(queryOf(database), query);
      } finally {
        database.close();
      }
    },
  };
}

/** @throws UserError where a table has another number of rows than what was written */
async function requireSame(written: Query, found: Query): Promise<void> {
  const tables = await written(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'leads_fts*' AND name NOT GLOB 'sqlite_*'`,
  );
  for (const [name] of tables) {
    const sql = `SELECT count(*) FROM "${String(name)}"`;
    const [[expected] = []] = await written(sql);
    const [[there] = []] = await found(sql);
    if (expected === there) continue;
    throw new UserError(
      `${String(name)} has ${String(there)} rows and should have ${String(expected)}. Run the restore again with --into-existing.`,
    );
  }
}

/** Opens an environment as the target of a restore. */
export async function openRemoteTarget(options: {
  env: string | null;
  intoExisting: boolean;
}): Promise<RemoteTarget> {
  return remoteTarget(await CloudflareEnvironment.open(await signIn(), options.env), options.intoExisting);
}
