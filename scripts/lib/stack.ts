/**
 * The whole product on this machine: D1 migrated, the Worker in `wrangler dev`, a mail API behind it.
 *
 * `npm start`, the browser tests and the chaos scripts start it here. Decides the order of start and stop,
 * hands settings to the Worker, and locks the state folder. Does not seed and does not build the web app.
 * When `startStack` throws, when the stack is stopped and when this process is killed, no process that it
 * started is left.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type Server, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crmSettings } from '../../src/crm/connections/settings.ts';
import { providerSettings } from '../../src/mail/providers/index.ts';
import { settings as productSettings } from '../../src/runtime/settings.ts';
import { compactState } from './compact-state.ts';
import { addressHashKey, makeStateDir, projectRoot, receiptSigningKey } from './local-state.ts';
import {
  type SupervisedProcess,
  type ProcessEnd,
  UserError,
  freePort,
  isPortTaken,
  spawnSupervised,
} from './processes.ts';
import type { LocalDatabase } from './local-database.ts';
import { type StandInMail, startStandInMail } from './stand-in-mail.ts';

/** A cold start on a loaded machine of two cores takes about ten seconds. */
const maxStartMs = 90_000;

/**
 * What wrangler.toml does not name: the secrets of providers and of a CRM, which a deployment may go without, and LOCAL_PERSON and
 * WEBHOOKS_ALLOW_LOCAL, which it must go without. `wrangler dev` takes from a file only what its configuration names, so the
 * configuration that it is started with here names those that are set.
 */
const optionalSecrets = [
  ...[...providerSettings, ...crmSettings].filter(({ isSecret }) => isSecret).map(({ name }) => name),
  ...productSettings.filter(({ isOptional }) => isOptional === true).map(({ name }) => name),
  'LOCAL_PERSON',
  'WEBHOOKS_ALLOW_LOCAL',
];

/** Who is signed in on this machine, where Access does not stand in front: LOCAL_PERSON of `npm start`. */
export const localPerson = 'ana@example.com';

/** Exists in a state folder while its database is being replaced, and is left when that was interrupted. */
export const unfinishedRestoreFile = 'restore-unfinished';

/** A larger log is started anew: it is for the last starts, not an archive. */
const maxLogBytes = 10 * 1024 * 1024;

export interface StackOptions {
  /** Port of the app; a free one when left out. */
  port?: number;
  /** Port where a debugger can attach to the Worker; a free one when left out. */
  inspectorPort?: number;
  /** Folder of the databases, settings and logs; made when missing. */
  stateDir: string;
  /** `stand-in` starts one that lives as long as the stack; else the base URL of a mail API. */
  mail: 'stand-in' | URL;
  /** Page where the mails can be seen, when `mail` is a URL that has one. */
  inboxUrl?: string;
  /**
   * Further settings and secrets of the Worker, by the names in wrangler.toml. With LOCAL_PERSON that person
   * needs no sign-in and all other host names are refused; without it the stack runs as in production, and
   * nobody gets in but through Access.
   */
  env?: Record<string, string>;
  /** Path of the Worker's entry, from the project's root; that of wrangler.toml by default. For tests. */
  main?: string;
  /** Called with a short description of each step that takes time. */
  onStep?: (words: string) => void;
  /** Gets the Worker's process before it answers; a kill during its start makes {@link startStack} throw. */
  onSpawn?: (worker: Pick<SupervisedProcess, 'killHard'>) => void;
}

export interface Stack {
  readonly url: string;
  readonly mailUrl: string;
  readonly inboxUrl: string | null;
  /** Settles when the Worker's process ends, for any reason. */
  readonly ended: Promise<ProcessEnd>;
  /** The Worker's log. */
  readonly logFile: string;
  /** Ends everything in order. */
  stop(): Promise<void>;
  /** SIGKILL to the Worker's whole process group; a stand-in mail API lives on until {@link Stack.stop}. */
  killHard(): Promise<void>;
}

/** Environment of wrangler: no questions, no metrics, no files outside the state folder. */
function wranglerEnv(stateDir: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    CI: '1',
    NO_COLOR: '1',
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_LOG_PATH: join(stateDir, 'logs'),
    // `wrangler dev` keeps a trace of every request under v3/observability, with its URL: the words of a search, the
    // token of an unsubscribe link. Its explorer shows the database to everyone who can reach the port.
    X_LOCAL_OBSERVABILITY: 'false',
    X_LOCAL_EXPLORER: 'false',
    // The settings come from our file only, not from the shell's environment.
    CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: 'true',
  };
}

const wrangler = join(projectRoot, 'node_modules/wrangler/bin/wrangler.js');

/** One `.env` line that dotenv reads back as the same value: single quotes keep all but themselves and `$`. */
function envLine(name: string, value: string): string {
  if (/['\n\r]/.test(value)) throw new UserError(`${name} holds a character that a setting cannot have.`);
  return `${name}='${value.replaceAll('$', '\\$')}'\n`;
}

/**
 * Writes wrangler.toml as this stack runs it, into its own folder: paths absolute, and the optional secrets
 * that are set named among the others. Values are in the settings file alone. With a local person the Worker
 * runs first for the files too: it refuses other host names, and the platform's router does not.
 */
function writeLocalConfig(
  stateDir: string,
  settings: Record<string, string>,
  main: string | undefined,
): string {
  const named = optionalSecrets.filter((name) => (settings[name] ?? '') !== '');
  let text = readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8')
    .replace(/^main = .*$/m, (line) => (main === undefined ? line : `main = ${JSON.stringify(main)}`))
    .replaceAll(
      /^(main|directory|migrations_dir) = "(.+)"$/gm,
      (_, key: string, path: string) => `${key} = ${JSON.stringify(join(projectRoot, path))}`,
    )
    .replace(/^required = \[$/m, (line) => [line, ...named.map((name) => `  "${name}",`)].join('\n'));
  if (named.includes('LOCAL_PERSON')) {
    text = text.replace(/^run_worker_first = .*$/m, 'run_worker_first = true');
  }
  const file = join(stateDir, 'wrangler.toml');
  writeFileSync(file, text);
  return file;
}

/**
 * Prevents a second stack on the same state folder. The lock is a listening socket, which the system closes however
 * its owner ends.
 */
async function lockStateDir(stateDir: string): Promise<Server> {
  const name = createHash('sha256').update(stateDir).digest('hex').slice(0, 16);
  const path = join(tmpdir(), `lead-activation-${name}.sock`);
  const isHeld = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
  if (isHeld) throw new UserError(`${stateDir} is in use by another start; stop that one or set STATE_DIR.`);
  rmSync(path, { force: true });
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

/** Applies what the database has not seen yet; opens it only when the folder's content has changed. */
async function migrate(
  stateDir: string,
  onStep: (words: string) => void,
  known: LocalDatabase | null,
): Promise<void> {
  const folder = join(projectRoot, 'migrations');
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(join(folder, name)));
  const current = hash.digest('hex');
  const stampFile = join(stateDir, 'migrated');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === current) return;
  onStep('Preparing the database');
  // Imported here, because it loads wrangler, which takes seconds.
  const { applyMigrations, openDatabase } = await import('./local-database.ts');
  const open = known ?? (await openDatabase(stateDir));
  try {
    await applyMigrations(open.db);
  } finally {
    if (known === null) await open.close();
  }
  writeFileSync(stampFile, current);
}

/** The line of a log that says what went wrong. */
function firstError(log: string): string {
  const lines = log
    .split('\n')
    .map((line) => line.replace(/^\[wrangler:error\]\s*|^✘\s*\[ERROR\]\s*/, '').trim());
  const at = log.split('\n').findIndex((line) => /\[wrangler:error\]|\[ERROR\]|^\S*Error:/.test(line));
  // The last line of wrangler names only its own log.
  const isReason = (line: string): boolean => line !== '' && !line.includes('Logs were written to');
  return lines[at] ?? lines.findLast(isReason) ?? 'no reason given';
}

async function answersHealth(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/**
 * Migrates a state folder's database, and locks the folder meanwhile. {@link startStack} does this itself; only the
 * first seed, which comes between, needs it separately.
 *
 * @param how.open - the folder's database, where the caller has it open: two runtimes must not write one file
 */
export async function prepareState(
  stateDir: string,
  onStep: (words: string) => void = () => undefined,
  how: { duringRestore?: boolean; open?: LocalDatabase } = {},
): Promise<void> {
  if (how.duringRestore !== true) requireFinishedRestore(stateDir);
  makeStateDir(stateDir);
  mkdirSync(join(stateDir, 'logs'), { recursive: true });
  const lock = await lockStateDir(stateDir);
  try {
    await migrate(stateDir, onStep, how.open ?? null);
  } finally {
    lock.close();
  }
}

/** @throws UserError in a state folder whose database was being replaced when that broke off */
function requireFinishedRestore(stateDir: string): void {
  if (!existsSync(join(stateDir, unfinishedRestoreFile))) return;
  throw new UserError(
    `A restore into ${stateDir} was broken off. Run it again: npm run restore -- FOLDER --state-dir ${stateDir} --into-existing`,
  );
}

/**
 * Starts the stack and returns when `GET /healthz` has answered.
 *
 * @throws UserError in one line when the port or folder is taken, or the Worker does not come up
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { stateDir, onStep = () => undefined } = options;
  requireFinishedRestore(stateDir);
  const port = options.port ?? (await freePort());
  if (await isPortTaken(port)) {
    throw new UserError(
      `Port ${String(port)} is taken; free it or choose another: PORT=${String(port + 1)} npm start`,
    );
  }
  makeStateDir(stateDir);
  mkdirSync(join(stateDir, 'logs'), { recursive: true });
  const lock = await lockStateDir(stateDir);
  let standIn: StandInMail | null = null;
  let worker: SupervisedProcess | null = null;
  async function release(): Promise<void> {
    await worker?.stop();
    try {
      if (worker !== null) compactState(stateDir);
    } finally {
      lock.close();
      await standIn?.close();
      standIn = null;
    }
  }
  try {
    await migrate(stateDir, onStep, null);
    // Removes what was erased before the last start, if that was killed.
    compactState(stateDir);
    if (options.mail === 'stand-in') standIn = await startStandInMail();
    const mailUrl = standIn?.url ?? String(options.mail).replace(/\/$/, '');
    const inboxUrl = standIn?.inboxUrl ?? options.inboxUrl ?? null;

    // In a file that only its owner can read, because everyone can see a command line in `ps`.
    const envFile = join(stateDir, 'worker.env');
    const settings = {
      MAIL_API_KEY: 're_local_stand_in',
      ADDRESS_HASH_KEY: addressHashKey(stateDir),
      RECEIPT_SIGNING_KEY: receiptSigningKey(stateDir),
      MAIL_API_URL: mailUrl,
      MAIL_INBOX_URL: inboxUrl ?? '',
      ...options.env,
    };
    rmSync(envFile, { force: true });
    writeFileSync(
      envFile,
      Object.entries(settings)
        .map((entry) => envLine(...entry))
        .join(''),
      { mode: 0o600 },
    );

    onStep('Starting the Worker');
    const logFile = join(stateDir, 'logs/worker.log');
    if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes) rmSync(logFile);
    const logFrom = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
    const inspectorPort = options.inspectorPort ?? (await freePort());
    worker = spawnSupervised(
      process.execPath,
      [
        ...['--no-warnings', wrangler, 'dev', '--local', '--ip', '127.0.0.1', '--port', String(port)],
        ...['--inspector-port', String(inspectorPort), '--persist-to', stateDir, '--env-file', envFile],
        ...['--show-interactive-dev-session', 'false', '--log-level', 'info'],
        ...['--config', writeLocalConfig(stateDir, settings, options.main)],
      ],
      { env: wranglerEnv(stateDir), cwd: projectRoot, output: logFile },
    );
    options.onSpawn?.(worker);
    const { ended } = worker;
    const isOver = new AbortController();
    void ended.then(() => isOver.abort());
    const url = `http://127.0.0.1:${String(port)}`;
    const deadline = performance.now() + maxStartMs;
    while (!(await answersHealth(url))) {
      const log = existsSync(logFile) ? readFileSync(logFile).subarray(logFrom).toString() : '';
      if (isOver.signal.aborted) {
        throw new UserError(
          `The Worker did not start: ${firstError(log)} (${relative(process.cwd(), logFile)})`,
        );
      }
      if (performance.now() > deadline) {
        throw new UserError(
          `The Worker did not answer within ${String(maxStartMs / 1_000)} s; see ${logFile}`,
        );
      }
      await sleep(100);
    }
    const running = worker;
    return {
      url,
      mailUrl,
      inboxUrl,
      ended,
      logFile,
      stop: release,
      async killHard() {
        await running.killHard();
        lock.close();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}
