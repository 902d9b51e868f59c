/**
 * `npm run chaos -- --crashes 10000`: the crash tests of `npm test` with as many injected crashes as asked for.
 *
 * @module
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { spawnSupervised, stopWhenAsked } from '../../scripts/lib/processes.ts';

const { values } = parseArgs({ options: { crashes: { type: 'string', default: '10000' } } });
if (!/^[1-9]\d{0,6}$/.test(values.crashes)) {
  console.error('usage: npm run chaos -- --crashes NUMBER');
  process.exit(2);
}
stopWhenAsked();
const vitest = spawnSupervised(
  process.execPath,
  [
    join(projectRoot, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--project',
    'workerd',
    'test/workerd/crash.test.ts',
  ],
  {
    cwd: projectRoot,
    env: { ...process.env, CHAOS_CRASHES: values.crashes },
    output: (text) => process.stdout.write(text),
  },
);
process.exitCode = (await vitest.ended).code ?? 1;
