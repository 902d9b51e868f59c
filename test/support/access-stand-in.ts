/**
 * A stand-in of Cloudflare Access on this machine: the team's domain (keys, sign-in page, get-identity), and the
 * application's address in front of the app.
 *
 * Does what Cloudflare documents for a self-hosted application. Without a session a page is redirected to the
 * sign-in, and a script that identifies itself as one gets 401. With a session the request is passed on with a
 * signed assertion. Service tokens come in two headers. A request to a path with a bypass is passed on unchanged,
 * including forged headers of Access: whether Access removes them there is not documented. Simpler than Access: one
 * team, one application, no codes by mail, and `X-Forwarded-*` is not set.
 *
 * @see https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/
 * @see https://developers.cloudflare.com/cloudflare-one/access-controls/service-credentials/service-tokens/
 * @module
 */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Page } from 'playwright-core';
import { AccessTeam } from './access-team.ts';

/** The public paths, as the deploy sets them up. */
const bypassed =
  /^\/(webhooks\/.*|unsubscribe\/.*|healthz|\.well-known\/lead-activation-receipt-keys\.json)$/;

export interface AccessStandInOptions {
  /** The present address of the app. */
  app: () => URL;
  /** Who may sign in, by address, and their groups. */
  people: Readonly<Record<string, { groups: readonly string[] }>>;
  /** Epoch ms; where the clock of the app is not the host's. */
  now?: () => number;
  /** Secrets of service tokens by client id. */
  serviceTokens?: Readonly<Record<string, string>>;
}

export class AccessStandIn {
  readonly #options: AccessStandInOptions;
  /** The team's domain. */
  readonly #teamServer: Listening;
  /** The application's address. */
  readonly #frontServer: Listening;
  readonly team: AccessTeam;
  /** Paths that were requested at the team's domain. */
  readonly asked: string[] = [];
  /** Sessions that were not revoked, with their person. */
  readonly #sessions = new Map<string, string>();

  private constructor(options: AccessStandInOptions, servers: [Listening, Listening], team: AccessTeam) {
    this.#options = options;
    [this.#teamServer, this.#frontServer] = servers;
    this.team = team;
    this.#teamServer.handle = (incoming, outgoing) => this.#answerForTeam(incoming, outgoing);
    this.#frontServer.handle = (incoming, outgoing) => this.#answerForApplication(incoming, outgoing);
  }

  static async start(options: AccessStandInOptions): Promise<AccessStandIn> {
    const servers: [Listening, Listening] = [await listen(), await listen()];
    return new AccessStandIn(options, servers, await AccessTeam.create(servers[0].url));
  }

  /** The application's address, which a person opens. */
  get url(): string {
    return this.#frontServer.url;
  }

  /** Settings of the Worker behind it. */
  get settings(): Record<'ACCESS_TEAM_DOMAIN' | 'ACCESS_AUD' | 'LOCAL_PERSON', string> {
    return { ACCESS_TEAM_DOMAIN: this.team.issuer, ACCESS_AUD: this.team.audience, LOCAL_PERSON: '' };
  }

  /** Ends every session, as an admin of the team can. */
  revokeSessions(): void {
    this.#sessions.clear();
  }

  async close(): Promise<void> {
    await Promise.all([this.#teamServer.close(), this.#frontServer.close()]);
  }

  async #answerForTeam(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', this.#teamServer.url);
    this.asked.push(pathname);
    if (pathname === '/cdn-cgi/access/certs') {
      sendJson(outgoing, 200, this.team.jwks());
    } else if (pathname === '/cdn-cgi/access/get-identity') {
      const email = this.#sessions.get(sessionOf(incoming) ?? '');
      if (email === undefined) sendJson(outgoing, 401, { err: 'no session' });
      else sendJson(outgoing, 200, { email, name: email, groups: this.#options.people[email]?.groups ?? [] });
    } else if (pathname === '/cdn-cgi/access/login') {
      const back = searchParams.get('redirect_url') ?? '/';
      if (incoming.method === 'POST') await this.#signIn(await bodyOf(incoming), back, outgoing);
      else send(outgoing, 200, { 'content-type': 'text/html' }, signInPage);
    } else {
      send(outgoing, 404, {}, '');
    }
  }

  async #signIn(body: string, back: string, outgoing: ServerResponse): Promise<void> {
    const email = new URLSearchParams(body).get('email') ?? '';
    if (!Object.hasOwn(this.#options.people, email)) {
      send(outgoing, 403, { 'content-type': 'text/html' }, '<h1>That account does not have access.</h1>');
      return;
    }
    const session = await this.team.sign(this.team.personClaims(email, this.#options.now?.()));
    this.#sessions.set(session, email);
    const authorized = new URL('/cdn-cgi/access/authorized', this.url);
    authorized.search = new URLSearchParams({ token: session, redirect_url: back }).toString();
    send(outgoing, 302, { location: String(authorized) }, '');
  }

  async #answerForApplication(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', this.url);
    if (url.pathname === '/cdn-cgi/access/authorized') {
      send(outgoing, 302, {
        'set-cookie': `CF_Authorization=${url.searchParams.get('token') ?? ''}; Path=/; HttpOnly; SameSite=Lax`,
        location: new URL(url.searchParams.get('redirect_url') ?? '/', this.url).href,
      });
      return;
    }
    if (bypassed.test(url.pathname)) {
      this.#forward(incoming, outgoing, incoming.headers);
      return;
    }
    const assertion = await this.#assertionOf(incoming);
    if (assertion === null) {
      const login = new URL('/cdn-cgi/access/login', this.team.issuer);
      login.search = new URLSearchParams({ redirect_url: url.pathname + url.search }).toString();
      if (incoming.headers['x-requested-with'] === 'XMLHttpRequest') send(outgoing, 401, {});
      else send(outgoing, 302, { location: String(login) });
      return;
    }
    const kept = Object.entries(incoming.headers).filter(([name]) => !name.startsWith('cf-access-'));
    this.#forward(incoming, outgoing, {
      ...Object.fromEntries(kept),
      'cf-access-jwt-assertion': assertion,
    });
  }

  async #assertionOf(incoming: IncomingMessage): Promise<string | null> {
    const clientId = incoming.headers['cf-access-client-id'];
    if (typeof clientId === 'string') {
      const secret = this.#options.serviceTokens?.[clientId];
      const isRight = secret !== undefined && secret === incoming.headers['cf-access-client-secret'];
      return isRight ? this.team.sign(this.team.tokenClaims(clientId)) : null;
    }
    const session = sessionOf(incoming);
    return session !== null && this.#sessions.has(session) ? session : null;
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse, headers: IncomingMessage['headers']): void {
    const { hostname, port } = this.#options.app();
    const { method, url: path } = incoming;
    const forwarded = request({ hostname, port, path, method, headers, agent: false }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      // The first event of a stream may come late.
      outgoing.flushHeaders();
      response.pipe(outgoing);
      response.on('error', () => outgoing.destroy());
    });
    forwarded.on('error', () => {
      if (outgoing.headersSent) outgoing.destroy();
      else send(outgoing, 502, {});
    });
    outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  }
}

/** Opens an address as a person without a sign-in, and signs in. */
export async function signIn(page: Page, url: string, email: string): Promise<void> {
  await page.goto(url);
  await fillInSignIn(page, email);
  await page.waitForURL(url);
}

/** Signs in where the sign-in page is shown. */
export async function fillInSignIn(page: Page, email: string): Promise<void> {
  await page.getByLabel('Email').fill(email);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

const signInPage = `<!doctype html>
<title>Sign in - Cloudflare Access</title>
<form method="post"><label>Email <input name="email" type="email" required></label><button>Sign in</button></form>
`;

function sessionOf({ headers }: IncomingMessage): string | null {
  return /(?:^|;\s*)CF_Authorization=([^;]+)/.exec(headers.cookie ?? '')?.[1] ?? null;
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function send(outgoing: ServerResponse, status: number, headers: Record<string, string>, body = ''): void {
  outgoing.writeHead(status, headers).end(body);
}

function sendJson(outgoing: ServerResponse, status: number, value: unknown): void {
  send(outgoing, status, { 'content-type': 'application/json' }, JSON.stringify(value));
}

interface Listening {
  readonly url: string;
  handle: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>;
  close(): Promise<void>;
}

/** A server on a free port. It gets its handler when its address is known. */
async function listen(): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((incoming, outgoing) => {
    listening.handle(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the stand-in does not listen');
  const listening: Listening = {
    url: `http://127.0.0.1:${String(address.port)}`,
    handle: () => Promise.resolve(),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return listening;
}
