/**
 * `npm run bench [part …] [--full] [--leads 20000,100000] [--latency 0,20] [--repeats 3]`: measures.
 *
 * Each part writes `bench/results/<part>.json` and `.md` and says which targets it meets. Without names
 * all parts run in their small form. A part that mails a lead twice or not at all fails.
 *
 * @module
 */
import { parseArgs } from 'node:util';
import { cost } from '../test/bench/cost.ts';
import { engine } from '../test/bench/engine.ts';
import { firstMail } from '../test/bench/first-mail.ts';
import { importBench } from '../test/bench/import.ts';
import type { BenchOptions, Part } from '../test/bench/lib/part.ts';
import { writeResult } from '../test/bench/lib/report.ts';
import { closeAll } from '../test/bench/lib/harness.ts';
import { profile } from '../test/bench/profile.ts';
import { progress } from '../test/bench/progress.ts';
import { readers } from '../test/bench/readers.ts';
import { receipt } from '../test/bench/receipt.ts';
import { render } from '../test/bench/render.ts';
import { resume } from '../test/bench/resume.ts';
import { scale } from '../test/bench/scale.ts';
import { utilisation } from '../test/bench/utilisation.ts';
import { web } from '../test/bench/web.ts';
import { webhooks } from '../test/bench/webhooks.ts';
import { stopAll, stopWhenAsked } from './lib/processes.ts';

/** In the order in which they run. */
const parts = {
  engine,
  scale,
  utilisation,
  cost,
  'first-mail': firstMail,
  progress,
  readers,
  resume,
  render,
  import: importBench,
  receipt,
  webhooks,
  web,
  profile,
} satisfies Record<string, Part>;
type PartName = keyof typeof parts;

const isPartName = (name: string): name is PartName => Object.hasOwn(parts, name);

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

const unknown = positionals.filter((name) => !isPartName(name));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}.`);
  process.exit(2);
}
const names = positionals.length > 0 ? positionals : Object.keys(parts);

stopWhenAsked(() => Promise.all([closeAll(), stopAll()]));

let hasFailed = false;
for (const name of names.filter(isPartName)) {
  try {
    const result = await parts[name](options);
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
