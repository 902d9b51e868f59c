/**
 * Receipt: the time to make the receipt of an activation in the real runtime, and to verify it.
 *
 * The whole way is measured: a session runs, the receipt is downloaded page by page into a file as a browser does, and
 * the verifier that users get reads the file. The first download also makes the seeds, the second does not. The highest
 * resident memory of the verifier is read from the system, so it counts Node itself.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { makeSigningKey } from '../../scripts/lib/local-state.ts';
import {
  closeAll,
  cpuSeconds,
  freshState,
  proveOnceEach,
  runSession,
  say,
  scratchFolder,
  startMailApi,
  startRuntime,
} from './lib/harness.ts';
import type { BenchOptions, PartResult } from './lib/part.ts';
import { round } from './lib/stats.ts';

interface Made {
  seconds: number;
  cpuSeconds: number;
  megabytes: number;
}

interface Figure {
  leadCount: number;
  first: Made;
  second: Made;
  verified: { seconds: number; peakRssMiB: number };
}

const verifier = join(import.meta.dirname, '../../packages/cli/lead-activation.mjs');

/** The highest resident memory of a process so far, in MiB; 0 when it has ended (proc_pid_status(5)). */
function highWaterMiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
  } catch {
    return 0;
  }
}

/** Throws when the receipt does not verify. */
async function verify(file: string): Promise<Figure['verified']> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [verifier, 'verify', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  let peakRssMiB = 0;
  const polling = setInterval(() => {
    peakRssMiB = Math.max(peakRssMiB, highWaterMiB(child.pid ?? 0));
  }, 20);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(polling);
  if (code !== 0) throw new Error(`The verifier ended with ${code}.`);
  return { seconds: (performance.now() - startedAt) / 1_000, peakRssMiB };
}

async function measure(leadCount: number): Promise<Figure> {
  const mail = await startMailApi();
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    vars: { RECEIPT_SIGNING_KEY: makeSigningKey() },
  });
  const { progress } = await runSession(runtime);
  proveOnceEach(await mail.stats(), leadCount);
  const file = join(scratchFolder(), 'receipt.jsonl');
  const download = async (): Promise<Made> => {
    const cpuBefore = cpuSeconds(runtime.pid);
    const startedAt = performance.now();
    const response = await fetch(`${runtime.url}/crm/activation/${progress.sessionId}/receipt`);
    if (!response.ok || response.body === null)
      throw new Error(`receipt: ${response.status} ${await response.text()}`);
    const output = createWriteStream(file);
    await pipeline(Readable.fromWeb(response.body as ReadableStream), output);
    return {
      seconds: (performance.now() - startedAt) / 1_000,
      cpuSeconds: cpuSeconds(runtime.pid) - cpuBefore,
      megabytes: output.bytesWritten / 1e6,
    };
  };
  const first = await download();
  const second = await download();
  await runtime.stop();
  const verified = await verify(file);
  await closeAll();
  return { leadCount, first, second, verified };
}

export async function receipt(options: BenchOptions): Promise<PartResult> {
  const leadCounts = options.leadCounts ?? (options.isFull ? [100_000, 1_000_000] : [10_000]);
  const figures: Figure[] = [];
  for (const leadCount of leadCounts) {
    say(`receipt: ${leadCount} leads`);
    figures.push(await measure(leadCount));
  }
  const perMillion = (value: (figure: Figure) => number): number =>
    Math.max(...figures.map((figure) => (1e6 * value(figure)) / figure.leadCount));
  const makingSeconds = perMillion(({ first, second }) => Math.max(first.seconds, second.seconds));
  const verifyingSeconds = perMillion(({ verified }) => verified.seconds);
  const peakRssMiB = Math.max(...figures.map(({ verified }) => verified.peakRssMiB));
  return {
    tables: [
      {
        title: 'A receipt, downloaded from the runtime and verified by Node',
        columns: [
          'leads',
          'MB',
          'first download s',
          'second download s',
          'CPU s of the runtime',
          'verified in s',
          'peak RSS of the verifier MiB',
        ],
        rows: figures.map(({ leadCount, first, second, verified }) => [
          leadCount,
          round(second.megabytes),
          round(first.seconds),
          round(second.seconds),
          round(second.cpuSeconds),
          round(verified.seconds),
          Math.round(verified.peakRssMiB),
        ]),
      },
    ],
    verdicts: [
      {
        target: 'made in at most 20 s per million leads',
        measured: `${round(makingSeconds)} s`,
        isMet: makingSeconds <= 20,
      },
      {
        target: 'verified in at most 10 s per million leads',
        measured: `${round(verifyingSeconds)} s`,
        isMet: verifyingSeconds <= 10,
      },
      {
        target: 'the verifier has at most 64 MiB',
        measured: `${Math.round(peakRssMiB)} MiB`,
        isMet: peakRssMiB <= 64,
      },
    ],
    figures,
  };
}
