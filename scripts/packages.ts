/**
 * Makes what a package publishes, in its `dist`: all of them for `npm run build:packages`, and the named one for its
 * `prepack`, which `npm pack` and `npm publish` run. With `--check` it packs each as a publication would, from an empty
 * `dist`, and fails where a file that package.json names is missing.
 *
 * @module
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'vite';
import { projectRoot } from './lib/local-state.ts';
import { UserError, runToEnd } from './lib/processes.ts';

const folder = (name: string): string => join(projectRoot, 'packages', name);

/** Nothing of an earlier build is published. */
const empty = (name: string): void => rmSync(join(folder(name), 'dist'), { recursive: true, force: true });

/** JavaScript and types by the compiler: other programs import it. */
async function compile(name: string): Promise<void> {
  empty(name);
  const { code, output } = await runToEnd(
    join(projectRoot, 'node_modules/.bin/tsc'),
    ['-p', join(folder(name), 'tsconfig.build.json')],
    process.env,
  );
  if (code !== 0) throw new UserError(`packages/${name} does not compile:\n${output}`);
}

/** One file with everything in it: a program that is run. */
async function bundle(name: string): Promise<void> {
  await build({
    configFile: false,
    root: projectRoot,
    logLevel: 'warn',
    ssr: { noExternal: true },
    build: {
      ssr: `packages/${name}/src/main.ts`,
      outDir: join(folder(name), 'dist'),
      emptyOutDir: true,
      target: 'node20',
      minify: false,
      rolldownOptions: { output: { entryFileNames: 'main.mjs', codeSplitting: false } },
    },
  });
}

const makers: Readonly<Record<string, (name: string) => Promise<void>>> = {
  client: compile,
  cli: bundle,
  mcp: bundle,
};

/** Packs it without writing, and returns what is wrong. */
async function pack(name: string): Promise<string[]> {
  empty(name);
  const { code, output } = await runToEnd(
    'npm',
    ['publish', '--dry-run', '--json', '--workspace', `packages/${name}`],
    {
      ...process.env,
      npm_config_loglevel: 'error',
    },
  );
  if (code !== 0) return [`packages/${name} could not be published:\n${output}`];
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const own = JSON.parse(readFileSync(join(folder(name), 'package.json'), 'utf8')) as {
    version: string;
    files: string[];
  };
  return [
    ...(own.version === version ? [] : [`packages/${name} has version ${own.version} and not ${version}`]),
    ...[...own.files, 'README.md']
      .filter((file) => !existsSync(join(folder(name), file)))
      .map((file) => `packages/${name} has no ${file}`),
  ];
}

try {
  const { values, positionals } = parseArgs({
    options: { check: { type: 'boolean' } },
    allowPositionals: true,
  });
  const names = positionals.length > 0 ? positionals : Object.keys(makers);
  if (values.check === true) {
    const problems = (await Promise.all(names.map(pack))).flat();
    for (const problem of problems) console.error(problem);
    if (problems.length > 0) process.exitCode = 1;
  } else {
    for (const name of names) {
      const make = makers[name];
      if (make === undefined) throw new UserError(`There is no package ${name} to build.`);
      await make(name);
    }
  }
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
