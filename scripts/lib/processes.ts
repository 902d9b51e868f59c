/**
 * Child processes that end with this process, and errors that are meant for a person.
 *
 * Starts, awaits, stops and kills a command together with everything that the command started. When this
 * process ends in any way, SIGKILL included, every supervised command ends too (supervisor.ts).
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from './local-state.ts';

/** A fault that a person can correct. Its message is one line and all that is printed. */
export class UserError extends Error {
  override name = 'UserError';
}

/** How a process ended: exactly one of the two is set. */
export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A running command and everything it starts. */
export interface SupervisedProcess {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  /** Asks the command to end, and kills what has not ended in a few seconds. */
  stop(): Promise<void>;
  /** SIGKILL to the whole group, as in a power cut. */
  killHard(): Promise<void>;
}

/** True while a process of the group exists. */
function groupExists(groupId: number): boolean {
  try {
    process.kill(-groupId, 0);
    return true;
  } catch {
    return false;
  }
}

async function killGroup(groupId: number): Promise<void> {
  try {
    process.kill(-groupId, 'SIGKILL');
  } catch {
    return; // no process is left
  }
  // A killed process exists until it is reaped, and some containers have no process that reaps.
  for (let waitedMs = 0; waitedMs < 1_000 && groupExists(groupId); waitedMs += 20) await sleep(20);
}

/** Every supervised command that has not ended. */
const running = new Set<SupervisedProcess>();

/**
 * Starts a command in a process group of its own.
 *
 * @param output - a file that takes stdout and stderr, appended; or a function that is handed them
 */
export function spawnSupervised(
  command: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd: string; output: string | ((text: string) => void) },
): SupervisedProcess {
  const { output } = options;
  const log = typeof output === 'string' ? openSync(output, 'a', 0o600) : 'pipe';
  const supervisor = spawn(
    process.execPath,
    ['--no-warnings', join(projectRoot, 'scripts/lib/supervisor.ts'), command, ...args],
    { cwd: options.cwd, env: options.env, stdio: ['pipe', log, log], detached: true },
  );
  if (typeof log === 'number') closeSync(log);
  if (typeof output === 'function') {
    supervisor.stdout?.setEncoding('utf8').on('data', output);
    supervisor.stderr?.setEncoding('utf8').on('data', output);
  }
  // The pipe breaks when the supervisor is killed; `exit` reports that.
  supervisor.stdin?.on('error', () => undefined);
  const pid = supervisor.pid;
  if (pid === undefined) throw new Error('a process could not be started');
  const ended = new Promise<ProcessEnd>((resolve) => {
    supervisor.on('exit', (code, signal) => {
      // Processes that the command left behind are ended too; otherwise they hold the pipes open.
      void killGroup(pid).then(() => {
        running.delete(supervised);
        resolve({ code, signal });
      });
    });
  });
  const supervised: SupervisedProcess = {
    pid,
    ended,
    async stop() {
      supervisor.stdin?.end();
      await ended;
    },
    async killHard() {
      await killGroup(pid);
      await ended;
    },
  };
  running.add(supervised);
  return supervised;
}

/** Stops every command of this process that still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((supervised) => supervised.stop()));
}

/**
 * Stops everything and ends this process with code 130 on a signal, or when the process that started it is gone.
 * Does not keep a process running when its work is done.
 */
export function stopWhenAsked(stop: () => Promise<unknown> = stopAll): void {
  const end = (): void => void stop().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  process.on('disconnect', end);
  // A channel with a listener would keep this process running forever.
  process.channel?.unref();
}

/** A command that has ended. */
export interface FinishedProcess extends ProcessEnd {
  /** stdout and stderr, in the order they came. */
  output: string;
}

/** Runs a supervised command to its end and collects its output. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<FinishedProcess> {
  let output = '';
  const supervised = spawnSupervised(command, args, {
    env,
    cwd: projectRoot,
    output: (text) => (output += text),
  });
  const end = await supervised.ended;
  return { ...end, output };
}

/** True when something accepts connections on the port of the loopback address. */
export function isPortTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

/** Systems give higher ports to outgoing connections: Linux from 32,768. One of these would be taken before it is used. */
const portsFrom = 20_000;
const portsTo = 32_000;

/** A port that nobody listened on a moment ago, and that no outgoing connection is given. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = portsFrom + Math.floor(Math.random() * (portsTo - portsFrom));
    if (await canListen(port)) return port;
  }
  throw new UserError(`No port from ${String(portsFrom)} to ${String(portsTo)} is free.`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
