/**
 * `npm test`: unit, workerd and browser tests, after installing and building what they need.
 * `--project unit`, `workerd` or `e2e` runs one kind only; all other arguments go to Vitest, such as a file's name or `-t WORDS`.
 *
 * The last line is `N passed, N failed`, over all kinds. A file that cannot be loaded, a project without
 * tests and an error outside any test count as failures. Messages of the runtime about faults that tests
 * cause on purpose are left out (lib/expected-noise.ts).
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureChromium } from './lib/chromium.ts';
import { ExpectedNoise } from './lib/expected-noise.ts';
import { projectRoot } from './lib/local-state.ts';
import { UserError, spawnSupervised, stopWhenAsked } from './lib/processes.ts';
import { buildWebIfChanged, prepareWeb } from './lib/web-build.ts';

/** Kinds of test, and the Vitest projects of each. Browser tests are sensitive to other work on the machine. */
const kinds: Record<string, readonly string[]> = {
  unit: ['unit'],
  workerd: ['workerd'],
  e2e: ['e2e-timed', 'e2e'],
};

/** Kinds that run in one Vitest, at the same time; the groups run one after the other. */
const groups: readonly (readonly string[])[] = [['unit', 'workerd'], ['e2e']];

interface Counts {
  passed: number;
  failed: number;
}

/** The part of Vitest's JSON report that is read here. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

/** The projects that `--project` names, and the other arguments. */
function readArguments(args: readonly string[]): { projects: string[]; others: string[] } {
  const projects: string[] = [];
  const others: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    const value = arg === '--project' ? args[++at] : /^--project=(.*)$/.exec(arg)?.[1];
    if (value === undefined) others.push(arg);
    else projects.push(value);
  }
  const unknown = projects.find((name) => !groups.flat().includes(name));
  if (unknown !== undefined)
    throw new UserError(`There is no project ${unknown}; there are ${groups.flat().join(', ')}.`);
  return { projects: projects.length > 0 ? projects : groups.flat(), others };
}

/** Runs kinds of test in one Vitest; `others` are further arguments of its command line. */
async function runProjects(
  names: readonly string[],
  folder: string,
  others: readonly string[],
): Promise<Counts> {
  const reportFile = join(folder, `${names.join('-')}.json`);
  const noise = new ExpectedNoise((text) => process.stdout.write(text));
  const vitest = spawnSupervised(
    process.execPath,
    [
      join(projectRoot, 'node_modules/vitest/vitest.mjs'),
      'run',
      ...names.flatMap((name) => kinds[name] ?? []).map((name) => `--project=${name}`),
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`],
      ...others,
    ],
    {
      cwd: projectRoot,
      env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}) },
      output: (text) => {
        noise.write(text);
      },
    },
  );
  const { code } = await vitest.ended;
  noise.end();
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
  const { projects, others } = readArguments(process.argv.slice(2));
  if (projects.includes('e2e')) {
    await ensureChromium(() => console.log('Installing Chromium …'));
    await buildWebIfChanged(() => console.log('Building the web app …'));
  } else await prepareWeb();
  for (const group of groups) {
    const names = group.filter((name) => projects.includes(name));
    if (names.length === 0) continue;
    const counts = await runProjects(names, folder, others);
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
