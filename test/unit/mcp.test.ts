/**
 * The server for assistants: whatever an assistant calls in whatever order, nobody is mailed without a preview in the
 * same conversation.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { describe, expect, test } from 'vitest';
import { createClient } from '../../packages/client/src/index.ts';
import { createHandler, maxIdleMs } from '../../packages/mcp/src/http.ts';
import { createServer } from '../../packages/mcp/src/server.ts';
import { sha256Hex } from '../../src/shared/sha256.ts';
import { seededRandom } from '../support/random.ts';

/** A product that previews and starts, and remembers what it was asked. */
class FakeProduct {
  /** Hash of what would come out for each body; it changes when the world does. */
  #world = 0;
  readonly starts: { sessionId: string; manifestHash: string; body: string }[] = [];
  readonly previews: { hash: string; body: string }[] = [];
  readonly #sessions = new Map<string, string>();
  readonly takeBackPreviews: { hash: string; body: string }[] = [];
  readonly takenBack: { hash: string; body: string }[] = [];

  changeWorld(): void {
    this.#world += 1;
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const { pathname } = new URL(request.url);
    const body = request.method === 'POST' ? await request.text() : '';
    if (pathname === '/crm/activation/manifest') {
      const hash = await this.#hash(body);
      this.previews.push({ hash, body });
      return Response.json({ hash, manifest: { audience: { total: 1 } } });
    }
    if (pathname === '/crm/activation' && request.method === 'POST') {
      const { sessionId, manifestHash, ...rest } = JSON.parse(body) as Record<string, string>;
      const meant = JSON.stringify(rest);
      if (sessionId === undefined || manifestHash === undefined) return this.#refuse('invalid_request', 422);
      const known = this.#sessions.get(sessionId);
      if (known === undefined) {
        if (manifestHash !== (await this.#hash(meant))) return this.#refuse('manifest_changed', 409);
        this.#sessions.set(sessionId, meant);
        this.starts.push({ sessionId, manifestHash, body: meant });
      }
      return Response.json({ sessionId, state: 'queued' }, { status: known === undefined ? 201 : 200 });
    }
    if (pathname.endsWith('/take-back/manifest')) {
      const hash = await this.#hash(`take back ${body}`);
      this.takeBackPreviews.push({ hash, body });
      return Response.json({ hash, manifest: { kept: 0 } });
    }
    if (pathname.endsWith('/take-back')) {
      const { manifestHash, ...rest } = JSON.parse(body) as Record<string, string>;
      const meant = JSON.stringify(rest);
      if (manifestHash !== (await this.#hash(`take back ${meant}`)))
        return this.#refuse('take_back_changed', 409);
      this.takenBack.push({ hash: manifestHash, body: meant });
    }
    if (pathname === '/crm/leads')
      return Response.json({ leads: [], total: 0, isTotalExact: true, nextCursor: null });
    return Response.json({ sessionId: pathname.split('/')[3], state: 'paused' });
  };

  async #hash(body: string): Promise<string> {
    return sha256Hex(`${this.#world} ${body}`);
  }
  #refuse(code: string, status: number): Response {
    return Response.json({ type: '/', title: code, detail: code, status, code }, { status });
  }
}

interface Conversation {
  call(name: string, args: Record<string, unknown>): Promise<{ text: string; isError: boolean }>;
  close(): Promise<void>;
}

async function converse(product: FakeProduct): Promise<Conversation> {
  const server = createServer(createClient({ url: 'https://leads.example.com', fetch: product.fetch }));
  const [near, far] = InMemoryTransport.createLinkedPair();
  const assistant = new Client({ name: 'test', version: '1' });
  await Promise.all([server.connect(far), assistant.connect(near)]);
  return {
    async call(name, args) {
      const { content, isError } = (await assistant.callTool({ name, arguments: args })) as {
        content: { text: string }[];
        isError?: boolean;
      };
      return { text: content[0]?.text ?? '', isError: isError === true };
    },
    close: () => assistant.close(),
  };
}

const audiences = [
  { filter: { status: 'new' } },
  { filter: { search: 'Berlin' } },
  { leadIds: [1, 2] },
  { filter: {} },
];
const templates = ['welcome', 'pick-up'];

describe('an assistant', () => {
  test('previews, starts what it previewed, and gets the same activation for the same hash', async () => {
    const product = new FakeProduct();
    const { call, close } = await converse(product);
    const preview = await call('preview_activation', { audience: audiences[0], templateId: 'welcome' });
    const { hash } = JSON.parse(preview.text) as { hash: string };
    const first = await call('start_activation', { manifestHash: hash });
    const second = await call('start_activation', { manifestHash: hash });
    expect(first.isError).toBe(false);
    expect(second.text).toBe(first.text);
    expect(product.starts).toHaveLength(1);
    await close();
  });

  test('cannot start what another conversation previewed, or what has changed since', async () => {
    const product = new FakeProduct();
    const [one, other] = [await converse(product), await converse(product)];
    const preview = await one.call('preview_activation', { audience: audiences[0], templateId: 'welcome' });
    const { hash } = JSON.parse(preview.text) as { hash: string };
    const foreign = await other.call('start_activation', { manifestHash: hash });
    expect(foreign.isError).toBe(true);
    expect(foreign.text).toContain('no preview with this hash');
    product.changeWorld();
    const late = await one.call('start_activation', { manifestHash: hash });
    expect(late).toEqual({ isError: true, text: 'manifest_changed' });
    expect(product.starts).toEqual([]);
    await Promise.all([one.close(), other.close()]);
  });

  test('is told that an empty filter would mean everybody', async () => {
    const product = new FakeProduct();
    const { call, close } = await converse(product);
    const { isError, text } = await call('preview_activation', {
      audience: { filter: {} },
      templateId: 'welcome',
    });
    expect(isError).toBe(true);
    expect(text).toContain('every lead');
    expect(product.previews).toEqual([]);
    await close();
  });

  test('takes an activation back by the hash of its own preview only', async () => {
    const product = new FakeProduct();
    const [one, other] = [await converse(product), await converse(product)];
    const sessionId = 'activation_1704123456789_a7bc3d2f1';
    const preview = await one.call('preview_take_back', { sessionId, choice: 'unmailed' });
    const { hash } = JSON.parse(preview.text) as { hash: string };
    for (const { call } of [one, other]) {
      const started = await call('start_activation', { manifestHash: hash });
      expect(started.text).toContain('no preview with this hash');
    }
    const foreign = await other.call('take_back_activation', { manifestHash: hash });
    expect(foreign.text).toContain('no preview with this hash. Call preview_take_back');
    expect(product.takenBack).toEqual([]);
    expect((await one.call('take_back_activation', { manifestHash: hash })).isError).toBe(false);
    expect(product.takenBack).toEqual(product.takeBackPreviews);
    product.changeWorld();
    const late = await one.call('take_back_activation', { manifestHash: hash });
    expect(late).toEqual({ isError: true, text: 'take_back_changed' });
    await Promise.all([one.close(), other.close()]);
  });

  test('in 1,000 random sequences mails nobody that its conversation did not preview', async () => {
    const random = seededRandom(20261129);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    let startCount = 0;
    const foreignHashes: string[] = ['0'.repeat(64)];
    for (let sequence = 0; sequence < 1_000; sequence += 1) {
      const product = new FakeProduct();
      const { call, close } = await converse(product);
      const hashes: string[] = [];
      for (let step = 0; step < 8; step += 1) {
        const which = random();
        if (which < 0.3) {
          const before = product.previews.length;
          await call('preview_activation', { audience: pick(audiences), templateId: pick(templates) });
          hashes.push(...product.previews.slice(before).map(({ hash }) => hash));
        } else if (which < 0.75) {
          await call('start_activation', { manifestHash: pick([...hashes, ...hashes, ...foreignHashes]) });
        } else if (which < 0.85) product.changeWorld();
        else {
          const sessionId = 'activation_1704123456789_a7bc3d2f1';
          await call(pick(['pause_activation', 'cancel_activation', 'get_activation']), { sessionId });
        }
      }
      for (const { manifestHash, body } of product.starts) {
        expect(product.previews).toContainEqual({ hash: manifestHash, body });
      }
      // An activation is started once, however often its hash was given.
      expect(new Set(product.starts.map(({ sessionId }) => sessionId)).size).toBe(product.starts.length);
      startCount += product.starts.length;
      foreignHashes.splice(0, foreignHashes.length, '0'.repeat(64), ...hashes.slice(-2));
      await close();
    }
    expect(startCount).toBeGreaterThan(500);
  });
});

describe('over HTTP', () => {
  const begin = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
  };
  function serve() {
    let nowMs = 0;
    const handle = createHandler({
      client: createClient({ url: 'https://leads.example.com', fetch: new FakeProduct().fetch }),
      authenticate: (assertion) =>
        Promise.resolve(assertion?.endsWith('@example.com') === true ? assertion : null),
      now: () => nowMs,
    });
    return {
      wait: (ms: number) => (nowMs += ms),
      send: (message: object, who: string | null, conversation?: string) =>
        handle(
          new Request('http://127.0.0.1/mcp', {
            method: 'POST',
            headers: {
              'content-type': 'application/json',
              accept: 'application/json, text/event-stream',
              ...(who === null ? {} : { 'cf-access-jwt-assertion': who }),
              ...(conversation === undefined ? {} : { 'mcp-session-id': conversation }),
            },
            body: JSON.stringify(message),
          }),
        ),
    };
  }
  const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' };

  test('nobody without a valid assertion reaches a tool', async () => {
    const { send } = serve();
    expect((await send(begin, null)).status).toBe(401);
    expect((await send(begin, 'forged')).status).toBe(401);
  });

  test('a conversation is only that of who began it, and ends when it is idle', async () => {
    const { send, wait } = serve();
    const begun = await send(begin, 'ana@example.com');
    expect(begun.status).toBe(200);
    const id = begun.headers.get('mcp-session-id') ?? '';
    expect((await send(list, 'ana@example.com', id)).status).toBe(200);
    expect((await send(list, 'bob@example.com', id)).status).toBe(404);
    wait(maxIdleMs + 1);
    expect((await send(list, 'ana@example.com', id)).status).toBe(404);
  });
});
