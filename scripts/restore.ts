/**
 * `npm run restore -- FOLDER`: restores a backup into a new state folder or, with `--remote`, into a database of an
 * account (docs/RECOVERY.md).
 *
 * Invariant: nothing is written before the whole backup was checked; a target that is not empty needs
 * --into-existing; no activation starts before `npm run reconcile` has ended.
 *
 * @module
 */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openBackup, type OpenBackup } from './lib/backup/backup-folder.ts';
import { readPassphrase } from './lib/backup/passphrase.ts';
import { makeWorkFolder, placeLocally, requireLocalTarget } from './lib/backup/restore-local.ts';
import { stageRestore, type StagingReport } from './lib/backup/staging.ts';
import { stateDir } from './lib/local-state.ts';
import { UserError, stopWhenAsked } from './lib/processes.ts';

const usage = `usage: npm run restore -- FOLDER [--newer FOLDER] [--audit FILE.csv] [--into-existing]
                       [--state-dir DIR | --remote [--env NAME]]`;

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        'state-dir': { type: 'string' },
        'into-existing': { type: 'boolean', default: false },
        newer: { type: 'string' },
        audit: { type: 'string' },
        remote: { type: 'boolean', default: false },
        env: { type: 'string' },
      },
    });
    const [folder, ...others] = positionals;
    const isMixed = values.remote ? values['state-dir'] !== undefined : values.env !== undefined;
    if (folder === undefined || others.length > 0 || isMixed) throw new UserError(usage);
    return { ...values, folder };
  } catch {
    throw new UserError(usage);
  }
}

/** The base of relative paths: npm runs a script in the project's root, whatever the caller's directory. */
const fromCaller = (path: string): string => resolve(process.env['INIT_CWD'] ?? process.cwd(), path);

function say(words: string): void {
  console.log(`${words} …`);
}

function tell(report: StagingReport, backup: OpenBackup): void {
  const { createdAt, isSnapshot } = backup.manifest;
  const lines = [
    `Restored from ${createdAt}: ${String(report.leadCount)} leads (${String(report.activeCount)} active), ` +
      `${String(report.suppressionCount)} suppressions, ${String(report.activationCount)} activations.`,
    ...(isSnapshot ? [] : ['The database was written to during the backup.']),
    ...(report.setActiveCount + report.addedSuppressionCount > 0
      ? [
          `From the newer backup: ${String(report.setActiveCount)} leads set active, ` +
            `${String(report.addedSuppressionCount)} suppressions added.`,
        ]
      : []),
    ...(report.erasedTargets.length > 0
      ? [`Erased again, because the audit has their erasure: ${report.erasedTargets.join(', ')}.`]
      : []),
    ...(report.unfoundTargets.length > 0
      ? [`Erasures without data in the backup: ${report.unfoundTargets.join(', ')}.`]
      : []),
  ];
  for (const line of lines) console.log(line);
}

function tellVars({ settings }: OpenBackup): void {
  const vars = Object.entries(settings.vars).filter(([, value]) => value !== '');
  console.log('Settings at the time of the backup; the restore changed none of them:');
  for (const [name, value] of vars) console.log(`  ${name}=${JSON.stringify(value)}`);
  console.log(
    `Secrets at the time of the backup, to be set again: ${settings.secrets.join(', ') || 'none'}.`,
  );
}

stopWhenAsked();
let workFolder: string | null = null;
try {
  const args = readArguments();
  const target = {
    stateDir: args['state-dir'] === undefined ? stateDir() : fromCaller(args['state-dir']),
    intoExisting: args['into-existing'],
  };
  const remote = args.remote
    ? await (
        await import('./lib/backup/restore-remote.ts')
      ).openRemoteTarget({
        env: args.env ?? null,
        intoExisting: args['into-existing'],
      })
    : null;
  if (remote === null) requireLocalTarget(target);
  const passphrase = await readPassphrase(false);
  say('Checking the backup');
  const backup = await openBackup(fromCaller(args.folder), passphrase);
  const newer = args.newer === undefined ? null : await openBackup(fromCaller(args.newer), passphrase);
  const given = process.env['ADDRESS_HASH_KEY'] ?? '';
  if (remote === null && given !== '' && given !== backup.addressHashKey) {
    throw new UserError(
      'ADDRESS_HASH_KEY is set to another key than that of the backup. Unset it. Nothing was restored.',
    );
  }
  await remote?.requireTarget();
  workFolder = await makeWorkFolder(target.stateDir);
  const file = join(workFolder, 'staged.sqlite');
  say('Building the database');
  const later = { newer, auditCsv: args.audit === undefined ? null : fromCaller(args.audit) };
  const report = await stageRestore(backup, file, later, () => Date.now());
  const staged = { file, workFolder, addressHashKey: backup.addressHashKey };
  if (remote === null) await placeLocally(target, staged, say);
  else await remote.place(staged, say);
  tell(report, backup);
  tellVars(backup);
  const where = args.remote ? '--remote' : `--state-dir ${target.stateDir}`;
  console.log(
    `\nNo activation can start yet: sessions may have mailed leads that are new here. Start the app, then run\n` +
      `  npm run reconcile -- --url ADDRESS ${where}`,
  );
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
} finally {
  if (workFolder !== null) await rm(workFolder, { recursive: true, force: true });
}
