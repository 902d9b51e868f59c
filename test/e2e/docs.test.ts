/**
 * The code blocks of the documentation, executed as a reader would: against an installation behind Cloudflare Access,
 * with a service token, and in a project that has the packages installed. What a reader fills in is filled in; nothing
 * else is changed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { freePort, spawnSupervised } from '../../scripts/lib/processes.ts';
import { localPerson, startStack } from '../../scripts/lib/stack.ts';
import type { ApiDescription } from '../../src/worker/http/api-description.ts';
import { AccessStandIn } from '../support/access-stand-in.ts';
import { BlocksToRun, fillIn } from '../support/doc-blocks.ts';
import { DescribedAnswers } from '../support/described-answers.ts';
import { type PackageUser, installPackages } from '../support/installed-packages.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

const robot = { id: 'e367826f93b8d71185e03fe518aff3b4.access', secret: 'cfast_of-this-test' };
const tokenHeaders = { 'cf-access-client-id': robot.id, 'cf-access-client-secret': robot.secret };
/** The id of docs/API.md. */
const sessionId = 'activation_1764580800000_a7bc3d2f1';
/** Several processes of the project start one after the other, each with a runtime, beside the product. */
const maxStartMs = 300_000;
/** The first lead that is created here is the lead 101 of the documentation. */
const importedCount = 100;

const blocks = new BlocksToRun('e2e/docs');
let product: Product;
let access: AccessStandIn;
let user: PackageUser;
let answers: DescribedAnswers;
let receiver: Server;
const events: { headers: Record<string, string>; body: string }[] = [];

beforeAll(async () => {
  access = await AccessStandIn.start({
    app: () => new URL(product.stack.url),
    people: {},
    serviceTokens: { [robot.id]: robot.secret },
  });
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
      events.push({
        headers: Object.fromEntries(headers) as Record<string, string>,
        body: Buffer.concat(chunks).toString(),
      });
      response.writeHead(204).end();
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  [user, product] = await Promise.all([
    installPackages(),
    startProduct({
      leadCount: importedCount,
      env: {
        ...access.settings,
        ROLE_ADMIN: `token:${robot.id}`,
        ACCESS_TOKEN_LABELS: `${robot.id}=robot`,
        WEBHOOKS_ALLOW_LOCAL: '1',
        MAIL_RATE: '100',
      },
    }),
  ]);
  answers = new DescribedAnswers(await ask<ApiDescription>('/openapi.json'));
});
afterAll(async () => {
  await access.close();
  receiver.close();
  await product.close();
  await user.remove();
});

/** The API as the service token. */
async function ask<T>(path: string, body?: unknown): Promise<T> {
  const response = await fetch(access.url + path, {
    headers: { ...tokenHeaders, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${text}`);
  return JSON.parse(text) as T;
}

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Runs a script in a shell. */
async function shell(script: string, { cwd = user.folder, env = {}, input = '' } = {}): Promise<Ended> {
  const child = spawn('bash', ['-c', script], {
    cwd,
    env: {
      PATH: process.env['PATH'],
      HOME: user.folder,
      XDG_CONFIG_HOME: join(user.folder, 'config'),
      CF_ACCESS_CLIENT_ID: robot.id,
      CF_ACCESS_CLIENT_SECRET: robot.secret,
      NODE: process.execPath,
      ...env,
    },
  });
  child.stdin.end(input);
  return endOf(child);
}

async function endOf(child: ChildProcess): Promise<Ended> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

/** The service token with each request, as the section on signing in says; and the answer with its head. */
const signedCurl = `
curl() {
  command curl -sS -i -w '\\n%{method} %{url_effective}' "\${token[@]}" "$@"
}
`;
const ownToken = 'token=()';
const sentToken = `token=(-H "CF-Access-Client-Id: $CF_ACCESS_CLIENT_ID" -H "CF-Access-Client-Secret: $CF_ACCESS_CLIENT_SECRET")`;

interface Answered<T> {
  status: number;
  body: T;
}

/** Runs a block that is one call of curl. @returns its answer, which is as the description of the API says */
async function curl<T>(script: string, token = sentToken): Promise<Answered<T>> {
  const { code, out, err } = await shell(`${token}\n${signedCurl}\n${script}`);
  expect(err).toBe('');
  expect(code).toBe(0);
  const [, head = '', body = '', method = '', url = ''] =
    /^(HTTP[\s\S]*?)\r\n\r\n([\s\S]*)\n([A-Z]+) (\S+)$/.exec(out) ?? [];
  const [first = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const at = line.indexOf(':');
    return [line.slice(0, at), line.slice(at + 1).trim()];
  });
  const status = Number(first.split(' ')[1]);
  await answers.check(new Request(url, { method }), new Response(body, { status, headers }));
  expect(status, body).toBeLessThan(300);
  return { status, body: JSON.parse(body) as T };
}

const inApi = (heading: string): string => blocks.take(`docs/API.md › ${heading}`);
const here = (): Record<string, string> => ({ '…/crm': `${access.url}/crm` });

/** What a value is made of: names and types, without its contents. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return [...new Set(value.map((item) => JSON.stringify(shapeOf(item))))];
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, member]) => [name, shapeOf(member)] as const)
      .sort(([one], [other]) => one.localeCompare(other)),
  );
}

describe('docs/API.md', () => {
  test('signs in with a service token', async () => {
    const script = fillIn(inApi('Sign in'), { 'https://leads.example.com': access.url });
    const { body } = await curl<{ user: { name: string; role: string } }>(script, ownToken);
    expect(body.user).toMatchObject({ name: 'robot', role: 'admin' });
  });

  test('keeps a lead as another system has it', async () => {
    const { status, body } = await curl<{ id: number; tags: string[] }>(
      fillIn(inApi('Keep leads as another system has them'), here()),
    );
    expect([status, body.id, body.tags]).toEqual([201, 101, ['trade-fair']]);
  });

  test('writes many leads, and gets the answer that it shows', async () => {
    const { body } = await curl(fillIn(inApi('Many at once'), here()));
    expect(body).toEqual(JSON.parse(inApi('Many at once (2)')));
  });

  test('changes a lead that nobody else has changed', async () => {
    const lead = await fetch(`${access.url}/crm/leads/101`, { headers: tokenHeaders });
    const block = inApi('Change a lead that somebody else may change');
    const tag = lead.headers.get('etag') ?? '';
    expect(tag).toMatch(/^"\d+--"$/);
    const script = fillIn(block, { ...here(), '"17--"': tag });
    expect((await curl<{ stage: string }>(script)).body.stage).toBe('qualified');
    await expect(curl(script)).rejects.toThrow('lead_changed');
  });

  test('puts leads on a list', async () => {
    await ask('/crm/leads', { email: 'web@example.com', source: 'web', tags: ['trial'] });
    await curl(fillIn(inApi('Tags and lists'), here()));
    const { leads } = await ask<{ leads: { tags: string[] }[] }>('/crm/leads?source=web');
    expect(leads.map(({ tags }) => tags)).toEqual([['newsletter']]);
  });

  test('reads what has changed, page by page', async () => {
    const first = await curl<{ leads: unknown[]; nextCursor: string }>(
      fillIn(inApi('Read what has changed'), here()),
    );
    expect(first.body.leads).toHaveLength(importedCount + 2);
    const next = await curl<{ leads: unknown[] }>(
      fillIn(inApi('Read what has changed (2)'), {
        ...here(),
        '<nextCursor>': encodeURIComponent(first.body.nextCursor),
      }),
    );
    expect(next.body.leads).toEqual([]);
  });

  test('starts what it has previewed; its events are verified, and are as it shows', async () => {
    const { secret } = await ask<{ secret: string }>('/crm/webhooks', {
      kind: 'webhook',
      target: `http://127.0.0.1:${String((receiver.address() as AddressInfo).port)}/events`,
      types: ['lead.emailed'],
    });
    for (const name of ['ada', 'ben', 'cy'])
      await ask('/crm/leads', {
        ...{ email: `${name}@fair.example`, source: 'trade-fair' },
        externalId: { source: 'hubspot', id: name },
      });
    const preview = await curl<{ hash: string }>(fillIn(inApi('Start an activation and follow it'), here()));
    await curl(
      fillIn(inApi('Start an activation and follow it (2)'), {
        ...here(),
        '<hash of step 2>': preview.body.hash,
      }),
    );
    await expect.poll(() => events.length, { timeout: 60_000 }).toBeGreaterThan(0);
    const [event] = events;
    const example = JSON.parse(inApi('Events')) as unknown;
    expect(shapeOf(JSON.parse(event?.body ?? ''))).toEqual(shapeOf(example));
    const program = fillIn(inApi('Events (2)'), { 'whsec_…': secret });
    // In the project itself, whose packages have the library.
    const folder = join(projectRoot, 'node_modules/.cache/lead-activation/docs');
    await mkdir(folder, { recursive: true });
    const file = join(folder, 'verify.mjs');
    const given = `const { body, headers } = ${JSON.stringify(event)};\n`;
    await writeFile(file, `${given}${program}\nconsole.log(event.type);\n`);
    expect(await shell(`"$NODE" ${file}`)).toEqual({ code: 0, out: 'lead.emailed\n', err: '' });
  });
});

describe('docs/DEBUGGING.md', () => {
  const inDebugging = (heading: string): string => blocks.take(`docs/DEBUGGING.md › ${heading}`);
  /** SQLite's own program is not on every machine: Node's SQLite reads the same file, from the same arguments. */
  const sqlite3 = `
sqlite3() {
  "$NODE" --no-warnings -e '
    const [, path, sql = require("node:fs").readFileSync(0, "utf8")] = process.argv;
    const database = new (require("node:sqlite").DatabaseSync)(path);
    for (const one of sql.split(";").filter((text) => text.trim() !== ""))
      for (const row of database.prepare(one).all()) console.log(Object.values(row).join("|"));
  ' "$@"
}
`;
  let sessionFile = '';

  test('finds the session in the log', async () => {
    const log = product.stack.logFile;
    const script = fillIn(inDebugging('The log'), {
      '.state/logs/worker.log': log,
      // It would follow the log for ever.
      'tail -f': 'tail -n 1',
      activation_1704123456789_a7bc3d2f1: sessionId,
    });
    const { code, out } = await shell(script);
    expect(code).toBe(0);
    expect(out).toContain(`"sessionId":"${sessionId}"`);
  });

  test('finds the file of a session, and asks it the useful questions', async () => {
    const heading = 'What a session has on disk';
    const script = fillIn(inDebugging(heading), { '.state': product.stateDir });
    const { out } = await shell(`${sqlite3}\n${script}\ntrue`);
    const [, name = ''] = new RegExp(`^(.+)\\|${sessionId}$`, 'm').exec(out) ?? [];
    expect(name).toMatch(/\.sqlite$/);
    sessionFile = join(product.stateDir, 'v3/do/lead-activation-ActivationSession', name);
    expect(existsSync(sessionFile)).toBe(true);
    const open = fillIn(inDebugging(`${heading} (2)`), { '8e38….sqlite': sessionFile });
    const asked = await shell(`${sqlite3}\n${open}`, { input: inDebugging(`${heading} (3)`) });
    expect(asked.err).toBe('');
    expect(asked.out).toContain('completed');
  });
});

describe('packages/cli/README.md', () => {
  const lines = (): string[] =>
    blocks
      .take('packages/cli/README.md › lead-activation')
      .split('\n')
      .map((line) => line.replaceAll('https://leads.example.com', access.url));
  let rest: string[] = [];
  /** Only what login has remembered. */
  const noToken = { CF_ACCESS_CLIENT_ID: '', CF_ACCESS_CLIENT_SECRET: '' };

  test('logs in with a service token that is typed, and never shown', async () => {
    const [login = '', ...others] = lines();
    rest = others;
    const wrong = await typeAt(login, ['Client id', robot.id], ['Client secret', 'guessed']);
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain('The server asks for a sign-in');
    const { code, out } = await typeAt(login, ['Client id', robot.id], ['Client secret', robot.secret]);
    expect(out).toContain(`robot, role admin, at ${access.url}. Remembered in `);
    expect(out).not.toContain(robot.secret);
    expect(code).toBe(0);
  });

  test('imports, previews, starts, and proves', async () => {
    await writeFile(join(user.folder, 'fair.csv'), 'Email\none@fair.test\ntwo@fair.test\n');
    const filled: Record<string, string> = {};
    for (const line of rest) {
      const script = Object.entries(filled).reduce(
        (text, [blank, value]) => text.replace(blank, value),
        line,
      );
      const { code, out, err } = await shell(script, { env: noToken });
      expect(code, `${script}\n${out}${err}`).toBe(0);
      const hash = /^Manifest ([0-9a-f]{64})$/m.exec(out)?.[1];
      if (hash !== undefined) filled['HASH'] = hash;
      const started = /^activation_\d{13}_[a-z0-9]{9}$/m.exec(out)?.[0];
      if (started !== undefined) filled['activation_1704123456789_a7bc3d2f1'] = started;
      if (line.includes(' verify ')) expect(out).toMatch(/^Proved, if the key/m);
    }
    const { countByAddress, duplicates } = await readMailbox(product.standIn.url);
    expect([countByAddress.get('one@fair.test'), countByAddress.get('two@fair.test')]).toEqual([1, 1]);
    expect(duplicates).toEqual([]);
  });

  /** Runs a command on a terminal of its own, and types an answer at each question. */
  async function typeAt(command: string, ...answered: [question: string, answer: string][]): Promise<Ended> {
    // The command `script` of util-linux, and that of BSD.
    const args =
      process.platform === 'darwin'
        ? ['-q', '/dev/null', 'sh', '-c', command]
        : ['-qec', command, '/dev/null'];
    const child = spawn('script', args, {
      cwd: user.folder,
      env: { PATH: process.env['PATH'], XDG_CONFIG_HOME: join(user.folder, 'config'), TERM: 'dumb' },
    });
    let seen = '';
    const questions = [...answered];
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      const [next] = questions;
      if (next === undefined || !seen.includes(next[0])) return;
      questions.shift();
      child.stdin.write(`${next[1]}\n`);
    });
    return endOf(child);
  }
});

describe('docs/RECEIPT.md', () => {
  const file = 'activation_….receipt.jsonl';

  test('verifies a receipt, also with the file alone, and takes a person out of it', async () => {
    const download = async (path: string, name: string): Promise<void> => {
      const response = await fetch(access.url + path, { headers: tokenHeaders });
      await writeFile(join(user.folder, name), await response.text());
    };
    await download(`/crm/activation/${sessionId}/receipt`, file);
    await download('/.well-known/lead-activation-receipt-keys.json', 'lead-activation-receipt-keys.json');
    await download('/lead-activation.mjs', 'lead-activation.mjs');
    const verified = await shell(`set -e\n${blocks.take('docs/RECEIPT.md › Verify')}`);
    expect(verified.err).toBe('');
    // Without the keys, the reader is told which one to compare.
    expect(verified.out.match(/^Proved(\.|, if the key .+)$/gm), verified.out).toHaveLength(2);
    const { leads } = await ask<{ leads: { leadId: number }[] }>(`/crm/activation/${sessionId}/leads`);
    const redact = fillIn(blocks.take('docs/RECEIPT.md › Erasure'), {
      FILE: file,
      '--lead 17': `--lead ${String(leads[0]?.leadId)}`,
    });
    const redacted = await shell(`${redact}\n"$NODE" lead-activation.mjs verify without-17.jsonl`);
    expect(redacted.out).toMatch(/^Proved, if the key/m);
    expect(redacted.code).toBe(0);
  });
});

describe('packages/mcp/README.md', () => {
  const tokenEnv = { CF_ACCESS_CLIENT_ID: robot.id, CF_ACCESS_CLIENT_SECRET: robot.secret };

  async function listLeads(assistant: Client): Promise<{ total: number }> {
    const { content } = (await assistant.callTool({
      name: 'list_leads',
      arguments: { filter: { source: 'trade-fair' } },
    })) as { content: { text: string }[] };
    await assistant.close();
    return JSON.parse(content[0]?.text ?? '') as { total: number };
  }

  test('configures a server that answers an assistant', async () => {
    const block = fillIn(blocks.take('packages/mcp/README.md › lead-activation-mcp'), {
      'https://leads.example.com': access.url,
    });
    const { command, args, env } = (
      JSON.parse(block) as {
        mcpServers: Record<string, { command: string; args: string[]; env: Record<string, string> }>;
      }
    ).mcpServers['lead-activation'] ?? { command: '', args: [], env: {} };
    expect(Object.keys(env)).toEqual(['LEAD_ACTIVATION_URL', ...Object.keys(tokenEnv)]);
    const assistant = new Client({ name: 'test', version: '1' });
    await assistant.connect(
      new StdioClientTransport({
        ...{ command, args, cwd: user.folder },
        env: { ...env, ...tokenEnv, PATH: process.env['PATH'] ?? '' },
      }),
    );
    expect((await listLeads(assistant)).total).toBe(3);
  });

  test('serves over HTTP whom Access lets in, and nobody else', async () => {
    const port = await freePort();
    const front = await AccessStandIn.start({
      app: () => new URL(`http://127.0.0.1:${String(port)}`),
      people: {},
      serviceTokens: { [robot.id]: robot.secret },
    });
    const child = spawn(
      process.execPath,
      [join(user.folder, 'node_modules/.bin/lead-activation-mcp'), '--http', String(port)],
      {
        env: {
          ...{ ...tokenEnv, LEAD_ACTIVATION_URL: access.url },
          ...{ ACCESS_TEAM_DOMAIN: front.team.issuer, ACCESS_AUD: front.team.audience },
        },
      },
    );
    try {
      const [line] = (await once(child.stderr, 'data')) as [Buffer];
      expect(line.toString()).toBe(`http://127.0.0.1:${String(port)}/mcp\n`);
      const connect = async (url: string, headers: Record<string, string>): Promise<Client> => {
        const assistant = new Client({ name: 'test', version: '1' });
        // The class of the SDK is not assignable to its own interface under exactOptionalPropertyTypes.
        const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), {
          requestInit: { headers },
        }) as Parameters<Client['connect']>[0];
        await assistant.connect(transport);
        return assistant;
      };
      expect((await listLeads(await connect(front.url, tokenHeaders))).total).toBe(3);
      await expect(connect(`http://127.0.0.1:${String(port)}`, tokenHeaders)).rejects.toThrow();
      const foreign = await access.team.sign(access.team.tokenClaims(robot.id));
      await expect(
        connect(`http://127.0.0.1:${String(port)}`, { 'cf-access-jwt-assertion': foreign }),
      ).rejects.toThrow();
    } finally {
      child.kill();
      await front.close();
    }
  });
});

describe('docs/RECOVERY.md', () => {
  test('backs up, restores into a new folder, and reconciles', { timeout: maxStartMs }, async () => {
    const env = { STATE_DIR: product.stateDir, BACKUP_PASSPHRASE: 'correct horse battery staple' };
    const run = async (name: string, values: Record<string, string>): Promise<string> => {
      const script = fillIn(blocks.take(`docs/RECOVERY.md › ${name}`), values);
      const { code, out, err } = await shell(script, { cwd: projectRoot, env });
      expect(code, out + err).toBe(0);
      return out;
    };
    const written = /backups\/local-[\w-]+/.exec(await run('Back up', {}))?.[0] ?? '';
    const folder = join(user.folder, 'backup');
    await rename(join(projectRoot, written), folder);
    const restored = join(user.folder, 'restored');
    await run('Restore', { FOLDER: folder, DIR: restored });
    const stack = await startStack({
      stateDir: restored,
      mail: new URL(product.proxy.url),
      env: { LOCAL_PERSON: localPerson },
    });
    try {
      const said = await run('Restore (2)', { 'http://127.0.0.1:8787': stack.url, DIR: restored });
      expect(said).not.toBe('');
      const recovery = await fetch(`${stack.url}/crm/maintenance/recovery`);
      expect(await recovery.json()).toMatchObject({ open: null });
    } finally {
      await stack.stop();
    }
  });
});

describe('README.md', () => {
  /** Runs a command that serves until it is stopped, and waits until an address answers. */
  async function serves(command: string, port: number, env: Record<string, string>): Promise<void> {
    // The second start goes on with the leads of the first.
    const stateDir = join(user.folder, 'state');
    let output = '';
    const running = spawnSupervised('bash', ['-c', command], {
      cwd: projectRoot,
      env: { ...process.env, ...env, STATE_DIR: stateDir },
      output: (text) => (output += text),
    });
    let hasEnded = false;
    void running.ended.then(() => (hasEnded = true));
    const isThere = async (): Promise<boolean> => {
      if (hasEnded) throw new Error(output);
      const response = await fetch(`http://127.0.0.1:${String(port)}/crm/leads?limit=1`).catch(() => null);
      if (response?.ok !== true) return false;
      return ((await response.json()) as { total: number }).total > 0;
    };
    try {
      await expect.poll(isThere, { timeout: maxStartMs, interval: 300 }).toBe(true);
    } finally {
      await running.stop();
    }
  }

  test('starts the app with sample leads', { timeout: maxStartMs }, async () => {
    const port = await freePort();
    await serves(blocks.take('README.md › Lead Activation').trim(), port, { PORT: String(port) });
  });

  test('starts the app for developing, as CONTRIBUTING.md does', { timeout: maxStartMs }, async () => {
    const command = blocks.take('README.md › Working on it').split('#')[0]?.trim() ?? '';
    const [other] = blocks.take('CONTRIBUTING.md › The inner loop').split('#');
    expect(other?.trim()).toBe(command);
    const [port, dev, inspector] = [await freePort(), await freePort(), await freePort()].map(String);
    await serves(command, Number(dev), { PORT: port, DEV_PORT: dev, INSPECTOR_PORT: inspector } as Record<
      string,
      string
    >);
  });
});

test('no block that this file executes was left out', () => {
  expect(blocks.left).toEqual([]);
});
