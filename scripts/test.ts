/**
 * `npm test`: unit, workerd and browser tests, after installing and building what they need.
 *
 * Its last line is `N passed, N failed`, over all three. A file that cannot be loaded, a project without
 * tests and an error outside any test are failures too.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureChromium } from './lib/chromium.ts';
import { projectRoot } from './lib/local-state.ts';
import { UserError, spawnSupervised, stopWhenAsked } from './lib/processes.ts';
import { buildWebIfChanged } from './lib/web-build.ts';

interface Counts {
  passed: number;
  failed: number;
}

/** What of Vitest's JSON report is read here. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

/** Runs one project; `extra` are further arguments of the command line, such as a file's name. */
async function runProject(name: string, folder: string, extra: readonly string[]): Promise<Counts> {
  const reportFile = join(folder, `${name}.json`);
  const vitest = spawnSupervised(
    process.execPath,
    [
      join(projectRoot, 'node_modules/vitest/vitest.mjs'),
      ...[
        'run',
        '--project',
        name,
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${reportFile}`,
      ],
      ...extra,
    ],
    {
      cwd: projectRoot,
      env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}) },
      output: (text) => process.stdout.write(text),
    },
  );
  const { code } = await vitest.ended;
  let report: Report;
  try {
    report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
  } catch {
    return { passed: 0, failed: 1 };
  }
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  const failed = report.numFailedTests + unloaded;
  return { passed: report.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed };
}

stopWhenAsked();

const total: Counts = { passed: 0, failed: 0 };
const folder = mkdtempSync(join(tmpdir(), 'lead-activation-test-'));
try {
  await ensureChromium(() => console.log('Installing Chromium …'));
  await buildWebIfChanged(() => console.log('Building the web app …'));
  // One after the other: the browser tests are timed, and two cores are all there is.
  for (const name of ['unit', 'workerd', 'e2e']) {
    const counts = await runProject(name, folder, process.argv.slice(2));
    total.passed += counts.passed;
    total.failed += counts.failed;
  }
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  total.failed += 1;
} finally {
  rmSync(folder, { recursive: true });
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
