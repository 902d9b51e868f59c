/**
 * Shows that the import law of .dependency-cruiser.js bites: a small tree that breaks each rule once.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const files: Record<string, string> = {
  'tsconfig.json': '{ "compilerOptions": { "module": "esnext", "allowImportingTsExtensions": true } }',
  'src/shared/word.ts': 'export const word = 1;',
  'src/shared/breaks.ts': "import { rule } from '../core/rule.ts'; export const broken = rule;",
  'src/core/rule.ts': "import { word } from '../shared/word.ts'; export const rule = word;",
  'src/core/breaks.ts': "import type { Table } from '../crm/table.ts'; export type Broken = Table;",
  'src/mail/client.ts': "import { rule } from '../core/rule.ts'; export const client = rule;",
  'src/mail/breaks.ts': "import { env } from 'cloudflare:workers'; export const broken = env;",
  'src/crm/table.ts':
    "import { word } from '../shared/word.ts'; export interface Table { word: typeof word }",
  'src/crm/breaks.ts': "import { client } from '../mail/client.ts'; export const broken = client;",
  'src/durable/shell.ts':
    "import { env } from 'cloudflare:workers'; import { client } from '../mail/client.ts'; export const shell = [env, client];",
  'src/durable/breaks.ts': "import { face } from '../worker/face.ts'; export const broken = face;",
  'src/worker/face.ts': "import { shell } from '../durable/shell.ts'; export const face = shell;",
  'src/worker/breaks.ts': "import { tool } from '../../scripts/tool.ts'; export const broken = tool;",
  'scripts/tool.ts': 'export const tool = 1;',
  'web/src/page.ts': "import { word } from '../../src/shared/word.ts'; export const page = word;",
  'web/src/breaks.ts': "import { rule } from '../../src/core/rule.ts'; export const broken = rule;",
  'src/core/one.ts': "import { two } from './two.ts'; export const one = (): unknown => two;",
  'src/core/two.ts': "import { one } from './one.ts'; export const two = (): unknown => one;",
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-law-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
});
afterAll(() => rm(folder, { recursive: true }));

interface Report {
  summary: { violations: { from: string; rule: { name: string } }[] };
}

test('each forbidden import is reported under its rule, and no allowed one is', async () => {
  const tool = join(root, 'node_modules/.bin/depcruise');
  const config = join(root, '.dependency-cruiser.js');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [tool, '--config', config, '--output-type', 'json', 'src', 'web', 'scripts'],
    { cwd: folder },
  );
  const report = JSON.parse(stdout) as Report;
  const found = report.summary.violations.map(({ from, rule }) => `${from}: ${rule.name}`);
  expect([...new Set(found)].sort()).toEqual([
    'src/core/breaks.ts: core-imports-shared',
    'src/core/one.ts: no-cycles',
    'src/crm/breaks.ts: crm-imports-shared',
    'src/durable/breaks.ts: durable-imports-shared-core-mail-crm',
    'src/mail/breaks.ts: platform-in-its-shell',
    'src/shared/breaks.ts: shared-imports-nothing',
    'src/worker/breaks.ts: product-without-tests-and-scripts',
    'src/worker/breaks.ts: worker-imports-shared-core-mail-crm-durable',
    'web/src/breaks.ts: web-imports-shared',
  ]);
}, 30_000);
