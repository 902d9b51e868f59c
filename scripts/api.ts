/**
 * `npm run check:api`: lints the description of the API, and compares it with the released one.
 *
 * docs/openapi-released.json is the description that clients were last promised. No command can make it again from the
 * source: it is what the source was. `npm run release:api` writes the present one there, with a release, or after a
 * breaking change that was decided on (docs/API.md).
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiDescription } from '../src/worker/http/api-description.ts';
import { breakingChanges } from './lib/api-changes.ts';
import { describeTheApi } from './lib/describe-api.ts';
import { projectRoot } from './lib/local-state.ts';
import { runToEnd } from './lib/processes.ts';

const releasedFile = join(projectRoot, 'docs/openapi-released.json');
const folder = join(projectRoot, '.state');
const presentFile = join(folder, 'openapi.json');

const present = await describeTheApi();
const text = `${JSON.stringify(present, null, 1)}\n`;

if (process.argv.includes('--release')) {
  writeFileSync(releasedFile, text);
  console.log('docs/openapi-released.json is the present description now.');
} else {
  mkdirSync(folder, { recursive: true });
  writeFileSync(presentFile, text);
  const lint = await runToEnd(
    join(projectRoot, 'node_modules/.bin/redocly'),
    ['lint', presentFile, '--config', join(projectRoot, 'redocly.yaml'), '--format', 'stylish'],
    { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', NO_COLOR: '1' },
  );
  if (lint.code !== 0 || /\bwarning/i.test(lint.output)) {
    console.log(lint.output.trim());
    process.exitCode = 1;
  }
  // Released or written by this script.
  const released = JSON.parse(readFileSync(releasedFile, 'utf8')) as ApiDescription;
  const changes = breakingChanges(released, present);
  if (changes.length > 0) {
    console.log('These changes break clients of the released API:');
    for (const change of changes) console.log(`  ${change}`);
    console.log(
      'Keep the old form beside the new one, or decide on the break: docs/API.md, "What may change".',
    );
    process.exitCode = 1;
  }
}
