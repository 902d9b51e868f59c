/**
 * Builds the web app when its sources are not those of the last build.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './local-state.ts';
import { UserError, runToEnd } from './processes.ts';

const sources = [
  'web/src',
  'web/static',
  'web/vite.config.ts',
  'web/tsconfig.json',
  'scripts/docs-assets.ts',
  'packages/cli/lead-activation.mjs',
  'packages/client/src/exchange.ts',
  'src/shared',
  'package-lock.json',
];
const shell = join(projectRoot, 'web/build/index.html');
// Not in web/build, because all of that folder is served.
const stampFolder = join(projectRoot, 'node_modules/.cache/lead-activation');
const stampFile = join(stampFolder, 'web-build');

function* filesUnder(path: string): Generator<string> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    yield path;
    return;
  }
  for (const name of readdirSync(path).sort()) yield* filesUnder(join(path, name));
}

/** Names the content of all sources; a checkout that touches only times changes nothing. */
function sourceHash(): string {
  const hash = createHash('sha256');
  for (const source of sources) {
    for (const file of filesUnder(join(projectRoot, source))) {
      hash.update(file.slice(projectRoot.length)).update('\0').update(readFileSync(file)).update('\0');
    }
  }
  return hash.digest('hex');
}

/** The stamp includes the time of the build, so that a build by other means does not match it. */
function stamp(): string | null {
  const built = statSync(shell, { throwIfNoEntry: false });
  return built === undefined ? null : `${sourceHash()} ${String(built.mtimeMs)}`;
}

function lastStamp(): string | null {
  try {
    return readFileSync(stampFile, 'utf8');
  } catch {
    return null;
  }
}

/** @throws UserError with the script's output when it fails */
async function runScript(name: string, failure: string, env?: NodeJS.ProcessEnv): Promise<void> {
  const result = await runToEnd('npm', ['run', '--silent', name], env);
  if (result.code === 0) return;
  console.error(result.output.trimEnd());
  throw new UserError(`${failure}, see above.`);
}

/**
 * Makes the compiler settings of the web app (`web/node_modules/$app`) where there are none: tests outside of a browser
 * load its files too.
 *
 * @throws UserError with the output when it fails
 */
export async function prepareWeb(): Promise<void> {
  if (existsSync(join(projectRoot, 'web/node_modules/$app/tsconfig'))) return;
  await runScript('sync:web', 'The web app could not be prepared');
}

/**
 * Builds `web/build` when it differs from the sources.
 *
 * @param onBuild - told once when there is something to build
 * @throws UserError with the build's output when it fails
 */
export async function buildWebIfChanged(onBuild: () => void = () => undefined): Promise<void> {
  const current = stamp();
  if (current !== null && current === lastStamp()) return;
  onBuild();
  // A test runner's own mode would make it a development build: larger, and full of this machine's paths.
  await runScript('build:web', 'The web app could not be built', { ...process.env, NODE_ENV: 'production' });
  mkdirSync(stampFolder, { recursive: true });
  writeFileSync(stampFile, stamp() ?? '');
}
