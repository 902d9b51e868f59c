/**
 * `npm run build:packages`: makes what each package publishes, in its `dist`. With `--check` it also packs each as a
 * publication would, and fails where a file that package.json names is missing.
 *
 * @module
 */
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { projectRoot } from './lib/local-state.ts';
import { UserError, runToEnd } from './lib/processes.ts';

const folder = (name: string): string => join(projectRoot, 'packages', name);

/** JavaScript and types by the compiler: other programs import it. */
async function compile(name: string): Promise<void> {
  rmSync(join(folder(name), 'dist'), { recursive: true, force: true });
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

/** Packs it without writing, and returns what is wrong. */
async function pack(name: string): Promise<string[]> {
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
  await compile('client');
  await bundle('cli');
  await bundle('mcp');
  if (process.argv.includes('--check')) {
    const problems = (await Promise.all(readdirSync(join(projectRoot, 'packages')).map(pack))).flat();
    for (const problem of problems) console.error(problem);
    if (problems.length > 0) process.exitCode = 1;
  }
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
