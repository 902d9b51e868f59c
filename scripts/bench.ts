/**
 * `npm run bench [part …] [--full] [--leads 20000,100000] [--latency 0,20] [--repeats 3]`: measures.
 *
 * Each part writes `bench/results/<part>.json` and `.md` and says which targets it meets. Without names
 * all parts run in their small form. A part that mails a lead twice or forgets one fails, whatever its speed.
 *
 * @module
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { BenchOptions, Cell, Part, PartResult } from '../test/bench/lib/part.ts';
import { writeResult } from '../test/bench/lib/report.ts';
import { closeAll } from '../test/bench/lib/rig.ts';
import { stopAll, stopWhenAsked } from './lib/processes.ts';

/** In the order in which they run; each is the file of its name in test/bench. */
const partNames = [
  'engine',
  'scale',
  'utilisation',
  'cost',
  'first-mail',
  'progress',
  'readers',
  'resume',
  'render',
  'import',
  'webhooks',
  'web',
] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: 'boolean', default: false },
    leads: { type: 'string' },
    latency: { type: 'string' },
    repeats: { type: 'string' },
  },
});

const numbers = (text: string | undefined): number[] | null =>
  text === undefined ? null : text.split(',').map((word) => Number(word.replaceAll('_', '')));

const options: BenchOptions = {
  isFull: values.full,
  leadCounts: numbers(values.leads),
  latenciesMs: numbers(values.latency),
  repeatCount: values.repeats === undefined ? null : Number(values.repeats),
};

const unknown = positionals.filter((name) => !(partNames as readonly string[]).includes(name));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}; there are ${partNames.join(', ')}.`);
  process.exit(2);
}

stopWhenAsked(() => Promise.all([closeAll(), stopAll()]));

/** Figures of a part that only returns some, as one table. */
function asResult(name: string, answer: unknown): PartResult {
  if (typeof answer === 'object' && answer !== null && 'tables' in answer) return answer as PartResult;
  const rows = (Array.isArray(answer) ? answer : [answer]) as Record<string, Cell>[];
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const table = {
    title: name,
    columns,
    rows: rows.map((row) => columns.map((column) => row[column] ?? null)),
  };
  return { tables: [table], verdicts: [], figures: answer };
}

let hasFailed = false;
for (const name of positionals.length > 0 ? positionals : partNames) {
  const file = join(import.meta.dirname, '../test/bench', `${name}.ts`);
  if (!existsSync(file)) {
    console.log(`${name}: not there yet`);
    continue;
  }
  const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const part = Object.values(module).find((value) => typeof value === 'function') as Part | undefined;
  if (part === undefined) throw new Error(`${name} exports no function.`);
  try {
    const result = asResult(name, await part(options));
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    console.log(writeResult(name, result));
  } catch (error) {
    hasFailed = true;
    console.error(`${name} failed:`, error);
  } finally {
    await closeAll();
  }
}
process.exitCode = hasFailed ? 1 : 0;
