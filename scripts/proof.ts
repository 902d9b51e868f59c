/**
 * `npm run proof -- --minutes N`: runs the simulator, its planted faults and the exploration, and writes docs/PROOF.md.
 *
 *   --minutes N    how long it runs, in real time (default 10; a night is 480)
 *   --workers N    processes that run worlds at the same time, each with seeds of its own (default 1)
 *   --hunters N    processes that look for planted faults at the same time (default 1)
 *   --seed S       of the first world (default: today's date, as 20261128)
 *   --campaigns F  comma-separated files whose last line is what `simulate -- --json` has printed: they are reported, and
 *                  no worlds are run
 *   --hunts F      a file of what `simulate:mutants -- --json` has printed: no planted faults are looked for
 *   --event-logs   renews only the record by which machines are compared, within seconds
 *
 * @module
 */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { comparedWorlds, makeRecord, recordBlock, withRecord } from '../test/simulation/event-logs.ts';
import { smallWorlds } from '../test/simulation/exhaustive/bounds.ts';
import { assumptions } from '../test/simulation/platform/assumptions.ts';
import type { CampaignReport, ExplorationReport, HuntReport } from '../test/simulation/reports.ts';

const root = join(import.meta.dirname, '..');
const proofFile = join(root, 'docs/PROOF.md');
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    workers: { type: 'string', default: '1' },
    hunters: { type: 'string', default: '1' },
    campaigns: { type: 'string' },
    hunts: { type: 'string' },
    'event-logs': { type: 'boolean', default: false },
    seed: { type: 'string', default: new Date().toISOString().slice(0, 10).replaceAll('-', '') },
  },
});

if (values['event-logs']) {
  const record = await makeRecord();
  writeFileSync(proofFile, withRecord(readFileSync(proofFile, 'utf8'), record));
  process.stdout.write(`Written: the record of event logs in docs/PROOF.md. SHA-256 ${record.eventLogs}.\n`);
  process.exit();
}

/** What a command of the simulator prints. */
function output(file: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [join(root, 'test/simulation', file), ...args],
      { maxBuffer: 64 * 1024 * 1024 },
      (_error, stdout, stderr) => {
        if (stdout === '' && stderr !== '') reject(new Error(stderr));
        else resolve(stdout.trim());
      },
    );
  });
}

/** Lines of JSON; other lines are left out. */
function reportsIn<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{') || line.startsWith('['))
    .map((line) => JSON.parse(line) as T);
}

async function run<T>(file: string, ...args: string[]): Promise<T[]> {
  return reportsIn(await output(file, '--json', ...args));
}

/** What was run before: the last line of each file. */
function readCampaigns(files: string): CampaignReport[] {
  return files.split(',').map((file) => {
    const report = reportsIn<CampaignReport>(readFileSync(file, 'utf8')).at(-1);
    if (report?.coverage === undefined) throw new Error(`${file} does not end with the report of a run.`);
    return report;
  });
}

/** The sums of several processes. */
function sumOf(reports: readonly CampaignReport[]): Omit<CampaignReport, 'fromSeed' | 'hash' | 'commit'> {
  const [first, ...rest] = reports;
  if (first === undefined) throw new Error('No process ran worlds.');
  const sum = { ...first, coverage: { ...first.coverage }, failures: [...first.failures] };
  for (const report of rest) {
    for (const name of countNames) sum[name] += report[name];
    for (const [name, count] of Object.entries(report.coverage))
      sum.coverage[name] = (sum.coverage[name] ?? 0) + count;
    sum.failures.push(...report.failures);
  }
  return sum;
}

const countNames = [
  'worldCount',
  'stepCount',
  'crashCount',
  'stormCrashCount',
  'faultCount',
  'callCount',
  'mailCount',
  'sessionCount',
  'viewCount',
  'checkCount',
  'simulatedMs',
  'cpuMs',
] as const;

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

/** Their names; without loading the simulator. */
const mutants = [
  ...readFileSync(join(root, 'test/simulation/mutants/mutants.ts'), 'utf8').matchAll(
    /(?:mutant\(\s*|name: )(?:'([^']+)'|"([^"]+)")/g,
  ),
].map(([, one, other]) => one ?? other ?? '');

/** CPU time for each planted fault, at most. */
const huntSeconds = 60;
/** Seeds of one process; the next one's begin after them. */
const seedsOfWorker = 10_000_000;

const startedAt = new Date();
process.stdout.write(`It runs for ${values.minutes} minutes.\n`);
const until = String(startedAt.getTime() + Number(values.minutes) * 60_000);
/** One after the other: each takes less than a minute of CPU time. */
async function exploreAll(): Promise<{ what: string; report: ExplorationReport }[]> {
  const found: { what: string; report: ExplorationReport }[] = [];
  for (const { what, args } of smallWorlds) {
    const [report] = (await run<ExplorationReport[]>('exhaustive/main.ts', ...args)).flat();
    if (report === undefined) throw new Error(`Nothing was printed about ${what}.`);
    found.push({ what, report });
  }
  return found;
}

async function runCampaigns(): Promise<CampaignReport[]> {
  const seedOf = (worker: number): string => String(Number(values.seed) + worker * seedsOfWorker);
  const runs = Array.from({ length: Number(values.workers) }, (_, worker) =>
    run<CampaignReport>('main.ts', '--seed', seedOf(worker), '--until', until),
  );
  return (await Promise.all(runs)).flat();
}

function hunt(): Promise<HuntReport[]> {
  const limits = ['--seconds', String(huntSeconds), '--workers', values.hunters, '--until', until];
  return run('mutants/run.ts', ...limits);
}

// First: they end by themselves, and what is left of the time is for the others.
const explorations = await exploreAll();
const record = await makeRecord();
const [campaigns, reports] = await Promise.all([
  values.campaigns === undefined ? runCampaigns() : readCampaigns(values.campaigns),
  values.hunts === undefined ? hunt() : reportsIn<HuntReport>(readFileSync(values.hunts, 'utf8')),
]);
const sums = sumOf(campaigns);
/** Less was looked for than a mutant is given. */
const isCutOff = ({ seed, seconds }: HuntReport): boolean => seed === null && seconds < huntSeconds;
const hunts = reports.filter((report) => !isCutOff(report));
hunts.sort((one, other) => mutants.indexOf(one.name) - mutants.indexOf(other.name));
const found = hunts.filter(({ seed }) => seed !== null);
const perSecond = (count: number): string => number((count / sums.cpuMs) * 1_000);
const huntLine = ({ name, seed, worldCount, seconds: cpu, message }: HuntReport): string => {
  const by = seed === null ? '**not found**' : (message.split(':')[0] ?? '');
  return `| ${name} | ${by} | ${worldCount} | ${seed ?? ''} | ${cpu.toFixed(1)} s |`;
};

const missing = mutants.filter((name) => !hunts.some((hunt) => hunt.name === name));
const notReached =
  missing.length === 0 ? '' : ` For ${missing.length} there was **no time**: ${missing.join('; ')}.`;
const slowest = Math.ceil(Math.max(0, ...found.map((hunt) => hunt.seconds)));
const nightCrashCount = 10_000_000;
const nightMinutes = Math.ceil(((nightCrashCount / sums.crashCount) * sums.cpuMs) / 60_000);
const night =
  sums.crashCount >= nightCrashCount
    ? `These are more than the ${number(nightCrashCount)} crashes of a night's run.`
    : `A night's run of ${number(nightCrashCount)} crashes was **not made** for this page. At the rate below it takes ${number(nightMinutes)} minutes of CPU time: \`npm run proof -- --minutes ${nightMinutes}\`.`;
const seedRanges = campaigns.map(({ fromSeed, worldCount }) => `${fromSeed} to ${fromSeed + worldCount - 1}`);
const hashes = campaigns.map(({ hash }) => `\`${hash.toString(16)}\``);
const again = campaigns.map(
  ({ fromSeed, worldCount }) => `\`npm run simulate -- --seed ${fromSeed} --worlds ${worldCount}\``,
);
const explorationLine = ({ what, report }: (typeof explorations)[number]): string =>
  `| ${what} | ${number(report.stateCount)} | ${number(report.walkCount)} | ${number(report.frontierCount)} | ${(report.cpuMs / 1_000).toFixed(1)} s |`;
const commits = [...new Set(campaigns.map(({ commit }) => `\`${commit}\``))].join(', ');
const brokenPaths = explorations.flatMap(({ what, report: { violation } }) =>
  violation === null ? [] : [`* ${what}: ${violation.message}, after: ${violation.path.join('; ')}`],
);
const isClosed = explorations.every(({ report }) => report.frontierCount === 0);
const broken = sums.failures.map(({ seed, message }) => `* seed ${seed}: ${message}`);

const text = `# Proof

Written by \`npm run proof\`; do not edit. [RELIABILITY.md](RELIABILITY.md) says what is promised. This page says what was run to break it, and what came of it. The simulator runs the product's own classes and SQL on a simulated platform ([decision 29](decisions/0029-the-simulator-runs-the-real-classes.md)).

## Simulated worlds

In each world one to five activations send to the same few leads, while objects die, the database and the mail API fail, people give commands, and readers check each number that they see. After the trouble everything works again, and then every activation must end. Each world comes from one number, its seed: who repeats it gets the same events, byte for byte.

${sums.failures.length === 0 ? 'No promise was broken.' : `**${sums.failures.length} promises were broken:**\n\n${broken.join('\n')}`} ${night}

| | |
|---|---|
| date | ${startedAt.toISOString().slice(0, 10)} |
| machine | Node ${process.version}, ${campaigns.length} of ${cpus().length} cores used |
| commit | ${commits} |
| seeds | ${seedRanges.join(', ')} |
| hash of all event logs | ${hashes.join(', ')} |
| worlds, activations | ${number(sums.worldCount)}, ${number(sums.sessionCount)} |
| simulated time | ${number(sums.simulatedMs / 3_600_000)} hours (${(sums.simulatedMs / 31_557_600_000).toFixed(1)} years) |
| crashes of an object | ${number(sums.crashCount)} (${perSecond(sums.crashCount)} a second of CPU time) |
| of these, in storms | ${number(sums.stormCrashCount)} |
| steps | ${number(sums.stepCount)} (${perSecond(sums.stepCount)} a second of CPU time) |
| faults and commands | ${number(sums.faultCount)} |
| calls of the mail API, mails taken | ${number(sums.callCount)}, ${number(sums.mailCount)} |
| checks of all rows of an activation | ${number(sums.checkCount)} |
| views checked | ${number(sums.viewCount)} |

A *step* is one event that is delivered, with all that the product does because of it before it waits again: a call, an answer, a timer, an alarm, a commit. It often has several SQL statements. The checks are in \`test/simulation/invariants.ts\`. Objects die at 6 or 25 % of the events that are delivered to them. A *storm* is a time of 0.3 to 30 seconds in which they die at 25 to 80 %; 60 % of the worlds have some. To run the same again: ${again.join(', ')}. The hash is the same on every machine.

### To compare machines

${recordBlock(record)}

\`sources\` is the SHA-256 of what decides an event log: \`src\`, \`test/simulation\`, \`migrations\` and the versions of the packages that the product loads. \`eventLogs\` is the SHA-256 of the event logs of ten worlds; \`npm run -s simulate -- --sha256 ${comparedWorlds.join(' ')}\` prints it. \`npm test\` runs these worlds on each machine, in two processes with other time zones, languages and folders. With the same sources and the same Node both have to print the number above; after a change, both the same one. \`npm run proof -- --event-logs\` renews this record alone.

### What went wrong, and where

A *place* is the kind of event before or after which it happened. \`npm run simulate -- --coverage\` prints every pair of place and fault.

${coverageTable(sums.coverage)}

## Every path of a small world

Here the dice are replaced by choices, and each option of each state is taken once ([decision 31](decisions/0031-every-path-of-a-small-world.md)). ${brokenPaths.length === 0 ? 'No path broke a promise.' : `**Promises were broken:**\n\n${brokenPaths.join('\n')}\n`} ${isClosed ? 'No option is left within these bounds.' : '**Options were left.**'}

| the world | states | walks | options left | CPU time |
|---|---|---|---|---|
${explorations.map(explorationLine).join('\n')}

## Planted faults

Each is a mistake in the product's source that somebody could make. A simulator that does not find them proves little. ${found.length} of ${hunts.length} that were planted were found, each within ${slowest} s of CPU time.${notReached}

| planted | found by the check | worlds | seed | CPU time |
|---|---|---|---|---|
${hunts.map(huntLine).join('\n')}

## What the simulated platform assumes

\`test/workerd/platform.test.ts\` shows each rule on the real runtime; \`npm run chaos:kill\` kills the whole process.

| rule | promised by |
|---|---|
${Object.values(assumptions)
  .map(({ rule, page }) => `| ${rule} | ${page} |`)
  .join('\n')}
`;
writeFileSync(proofFile, await format(text, { ...(await resolveConfig(proofFile)), parser: 'markdown' }));
process.stdout.write(
  `Written: docs/PROOF.md. ${found.length} of ${hunts.length} planted faults found, ${sums.failures.length + brokenPaths.length} promises broken.\n`,
);
const isProved =
  sums.failures.length === 0 && brokenPaths.length === 0 && isClosed && found.length === hunts.length;
process.exitCode = isProved ? 0 : 1;
