/**
 * Contenders that run on Node: BullMQ on Redis, graphile-worker on Postgres, and a server that keeps a session in its
 * memory.
 *
 * Owns their packages (installed on demand, beside the project's own), the servers of Redis and Postgres and the
 * process. Leads are in the same SQLite database for all of them.
 *
 * @module
 */
import { execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, isPortTaken } from '../../../scripts/lib/processes.ts';
import { cpuSeconds, databaseFileOf, freshState, peakRssMiB } from './harness.ts';

/** BullMQ's Redis writes its log to disk once a second, the usual setting; with `always` before each answer. */
export type BaselineKind =
  | 'BullMQ, job per batch'
  | 'BullMQ, job per batch, always'
  | 'BullMQ, job per lead'
  | 'graphile-worker, job per batch'
  | 'in memory';

/** Handed to baselines/run.ts as its argument, in JSON. */
export interface BaselineOptions {
  kind: BaselineKind;
  leadCount: number;
  mailUrl: string;
  databaseFile: string;
  redisPort: number;
  postgresUrl: string;
  /** Where bullmq and graphile-worker are installed. */
  packageFolder: string;
}

export interface BaselineRun {
  ms: number;
  cpu: number;
  peakRssMiB: number;
}

const sourceFolder = join(import.meta.dirname, '../baselines');
const packageFolder = join(tmpdir(), 'lead-activation-bench', 'baselines');

/** Installs the baselines' own packages, once for each version of their list. */
function installPackages(): void {
  const list = readFileSync(join(sourceFolder, 'package.json'), 'utf8');
  const installed = join(packageFolder, 'package.json');
  const isInstalled =
    existsSync(join(packageFolder, 'node_modules')) &&
    existsSync(installed) &&
    readFileSync(installed, 'utf8') === list;
  if (isInstalled) return;
  mkdirSync(packageFolder, { recursive: true });
  cpSync(join(sourceFolder, 'package.json'), installed);
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: packageFolder,
    stdio: 'inherit',
  });
}

/** True when a Debian package is here. As root it is installed first. */
function hasPackage(name: string, isThere: () => boolean): boolean {
  if (isThere()) return true;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return false;
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', name], { stdio: 'ignore' });
  return isThere();
}

const hasRedis = (): boolean =>
  hasPackage('redis-server', () => spawnSync('redis-server', ['--version']).status === 0);

/** Debian keeps the programs of each version of Postgres in a folder of its own. */
function postgresFolder(): string | null {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(root, version, 'bin')).find((bin) => existsSync(bin)) ?? null;
}

const hasPostgres = (): boolean => hasPackage('postgresql', () => postgresFolder() !== null);

interface Server {
  port: number;
  /** CPU seconds and peak memory of all its processes. */
  pids(): number[];
  stop(): Promise<void>;
}

async function startServer(
  command: string,
  args: (port: number) => string[],
  folder: string,
  owner?: Owner,
): Promise<Server> {
  const port = await freePort();
  const child = spawn(command, args(port), { stdio: 'ignore', ...owner });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  while (!(await isPortTaken(port))) {
    if (child.exitCode !== null) throw new Error(`${command} ended with code ${child.exitCode}.`);
    await sleep(20);
  }
  return {
    port,
    pids: () => (child.pid === undefined ? [] : [child.pid, ...childrenOf(child.pid)]),
    async stop() {
      // To Postgres this means to close all connections.
      child.kill('SIGINT');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(/\s+/).map(Number);
}

interface Owner {
  uid: number;
  gid: number;
}

function startRedis(appendfsync: 'everysec' | 'always'): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'lead-activation-redis-'));
  return startServer(
    'redis-server',
    (port) => [
      ...['--port', String(port), '--save', '', '--dir', folder],
      ...['--appendonly', 'yes', '--appendfsync', appendfsync],
    ],
    folder,
  );
}

/** With Debian's settings, so each finished job is on disk. Postgres refuses to run as root. */
function startPostgres(bin: string): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'lead-activation-postgres-'));
  const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  const owner = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : undefined;
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  const data = join(folder, 'data');
  execFileSync(join(bin, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync'], {
    stdio: 'ignore',
    cwd: folder,
    ...owner,
  });
  return startServer(
    join(bin, 'postgres'),
    (port) => ['-D', data, '-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1'],
    folder,
    owner,
  );
}

/** Versions and settings, for the report. */
export function baselineVersions(): string[] {
  const versionOf = (name: string): string => {
    const file = join(packageFolder, 'node_modules', name, 'package.json');
    return existsSync(file)
      ? `${name} ${(JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version}`
      : `${name}: not installed`;
  };
  const redis = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  const bin = postgresFolder();
  const postgres =
    bin === null ? null : spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' });
  return [
    `Node ${process.version}, five calls at once, one process; the leads are in the same SQLite database (WAL, synchronous = normal).`,
    `${versionOf('bullmq')} with ${versionOf('ioredis')}; Redis ${/v=(\S+)/.exec(redis.stdout)?.[1] ?? 'not here'}: appendonly yes, appendfsync everysec, or always where it says so; no snapshots. Job per batch, concurrency 5, attempts 5.`,
    `${versionOf('graphile-worker')} with ${versionOf('pg')}; ${postgres?.stdout.trim() ?? 'no Postgres here'}: fsync on, synchronous_commit on, all else as Debian has it. Job per batch, concurrency 5, default settings.`,
  ];
}

/** Prepares a contender; null when this machine cannot run it. */
export async function startBaseline(
  kind: BaselineKind,
  leadCount: number,
  mailUrl: string,
): Promise<{ run(): Promise<BaselineRun> } | null> {
  const start = serverOf(kind);
  if (start === null) return null;
  if (kind !== 'in memory') installPackages();
  const databaseFile = databaseFileOf(await freshState(leadCount));
  return {
    async run() {
      const server = await start();
      const port = server?.port ?? 0;
      const options: BaselineOptions = {
        ...{ kind, leadCount, mailUrl, databaseFile, packageFolder, redisPort: port },
        postgresUrl: `postgres://postgres@127.0.0.1:${port}/postgres`,
      };
      const child = fork(join(sourceFolder, 'run.ts'), [JSON.stringify(options)], {
        execArgv: ['--no-warnings'],
      });
      const pids = (): number[] => [
        ...(server?.pids() ?? []),
        ...(child.pid === undefined ? [] : [child.pid]),
      ];
      const sumOf = (value: (pid: number) => number): number =>
        pids().reduce((sum, pid) => {
          try {
            return sum + value(pid);
          } catch {
            // A process of the database that has just ended.
            return sum;
          }
        }, 0);
      try {
        const ms = await new Promise<number>((resolve, reject) => {
          child.once('message', (message: { ms: number }) => resolve(message.ms));
          child.once('exit', (code) => reject(new Error(`The baseline ended with code ${code}.`)));
        });
        return { ms, cpu: sumOf(cpuSeconds), peakRssMiB: sumOf(peakRssMiB) };
      } finally {
        if (child.connected) child.disconnect();
        if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
        await server?.stop();
      }
    },
  };
}

/** How to start what a contender needs beside its own process; null when this machine has it not. */
function serverOf(kind: BaselineKind): (() => Promise<Server | null>) | null {
  switch (kind) {
    case 'in memory':
      return () => Promise.resolve(null);
    case 'BullMQ, job per batch':
    case 'BullMQ, job per lead':
      return hasRedis() ? () => startRedis('everysec') : null;
    case 'BullMQ, job per batch, always':
      return hasRedis() ? () => startRedis('always') : null;
    case 'graphile-worker, job per batch': {
      const bin = hasPostgres() ? postgresFolder() : null;
      return bin === null ? null : () => startPostgres(bin);
    }
    default:
      return kind satisfies never;
  }
}
