/**
 * `npm run simulate:exhaustive -- --leads 2 --batches 2 --crashes 2`: every path of a small world, each state once.
 *
 *   --leads N, --batches N   leads of each batch, and batches (default 1 and 1)
 *   --crashes N              of one path, at most (default 2)
 *   --wrong N                crashes, commands, faults and events of one path together (default: any number)
 *   --provider NAME          resend has keys, postmark has none (default: one after the other)
 *   --seconds N              of CPU time for each provider; what is left then is the frontier
 *   --mutant NAME            plants a fault of mutants/ first
 *   --json                   prints the results as one line
 *
 * Exits with 1 when a promise was broken, and prints a shortest path to it; with 2 when the frontier is not empty.
 *
 * @module
 */
import { parseArgs } from 'node:util';
import { plant, requirePlanted, type SourceChange } from '../platform/hooks.ts';
import type { ExplorationReport } from '../reports.ts';
import type { ProviderName } from '../world/mail-api.ts';

const { values } = parseArgs({
  options: {
    leads: { type: 'string', default: '1' },
    batches: { type: 'string', default: '1' },
    crashes: { type: 'string', default: '2' },
    wrong: { type: 'string', default: 'Infinity' },
    provider: { type: 'string' },
    seconds: { type: 'string', default: 'Infinity' },
    mutant: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

/** Counters that only delay the end of a path are smaller. */
const smallNumbers: readonly SourceChange[] = [
  {
    file: 'src/core/batch/settle.ts',
    find: 'export const maxAttempts = 10;',
    replace: 'export const maxAttempts = 2;',
  },
  {
    file: 'src/core/limits/breaker.ts',
    find: 'const faultStreakLimit = 10;',
    replace: 'const faultStreakLimit = 3;',
  },
];

const { mutants } = await import('../mutants/mutants.ts');
const mutant = mutants.find(({ name }) => name === values.mutant);
if (values.mutant !== undefined && mutant === undefined)
  throw new Error(`There is no mutant of the name ${values.mutant}.`);
plant([...smallNumbers, ...(mutant?.changes ?? [])]);
// After the planting: this loads the product.
const { explore } = await import('./explorer.ts');
requirePlanted();

function providers(): readonly ProviderName[] {
  const all: readonly ProviderName[] = ['resend', 'postmark'];
  const chosen = all.filter((name) => values.provider === undefined || name === values.provider);
  if (chosen.length === 0) throw new Error(`The providers are ${all.join(' and ')}.`);
  return chosen;
}

function print({ provider, ...found }: ExplorationReport): void {
  const { stateCount, restCount, endCount, walkCount, frontierCount, cpuMs, violation } = found;
  const line = `${provider}: ${stateCount} states, ${restCount} of them at rest and ${endCount} at the end; ${walkCount} walks, ${frontierCount} left; ${(cpuMs / 1_000).toFixed(1)} s.`;
  process.stdout.write(`${line}\n`);
  if (violation === null) return;
  process.stdout.write(`BROKEN: ${violation.message}\n`);
  for (const step of violation.path) process.stdout.write(`  ${step}\n`);
}

// From a timer: the simulator runs all microtasks itself.
setImmediate(() => {
  const reports: ExplorationReport[] = [];
  for (const provider of providers()) {
    const report = {
      provider,
      ...explore({
        provider,
        leads: Number(values.leads),
        batches: Number(values.batches),
        crashes: Number(values.crashes),
        wrong: Number(values.wrong),
        seconds: Number(values.seconds),
      }),
    };
    if (!values.json) print(report);
    reports.push(report);
    if (report.violation !== null) break;
  }
  if (values.json) process.stdout.write(`${JSON.stringify(reports)}\n`);
  if (reports.some(({ violation }) => violation !== null)) process.exitCode = 1;
  else if (reports.some(({ frontierCount }) => frontierCount > 0)) process.exitCode = 2;
});
