/**
 * `npm run reconcile -- --url ADDRESS`: after a restore, reconciles the leads with every session, and lets activations
 * start again (docs/RECOVERY.md).
 *
 * Invariant: it can be interrupted and repeated at any time, and no mail is sent.
 *
 * @module
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { appAt } from './lib/backup/app-api.ts';
import { openBackup } from './lib/backup/backup-folder.ts';
import { readPassphrase } from './lib/backup/passphrase.ts';
import { reconcileAll } from './lib/backup/reconcile.ts';
import { UserError, stopWhenAsked } from './lib/processes.ts';

const usage = `usage: npm run reconcile -- --url ADDRESS [--newer FOLDER]
                         [--state-dir DIR | --remote [--env NAME]]`;

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string' },
        newer: { type: 'string' },
        'state-dir': { type: 'string' },
        remote: { type: 'boolean', default: false },
        env: { type: 'string' },
      },
    });
    const isMixed = values.remote ? values['state-dir'] !== undefined : values.env !== undefined;
    if (values.url === undefined || isMixed) throw new UserError(usage);
    return { ...values, url: values.url };
  } catch {
    throw new UserError(usage);
  }
}

const fromCaller = (path: string): string => resolve(process.env['INIT_CWD'] ?? process.cwd(), path);

/** Ids of all session objects. They lead to sessions that are missing in the restored list. */
async function findObjects(args: ReturnType<typeof readArguments>): Promise<string[]> {
  if (args.remote) {
    const { CloudflareEnvironment, signIn } = await import('./lib/backup/cloudflare-account.ts');
    return (await CloudflareEnvironment.open(await signIn(), args.env ?? null)).objectIds();
  }
  if (args['state-dir'] === undefined) return [];
  const { objectIdsOf } = await import('./lib/backup/local-database.ts');
  return objectIdsOf(fromCaller(args['state-dir']));
}

/** Ids of the sessions that a backup lists. */
async function sessionsOf(folder: string): Promise<string[]> {
  const backup = await openBackup(fromCaller(folder), await readPassphrase(false));
  const ids = new Set<string>();
  for await (const statement of backup.statements()) {
    if (!statement.startsWith('INSERT INTO "activations"')) continue;
    for (const [id] of statement.matchAll(/activation_\d{13}_[a-z0-9]{9}/g)) ids.add(id);
  }
  return [...ids];
}

stopWhenAsked();
try {
  const args = readArguments();
  const more = {
    sessionIds: args.newer === undefined ? [] : await sessionsOf(args.newer),
    objectIds: await findObjects(args),
  };
  const report = await reconcileAll(appAt(args.url), more, (words) => {
    console.log(`${words} …`);
  });
  console.log(
    `${String(report.sessionCount)} sessions: ${String(report.setActiveCount)} leads set active again, ` +
      `${String(report.setNewCount)} set new, ${String(report.erasedAgainCount)} erased again, ` +
      `${String(report.suppressedCount)} addresses suppressed again.`,
  );
  if (report.unknownIds.length > 0) {
    console.log(
      `Sessions without an object here; their leads stay unchanged: ${report.unknownIds.join(', ')}.`,
    );
  }
  if (report.forgetfulIds.length > 0) {
    console.log(
      `Sessions that no longer know whom they mailed (RETENTION_DAYS); their leads may be new: ${report.forgetfulIds.join(', ')}.`,
    );
  }
  if (report.pausedIds.length > 0)
    console.log(`Paused by this command; resume them: ${report.pausedIds.join(', ')}.`);
  console.log('Activations can start again.');
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
