/**
 * Shared by the tests of the mail transports: a mail, a recipient, and a provider that gives one answer.
 *
 * @module
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { json } from '../../src/mail/json.ts';
import type { FetchLike } from '../../src/runtime/fetch-like.ts';
import { createTransport } from '../../src/mail/providers/index.ts';
import type { MailContext } from '../../src/mail/templates/render.ts';
import type { DeliveryCall, MailTransport, OutgoingMail } from '../../src/mail/transport.ts';
import { mailDialects, type MailDialect } from './mail-dialects.ts';
import { erasedRecipient, type FrozenTemplate, type Recipient } from '../../src/shared/recipient.ts';

/** Monday 23 November 2026, 14:00:00 UTC. */
export const nowMs = Date.UTC(2026, 10, 23, 14, 0, 0);

export function recipientOf(fields: Partial<Recipient> = {}): Recipient {
  return {
    ...erasedRecipient(7),
    email: 'zoe@lead.test',
    firstName: 'Zoë',
    lastName: 'Nakamura',
    company: 'Lichtwerk',
    phone: '+49 30 1234',
    source: 'fair',
    stage: 'trial',
    ...fields,
  };
}

export function templateOf(parts: Partial<FrozenTemplate> = {}): FrozenTemplate {
  return { id: 't', version: 1, name: 'T', subject: 'Hello', html: '<p>Hi</p>', text: 'Hi', ...parts };
}

export const fullContext: MailContext = {
  senderName: 'Acme & Co',
  actionUrl: 'https://acme.test/start?a=1&b=2',
  unsubscribeUrl: 'https://app.test/unsubscribe/abc.def',
  postalAddress: '1 Example Way, 10115 Berlin',
};

export const bareContext: MailContext = {
  senderName: 'Acme',
  actionUrl: null,
  unsubscribeUrl: null,
  postalAddress: null,
};

export function mailOf(fields: Partial<OutgoingMail> = {}): OutgoingMail {
  return {
    from: 'Acme <hello@acme.test>',
    to: 'zoe@lead.test',
    replyTo: 'team@acme.test',
    subject: json('Hello'),
    html: json('<p>Hi</p>'),
    text: json('Hi'),
    source: 'hi',
    headers: {
      'List-Unsubscribe': '<https://app.test/unsubscribe/abc>',
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    },
    tags: { session: 'activation_1704123456789_a7bc3d2f1', batch: '3', lead: '7' },
    ...fields,
  };
}

/** The transport of a provider as its settings make it. */
export function transportOf(
  { name, apiKey, env }: MailDialect,
  fetch: FetchLike,
  apiUrl = 'https://mail.test',
): MailTransport {
  const choice = createTransport(
    { provider: name, from: 'Acme <hello@acme.test>', apiUrl, apiKey, env: { MAIL_RATE: '50', ...env } },
    { fetch, now: () => nowMs },
  );
  if (choice.kind === 'refused') throw new Error(choice.message);
  return choice.transport;
}

/** The providers, for `describe.each`. */
export const eachDialect = mailDialects.map((dialect) => [dialect.name, dialect] as const);

/** A call of a transport with `mailCount` mails. */
export function callOf(
  transport: MailTransport,
  mailCount: number,
  call: Partial<DeliveryCall> = {},
): DeliveryCall {
  const mails = Array.from({ length: mailCount }, (_, index) => mailOf({ to: `lead${index}@lead.test` }));
  return {
    key: 'act/s/3/r1',
    payload: transport.encode(mails),
    mailCount,
    signal: new AbortController().signal,
    ...call,
  };
}

/** One request as the provider received it. */
export interface SeenRequest {
  url: string;
  headers: Headers;
  body: string;
  redirect: string | undefined;
}

/** A `fetch` that always gives this answer, and the requests that it got. */
export function answering(
  status: number,
  body: unknown = '',
  headers: Record<string, string> = {},
): { fetch: FetchLike; seen: SeenRequest[] } {
  const seen: SeenRequest[] = [];
  // A 204 may not have a body, not even an empty one.
  const text = body === '' ? null : typeof body === 'string' ? body : JSON.stringify(body);
  const fetch: FetchLike = (url, init) => {
    seen.push({
      url,
      headers: new Headers(init.headers),
      body: typeof init.body === 'string' ? init.body : '',
      redirect: init.redirect,
    });
    return Promise.resolve(new Response(text, { status, headers }));
  };
  return { fetch, seen };
}

export const realFetch: FetchLike = (url, init) => fetch(url, init);

/** A TCP server that does the given thing to every connection that has sent something. */
export async function wireServer(
  onRequest: (socket: Socket) => void,
): Promise<{ url: string; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    // Some of these servers reset connections on purpose.
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', () => onRequest(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
