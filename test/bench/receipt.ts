/**
 * `node test/bench/receipt.ts [leads]`: time and memory of the verifier over a receipt of a million leads.
 *
 * The highest resident memory is read from the system while the verifier works, so it counts Node itself.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleReceipt } from '../support/sample-receipt.ts';

const leadCount = Number(process.argv[2] ?? 1_000_000);
const maxSeconds = 10;
const maxMiB = 64;

/** The highest resident memory of a process so far, in MiB (proc_pid_status(5)). */
function highWaterMiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
  } catch {
    return 0;
  }
}

const folder = mkdtempSync(join(tmpdir(), 'receipt-bench-'));
try {
  const file = join(folder, 'receipt.jsonl');
  const descriptor = openSync(file, 'w');
  for (const line of sampleReceipt({ leadCount })) writeSync(descriptor, line);
  closeSync(descriptor);
  const startedAt = performance.now();
  const verifier = spawn(
    process.execPath,
    [join(import.meta.dirname, '../../packages/cli/lead-activation.mjs'), 'verify', file],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  let mebibytes = 0;
  const polling = setInterval(() => {
    mebibytes = Math.max(mebibytes, highWaterMiB(verifier.pid ?? 0));
  }, 20);
  const [code] = (await once(verifier, 'exit')) as [number | null];
  clearInterval(polling);
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(
    `\n${leadCount} leads, ${(statSync(file).size / 1e6).toFixed(0)} MB: verified in ${seconds.toFixed(1)} s (at most ${maxSeconds}) with ${mebibytes.toFixed(0)} MiB (at most ${maxMiB}), Node ${process.version}`,
  );
  if (code !== 0 || seconds > maxSeconds || mebibytes > maxMiB) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
