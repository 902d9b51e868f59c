/**
 * `npm run check`: every check that needs no running product. A failed check does not stop the others, so
 * that one run shows everything. Two run at a time, because CI machines commonly have two cores.
 *
 * @module
 */
import { UserError, runToEnd, stopWhenAsked } from './lib/processes.ts';

/** npm scripts, the slowest first: `lint` takes as long as all others together. */
const checks = [
  'lint',
  'types',
  'format',
  'web',
  'imports',
  'unused',
  'deploy',
  'env',
  'mail',
  'verifier',
  'api',
  'packages',
];
const concurrentCount = 2;

/** Runs one check and prints its line, and its output when it failed. */
async function check(name: string): Promise<boolean> {
  const startedAt = performance.now();
  const { code, output } = await runToEnd('npm', ['run', '--silent', `check:${name}`], {
    ...process.env,
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_LOG_PATH: '.state/logs',
  });
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'failed'}  ${name}  (${seconds} s)`);
  if (code !== 0) console.log(output.trimEnd().replaceAll(/^/gm, '        '));
  return code === 0;
}

stopWhenAsked();

const waiting = [...checks];
const failed: string[] = [];
async function work(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    if (!(await check(name))) failed.push(name);
  }
}

try {
  await Promise.all(Array.from({ length: concurrentCount }, work));
} catch (error) {
  failed.push('run');
  console.error(error instanceof UserError ? error.message : error);
}
console.log(failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
