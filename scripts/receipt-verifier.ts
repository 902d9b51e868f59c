/**
 * `npm run build:verifier`: makes packages/cli/lead-activation.mjs, one file without dependencies, from
 * packages/cli/src. With `--check` it writes nothing and fails when the file is not what it would write.
 *
 * The result is committed, so that `npx lead-activation verify` works without an earlier step, also in a Node that
 * cannot run TypeScript.
 *
 * @module
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { projectRoot } from './lib/local-state.ts';

const result = join(projectRoot, 'packages/cli/lead-activation.mjs');

const built = await build({
  configFile: false,
  root: projectRoot,
  logLevel: 'warn',
  build: {
    ssr: 'packages/cli/src/verifier.ts',
    write: false,
    target: 'node20',
    minify: false,
    rolldownOptions: {
      output: {
        banner:
          '#!/usr/bin/env node\n// Made from packages/cli/src by `npm run build:verifier`; change it there.',
      },
    },
  },
});
if (Array.isArray(built) || !('output' in built))
  throw new Error('Vite made something else than one bundle.');
const [file, ...others] = built.output;
if (others.length > 0) throw new Error('The verifier must be one file.');
const text = file.code;

if (process.argv.includes('--check')) {
  if (readFileSync(result, 'utf8') !== text) {
    console.error('packages/cli/lead-activation.mjs is not what its sources make: npm run build:verifier');
    process.exitCode = 1;
  }
} else {
  writeFileSync(result, text, { mode: 0o755 });
}
