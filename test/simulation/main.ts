/**
 * `npm run simulate -- --seed S --hours H`: simulated worlds, until the hours are over or a promise is broken.
 *
 *   --seed S       the first world's seed (default 1); the next worlds have the next seeds
 *   --hours H      simulated hours (default 1000)       --worlds N, --crashes N, --seconds N: other limits
 *   --until T      ends at this time, epoch ms
 *   --replay       runs world S alone and prints its event log; --without 3,8 leaves these faults out
 *   --coverage     prints places × faults
 *   --json         prints the sums as one line of JSON, and nothing else
 *   --mutant NAME  plants a fault of mutants/ first
 *   --control      the mail API forgets its keys: the check `mailed once` must report it
 *
 * Exits with 1 when a promise was broken.
 *
 * @module
 */
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
  const isUnlimited = Object.values(limits).every((value) => value === undefined);
  const set = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
  const sum = runCampaign(seed, isUnlimited ? { hours: 1_000 } : set, options);
  const { coverage, failures, ...figures } = sum;
  if (values.json) {
    print(
      JSON.stringify({
        ...figures,
        coverage: Object.fromEntries(coverage),
        failures: failures.map(({ seed: of, violation }) => ({ seed: of, ...violation })),
      }),
    );
    return failures.length === 0;
  }
  const perSecond = (count: number): string => Math.round((count / sum.cpuMs) * 1_000).toLocaleString('en');
  print(
    `${sum.worldCount} worlds, seeds ${seed} to ${seed + sum.worldCount - 1}: ${sum.crashCount} crashes, ${sum.faultCount} faults and commands, ` +
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
  process.exitCode = (values.replay ? replay() : campaign()) ? 0 : 1;
});
