/**
 * `npm run simulate:mutants`: plants each fault in a process of its own, and runs worlds until a promise is broken.
 *
 *   --seconds N   for each mutant (default 60)     --only NAME     --json: a line for each result
 *   --workers N   mutants at the same time (default 2)     --until T: ends at this time, epoch ms
 *
 * Exits with 1 when a mutant survives.
 *
 * @module
 */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { mutants } from './mutants.ts';
import type { HuntReport } from '../reports.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    until: { type: 'string', default: 'Infinity' },
    workers: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    json: { type: 'boolean', default: false },
  },
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function hunt(name: string): Promise<HuntReport> {
  const args = [
    join(import.meta.dirname, '../main.ts'),
    '--mutant',
    name,
    '--seconds',
    values.seconds,
    '--seed',
    values.seed,
    '--until',
    values.until,
    '--json',
  ];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (stdout === '') {
        reject(new Error(`${name}: ${stderr || (error?.message ?? 'It printed nothing.')}`));
        return;
      }
      const { worldCount, crashCount, cpuMs, failures } = JSON.parse(stdout) as {
        worldCount: number;
        crashCount: number;
        cpuMs: number;
        failures: { seed: number; message: string }[];
      };
      const [failure] = failures;
      resolve({
        name,
        seed: failure?.seed ?? null,
        worldCount,
        crashCount,
        seconds: cpuMs / 1_000,
        message: failure?.message ?? '',
      });
    });
  });
}

const chosen = mutants.filter(({ name }) => values.only === undefined || name.includes(values.only));
const found: HuntReport[] = [];
const rest = chosen[Symbol.iterator]();
const worker = async (): Promise<void> => {
  for (const { name } of rest) {
    if (Date.now() >= Number(values.until)) return;
    const result = await hunt(name);
    found.push(result);
    if (values.json) {
      print(JSON.stringify(result));
      continue;
    }
    const { seed, worldCount, crashCount, seconds, message } = result;
    print(
      seed === null
        ? `SURVIVED  ${name}: ${worldCount} worlds, ${crashCount} crashes`
        : `found  ${name}: ${worldCount} worlds (seed ${seed}), ${seconds.toFixed(1)} s. ${message}`,
    );
  }
};
await Promise.all(Array.from({ length: Number(values.workers) }, worker));
const survivors = found.filter(({ seed }) => seed === null);
if (!values.json) print(`${found.length - survivors.length} of ${found.length} found.`);
process.exitCode = survivors.length === 0 ? 0 : 1;
