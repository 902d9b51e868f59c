/**
 * Contenders that run on Node: BullMQ on Redis, and a server that keeps a session in its memory.
 *
 * Owns: their packages (installed on demand, beside the project's own), the Redis server and the process.
 *
 * @module
 */
import { execFileSync, fork, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, isPortTaken } from '../../../scripts/lib/processes.ts';
import { cpuSeconds, databaseFileOf, freshState, peakRssMiB } from './harness.ts';

export type BaselineKind = 'BullMQ, job per batch' | 'BullMQ, job per lead' | 'in memory';

/** Handed to baselines/run.ts as its argument, in JSON. */
export interface BaselineOptions {
  kind: BaselineKind;
  leadCount: number;
  mailUrl: string;
  databaseFile: string;
  redisPort: number;
  /** Where bullmq is installed. */
  packageFolder: string;
}

export interface BaselineRun {
  ms: number;
  cpu: number;
  peakRssMiB: number;
}

const sourceFolder = join(import.meta.dirname, '../baselines');
const packageFolder = join(tmpdir(), 'lead-activation-bench', 'baselines');

/** Installs the baselines' own packages, once. */
function installPackages(): void {
  if (existsSync(join(packageFolder, 'node_modules/bullmq/package.json'))) return;
  mkdirSync(packageFolder, { recursive: true });
  cpSync(join(sourceFolder, 'package.json'), join(packageFolder, 'package.json'));
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: packageFolder,
    stdio: 'inherit',
  });
}

/** True when redis-server can be started here; as root on Debian it is installed first. */
function hasRedis(): boolean {
  const isThere = (): boolean => spawnSync('redis-server', ['--version']).status === 0;
  if (isThere()) return true;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return false;
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'], { stdio: 'ignore' });
  return isThere();
}

/** Prepares a contender; null when this machine cannot run it. */
export async function startBaseline(
  kind: BaselineKind,
  leadCount: number,
  mailUrl: string,
): Promise<{ run(): Promise<BaselineRun> } | null> {
  const needsRedis = kind !== 'in memory';
  if (needsRedis && !hasRedis()) return null;
  if (needsRedis) installPackages();
  const databaseFile = databaseFileOf(await freshState(leadCount));
  return {
    async run() {
      const redisPort = await freePort();
      const redisFolder = mkdtempSync(join(tmpdir(), 'lead-activation-redis-'));
      // Its log on disk once a second, as it is run where jobs must survive a restart.
      const redis = needsRedis
        ? spawn(
            'redis-server',
            ['--port', String(redisPort), '--save', '', '--appendonly', 'yes', '--dir', redisFolder],
            { stdio: 'ignore' },
          )
        : null;
      while (redis !== null && !(await isPortTaken(redisPort))) await sleep(20);
      const options: BaselineOptions = { kind, leadCount, mailUrl, databaseFile, redisPort, packageFolder };
      const child = fork(join(sourceFolder, 'run.ts'), [JSON.stringify(options)], {
        execArgv: ['--no-warnings'],
      });
      const pids = [child.pid, redis?.pid].filter((pid) => pid !== undefined);
      try {
        const ms = await new Promise<number>((resolve, reject) => {
          child.once('message', (message: { ms: number }) => resolve(message.ms));
          child.once('exit', (code) => reject(new Error(`The baseline ended with code ${code}.`)));
        });
        return {
          ms,
          cpu: pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
          peakRssMiB: pids.reduce((sum, pid) => sum + peakRssMiB(pid), 0),
        };
      } finally {
        child.disconnect();
        redis?.kill();
        await new Promise((resolve) => child.once('exit', resolve));
        rmSync(redisFolder, { recursive: true, force: true });
      }
    },
  };
}
