/**
 * `npm run fuzz -- --requests 20000 --seed 7`: the heavy form of the fuzz test (test/workerd/fuzz.test.ts).
 *
 * Prints, per route, how often each status was answered.
 *
 * @module
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from './lib/local-state.ts';
import { spawnSupervised, stopAll } from './lib/processes.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
if (!/^[1-9]\d*$/.test(values.requests) || !/^\d+$/.test(values.seed)) {
  console.error('usage: npm run fuzz -- [--requests COUNT] [--seed NUMBER]');
  process.exit(2);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void stopAll().then(() => process.exit(130)));
}

console.log(`Seed ${values.seed}`);
const vitest = spawnSupervised(
  process.execPath,
  [
    join(projectRoot, 'node_modules/vitest/vitest.mjs'),
    ...['run', '--project', 'workerd', 'test/workerd/fuzz.test.ts', '--silent=false'],
  ],
  {
    cwd: projectRoot,
    env: { ...process.env, FUZZ_REQUESTS: values.requests, FUZZ_SEED: values.seed },
    output: (text) => process.stdout.write(text),
  },
);
const { code } = await vitest.ended;
console.log(
  `${code === 0 ? 'Held' : 'BROKEN'} over ${values.requests} requests. Again: npm run fuzz -- --requests ${values.requests} --seed ${values.seed}`,
);
process.exitCode = code ?? 1;
