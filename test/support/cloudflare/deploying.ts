/**
 * `npm run deploy` in this process, against an account at the stand-in.
 *
 * Cloudflare's own client is used as it is. wrangler is replaced by its effect on the account, because a call of it
 * takes seconds; test/e2e/deploy-account.test.ts calls the real one.
 *
 * @module
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Cloudflare } from 'cloudflare';
import { readConfig, type WranglerConfig } from '../../../scripts/lib/deploy/config.ts';
import type { DeployContext, DeployResult, WranglerAnswer } from '../../../scripts/lib/deploy/context.ts';
import { deploy } from '../../../scripts/lib/deploy/deploy.ts';
import type { Migration } from '../../../scripts/lib/deploy/migrations.ts';
import { parseOptions } from '../../../scripts/lib/deploy/options.ts';
import type { ProbeAnswer } from '../../../scripts/lib/deploy/probe.ts';
import { rollback } from '../../../scripts/lib/deploy/rollback.ts';
import { readGiven } from '../../../scripts/lib/deploy/settings.ts';
import { makeSigningKey, projectRoot } from '../../../scripts/lib/local-state.ts';
import { accountId, type StandInAccount } from './account.ts';

export const baseConfig = readConfig(readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8'));

export const ownMigrations: readonly Migration[] = readdirSync(join(projectRoot, 'migrations'))
  .sort()
  .map((name) => ({ name, sql: readFileSync(join(projectRoot, 'migrations', name), 'utf8') }));

/** Name of the production Worker, its database and its application. */
export const worker = 'lead-activation';

/** Everything that a first deploy needs. */
export const firstAnswers = {
  ROLE_ADMIN: 'ana@acme.io, *@acme.io',
  MAIL_FROM: 'Ana <ana@acme.io>',
  MAIL_POSTAL_ADDRESS: 'Example Street 1, Lisbon',
  MAIL_API_KEY: 're_very_secret',
};

export interface Invocation {
  /** Arguments after `npm run deploy --`. */
  args?: readonly string[];
  /** Environment variables. */
  given?: Readonly<Record<string, string>>;
  /** The answers at the terminal, by the name of the question; left out: there is no terminal. */
  replies?: Readonly<Record<string, string>>;
  /** Whether the person says yes. */
  isConfirmed?: boolean;
  migrations?: readonly Migration[];
  base?: WranglerConfig;
  /** The answers of the address. By default: Access, the public paths, and an accepted token. */
  probe?: (url: string, headers: Readonly<Record<string, string>>) => ProbeAnswer | null;
  /** The wrangler command that fails, by its beginning. */
  failing?: string;
}

export interface Invoked {
  result: DeployResult;
  said: string[];
  asked: string[];
  /** The configurations that wrangler was given. */
  configs: WranglerConfig[];
  commands: string[];
  waitedMs: number;
}

export const accessRedirect: ProbeAnswer = {
  ...{
    status: 302,
    location: 'https://acme.cloudflareaccess.com/cdn-cgi/access/login/leads.acme.io',
    body: '',
  },
};

/** The answers of an address that is correctly behind Access. */
export function answerAsDeployed(url: string, headers: Readonly<Record<string, string>>): ProbeAnswer {
  if (url.endsWith('/healthz')) return { status: 200, location: null, body: '{"status":"ok"}' };
  if (headers['CF-Access-Client-Secret'] === undefined) return accessRedirect;
  return { status: 200, location: null, body: '{"user":{"email":"ci","name":"ci","role":"viewer"}}' };
}

let keyCount = 0;

/** Runs the command as from a fresh clone: only the state on the account is kept. */
export async function invoke(account: StandInAccount, invocation: Invocation = {}): Promise<Invoked> {
  const { given = {}, replies, migrations = ownMigrations, base = baseConfig } = invocation;
  const options = parseOptions(invocation.args ?? [], readGiven(given));
  const invoked: Omit<Invoked, 'result'> = { said: [], asked: [], configs: [], commands: [], waitedMs: 0 };
  let secretsFile: Record<string, string> = {};
  let chosen: readonly string[] = [];
  const context: DeployContext = {
    options,
    api: new Cloudflare({ apiToken: 'token', fetch: account.server.fetch, maxRetries: 0 }),
    accountId,
    wrangler(args) {
      const command = args.join(' ');
      invoked.commands.push(command);
      const config = invoked.configs.at(-1);
      if (config === undefined) throw new Error('wrangler without a configuration');
      if (invocation.failing !== undefined && command.startsWith(invocation.failing)) {
        return Promise.resolve({ code: 1, output: `${command} failed` });
      }
      const applied = migrations.filter(({ name }) => chosen.includes(name));
      return Promise.resolve(leaveOnAccount(account, args, { config, secretsFile, migrations: applied }));
    },
    ask:
      replies === undefined
        ? null
        : (question) => {
            invoked.asked.push(question.name);
            return Promise.resolve(replies[question.name] ?? '');
          },
    confirm: replies === undefined ? null : () => Promise.resolve(invocation.isConfirmed ?? true),
    say: (line) => void invoked.said.push(line),
    given: readGiven(given),
    base,
    versionName: 'lead-activation 0.0.0',
    saveConfig(config) {
      invoked.configs.push(config);
      return 'wrangler.deploy.json';
    },
    migrations,
    saveMigrations(names) {
      chosen = names;
      return '.deploy/migrations';
    },
    withSecretsFile: async (secrets, use) => {
      secretsFile = secrets;
      return use('secrets.json');
    },
    buildWeb: () => Promise.resolve(),
    makeKey: () => `made-key-${++keyCount}`,
    makeSigningKey,
    probe: (url, headers) => Promise.resolve((invocation.probe ?? answerAsDeployed)(url, headers)),
    wait(ms) {
      invoked.waitedMs += ms;
      return Promise.resolve();
    },
  };
  const result = await (options.isRollback ? rollback(context) : deploy(context));
  return { ...invoked, result };
}

interface Upload {
  config: WranglerConfig;
  secretsFile: Readonly<Record<string, string>>;
  migrations: readonly Migration[];
}

/** The effect on the account of the two wrangler commands that a deploy uses. */
function leaveOnAccount(account: StandInAccount, args: readonly string[], upload: Upload): WranglerAnswer {
  const [command] = args;
  if (command === 'd1') applyMigrations(account, upload);
  else if (command === 'deploy') uploadWorker(account, args, upload);
  else return { code: 1, output: `unknown command ${args.join(' ')}` };
  return { code: 0, output: 'done' };
}

function applyMigrations({ d1 }: StandInAccount, { config, migrations }: Upload): void {
  const id = config.d1_databases[0]?.['database_id'];
  const database = d1.databases.find(({ uuid }) => uuid === id);
  if (database === undefined) throw new Error(`no database ${String(id)}`);
  const { sqlite } = database;
  sqlite.exec('CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY, name TEXT UNIQUE)');
  const applied = sqlite
    .prepare('SELECT name FROM d1_migrations')
    .all()
    .map(({ name }) => name);
  for (const { name, sql } of migrations) {
    if (applied.includes(name)) continue;
    sqlite.exec(sql);
    sqlite.prepare('INSERT INTO d1_migrations (name) VALUES (?)').run(name);
  }
}

function uploadWorker(
  { workers }: StandInAccount,
  args: readonly string[],
  { config, secretsFile }: Upload,
): void {
  const option = (name: string): string => args[args.indexOf(name) + 1] ?? '';
  const version = workers.upload(config.name, {
    annotations: { 'workers/tag': option('--tag'), 'workers/message': option('--message') },
    bindings: [
      ...Object.entries(config.vars).map(([name, text]) => ({ name, type: 'plain_text', text })),
      ...(args.includes('--secrets-file')
        ? Object.entries(secretsFile).map(([name, text]) => ({ name, type: 'secret_text', text }))
        : []),
      ...config.d1_databases.map(({ binding, database_id }) => ({
        name: binding,
        type: 'd1',
        id: String(database_id),
      })),
      ...config.durable_objects.bindings.map(({ name, class_name }) => ({
        ...{ name, type: 'durable_object_namespace', class_name },
      })),
      ...(config.ratelimits ?? []).map((limit) => ({ ...limit, type: 'ratelimit' })),
      ...(config.send_email ?? []).map((binding) => ({ ...binding, type: 'send_email' })),
      { name: 'ASSETS', type: 'assets' },
    ],
  });
  workers.deploy(config.name, version.id);
  const script = workers.scripts.get(config.name);
  if (script === undefined) return;
  script.crons = config.triggers?.crons ?? [];
  script.workersDev = config['workers_dev'] === true;
  script.previews = config['preview_urls'] === true;
}
