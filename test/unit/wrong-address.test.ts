/**
 * An address that is not the product's, or has a path: each tool that asks the product says so, and what to do.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { doctor } from '../../packages/cli/src/commands/doctor.ts';
import { login } from '../../packages/cli/src/commands/login.ts';
import { createClient, WrongAddressError } from '../../packages/client/src/index.ts';
import { createServer as createMcpServer } from '../../packages/mcp/src/server.ts';
import type { Terminal } from '../../packages/cli/src/terminal.ts';

const notFound = { type: '/problems/not_found', title: 'There is nothing at this address.', status: 404 };

let server: Server;
/** Answers every path with a page, and those below `/api` as the product answers what it does not have. */
let origin: string;
const config = mkdtempSync(join(tmpdir(), 'wrong-address-'));

beforeAll(async () => {
  server = createServer((request, response) => {
    const isProduct = request.url?.startsWith('/api/') === true;
    response.writeHead(isProduct ? 404 : 200, {
      'content-type': isProduct ? 'application/problem+json' : 'text/html; charset=utf-8',
    });
    response.end(isProduct ? JSON.stringify({ ...notFound, code: 'not_found' }) : '<!doctype html>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(config, { recursive: true });
});

const terminal: Terminal = {
  isLive: false,
  columns: 80,
  write: () => Promise.resolve(),
  tell: () => undefined,
  ask: () => Promise.resolve(''),
};

const addresses: [string, () => string, RegExp][] = [
  [
    'that answers a page',
    () => origin,
    /not the address of a Lead Activation installation\. Check the address/,
  ],
  [
    'with a path',
    () => `${origin}/api`,
    /not the address of a Lead Activation installation\. Leave out the path: http:\/\/127\.0\.0\.1:\d+$/,
  ],
];

test.each(addresses)('the client refuses an address %s', async (_, url, words) => {
  const error: unknown = await createClient({ url: url() })
    .request('get', '/crm/settings')
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(WrongAddressError);
  expect((error as Error).message).toMatch(words);
});

test.each(addresses)('the doctor ends at an address %s', async (_, url, words) => {
  const call = { client: createClient({ url: url() }), options: {}, args: [], terminal };
  await expect(doctor({ ...call, signal: new AbortController().signal })).rejects.toThrow(words);
});

test('login remembers no address that answers a page', async () => {
  await expect(login({ url: `${origin}/leads` }, terminal, { XDG_CONFIG_HOME: config })).rejects.toThrow(
    WrongAddressError,
  );
  expect(readdirSync(config)).toEqual([]);
});

test.each(addresses)('an assistant hears of an address %s', async (_, url, words) => {
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const assistant = new Client({ name: 'test', version: '1.0.0' });
  await Promise.all([createMcpServer(createClient({ url: url() })).connect(theirs), assistant.connect(ours)]);
  const answer = await assistant.callTool({ name: 'list_leads', arguments: {} });
  expect(answer.isError).toBe(true);
  expect((answer.content as { text: string }[])[0]?.text).toMatch(words);
  await assistant.close();
});
