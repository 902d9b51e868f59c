/**
 * Runs one command for as long as the process that asked for it lives.
 *
 * Started as the head of a process group of its own, with a pipe on stdin that nothing is written to. When
 * the pipe closes, because it was told to stop or because its owner was killed, the command is asked to end,
 * and after a grace period the whole group is killed, this process with it. A signal from the terminal does
 * not reach the group, so that the owner alone decides the order of the end.
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
  // With its owner gone nobody else sweeps up what the command left behind.
  if (released) process.kill(-process.pid, 'SIGKILL');
  process.exit(code ?? 1);
});
