/**
 * `npm run proof`: runs the simulator and its planted faults, and writes docs/PROOF.md.
 *
 *   --seconds N          CPU time of the worlds (default 120)
 *   --mutant-seconds N   CPU time for each planted fault, at most (default 60)
 *   --seed S             of the first world (default: today's date, 20261128)
 *
 * @module
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { assumptions } from '../test/simulation/platform/assumptions.ts';
import type { CampaignReport, HuntReport } from '../test/simulation/reports.ts';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    'mutant-seconds': { type: 'string', default: '60' },
    seed: { type: 'string', default: new Date().toISOString().slice(0, 10).replaceAll('-', '') },
  },
});

function run<T>(file: string, ...args: string[]): Promise<T> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [join(root, 'test/simulation', file), '--json', ...args],
      { maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (stdout === '') reject(new Error(stderr || (error?.message ?? 'It printed nothing.')));
        else resolve(JSON.parse(stdout) as T);
      },
    );
  });
}

const number = (value: number): string => Math.round(value).toLocaleString('en');

/** Places × faults, by the kind of fault: a table of all pairs has 200 lines. */
function coverageTable(coverage: Record<string, number>): string {
  const kinds = new Map<string, { count: number; places: Set<string> }>();
  for (const [name, count] of Object.entries(coverage)) {
    const [place = '', kind = ''] = name.split(' × ');
    const known = kinds.get(kind) ?? { count: 0, places: new Set<string>() };
    known.count += count;
    known.places.add(place);
    kinds.set(kind, known);
  }
  const lines = [...kinds]
    .sort()
    .map(([kind, { count, places }]) => `| ${kind} | ${number(count)} | ${places.size} |`);
  return ['| fault or command | times | places |', '|---|---|---|', ...lines].join('\n');
}

const sums = await run<CampaignReport>('main.ts', '--seed', values.seed, '--seconds', values.seconds);
const hunts = await run<HuntReport[]>('mutants/run.ts', '--seconds', values['mutant-seconds']);
const found = hunts.filter(({ seed }) => seed !== null);
const perSecond = (count: number): string => number((count / sums.cpuMs) * 1_000);
const invariantList = Object.entries(Object.groupBy(found, ({ message }) => message.split(':')[0] ?? '')).map(
  ([invariant, by]) => `* *${invariant}*: ${(by ?? []).map(({ name }) => name).join('; ')}`,
);

const text = `# Proof

Written by \`npm run proof\`; do not edit. [RELIABILITY.md](RELIABILITY.md) says what is promised; this page says what
was run to break it. The simulator runs the product's own classes and SQL on a simulated platform
([decision 29](decisions/0029-the-simulator-runs-the-real-classes.md)).

## Simulated worlds

| | |
|---|---|
| date | ${new Date().toISOString().slice(0, 10)} |
| machine | Node ${process.version}, ${cpus().length} cores, one used |
| seeds | ${sums.fromSeed} to ${sums.fromSeed + sums.worldCount - 1} |
| hash of all event logs | \`${sums.hash.toString(16)}\` |
| worlds, sessions | ${number(sums.worldCount)}, ${number(sums.sessionCount)} |
| simulated hours | ${number(sums.simulatedMs / 3_600_000)} |
| steps | ${number(sums.stepCount)} (${perSecond(sums.stepCount)} a second of CPU time) |
| crashes | ${number(sums.crashCount)} (${perSecond(sums.crashCount)} a second of CPU time) |
| faults and commands | ${number(sums.faultCount)} |
| calls, mails | ${number(sums.callCount)}, ${number(sums.mailCount)} |
| checks of rows, views checked | ${number(sums.checkCount)}, ${number(sums.viewCount)} |
| promises broken | ${sums.failures.length === 0 ? '0' : sums.failures.map(({ seed, message }) => `seed ${seed}: ${message}`).join('; ')} |

The checks are in \`test/simulation/invariants.ts\`. To run the same again: \`npm run simulate -- --seed ${sums.fromSeed} --worlds ${sums.worldCount}\`. The hash is the same on every machine.

${coverageTable(sums.coverage)}

## Planted faults

${found.length} of ${hunts.length} faults that were planted in the source were found, each within ${number(Math.ceil(Math.max(...found.map(({ seconds }) => seconds))))} s of CPU time.

| planted | worlds until found | seed | CPU time |
|---|---|---|---|
${hunts.map(({ name, seed, worldCount, seconds }) => `| ${name} | ${seed === null ? `**not found in ${worldCount}**` : worldCount} | ${seed ?? ''} | ${seconds.toFixed(1)} s |`).join('\n')}

By the check that found them:

${invariantList.join('\n')}

## What the simulated platform assumes

\`test/workerd/platform.test.ts\` shows each rule on the real runtime; \`npm run chaos:kill\` kills the whole process.

| rule | promised by |
|---|---|
${Object.values(assumptions)
  .map(({ rule, page }) => `| ${rule} | ${page} |`)
  .join('\n')}
`;
const file = join(root, 'docs/PROOF.md');
writeFileSync(file, await format(text, { ...(await resolveConfig(file)), parser: 'markdown' }));
process.stdout.write(
  `Written: docs/PROOF.md. ${found.length} of ${hunts.length} planted faults found, ${sums.failures.length} promises broken.\n`,
);
process.exitCode = sums.failures.length === 0 && found.length === hunts.length ? 0 : 1;
