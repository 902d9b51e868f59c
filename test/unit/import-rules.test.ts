/**
 * Tests that the import rules of .dependency-cruiser.js report violations: a small tree breaks each rule once.
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
  'src/runtime/log.ts': "import { rule } from '../core/rule.ts'; export const log = rule;",
  'src/runtime/breaks.ts': "import { client } from '../mail/client.ts'; export const broken = client;",
  'src/durable/store/row.ts': 'export const row = 1;',
  'src/durable/shell.ts':
    "import { env } from 'cloudflare:workers'; import { client } from '../mail/client.ts'; export const shell = [env, client];",
  'src/durable/breaks.ts': "import { face } from '../worker/face.ts'; export const broken = face;",
  'src/worker/face.ts': "import { shell } from '../durable/shell.ts'; export const face = shell;",
  'src/worker/breaks.ts': "import { tool } from '../../scripts/tool.ts'; export const broken = tool;",
  'src/worker/reaches-in.ts': "import { row } from '../durable/store/row.ts'; export const broken = row;",
  'packages/cli/main.ts': "import { word } from '../../src/shared/word.ts'; export const main = word;",
  'packages/cli/breaks.ts': "import { rule } from '../../src/core/rule.ts'; export const broken = rule;",
  'packages/client/src/ask.ts':
    "import { word } from '../../../src/shared/word.ts'; export const ask = word;",
  'src/runtime/asks-itself.ts':
    "import { ask } from '../../packages/client/src/ask.ts'; export const broken = ask;",
  'web/src/asks.ts': "import { ask } from '../../packages/client/src/ask.ts'; export const asks = ask;",
  'web/src/runs.ts': "import { main } from '../../packages/cli/main.ts'; export const broken = main;",
  'scripts/tool.ts': 'export const tool = 1;',
  'web/src/page.ts': "import { word } from '../../src/shared/word.ts'; export const page = word;",
  'web/src/breaks.ts': "import { rule } from '../../src/core/rule.ts'; export const broken = rule;",
  'web/src/lib/messages/words.ts': "export const words = 'Sent';",
  'web/src/lib/api/breaks.ts': "import { words } from '../messages/words.ts'; export const broken = words;",
  'web/src/lib/leads/list.ts': "import { size } from '../imports/size.ts'; export const list = size;",
  'web/src/lib/leads/count.ts': 'export const count = 1;',
  'web/src/lib/imports/size.ts': 'export const size = 1;',
  'web/src/lib/imports/total.ts': "import { count } from '../leads/count.ts'; export const total = count;",
  'src/core/one.ts': "import { two } from './two.ts'; export const one = (): unknown => two;",
  'src/core/two.ts': "import { one } from './one.ts'; export const two = (): unknown => one;",
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-rules-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
});
afterAll(() => rm(folder, { recursive: true }));

interface Report {
  summary: { violations: { from: string; rule: { name: string } }[] };
}

test('each forbidden import is reported under its rule, and no allowed import is', async () => {
  const tool = join(root, 'node_modules/.bin/depcruise');
  const config = join(root, '.dependency-cruiser.js');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [tool, '--config', config, '--output-type', 'json', 'src', 'web', 'scripts', 'packages'],
    { cwd: folder },
  );
  const report = JSON.parse(stdout) as Report;
  const found = report.summary.violations.map(({ from, rule }) => `${from}: ${rule.name}`);
  expect([...new Set(found)].sort()).toEqual([
    'packages/cli/breaks.ts: packages-import-shared',
    'src/core/breaks.ts: core-imports',
    'src/core/one.ts: no-cycles',
    'src/crm/breaks.ts: crm-imports',
    'src/durable/breaks.ts: durable-imports',
    'src/mail/breaks.ts: platform-in-its-shell',
    'src/runtime/asks-itself.ts: product-without-tests-and-scripts',
    'src/runtime/breaks.ts: runtime-imports',
    'src/shared/breaks.ts: shared-imports',
    'src/worker/breaks.ts: product-without-tests-and-scripts',
    'src/worker/breaks.ts: worker-imports',
    'src/worker/reaches-in.ts: worker-imports-no-inner-part',
    'web/src/breaks.ts: web-imports-shared',
    'web/src/lib/api/breaks.ts: api-imports-no-words',
    'web/src/lib/imports: no-folder-cycles',
    'web/src/lib/leads: no-folder-cycles',
    'web/src/runs.ts: web-imports-shared',
  ]);
}, 30_000);
