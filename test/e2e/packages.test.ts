/**
 * The published client and command line, installed from what would be published into an empty project, against the
 * product: import, preview, start, follow through a kill of the server, results, receipt. The server for assistants
 * too. The program is the example in the client's README, word for word.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { runToEnd } from '../../scripts/lib/processes.ts';
import { BlocksToRun } from '../support/doc-blocks.ts';
import { type PackageUser, installPackages } from '../support/installed-packages.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

const leadCount = 60;

let product: Product;
let user: PackageUser;
let folder: string;
const blocks = new BlocksToRun('e2e/packages');

interface Ended {
  code: number | null;
  out: string;
  err: string;
}
interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves once the output has this. */
  until(words: RegExp): Promise<void>;
}

/** Runs a program in the project that has the packages, as its user would. */
function run(file: string, ...args: string[]): Running {
  const child = spawn(process.execPath, [file, ...args], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      XDG_CONFIG_HOME: join(folder, 'config'),
      LEAD_ACTIVATION_URL: product.stack.url,
      CF_ACCESS_CLIENT_ID: 'robot',
      CF_ACCESS_CLIENT_SECRET: 'not needed here',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  const waiting = new Set<() => void>();
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    for (const look of waiting) look();
  });
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  return {
    child,
    ended,
    until: (words) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!words.test(out)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
        void ended.then(() => reject(new Error(`ended without ${String(words)}:\n${out}${err}`)));
      }),
  };
}

const cli = (...args: string[]): Running => run(join(folder, 'node_modules/.bin/lead-activation'), ...args);

beforeAll(async () => {
  user = await installPackages();
  ({ folder } = user);
  // One email a call, ten calls a second: the kill below comes in the middle.
  product = await startProduct({ leadCount: 0, env: { MAIL_BATCH_MAX: '1', MAIL_RATE: '10' } });
});
afterAll(async () => {
  await product.close();
  await user.remove();
});

test('leads are imported from a file, and listed', async () => {
  const rows = Array.from({ length: leadCount }, (_, at) => `lead-${at}@example.com,First${at},fair`);
  await writeFile(
    join(folder, 'leads.csv'),
    ['Email,First name,Source', ...rows, 'nobody,X,fair', ''].join('\n'),
  );
  const imported = await cli('import', 'leads.csv', '--consent-source', 'fair 2026').ended;
  expect(imported.err).toBe('');
  expect(imported.out).toContain('leads.csv: 60 leads created, 0 updated, 0 unchanged');
  expect(imported.out).toContain(`line ${leadCount + 2}: `);
  expect(imported.code).toBe(0);
  const listed = await cli('leads', '--source', 'fair', '--limit', '3', '--json').ended;
  expect(
    listed.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { email: string }).email),
  ).toEqual(['lead-59@example.com', 'lead-58@example.com', 'lead-57@example.com']);
  expect(listed.err).toBe('3 of 60\n');
});

test('a wrong address is called that, and a wrong path is no page', async () => {
  const page = await fetch(`${product.stack.url}/leads`, { headers: { accept: 'text/html' } });
  expect(await page.text()).toContain('<!doctype html>');
  for (const path of ['/leads', '/api/leads', '/crm/lead'])
    expect((await fetch(product.stack.url + path)).status, path).toBe(404);
  const { code, err } = await cli('leads', '--url', product.standIn.url).ended;
  expect(err).toContain('that is not the address of a Lead Activation installation. Check the address');
  expect(code).toBe(1);
  // A path is no part of the address, which the command line knows, and the client says.
  expect((await cli('leads', '--limit', '1', '--url', `${product.stack.url}/api`).ended).code).toBe(0);
  await writeFile(
    join(folder, 'below.js'),
    `import { createClient } from 'lead-activation-client';
    await createClient({ url: process.env.LEAD_ACTIVATION_URL + '/api' }).request('get', '/crm/settings');`,
  );
  const below = await run(join(folder, 'below.js')).ended;
  expect(below.err).toContain(`WrongAddressError: ${product.stack.url}/api answered, but`);
  expect(below.err).toContain(`Leave out the path: ${product.stack.url}\n`);
});

test('the doctor says that no real email would leave, and that nothing is missing', async () => {
  const { code, out } = await cli('doctor').ended;
  expect(out).toContain('ok      Sign-in: ana@example.com, role admin');
  expect(out).toContain('warning Provider: a stand-in on this machine; no real email is sent');
  expect(code).toBe(0);
});

test('the program of the README follows an activation through a kill of the server, and each lead is mailed once', async () => {
  const example = blocks.take('packages/client/README.md › lead-activation-client');
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(12);
  await writeFile(join(folder, 'example.js'), example);
  const program = run(join(folder, 'example.js'));
  await program.until(/^running ([5-9]|[1-4]\d) of 60/m);
  await product.stack.killHard();
  await product.restart();
  const { code, out, err } = await program.ended;
  expect(err).toBe('');
  expect(out).toMatch(/^60 leads would get the email\n/);
  expect(out).toMatch(/\ncompleted 60 of 60\n$/);
  expect(code).toBe(0);
  const mailbox = await readMailbox(product.standIn.url);
  expect(mailbox.countByAddress.size).toBe(leadCount);
  expect(mailbox.duplicates).toEqual([]);
  const seen = [...out.matchAll(/^\w+ (\d+) of 60$/gm)].map(([, count]) => Number(count));
  expect(seen).toEqual([...seen].sort((one, other) => one - other));
});

test('what a language model is told has the same program, and the app serves it', async () => {
  const [told, ...more] = blocks.left;
  expect(more).toEqual([]);
  const program = blocks.take(told ?? '');
  expect(program).toBe(await readFile(join(folder, 'example.js'), 'utf8'));
  expect(await (await fetch(`${product.stack.url}/llms.txt`)).text()).toContain(program);
});

test('its results and its receipt are fetched, and the receipt is verified offline', async () => {
  const [{ sessionId }] = (
    await product.ask<{ activations: [{ sessionId: string }] }>('/crm/activation?limit=1')
  ).activations;
  const watched = await cli('watch', sessionId).ended;
  expect(watched.out).toBe('completed: 60 of 60, 60 sent\n');
  expect(watched.code).toBe(0);
  const csv = await cli('results', sessionId, '--csv').ended;
  expect(csv.out.trim().split('\n')).toHaveLength(leadCount + 1);
  const sent = await cli('results', sessionId, '--email', 'sent').ended;
  expect(sent.out.trim().split('\n')).toHaveLength(leadCount);
  await writeFile(join(folder, 'receipt.jsonl'), (await cli('receipt', sessionId).ended).out);
  const keys = await product.ask('/.well-known/lead-activation-receipt-keys.json');
  await writeFile(join(folder, 'keys.json'), JSON.stringify(keys));
  const verified = await cli('verify', 'receipt.jsonl', '--keys', 'keys.json').ended;
  expect(verified.out).toMatch(/\nProved\.\n$/);
  expect(verified.code).toBe(0);
});

test('a start is held to its preview; Ctrl-C ends the watching and not the activation', async () => {
  const rows = Array.from({ length: 40 }, (_, at) => `second-${at}@example.com,mail`);
  await writeFile(join(folder, 'second.csv'), ['Email,Source', ...rows, ''].join('\n'));
  expect((await cli('import', 'second.csv').ended).code).toBe(0);
  const previewed = await cli('preview', '--source', 'mail', '--template', 'welcome', '--json').ended;
  const { hash } = JSON.parse(previewed.out) as { hash: string };
  const start = ['start', '--source', 'mail', '--template', 'welcome', '--manifest'];

  await writeFile(join(folder, 'one-more.csv'), 'Email,Source\none-more@example.com,mail\n');
  expect((await cli('import', 'one-more.csv').ended).code).toBe(0);
  const refused = await cli(...start, hash).ended;
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('start with the new hash');

  const again = await cli('preview', '--source', 'mail', '--template', 'welcome', '--json').ended;
  // It is running until it was paused, however long the next program takes to start.
  const letGo = product.proxy.hold();
  const running = cli(...start, (JSON.parse(again.out) as { hash: string }).hash, '--watch');
  await running.until(/^running: /m);
  running.child.kill('SIGINT');
  const stopped = await running.ended;
  expect(stopped.code).toBe(130);
  const sessionId = stopped.out.split('\n')[0] ?? '';
  expect(stopped.err).toBe(
    `It goes on without this program. Watch it again: lead-activation watch ${sessionId}\n`,
  );
  expect((await cli('pause', sessionId).ended).out).toMatch(/^paused \(user\): /);
  letGo();
  expect((await cli('resume', sessionId).ended).code).toBe(0);
  const watched = await cli('watch', sessionId, '--json').ended;
  expect(watched.code).toBe(0);
  expect(JSON.parse(watched.out.trim().split('\n').at(-1) ?? '')).toMatchObject({
    state: 'completed',
    processed: 41,
  });
  expect((await readMailbox(product.standIn.url)).duplicates).toEqual([]);
});

test('an ended activation is taken back after its preview, and again changes nothing', async () => {
  const { activations } = await product.ask<{ activations: { sessionId: string; total: number }[] }>(
    '/crm/activation?limit=1',
  );
  const sessionId = activations[0]?.sessionId ?? '';
  const unmailed = await cli('take-back', sessionId).ended;
  expect(unmailed.err).toContain('0 leads become new again\n  0 stay');
  expect(unmailed.err).toContain('take-back needs --yes, or --manifest HASH');
  expect(unmailed.code).toBe(2);
  const [{ id }] = (await product.ask<{ leads: [{ id: number }] }>('/crm/leads?source=mail&limit=1')).leads;
  const edited = await fetch(`${product.stack.url}/crm/leads/${id}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: '{"stage": "won"}',
  });
  expect(edited.ok).toBe(true);
  const done = await cli('take-back', sessionId, '--all', '--yes').ended;
  expect(done.err).toMatch(/^40 leads become new again\n {2}1 stay: .+\n {2}0 were taken back before\n/);
  expect(done.out).toBe('40 new again, 1 kept\n');
  expect(done.code).toBe(0);
  const fresh = await product.ask<{ total: number }>('/crm/leads?source=mail&status=new');
  expect(fresh.total).toBe(40);
  const stale = await cli('take-back', sessionId, '--all', '--manifest', 'f'.repeat(64)).ended;
  expect(stale.err).toContain('Nothing was changed.');
  expect(stale.code).toBe(1);
});

test('an assistant previews and starts over the standard input and output', async () => {
  await writeFile(join(folder, 'fourth.csv'), 'Email,Source\nfourth@example.com,assistant\n');
  expect((await cli('import', 'fourth.csv').ended).code).toBe(0);
  const assistant = new Client({ name: 'test', version: '1' });
  await assistant.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [join(folder, 'node_modules/.bin/lead-activation-mcp')],
      env: { LEAD_ACTIVATION_URL: product.stack.url, XDG_CONFIG_HOME: join(folder, 'config') },
    }),
  );
  const call = async (name: string, args: Record<string, unknown>): Promise<string> => {
    const { content } = (await assistant.callTool({ name, arguments: args })) as {
      content: { text: string }[];
    };
    return content[0]?.text ?? '';
  };
  const audience = { filter: { source: 'assistant' } };
  const preview = JSON.parse(await call('preview_activation', { audience, templateId: 'welcome' })) as {
    hash: string;
    manifest: { audience: { outcomes: { willActivate: number } } };
  };
  expect(preview.manifest.audience.outcomes.willActivate).toBe(1);
  expect(await call('start_activation', { manifestHash: 'f'.repeat(64) })).toContain(
    'no preview with this hash',
  );
  const { sessionId } = JSON.parse(await call('start_activation', { manifestHash: preview.hash })) as {
    sessionId: string;
  };
  await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
  expect(JSON.parse(await call('list_results', { sessionId }))).toMatchObject([
    { email: 'fourth@example.com', emailState: 'sent' },
  ]);
  await assistant.close();
});

test('nobody is started by a command that says less than it must', async () => {
  await writeFile(join(folder, 'third.csv'), 'Email\nthird@example.com\n');
  expect((await cli('import', 'third.csv').ended).code).toBe(0);
  const mailCount = (await readMailbox(product.standIn.url)).mails.length;
  for (const [args, words] of [
    [['start', '--template', 'welcome'], 'Say who is meant'],
    [['start', '--status', 'new'], 'Say which email'],
    [['start', '--status', 'new', '--template', 'welcome'], 'A start needs --manifest'],
    [['start', '--leads', '1,x', '--template', 'welcome'], '--leads is a list of ids'],
    [['watch'], 'Name one activation'],
    [['launch'], 'There is no command launch'],
    [['leads', '--nonsense'], 'nonsense'],
    [['import', 'missing.csv'], 'there is no such file'],
    [['login', '--url', 'http://leads.example.com'], 'is not encrypted'],
  ] as const) {
    const { code, err } = await cli(...args).ended;
    expect(err, args.join(' ')).toContain(words);
    expect(code, args.join(' ')).toBe(2);
  }
  const unknown = await cli('watch', 'activation_1704123456789_a7bc3d2f1').ended;
  expect(unknown.code).toBe(1);
  expect(unknown.err).not.toContain('at ');
  expect((await readMailbox(product.standIn.url)).mails.length).toBe(mailCount);
});

test('the types of the package hold a program to the API', async () => {
  await mkdir(join(folder, 'typed'), { recursive: true });
  const compilerOptions = {
    ...{ noEmit: true, strict: true, skipLibCheck: false, module: 'nodenext', target: 'es2024', types: [] },
    lib: ['es2024', 'dom', 'dom.iterable', 'dom.asynciterable'],
  };
  await writeFile(join(folder, 'typed/tsconfig.json'), JSON.stringify({ compilerOptions }));
  const source = (line: string): string =>
    `import { createClient } from 'lead-activation-client';\nconst client = createClient({ url: 'http://localhost' });\n${line}\n`;
  const compile = async (line: string): Promise<string> => {
    await writeFile(join(folder, 'typed/program.ts'), source(line));
    const { output } = await runToEnd(join(projectRoot, 'node_modules/.bin/tsc'), [
      '-p',
      join(folder, 'typed'),
    ]);
    return output.trim();
  };
  expect(
    await compile(
      "const { total }: { total: number } = await client.request('get', '/crm/leads'); void total;",
    ),
  ).toBe('');
  expect(await compile("await client.request('get', '/crm/lead');")).toContain('/crm/lead');
  expect(
    await compile("await client.start({ audience: { leadIds: ['1'] }, templateId: 'welcome' });"),
  ).toContain('number');
});

// Last, because its leads are in no other test.
test('external ids of a file are read where their system is named, and a repeat changes nothing', async () => {
  await writeFile(join(folder, 'ids.csv'), 'Email,External ID\nids@example.org,901\nmore@example.org,901\n');
  const without = await cli('import', 'ids.csv').ended;
  expect(without.out).toContain('external ids were not read: name their system with --external-source');
  const once = await cli('import', 'ids.csv', '--external-source', 'hubspot').ended;
  expect(once.out).toContain('0 leads created, 1 updated, 0 unchanged');
  expect(once.out).toContain('line 3: the same external id as in line 2');
  const again = await cli('import', 'ids.csv', '--external-source', 'hubspot').ended;
  expect(again.out).toContain('0 leads created, 0 updated, 1 unchanged');
  await writeFile(join(folder, 'plain.csv'), 'Email\nids@example.org\n');
  const none = await cli('import', 'plain.csv', '--external-source', 'hubspot').ended;
  expect([none.code, none.err]).toEqual([2, expect.stringContaining('no column is one of external ids')]);
});
