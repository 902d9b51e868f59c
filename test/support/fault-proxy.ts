/**
 * A mail API that misbehaves on order: an HTTP proxy between the app and a mail API that works.
 *
 * Owns: which call meets which fault, and the book of what it saw. Never: makes an answer of success up;
 * what counts as taken was taken by the API behind it. Keeps true: with one seed and the same calls in the
 * same order, the same calls meet the same faults. Only calls that send (POST) meet faults; reading the
 * mailbox through the proxy always works.
 *
 * @module
 */
import { Buffer } from 'node:buffer';
import {
  Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
  createServer,
  request,
} from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The forms of Retry-After that providers send, or fail to. */
export type RetryAfterForm = 'seconds' | 'date' | 'missing' | 'garbage';

/** What a call can meet. "After" means that the API behind has taken the mail by then. */
export type Fault =
  | { kind: 'delayBefore'; ms: number }
  | { kind: 'delayAfter'; ms: number }
  | { kind: 'dropAfter' }
  | { kind: 'errorAfter'; status: 500 | 502 | 504 }
  | { kind: 'truncateAfter' }
  | { kind: 'hangAfter' }
  | { kind: 'hang' }
  | { kind: 'reset' }
  | { kind: 'unavailable' }
  | { kind: 'throttle'; retryAfter: RetryAfterForm; seconds: number }
  | { kind: 'quota'; scope: 'daily' | 'monthly' }
  | { kind: 'refuseKey'; status: 401 | 403 }
  | { kind: 'concurrent' };

/** One call that sends mail, as the proxy sees it before it decides. */
export interface SeenCall {
  path: string;
  /** The idempotency key, null when there is none. */
  key: string | null;
  headers: IncomingHttpHeaders;
  /** Recipients in the order of the payload. */
  recipients: string[];
  /** How often this key was seen before. */
  repeatCount: number;
}

/** Which calls meet a fault; a call meets the first rule that takes it. */
export interface FaultRule {
  fault: Fault;
  /** All calls when left out. */
  when?: (call: SeenCall) => boolean;
  /** Calls after which the rule is used up; without end when left out. */
  times?: number;
  /** Chance of each call, 0 to 1; 1 when left out. */
  probability?: number;
}

/** What became of one call. */
export interface CallRecord {
  /** By the proxy's clock, epoch milliseconds. */
  at: number;
  key: string | null;
  mailCount: number;
  /** A fault's kind, `rateLimit`, `rejectAddress`, or `none`. */
  fault: Fault['kind'] | 'rateLimit' | 'rejectAddress' | 'none';
  /** What the API behind answered; null when it was not asked. */
  apiStatus: number | null;
}

export interface FaultProxyOptions {
  /** The mail API behind. */
  target: string;
  /** A free one when left out. */
  port?: number;
  /** Of the random choices. */
  seed?: number;
  /** Epoch milliseconds; decides rate windows and the date form of Retry-After. */
  now?: () => number;
}

/** mulberry32: small, and the same everywhere. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** A refusal in the words of Resend's API. */
function refusal(
  status: number,
  name: string,
  message: string,
  headers: Record<string, string> = {},
): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify({ statusCode: status, name, message })),
  };
}

/**
 * Retry-After in the form asked for; none where it is missing.
 *
 * @param nowMs - epoch milliseconds, for the date form
 */
export function retryAfterHeader(
  form: RetryAfterForm,
  seconds: number,
  nowMs: number,
): Record<string, string> {
  switch (form) {
    case 'seconds':
      return { 'retry-after': String(seconds) };
    case 'date':
      return { 'retry-after': new Date(nowMs + seconds * 1_000).toUTCString() };
    case 'missing':
      return {};
    case 'garbage':
      return { 'retry-after': 'soon' };
    default:
      return form satisfies never;
  }
}

function recipientsOf(body: Buffer): string[] {
  try {
    const parsed: unknown = JSON.parse(body.toString());
    const mails: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
    return mails.flatMap((mail) => {
      const to = (mail as { to?: string | string[] } | null)?.to ?? [];
      return Array.isArray(to) ? to : [to];
    });
  } catch {
    return [];
  }
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The proxy. Make one with {@link startFaultProxy}. */
export class FaultProxy {
  /** Every call that sends mail, in the order of arrival. */
  readonly calls: CallRecord[] = [];
  /** Addresses that make the API refuse a whole call, as a provider does that validates strictly. */
  readonly rejectedAddresses = new Set<string>();
  /** Time that each call takes on top of what the API needs. */
  msPerCall = 0;
  /** Calls a second that pass; null: all. */
  callsPerSecond: number | null = null;

  readonly #target: URL;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #sockets = new Set<Socket>();
  readonly #seenKeys = new Map<string, number>();
  readonly #acceptedKeys = new Map<string, number>();
  #rules: { rule: FaultRule; left: number }[] = [];
  #held: Promise<unknown> = Promise.resolve();
  #window = { startedAt: 0, count: 0 };
  #server: ReturnType<typeof createServer> | null = null;
  #port: number;

  constructor(options: FaultProxyOptions) {
    this.#target = new URL(options.target);
    this.#port = options.port ?? 0;
    this.#now = options.now ?? Date.now;
    this.#random = seededRandom(options.seed ?? 1);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Keys under which the API behind took a call, and how many times it said so. */
  get acceptedKeys(): ReadonlyMap<string, number> {
    return this.#acceptedKeys;
  }

  /** Calls by the fault they met. */
  get counts(): Partial<Record<CallRecord['fault'], number>> {
    const counts: Partial<Record<CallRecord['fault'], number>> = {};
    for (const { fault } of this.calls) counts[fault] = (counts[fault] ?? 0) + 1;
    return counts;
  }

  /** Adds a rule behind those there are. @returns takes it away again */
  add(rule: FaultRule): () => void {
    const entry = { rule, left: rule.times ?? Infinity };
    this.#rules.push(entry);
    return () => {
      this.#rules = this.#rules.filter((other) => other !== entry);
    };
  }

  /** Calls from here on wait, and meet what they meet when it is let go. @returns lets them go */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#held = promise;
    return () => resolve(undefined);
  }

  /** From here on all is well: no rules, no limits, no delays. What was recorded stays. */
  recover(): void {
    this.#rules = [];
    this.rejectedAddresses.clear();
    this.msPerCall = 0;
    this.callsPerSecond = null;
  }

  /** Accepts connections; after {@link FaultProxy.refuse} on the same port as before. */
  async listen(): Promise<void> {
    if (this.#server !== null) return;
    const server = createServer((incoming, outgoing) => {
      this.#handle(incoming, outgoing).catch(() => incoming.socket.destroy());
    });
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      // A client that is killed resets its connections; that is what the proxy is for.
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
    this.#server = server;
  }

  /** Refuses connections and cuts those there are, until {@link FaultProxy.listen}. */
  async refuse(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async close(): Promise<void> {
    await this.refuse();
    this.#agent.destroy();
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    // Read to the end first: a call is taken whole or not at all, whoever goes away meanwhile.
    const body = await readAll(incoming);
    if (incoming.method !== 'POST') {
      send(outgoing, await this.#forward(incoming, body));
      return;
    }
    const call = this.#see(incoming, body);
    const record: CallRecord = {
      at: this.#now(),
      key: call.key,
      mailCount: call.recipients.length,
      fault: 'none',
      apiStatus: null,
    };
    this.calls.push(record);
    const rateHeaders = this.#countInWindow(record.at);
    const answer = await this.#answer(incoming, body, call, record, rateHeaders);
    if (answer !== null)
      send(outgoing, { ...answer, headers: { ...answer.headers, ...rateHeaders.headers } });
  }

  #see(incoming: IncomingMessage, body: Buffer): SeenCall {
    const header = incoming.headers['idempotency-key'];
    const key = typeof header === 'string' ? header : null;
    const repeatCount = key === null ? 0 : (this.#seenKeys.get(key) ?? 0);
    if (key !== null) this.#seenKeys.set(key, repeatCount + 1);
    return {
      path: incoming.url ?? '/',
      key,
      headers: incoming.headers,
      recipients: recipientsOf(body),
      repeatCount,
    };
  }

  /** Counts a call in the current second and tells what a provider would say of it. */
  #countInWindow(now: number): { isOver: boolean; headers: Record<string, string> } {
    const limit = this.callsPerSecond;
    if (limit === null) return { isOver: false, headers: {} };
    const startedAt = Math.floor(now / 1_000) * 1_000;
    if (startedAt !== this.#window.startedAt) this.#window = { startedAt, count: 0 };
    this.#window.count += 1;
    return {
      isOver: this.#window.count > limit,
      headers: {
        'ratelimit-limit': String(limit),
        'ratelimit-remaining': String(Math.max(0, limit - this.#window.count)),
        'ratelimit-reset': '1',
      },
    };
  }

  /** The fault of the first rule that takes the call. */
  #choose(call: SeenCall): Fault | null {
    for (const entry of this.#rules) {
      const { fault, when = () => true, probability = 1 } = entry.rule;
      if (entry.left <= 0 || !when(call)) continue;
      // No draw for a certain rule, so that adding one does not shift the others' draws.
      if (probability < 1 && this.#random() >= probability) continue;
      entry.left -= 1;
      return fault;
    }
    return null;
  }

  /** @returns null when the client gets no answer */
  async #answer(
    incoming: IncomingMessage,
    body: Buffer,
    call: SeenCall,
    record: CallRecord,
    rate: { isOver: boolean },
  ): Promise<Answer | null> {
    await this.#held;
    if (this.msPerCall > 0) await sleep(this.msPerCall);
    if (rate.isOver) {
      record.fault = 'rateLimit';
      return refusal(429, 'rate_limit_exceeded', 'Too many requests.', { 'retry-after': '1' });
    }
    const rejected = call.recipients.findIndex((address) => this.rejectedAddresses.has(address));
    if (rejected >= 0) {
      record.fault = 'rejectAddress';
      return refusal(422, 'validation_error', 'Invalid `to` field.');
    }
    const fault = this.#choose(call);
    if (fault === null) return this.#take(incoming, body, record);
    record.fault = fault.kind;
    switch (fault.kind) {
      case 'delayBefore':
        await sleep(fault.ms);
        return this.#take(incoming, body, record);
      case 'delayAfter': {
        const answer = await this.#take(incoming, body, record);
        await sleep(fault.ms);
        return answer;
      }
      case 'dropAfter':
        await this.#take(incoming, body, record);
        incoming.socket.destroy();
        return null;
      case 'errorAfter':
        await this.#take(incoming, body, record);
        return refusal(fault.status, 'internal_server_error', 'Something went wrong.');
      case 'truncateAfter': {
        const answer = await this.#take(incoming, body, record);
        return { ...answer, body: answer.body.subarray(0, Math.floor(answer.body.length / 2)) };
      }
      case 'hangAfter':
        await this.#take(incoming, body, record);
        return null;
      case 'hang':
        return null;
      case 'reset':
        incoming.socket.resetAndDestroy();
        return null;
      case 'unavailable':
        return refusal(503, 'service_unavailable', 'Try again later.');
      case 'throttle':
        return refusal(
          429,
          'rate_limit_exceeded',
          'Too many requests.',
          retryAfterHeader(fault.retryAfter, fault.seconds, this.#now()),
        );
      case 'quota':
        return refusal(429, `${fault.scope}_quota_exceeded`, `You have reached your ${fault.scope} quota.`);
      case 'refuseKey':
        return fault.status === 401
          ? refusal(401, 'missing_api_key', 'Missing API key.')
          : refusal(403, 'invalid_api_key', 'API key is invalid.');
      case 'concurrent':
        return refusal(
          409,
          'concurrent_idempotent_requests',
          'Another request with this key is in progress.',
        );
      default:
        return fault satisfies never;
    }
  }

  /** Lets the API behind have the call, and notes what it said. */
  async #take(incoming: IncomingMessage, body: Buffer, record: CallRecord): Promise<Answer> {
    const answer = await this.#forward(incoming, body);
    record.apiStatus = answer.status;
    if (answer.status === 200 && record.key !== null) {
      this.#acceptedKeys.set(record.key, (this.#acceptedKeys.get(record.key) ?? 0) + 1);
    }
    return answer;
  }

  #forward(incoming: IncomingMessage, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = { ...incoming.headers, host: this.#target.host, 'content-length': String(body.length) };
      delete headers['transfer-encoding'];
      delete headers.connection;
      const outgoing = request(
        {
          agent: this.#agent,
          hostname: this.#target.hostname,
          port: this.#target.port,
          path: incoming.url,
          method: incoming.method,
          headers,
        },
        (response) => {
          readAll(response).then((text) => {
            const { 'content-type': type = 'application/json' } = response.headers;
            resolve({ status: response.statusCode ?? 502, headers: { 'content-type': type }, body: text });
          }, reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}

function send(outgoing: ServerResponse, answer: Answer): void {
  outgoing.writeHead(answer.status, { ...answer.headers, 'content-length': String(answer.body.length) });
  outgoing.end(answer.body);
}

/** Makes a proxy that listens. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new FaultProxy(options);
  await proxy.listen();
  return proxy;
}
