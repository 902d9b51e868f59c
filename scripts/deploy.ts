/**
 * `npm run deploy`: deploys to a Cloudflare account, for the first time or as an update; `--rollback` goes back to
 * the version before.
 *
 * Owns the terminal, files and processes; scripts/lib/deploy decides. It asks for what is missing when a person is
 * at the terminal; every setting and secret can be an environment variable instead. Nothing is remembered on this
 * machine: a deploy reads what is on the account. `--dry-run` bundles and checks, and needs no account.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cloudflare } from 'cloudflare';
import { makeConfig, readConfig, type WranglerConfig } from './lib/deploy/config.ts';
import type { DeployContext, WranglerAnswer } from './lib/deploy/context.ts';
import { deploy } from './lib/deploy/deploy.ts';
import { migrationFaults, type Migration } from './lib/deploy/migrations.ts';
import { environmentNames, parseOptions } from './lib/deploy/options.ts';
import { rollback } from './lib/deploy/rollback.ts';
import { readGiven } from './lib/deploy/settings.ts';
import { makeSigningKey, projectRoot } from './lib/local-state.ts';
import { UserError, runToEnd, stopWhenAsked } from './lib/processes.ts';
import { askOnTerminal } from '../packages/cli/src/prompt.ts';
import { buildWebIfChanged } from './lib/web-build.ts';

const folder = join(projectRoot, '.deploy');
const migrationsFolder = join(projectRoot, 'migrations');
const wranglerFile = join(projectRoot, 'node_modules/wrangler/bin/wrangler.js');

async function runWrangler(args: readonly string[]): Promise<WranglerAnswer> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    // In CI mode wrangler asks nothing; this command asks its own questions.
    CI: '1',
    NO_COLOR: '1',
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_LOG_PATH: join(folder, 'logs'),
  };
  // Environments are names of Workers here. Wrangler would look for an [env] section in wrangler.toml.
  delete env['CLOUDFLARE_ENV'];
  const { code, output } = await runToEnd(process.execPath, ['--no-warnings', wranglerFile, ...args], env);
  return { code, output };
}

async function ask({ text, isSecret }: { text: string; isSecret: boolean }): Promise<string> {
  return (await askOnTerminal(text, { isSecret })).trim();
}

function readMigrations(): Migration[] {
  return readdirSync(migrationsFolder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(migrationsFolder, name), 'utf8') }));
}

type Given = DeployContext['given'];

/** `CLOUDFLARE_API_TOKEN`, or the token of `wrangler login`. */
async function findToken(given: Given): Promise<string> {
  const own = given('CLOUDFLARE_API_TOKEN');
  if (own !== null && own !== '') return own;
  const { code, output } = await runWrangler(['auth', 'token', '--json']);
  const token = code === 0 ? /"token":\s*"([^"]+)"/.exec(output)?.[1] : undefined;
  if (token === undefined) {
    throw new UserError(
      'You are not signed in to Cloudflare. Run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN. Nothing was changed.',
    );
  }
  return token;
}

async function findAccount(api: Cloudflare, given: Given): Promise<string> {
  const wanted = given('CLOUDFLARE_ACCOUNT_ID');
  if (wanted !== null && wanted !== '') return wanted;
  const accounts: { id: string; name: string }[] = [];
  for await (const account of api.accounts.list()) accounts.push(account);
  const [only, ...others] = accounts;
  if (only !== undefined && others.length === 0) return only.id;
  const list = accounts.map(({ id, name }) => `${id} (${name})`).join(', ');
  throw new UserError(
    `Set CLOUDFLARE_ACCOUNT_ID to ${list === '' ? 'the id of your account; the token may not list it' : `one of your accounts: ${list}`}. Nothing was changed.`,
  );
}

async function versionName(base: WranglerConfig): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const { code, output } = await runToEnd(
    'git',
    ['-C', projectRoot, 'rev-parse', '--short', 'HEAD'],
    process.env,
  );
  return `${base.name} ${version}${code === 0 ? ` ${output.trim()}` : ''}`;
}

async function makeContext(args: readonly string[]): Promise<DeployContext> {
  const given = readGiven(process.env);
  const options = parseOptions(args, given);
  const base = readConfig(readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8'));
  // The variable that wrangler reads too.
  const baseUrl = given('CLOUDFLARE_API_BASE_URL');
  const api = new Cloudflare({
    apiToken: await findToken(given),
    ...(baseUrl === null || baseUrl === '' ? {} : { baseURL: baseUrl }),
  });
  const isInteractive = process.stdin.isTTY;
  return {
    options,
    api,
    accountId: await findAccount(api, given),
    wrangler: runWrangler,
    ask: isInteractive ? ask : null,
    confirm: isInteractive
      ? async (question) => /^y(?:es)?$/i.test(await ask({ text: `${question} (yes/no)`, isSecret: false }))
      : null,
    say: (line) => console.log(line),
    given,
    base,
    versionName: await versionName(base),
    saveConfig(config) {
      // Beside wrangler.toml, because the paths in it are relative.
      const file = join(projectRoot, 'wrangler.deploy.json');
      writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`);
      return file;
    },
    migrations: readMigrations(),
    saveMigrations(names) {
      const target = join(folder, 'migrations');
      rmSync(target, { recursive: true, force: true });
      mkdirSync(target, { recursive: true });
      for (const name of names) copyFileSync(join(migrationsFolder, name), join(target, name));
      return '.deploy/migrations';
    },
    async withSecretsFile(secrets, use) {
      const temporary = mkdtempSync(join(tmpdir(), 'lead-activation-deploy-'));
      const file = join(temporary, 'secrets.json');
      try {
        writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
        return await use(file);
      } finally {
        rmSync(temporary, { recursive: true, force: true });
      }
    },
    buildWeb: () => buildWebIfChanged(),
    makeKey: () => randomBytes(32).toString('base64url'),
    makeSigningKey,
    async probe(url, headers) {
      try {
        const response = await fetch(url, {
          headers,
          redirect: 'manual',
          signal: AbortSignal.timeout(10_000),
        });
        return {
          status: response.status,
          location: response.headers.get('location'),
          body: await response.text(),
        };
      } catch {
        return null;
      }
    },
    wait: (ms) => sleep(ms),
  };
}

/** The part of a deploy that needs no account, for CI. */
async function dryRun(): Promise<void> {
  const faults = migrationFaults(readMigrations());
  if (faults.length > 0) throw new UserError(faults.join('\n'));
  await buildWebIfChanged();
  const temporary = mkdtempSync(join(tmpdir(), 'lead-activation-dry-run-'));
  const file = join(projectRoot, `wrangler.dry-run-${String(process.pid)}.json`);
  try {
    const base = readConfig(readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8'));
    const config = makeConfig(base, {
      ...{ accountId: null, names: environmentNames('production', base.name) },
      ...{ databaseId: '00000000-0000-0000-0000-000000000000', vars: base.vars, workersDev: false },
      ...{ crons: base.triggers?.crons ?? [], rateLimits: {}, sendEmail: [], migrationsFolder: 'migrations' },
    });
    writeFileSync(file, JSON.stringify(config));
    const { code, output } = await runWrangler([
      ...['deploy', '--dry-run', '--config', file, '--outdir', temporary],
    ]);
    if (code !== 0) throw new UserError(output.trim());
    console.log(/Total Upload.*/.exec(output)?.[0] ?? output.trim());
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    rmSync(file, { force: true });
  }
}

stopWhenAsked();

try {
  const args = process.argv.slice(2);
  const { isDryRun, isRollback } = parseOptions(args);
  if (isDryRun) await dryRun();
  else {
    const context = await makeContext(args);
    const { address, left, isFault } = await (isRollback ? rollback(context) : deploy(context));
    console.log(`\n${isRollback ? 'Rolled back' : 'Deployed'}: ${address}`);
    if (left.length > 0) console.log(`\n${left.map((line) => `  * ${line}`).join('\n')}`);
    if (isFault) process.exitCode = 1;
  }
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
