/**
 * `npm run backup`: writes the CRM database, the settings and the sealed key of the address hash into one folder, from
 * the local state or, with `--remote`, from an account (docs/RECOVERY.md).
 *
 * Invariant: the source is not changed, a backup that breaks off leaves no folder with its final name, and no secret is
 * written in clear text.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { requirePassphrase, writeBackup, type BackupSource } from './lib/backup/backup-folder.ts';
import { readPassphrase } from './lib/backup/passphrase.ts';
import { projectRoot, stateDir } from './lib/local-state.ts';
import { UserError, stopWhenAsked } from './lib/processes.ts';

const usage = `usage: npm run backup -- [--out FOLDER]
                      [--state-dir DIR | --remote [--env NAME] [--url ADDRESS]]`;

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        out: { type: 'string' },
        'state-dir': { type: 'string' },
        remote: { type: 'boolean', default: false },
        env: { type: 'string' },
        url: { type: 'string' },
      },
    });
    const isLocalOnly = values['state-dir'] !== undefined;
    const isRemoteOnly = values.env !== undefined || values.url !== undefined;
    if ((values.remote && isLocalOnly) || (!values.remote && isRemoteOnly)) throw new UserError(usage);
    return values;
  } catch {
    throw new UserError(usage);
  }
}

/** The base of relative paths: npm runs a script in the project's root, whatever the caller's directory. */
const callerDir = process.env['INIT_CWD'] ?? process.cwd();

async function openSource(args: ReturnType<typeof readArguments>): Promise<BackupSource & { close(): void }> {
  if (args.remote) {
    const { openRemoteSource } = await import('./lib/backup/remote-database.ts');
    return openRemoteSource({ env: args.env ?? null, url: args.url ?? null });
  }
  const { openLocalSource } = await import('./lib/backup/local-database.ts');
  return openLocalSource(
    args['state-dir'] === undefined ? stateDir() : resolve(callerDir, args['state-dir']),
  );
}

function appVersion(): string {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}

stopWhenAsked();
try {
  const args = readArguments();
  const passphrase = requirePassphrase(await readPassphrase(true));
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const folder = resolve(
    callerDir,
    args.out ?? `backups/${args.env ?? (args.remote ? 'production' : 'local')}-${stamp}`,
  );
  const source = await openSource(args);
  try {
    console.log(`Reading ${source.name} …`);
    const manifest = await writeBackup(source, {
      folder,
      passphrase,
      appVersion: appVersion(),
      now: () => new Date(),
    });
    const { leads = 0, suppressions = 0, activations = 0 } = manifest.rowCounts;
    console.log(
      `${relative(callerDir, folder)}: ${String(leads)} leads, ${String(suppressions)} suppressions, ${String(activations)} activations.`,
    );
    if (!manifest.isSnapshot) {
      console.log(
        'The database was written to during the backup: leads may be some minutes older than suppressions, activations and audit.',
      );
    }
    console.log(
      'Keep the passphrase in another place. Without it the key is lost, and with the key every suppression.',
    );
  } finally {
    source.close();
  }
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
