/**
 * The client: which requests it repeats, and how it follows an activation over broken connections.
 */
import { describe, expect, test } from 'vitest';
import {
  createClient,
  ErasedError,
  RefusedError,
  SignedOutError,
  UnreachableError,
  WrongAddressError,
  type Clock,
  type LeadActivation,
  type Progress,
} from '../../packages/client/src/index.ts';

const sessionId = 'activation_1704123456789_a7bc3d2f1';
const url = 'https://leads.example.com';

/** A clock on which waiting takes no time; it remembers how long was waited. */
function fastClock(): Clock & { waits: number[] } {
  let nowMs = 0;
  const waits: number[] = [];
  return {
    waits,
    now: () => nowMs,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      // The silence of a stream is waited for beside it, and ends with it.
      if (ms === 40_000) {
        return new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        });
      }
      waits.push(ms);
      nowMs += ms;
      await Promise.resolve();
    },
    random: () => 0.5,
  };
}

type Step = Response | Error | ((request: Request) => Response);

/** A server that answers each request with the next step, and the last one from then on. */
function serve(
  steps: Step[],
  at = `${url}/`,
): {
  client: LeadActivation;
  clock: ReturnType<typeof fastClock>;
  requests: Request[];
} {
  const requests: Request[] = [];
  const clock = fastClock();
  const client = createClient({
    url: at,
    token: { clientId: 'robot', clientSecret: 'secret' },
    clock,
    fetch: (input, init) => {
      const request = new Request(input, init);
      requests.push(request);
      const step = steps[Math.min(requests.length, steps.length) - 1];
      if (step === undefined) throw new Error('no step');
      if (step instanceof Error) return Promise.reject(step);
      return Promise.resolve(typeof step === 'function' ? step(request) : step.clone());
    },
  });
  return { client, clock, requests };
}

const lost = new TypeError('fetch failed');
const json = (body: unknown, init: ResponseInit = {}): Response => Response.json(body, init);
const problem = (status: number, code: string, headers: Record<string, string> = {}): Response =>
  json(
    { type: '/problems/x', title: 'No.', status, code, detail: 'It is not possible.' },
    { status, headers },
  );

const view = (rev: number, processed: number, finishedAt: number | null = null): Progress =>
  ({ sessionId, rev, processed, total: 3, finishedAt }) as Progress;
const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
/** A stream that says this and then breaks off. */
const stream = (...events: string[]): Response =>
  new Response(events.join(''), { headers: { 'content-type': 'text/event-stream' } });

async function viewsOf(client: LeadActivation): Promise<[number, number][]> {
  const views: [number, number][] = [];
  for await (const { rev, processed } of client.follow(sessionId)) views.push([rev, processed]);
  return views;
}

describe('a request', () => {
  test('has the service token, and the address without a double slash', async () => {
    const { client, requests } = serve([json({ leads: [], nextCursor: null })]);
    await client.request('get', '/crm/leads', { query: { search: 'Berlin & Köln', limit: 5 } });
    const [request] = requests;
    expect(request?.url).toBe(`${url}/crm/leads?search=Berlin+%26+K%C3%B6ln&limit=5`);
    expect(request?.headers.get('cf-access-client-id')).toBe('robot');
    expect(request?.headers.get('cf-access-client-secret')).toBe('secret');
  });

  test('is a start that is repeated with the same id until it is answered', async () => {
    const { client, requests } = serve([
      lost,
      problem(503, 'unavailable', { 'retry-after': '7' }),
      json({ sessionId }),
    ]);
    await client.start({ audience: { leadIds: [1] }, templateId: 'welcome' });
    const bodies = await Promise.all(requests.map((request) => request.text()));
    expect(bodies).toHaveLength(3);
    expect(new Set(bodies).size).toBe(1);
  });

  test('waits as long as the server asks for', async () => {
    const { client, clock } = serve([problem(429, 'rate_limited', { 'retry-after': '42' }), json({})]);
    await client.pause(sessionId);
    expect(clock.waits).toEqual([42_000]);
  });

  test('that would do something twice is not repeated when it was not answered', async () => {
    const { client, requests } = serve([lost]);
    await expect(client.retryFailed(sessionId)).rejects.toThrow(UnreachableError);
    await expect(
      client.request('post', '/crm/leads', { body: { email: 'ada@example.com' } }),
    ).rejects.toThrow(UnreachableError);
    expect(requests).toHaveLength(2);
  });

  test('is refused with the words and the code of the server, and not repeated', async () => {
    const { client, requests } = serve([problem(409, 'manifest_changed')]);
    const error: unknown = await client
      .start({ audience: { leadIds: [1] }, templateId: 'welcome' })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RefusedError);
    expect((error as RefusedError).code).toBe('manifest_changed');
    expect((error as RefusedError).message).toBe('It is not possible.');
    expect(requests).toHaveLength(1);
  });

  test('that leads to a login is said to be without a sign-in', async () => {
    for (const status of [302, 401]) {
      const { client } = serve([
        new Response(null, { status, headers: { location: 'https://login.example' } }),
      ]);
      await expect(client.progress(sessionId)).rejects.toThrow(SignedOutError);
    }
  });

  test('to an address of something else is said so at once', async () => {
    const page = new Response('<!doctype html>', { headers: { 'content-type': 'text/html; charset=utf-8' } });
    for (const answer of [page, new Response('Not Found', { status: 404 }), json({}, { status: 404 })]) {
      const { client, requests } = serve([answer]);
      const error: unknown = await client.progress(sessionId).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(WrongAddressError);
      expect((error as Error).message).toContain('not the address of a Lead Activation installation');
      expect(requests).toHaveLength(1);
      await expect(viewsOf(serve([answer]).client)).rejects.toThrow(WrongAddressError);
    }
  });

  test('to an address with a path is told the address without it', async () => {
    for (const path of ['/api', '/leads/']) {
      const below = () => serve([problem(404, 'not_found')], url + path);
      const { client, requests } = below();
      const error: unknown = await client.progress(sessionId).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(WrongAddressError);
      expect((error as Error).message).toMatch(/Leave out the path: https:\/\/leads\.example\.com$/);
      expect(requests).toHaveLength(1);
      await expect(viewsOf(below().client)).rejects.toThrow(WrongAddressError);
    }
    // At the right address, what is not there is the product's own word.
    await expect(serve([problem(404, 'not_found')]).client.progress(sessionId)).rejects.toThrow(RefusedError);
  });

  test('is given up after two minutes without an answer', async () => {
    const { client, clock } = serve([lost]);
    await expect(client.progress(sessionId)).rejects.toThrow(UnreachableError);
    expect(clock.now()).toBeGreaterThan(100_000);
    expect(clock.now()).toBeLessThanOrEqual(120_000);
  });
});

test('a client without an address, or with half a token, is refused at once', () => {
  const env: Partial<Record<string, string>> = {};
  expect(() => createClient({ url: env['NO_URL'] as string })).toThrow('url is undefined');
  const token = { clientId: 'robot', clientSecret: env['NO_SECRET'] as string };
  expect(() => createClient({ url, token })).toThrow('token needs clientId and clientSecret');
});

describe('results', () => {
  test('are read page by page, with a page that is empty', async () => {
    const { client, requests } = serve([
      json({ leads: [{ leadId: 1 }], nextCursor: 'a' }),
      json({ leads: [], nextCursor: 'b' }),
      json({ leads: [{ leadId: 7 }], nextCursor: null }),
    ]);
    const ids: number[] = [];
    for await (const { leadId } of client.results(sessionId, { email: 'failed' })) ids.push(leadId);
    expect(ids).toEqual([1, 7]);
    expect(requests.map((request) => new URL(request.url).search)).toEqual([
      '?email=failed&limit=500',
      '?email=failed&limit=500&cursor=a',
      '?email=failed&limit=500&cursor=b',
    ]);
  });
});

describe('following', () => {
  test('gives each view of the stream, and ends with it', async () => {
    const { client, requests } = serve([
      stream(
        'retry: 2000\n\n',
        event('progress', view(1, 0)),
        event('progress', view(2, 1)),
        event('end', view(3, 3, 9)),
      ),
    ]);
    expect(await viewsOf(client)).toEqual([
      [1, 0],
      [2, 1],
      [3, 3],
    ]);
    expect(requests).toHaveLength(1);
  });

  test('goes on where a stream broke off, and gives no view twice and none that is older', async () => {
    const { client, requests } = serve([
      stream('retry: 2000\n\n', event('progress', view(5, 1))),
      lost,
      stream(
        'retry: 2000\n\n',
        event('progress', view(4, 0)),
        event('progress', view(5, 1)),
        event('end', view(9, 3, 9)),
      ),
    ]);
    expect(await viewsOf(client)).toEqual([
      [5, 1],
      [9, 3],
    ]);
    expect(requests.map(({ headers }) => headers.get('last-event-id'))).toEqual([null, '5', '5']);
  });

  test('goes on after a page of the network in between', async () => {
    const page = new Response('<!doctype html>', { headers: { 'content-type': 'text/html' } });
    const { client } = serve([
      stream('retry: 2000\n\n', event('progress', view(5, 1))),
      page,
      stream('retry: 2000\n\n', event('end', view(9, 3, 9))),
    ]);
    expect(await viewsOf(client)).toEqual([
      [5, 1],
      [9, 3],
    ]);
  });

  test('polls where there is no stream', async () => {
    const answers = [
      json(view(1, 1), { headers: { etag: '"1"' } }),
      new Response(null, { status: 304 }),
      json(view(2, 3, 9)),
    ];
    const { client, requests } = serve([
      (request) =>
        request.url.endsWith('/stream')
          ? new Response('gateway', { status: 502 })
          : (answers.shift() ?? problem(500, 'internal')),
    ]);
    expect(await viewsOf(client)).toEqual([
      [1, 1],
      [2, 3],
    ]);
    const polls = requests.filter(({ url: address }) => address.endsWith('/progress'));
    expect(polls.map(({ headers }) => headers.get('if-none-match'))).toEqual([null, '"1"', '"1"']);
  });

  test('ends with an error where there is no such activation, where it was erased, and where nobody answers', async () => {
    await expect(viewsOf(serve([problem(404, 'session_not_found')]).client)).rejects.toThrow(RefusedError);
    await expect(
      viewsOf(serve([stream('retry: 2000\n\n', event('deleted', { sessionId }))]).client),
    ).rejects.toThrow(ErasedError);
    const { client, clock } = serve([lost]);
    await expect(viewsOf(client)).rejects.toThrow(UnreachableError);
    expect(clock.now()).toBeGreaterThan(600_000);
  });

  test('closes its stream when the caller leaves the loop', async () => {
    const { client, requests } = serve([
      stream('retry: 2000\n\n', event('progress', view(1, 0)), event('progress', view(2, 1))),
    ]);
    for await (const { rev } of client.follow(sessionId)) {
      expect([rev, requests[0]?.signal.aborted]).toEqual([1, false]);
      break;
    }
    expect(requests.map(({ signal }) => signal.aborted)).toEqual([true]);
  });

  test('stops when its caller says so', async () => {
    const stop = new AbortController();
    const { client } = serve([stream('retry: 2000\n\n', event('progress', view(1, 0)))]);
    const following = client.follow(sessionId, { signal: stop.signal });
    expect((await following.next()).value).toMatchObject({ rev: 1 });
    stop.abort(new Error('enough'));
    await expect(following.next()).rejects.toThrow('enough');
  });
});
