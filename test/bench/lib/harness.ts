/**
 * The processes of a benchmark, their databases full of leads, and readings from `/proc`.
 *
 * Starts and ends the processes. Every runtime begins with a fresh copy of its database, and no process
 * outlives {@link closeAll}.
 *
 * @module
 */
import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type * as EsbuildPackage from 'esbuild';
import { freePort } from '../../../scripts/lib/processes.ts';
import type { Progress } from '../../../src/shared/progress.ts';
import { newSessionId } from '../../../src/shared/session-id.ts';
import type { Meter } from '../../support/bill.ts';
import type {
  HostOptions,
  HostReply,
  MailApiReply,
  MailApiRequest,
  MailApiSettings,
  MailApiStats,
} from './messages.ts';

const root = join(import.meta.dirname, '../../..');
const require = createRequire(import.meta.url);
/** Kept for the next time: a database of a million leads takes a minute to fill. */
export const cacheFolder = join(tmpdir(), 'lead-activation-bench');

let bundled: Promise<string> | null = null;
const closers = new Set<() => Promise<void> | void>();

/** Ends everything that was started. */
export async function closeAll(): Promise<void> {
  for (const close of [...closers].reverse()) await close();
  closers.clear();
  bundled = null;
}

/** A folder that is gone at the end. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lead-activation-bench-run-'));
  closers.add(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function firstMessage<Reply extends { kind: string }>(
  child: ChildProcess,
  kind: Reply['kind'],
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: Reply): void => {
      if (message.kind !== kind) return;
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(message);
    };
    const onExit = (): void => reject(new Error('A process of the benchmark ended.'));
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
}

// ── the mail API ─────────────────────────────────────────────────────────────────────────────────────

export interface MailApi {
  url: string;
  pid: number;
  /** Forgets everything it has seen, and behaves as given from now on. */
  set(settings: Partial<MailApiSettings>): Promise<void>;
  stats(): Promise<MailApiStats>;
}

export async function startMailApi(): Promise<MailApi> {
  const child = fork(join(import.meta.dirname, 'mail-api.ts'), { execArgv: ['--no-warnings'] });
  closers.add(() => {
    child.disconnect();
    return endOf(child);
  });
  const { port } = await firstMessage<Extract<MailApiReply, { kind: 'ready' }>>(child, 'ready');
  const ask = async (request: MailApiRequest): Promise<MailApiStats> => {
    const answer = firstMessage<Extract<MailApiReply, { kind: 'stats' }>>(child, 'stats');
    child.send(request);
    return (await answer).stats;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    async set(settings) {
      await ask({
        kind: 'set',
        settings: { latencyMs: 0, ratePerSecond: null, window: 'fixed', stall: null, ...settings },
      });
    },
    stats: () => ask({ kind: 'stats' }),
  };
}

// ── the runtime ──────────────────────────────────────────────────────────────────────────────────────

/** The benchmark's Worker as one file. */
export function bundleWorker(): Promise<string> {
  bundled ??= (async () => {
    const requireOfWrangler = createRequire(require.resolve('wrangler/package.json'));
    const esbuild = requireOfWrangler('esbuild') as typeof EsbuildPackage;
    const outfile = join(scratchFolder(), 'worker.mjs');
    await esbuild.build({
      entryPoints: [join(root, 'test/bench/worker/index.ts')],
      outfile,
      bundle: true,
      format: 'esm',
      target: 'es2024',
      // The same options as wrangler's.
      platform: 'browser',
      conditions: ['workerd', 'worker', 'browser'],
      external: ['cloudflare:*', 'node:*'],
      // As `keep_names` in wrangler.toml.
      keepNames: false,
      logLevel: 'error',
    });
    return outfile;
  })();
  return bundled;
}

export interface Runtime {
  url: string;
  /** The `workerd` process. */
  pid: number;
  /** SIGKILL to all of it. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface RuntimeOptions {
  stateFolder: string;
  mailUrl: string;
  vars?: Record<string, string>;
  port?: number;
  inspectorPort?: number;
}

/** Starts the runtime on a state folder. */
export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  const port = options.port ?? (await freePort());
  const hostOptions: HostOptions = {
    scriptFile: await bundleWorker(),
    stateFolder: options.stateFolder,
    port,
    inspectorPort: options.inspectorPort ?? null,
    vars: {
      ...varsOfWrangler(),
      MAIL_API_URL: options.mailUrl,
      MAIL_RATE: '100000',
      ACTIVATE_UNDO_SECONDS: '0',
      METER: 'no',
      ...options.vars,
    },
  };
  const child = fork(join(import.meta.dirname, 'host.ts'), [JSON.stringify(hostOptions)], {
    execArgv: ['--no-warnings'],
  });
  const { runtimePid } = await firstMessage<HostReply>(child, 'ready');
  const stop = async (): Promise<void> => {
    closers.delete(stop);
    if (child.connected) child.disconnect();
    await endOf(child);
  };
  closers.add(stop);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: runtimePid,
    stop,
    async kill() {
      process.kill(runtimePid, 'SIGKILL');
      child.kill('SIGKILL');
      await endOf(child);
      closers.delete(stop);
    },
  };
}

/** The [vars] of wrangler.toml, and secrets that are clearly not real. */
function varsOfWrangler(): Record<string, string> {
  const toml = readFileSync(join(root, 'wrangler.toml'), 'utf8');
  const section = toml.slice(toml.indexOf('[vars]')).split('\n');
  const end = section.findIndex((line, index) => index > 0 && line.startsWith('['));
  const vars: Record<string, string> = {};
  for (const line of section.slice(1, end === -1 ? undefined : end)) {
    const [, name, value] = /^([A-Z_]+) = "(.*)"$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) vars[name] = value;
  }
  return { ...vars, MAIL_API_KEY: 're_bench', ADDRESS_HASH_KEY: 'bench-address-hash-key' };
}

// ── databases ────────────────────────────────────────────────────────────────────────────────────────

/** A state folder of its own with a database of `leadCount` leads. */
export async function freshState(leadCount: number): Promise<string> {
  const template = await databaseOf(leadCount);
  const folder = scratchFolder();
  cpSync(template, folder, { recursive: true });
  return folder;
}

async function databaseOf(leadCount: number): Promise<string> {
  const migrationFolder = join(root, 'migrations');
  const migrations = readdirSync(migrationFolder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => readFileSync(join(migrationFolder, name), 'utf8'));
  const version = createHash('sha256').update(migrations.join('\n')).digest('hex').slice(0, 12);
  const folder = join(cacheFolder, `${version}-${leadCount}`);
  if (existsSync(folder)) return folder;
  const making = `${folder}-${process.pid}`;
  mkdirSync(making, { recursive: true });
  const runtime = await startRuntime({ stateFolder: making, mailUrl: 'http://127.0.0.1:9' });
  await runtime.stop();
  const file = findDatabaseFile(join(making, 'd1'));
  const db = new DatabaseSync(file);
  db.exec('PRAGMA synchronous = off');
  for (const migration of migrations) db.exec(migration);
  fillLeads(db, leadCount);
  db.exec('PRAGMA wal_checkpoint(truncate)');
  db.close();
  rmSync(join(making, 'do'), { recursive: true, force: true });
  renameSync(making, folder);
  return folder;
}

/** The path of the D1 database in a state folder, for SQLite. */
export function databaseFileOf(stateFolder: string): string {
  return findDatabaseFile(join(stateFolder, 'd1'));
}

function findDatabaseFile(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sqlite') && !name.endsWith('metadata.sqlite'))
    .map((name) => join(folder, name));
  const [file] = files;
  if (file === undefined || files.length > 1)
    throw new Error('The D1 database was not found where it should be.');
  return file;
}

function fillLeads(db: DatabaseSync, leadCount: number): void {
  // The search index is built once for all rows: row by row takes five times as long.
  const triggers = db
    .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'leads'")
    .all() as { name: string; sql: string }[];
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
  db.exec(`
    INSERT INTO leads (id, email, email_hash, first_name, last_name, company, source, stage, created_at, updated_at)
    WITH RECURSIVE ids (id) AS (SELECT 1 WHERE ${leadCount} > 0 UNION ALL SELECT id + 1 FROM ids WHERE id < ${leadCount})
    SELECT id, 'lead' || id || '@example.com', 'hash-' || substr('0000000000000000000000000000000000000' || id, -38),
      'Ann' || (id % 1000), 'Name' || id, 'Example ' || (id % 5000) || ' Ltd', 'Webinar', 'Qualified', 1, 1 FROM ids;
    INSERT INTO leads_fts (leads_fts) VALUES ('rebuild');
    INSERT INTO lead_blocks (block, first_created_at, last_created_at) SELECT DISTINCT id >> 12, 1, 1 FROM leads;
    UPDATE lead_counts SET new_count = ${leadCount};`);
  for (const { sql } of triggers) db.exec(sql);
  db.exec('ANALYZE');
}

// ── sessions ─────────────────────────────────────────────────────────────────────────────────────────

export interface RunResult {
  progress: Progress;
  /** From the request that starts it to the state that ends it, as the session itself wrote them. */
  ms: number;
  cpuSeconds: number;
  peakRssMiB: number;
}

export function freshSessionId(): string {
  return newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
}

export async function startSession(
  runtime: Runtime,
  sessionId: string,
  audience: object = { filter: {} },
): Promise<Progress> {
  const response = await fetch(`${runtime.url}/crm/activation`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sessionId, audience, templateId: 'welcome' }),
  });
  if (!response.ok) throw new Error(`start: ${response.status} ${await response.text()}`);
  return (await response.json()) as Progress;
}

export async function readProgress(runtime: Runtime, sessionId: string): Promise<Progress> {
  const response = await fetch(`${runtime.url}/crm/activation/progress/${sessionId}`);
  if (!response.ok) throw new Error(`progress: ${response.status} ${await response.text()}`);
  return (await response.json()) as Progress;
}

/** Waits for the end of a session. It asks rarely, so that the session is not disturbed. */
export async function waitForEnd(runtime: Runtime, sessionId: string): Promise<Progress> {
  for (;;) {
    const progress = await readProgress(runtime, sessionId);
    if (progress.finishedAt !== null) return progress;
    if (progress.state === 'paused') throw new Error(`It paused: ${progress.reason} ${progress.lastError}`);
    onProgress(progress.processed, progress.total);
    await sleep(250);
  }
}

/** Activates all leads of the runtime's database in one session. */
export async function runSession(runtime: Runtime, audience?: object): Promise<RunResult> {
  const sessionId = freshSessionId();
  resetPeakRss(runtime.pid);
  const cpuBefore = cpuSeconds(runtime.pid);
  await startSession(runtime, sessionId, audience);
  const progress = await waitForEnd(runtime, sessionId);
  return {
    progress,
    ms: (progress.finishedAt ?? 0) - progress.createdAt,
    cpuSeconds: cpuSeconds(runtime.pid) - cpuBefore,
    peakRssMiB: peakRssMiB(runtime.pid),
  };
}

/** Throws when a lead was mailed twice or not at all. */
export function proveOnceEach(stats: MailApiStats, leadCount: number): void {
  if (stats.leadCount === leadCount && stats.duplicateCount === 0) return;
  throw new Error(
    `Of ${leadCount} leads ${stats.leadCount} were mailed, and ${stats.duplicateCount} mails were sent twice.`,
  );
}

export type BilledMeter = Meter & { alarmCount: number; leaseCount: number; reportCount: number };

/** Reads the meter and sets it to zero. */
export async function takeMeter(runtime: Runtime): Promise<BilledMeter> {
  const response = await fetch(`${runtime.url}/bench/meter`, { method: 'DELETE' });
  return (await response.json()) as BilledMeter;
}

// ── /proc ────────────────────────────────────────────────────────────────────────────────────────────

const ticksPerSecond = 100;

/** CPU time of a process and all of its threads. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export function peakRssMiB(pid: number): number {
  const [, kiB = '0'] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kiB) / 1_024;
}

function resetPeakRss(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

// ── progress line ────────────────────────────────────────────────────────────────────────────────────

let label = '';

/** Prints what is measured now, when the output is a terminal. */
export function say(text: string): void {
  label = text;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else process.stderr.write(`${text}\n`);
}

function onProgress(processed: number, total: number): void {
  if (process.stderr.isTTY)
    process.stderr.write(`\r\x1b[K${label}  ${((100 * processed) / total).toFixed(0)} %`);
}
