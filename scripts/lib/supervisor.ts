/**
 * Runs one command for as long as the process that asked for it lives.
 *
 * It leads its own process group and has a pipe on stdin that nothing is written to. When the pipe closes,
 * because the owner stops it or was killed, the command is asked to end; after a grace period the whole group
 * is killed, including this process. Signals from the terminal do not reach the group, so the owner decides
 * in which order its commands end.
 *
 * @module
 */
import { spawn } from 'node:child_process';

/** `wrangler dev` ends within a second; a command that takes longer than this is stuck. */
const graceMs = 4_000;

const [command, ...args] = process.argv.slice(2);
if (command === undefined) throw new Error('usage: supervisor.ts COMMAND [ARGUMENT …]');

const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
child.on('error', (error) => {
  console.error(error.message);
  process.exit(127);
});

let released = false;
function release(): void {
  if (released) return;
  released = true;
  child.kill('SIGINT');
  setTimeout(() => process.kill(-process.pid, 'SIGKILL'), graceMs);
}
process.stdin.on('end', release).on('error', release).resume();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, release);

child.on('exit', (code) => {
  // The owner may be gone, so processes that the command left behind are ended here.
  if (released) process.kill(-process.pid, 'SIGKILL');
  process.exit(code ?? 1);
});
