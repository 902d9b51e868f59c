/**
 * A proxy between a browser and the app that disturbs streams: it holds events back, cuts streams, answers in the
 * app's place, or requires a sign-in.
 *
 * Owns the current fault and the record of streams. Does not change the content that passes.
 *
 * @module
 */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type FrontFault =
  | { kind: 'none' }
  /** Streams arrive only once they are whole, as behind a proxy that buffers. */
  | { kind: 'holdStreams' }
  /** Streams are cut after so long, in the middle of whatever they say. */
  | { kind: 'cutStreams'; afterMs: number }
  /** Streams are answered 502, everything else works. */
  | { kind: 'refuseStreams' }
  /** Nothing of the app answers, as while it is deployed. */
  | { kind: 'badGateway' }
  /** Cloudflare Access after its session has run out: a login elsewhere, or 401 for those who ask so. */
  | { kind: 'signedOut' };

/** The outcome of one stream. */
export interface StreamRecord {
  openedAt: number;
  closedAt: number | null;
  /** The app sent `end` on it. */
  hasEnd: boolean;
  /** The app closed its side properly and did not break off. */
  isWhole: boolean;
}

export class FrontProxy {
  fault: FrontFault = { kind: 'none' };
  readonly streams: StreamRecord[] = [];
  /** Progress requests, by time. */
  readonly polls: number[] = [];
  /** How late the app's answers to start requests arrive; the requests themselves are on time. */
  startAnswerDelayMs = 0;

  readonly #sockets = new Set<Socket>();
  #target: () => URL;
  #server: Server | null = null;

  /** @param target - the present address of the app */
  constructor(target: () => URL) {
    this.#target = target;
  }

  get url(): string {
    const address = this.#server?.address();
    if (address === null || address === undefined || typeof address === 'string')
      throw new Error('the proxy does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /** The most streams that were open at one time since `since`. */
  maxOpenCount(since = 0): number {
    const times = this.streams.flatMap(({ openedAt, closedAt }) =>
      openedAt < since
        ? []
        : [
            { at: openedAt, step: 1 },
            { at: closedAt ?? Infinity, step: -1 },
          ],
    );
    // A stream that closes in the millisecond in which the next one opens does not overlap with it.
    times.sort((a, b) => a.at - b.at || a.step - b.step);
    let open = 0;
    return times.reduce((max, { step }) => Math.max(max, (open += step)), 0);
  }

  async listen(): Promise<this> {
    const server = createServer((incoming, outgoing) => {
      this.#handle(incoming, outgoing).catch(() => outgoing.destroy());
    });
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
    return this;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const path = incoming.url ?? '/';
    const isStream = path.startsWith('/crm/activation/stream/');
    const { kind } = this.fault;
    if (path.startsWith('/crm/activation/progress/')) this.polls.push(Date.now());
    const isApp = path.startsWith('/crm/');
    if ((kind === 'badGateway' && isApp) || (kind === 'refuseStreams' && isStream)) {
      outgoing.writeHead(502, { 'content-type': 'text/html' }).end('<h1>502 Bad Gateway</h1>');
      return;
    }
    if (kind === 'signedOut' && isApp) {
      if (incoming.headers['x-requested-with'] === 'XMLHttpRequest') outgoing.writeHead(401).end();
      else outgoing.writeHead(302, { location: 'http://login.invalid/' }).end();
      return;
    }
    const delayMs = incoming.method === 'POST' && path === '/crm/activation' ? this.startAnswerDelayMs : 0;
    const target = this.#target();
    const forwarded = request(
      {
        hostname: target.hostname,
        port: target.port,
        path,
        method: incoming.method,
        headers: incoming.headers,
        agent: false,
      },
      (response) => {
        if (isStream && response.statusCode === 200) this.#passStream(response, outgoing);
        else void this.#pass(response, outgoing, delayMs);
      },
    );
    forwarded.on('error', () => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end();
    });
    // A request that changes something is completed even if its client has stopped waiting.
    if (incoming.method === 'GET') outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  }

  async #pass(response: IncomingMessage, outgoing: ServerResponse, delayMs: number): Promise<void> {
    await sleep(delayMs);
    outgoing.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(outgoing);
    response.on('error', () => outgoing.destroy());
  }

  #passStream(response: IncomingMessage, outgoing: ServerResponse): void {
    const record: StreamRecord = { openedAt: Date.now(), closedAt: null, hasEnd: false, isWhole: false };
    this.streams.push(record);
    const { fault } = this;
    const held: Buffer[] = [];
    outgoing.writeHead(200, response.headers);
    if (fault.kind !== 'holdStreams') outgoing.flushHeaders();
    let cut: NodeJS.Timeout | undefined;
    if (fault.kind === 'cutStreams') cut = setTimeout(() => outgoing.destroy(), fault.afterMs);
    response.on('data', (chunk: Buffer) => {
      if (chunk.includes('event: end')) record.hasEnd = true;
      if (fault.kind === 'holdStreams') held.push(chunk);
      else outgoing.write(chunk);
    });
    response.on('end', () => {
      record.isWhole = response.complete;
      outgoing.end(Buffer.concat(held));
    });
    response.on('error', () => outgoing.destroy());
    outgoing.on('close', () => {
      clearTimeout(cut);
      record.closedAt = Date.now();
    });
  }
}
