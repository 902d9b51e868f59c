/**
 * `npm run simulate -- --seed S --hours H`: simulated worlds, until the hours are over or a promise is broken.
 *
 *   --seed S       the first world's seed (default 1); the next worlds have the next seeds
 *   --hours H      simulated hours (default 1000)       --worlds N, --crashes N, --seconds N: other limits
 *   --until T      ends at this time, epoch ms
 *   --replay       runs world S alone and prints its event log; --without 3,8 leaves these faults out
 *   --coverage     prints places × faults
 *   --json         prints the sums as one line of JSON at the end, and nothing else
 *   --sums S       prints the sums so far every S seconds, and goes on after a broken promise
 *   --sha256       prints the SHA-256 of the event logs of all worlds (with --worlds N) and nothing else, to compare
 *                  machines
 *   --mutant NAME  plants a fault of mutants/ first
 *   --control      the mail API forgets its keys: the check `mailed once` must report it
 *
 * Exits with 1 when a promise was broken.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { plant, requirePlanted, type SourceChange } from './platform/hooks.ts';
import { smallPages } from './small-pages.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    hours: { type: 'string' },
    worlds: { type: 'string' },
    crashes: { type: 'string' },
    seconds: { type: 'string' },
    until: { type: 'string' },
    replay: { type: 'boolean', default: false },
    without: { type: 'string', default: '' },
    coverage: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    sums: { type: 'string' },
    sha256: { type: 'boolean', default: false },
    mutant: { type: 'string' },
    control: { type: 'boolean', default: false },
  },
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = Number(values.seed);

const planned: SourceChange[] = [...smallPages];
if (values.mutant !== undefined) {
  const { mutants } = await import('./mutants/mutants.ts');
  const mutant = mutants.find(({ name }) => name === values.mutant);
  if (mutant === undefined) throw new Error(`There is no mutant of the name ${values.mutant}.`);
  planned.push(...mutant.changes);
}
plant(planned);
// After the planting: these load the product.
const { World } = await import('./world/world.ts');
const { runCampaign } = await import('./campaign.ts');
type Campaign = ReturnType<typeof runCampaign>;
const { shrink } = await import('./world/shrink.ts');
requirePlanted();

const leftOut = new Set(values.without.split(',').filter(Boolean).map(Number));
const options = { leftOut, forgetsKeys: values.control };

// The product's errors cost more to trace than to handle. A replay traces them.
if (!values.replay) Error.stackTraceLimit = 0;

function replay(): boolean {
  const result = new World({ ...options, seed, onLine: print }).run();
  print(
    result.violation === null
      ? 'No promise was broken.'
      : `BROKEN at ${result.violation.atMs} ms: ${result.violation.message}`,
  );
  return result.violation === null;
}

/** Of the source that runs; with a plus where something is not committed, empty without Git. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    return (
      git('rev-parse', 'HEAD') + (git('status', '--porcelain', '--', '.', '../../src') === '' ? '' : '+')
    );
  } catch {
    return '';
  }
}

/** Prints the SHA-256 of the event logs, line by line as a replay prints them. */
function digest(worldCount: number): boolean {
  const hash = createHash('sha256');
  let isWhole = true;
  for (let number = 0; number < worldCount; number++) {
    const onLine = (line: string): void => void hash.update(`${line}\n`);
    isWhole = new World({ ...options, seed: seed + number, onLine }).run().violation === null && isWhole;
  }
  print(hash.digest('hex'));
  return isWhole;
}

/** Prints the sums so far, every so many seconds, and each broken promise at once. */
function sumsPrinter(everySeconds: number): (sum: Campaign) => void {
  let printedAt = Date.now();
  let failureCount = 0;
  return (sum) => {
    for (const { seed: of, violation } of sum.failures.slice(failureCount))
      print(`BROKEN in world ${of}: ${violation?.message ?? ''}`);
    failureCount = sum.failures.length;
    if (Date.now() - printedAt < everySeconds * 1_000) return;
    printedAt = Date.now();
    const { coverage, failures, ...figures } = sum;
    const at = new Date().toISOString();
    print(JSON.stringify({ at, ...figures, pairCount: coverage.size, failureCount: failures.length }));
  };
}

function limit(value: string | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function campaign(): boolean {
  const limits = {
    worldCount: limit(values.worlds),
    crashCount: limit(values.crashes),
    seconds: limit(values.seconds),
    untilMs: limit(values.until),
    hours: limit(values.hours),
  };
  // Before anything else: it may be changed meanwhile.
  const startCommit = values.json ? commit() : '';
  const isUnlimited = Object.values(limits).every((value) => value === undefined);
  const set = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
  const sum = runCampaign(
    seed,
    isUnlimited ? { hours: 1_000 } : set,
    options,
    values.sums === undefined ? 1 : Infinity,
    values.sums === undefined ? undefined : sumsPrinter(Number(values.sums)),
  );
  const { coverage, failures, ...figures } = sum;
  if (values.json) {
    print(
      JSON.stringify({
        commit: startCommit,
        ...figures,
        coverage: Object.fromEntries(coverage),
        failures: failures.map(({ seed: of, violation }) => ({ seed: of, ...violation })),
      }),
    );
    return failures.length === 0;
  }
  const perSecond = (count: number): string => Math.round((count / sum.cpuMs) * 1_000).toLocaleString('en');
  print(
    `${sum.worldCount} worlds, seeds ${seed} to ${seed + sum.worldCount - 1}: ${sum.crashCount} crashes (${sum.stormCrashCount} in storms), ${sum.faultCount} faults and commands, ` +
      `${sum.mailCount} mails, ${(sum.simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${sum.stepCount} steps, ${sum.checkCount} checks of rows, ${sum.viewCount} views.`,
  );
  print(
    `${perSecond(sum.stepCount)} steps/s and ${perSecond(sum.crashCount)} crashes/s of CPU time. ${coverage.size} places × faults. Hash ${sum.hash.toString(16)}.`,
  );
  if (values.coverage) for (const [name, count] of [...coverage].sort()) print(`  ${name}: ${count}`);
  for (const failure of failures) {
    print(`\nBROKEN in world ${failure.seed}: ${failure.violation?.message ?? ''}`);
    const shrunk = shrink({ ...options, seed: failure.seed }, failure);
    print(`The ${shrunk.needed.length} of its ${failure.injected.length} faults that are needed:`);
    for (const { number, atMs, place, kind } of shrunk.needed)
      print(`  ${(atMs / 1_000).toFixed(3)} s  ${place} × ${kind}  (${number})`);
    const without = [...shrunk.leftOut].join(',');
    print(
      `Step through it: npm run simulate -- --replay --seed ${failure.seed}${without === '' ? '' : ` --without ${without}`}`,
    );
  }
  return failures.length === 0;
}

// From a timer: the simulator runs all microtasks itself.
setImmediate(() => {
  const run = values.replay ? replay : values.sha256 ? () => digest(limit(values.worlds) ?? 1) : campaign;
  process.exitCode = run() ? 0 : 1;
});
