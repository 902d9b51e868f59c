/**
 * A stand-in of Cloudflare's API: a list of handlers, one module per subject.
 *
 * Cloudflare's own client and wrangler use it as they use Cloudflare, in this process or over HTTP. The answers of
 * the handlers have the response types of the `cloudflare` package, so that `tsc` fails where the two differ. A path
 * that no handler knows is an error of the test and is kept in `unknownRequests`.
 *
 * @module
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** Answers a request about its subject; null for any other. The path is without `/client/v4`. */
export type Handler = (request: Request, path: string) => Response | null | Promise<Response | null>;

/** The envelope that every answer of the API has. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- a caller names the package's type
export function answer<T>(result: T, extra: Record<string, unknown> = {}): Response {
  return Response.json({ success: true, errors: [], messages: [], result, ...extra });
}

/** A list, as one page of it. */
export function answerPage(items: readonly unknown[], request: Request): Response {
  const page = Number(new URL(request.url).searchParams.get('page') ?? '1');
  const result = page > 1 ? [] : items;
  return answer(result, {
    result_info: { page, per_page: 100, count: result.length, total_count: items.length, total_pages: 1 },
  });
}

export function refuse(status: number, code: number, message: string): Response {
  return Response.json(
    { success: false, errors: [{ code, message }], messages: [], result: null },
    { status },
  );
}

export interface CloudflareStandIn {
  /** For a client in the same process. */
  fetch: (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;
  /** `METHOD path` of every request, in order. */
  requests: string[];
  unknownRequests: string[];
  /** Listens on a free port; the base URL, as CLOUDFLARE_API_BASE_URL wants it. */
  listen: () => Promise<string>;
  close: () => Promise<void>;
}

const prefix = '/client/v4';

export function cloudflareStandIn(handlers: readonly Handler[]): CloudflareStandIn {
  const requests: string[] = [];
  const unknownRequests: string[] = [];
  const handle = async (request: Request): Promise<Response> => {
    const path = new URL(request.url).pathname.replace(prefix, '');
    requests.push(`${request.method} ${path}`);
    const authorization = request.headers.get('authorization') ?? '';
    if (!authorization.startsWith('Bearer ')) return refuse(401, 10_000, 'Authentication error');
    for (const handler of handlers) {
      const response = await handler(request, path);
      if (response !== null) return response;
    }
    unknownRequests.push(`${request.method} ${path}`);
    return refuse(404, 7_003, `No route for ${request.method} ${path}`);
  };
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks);
      const request = new Request(`http://api.test${incoming.url ?? '/'}`, {
        method: incoming.method ?? 'GET',
        headers: Object.entries(incoming.headers).map(([name, value]): [string, string] => [
          name,
          String(value),
        ]),
        ...(body.length === 0 ? {} : { body }),
      });
      void handle(request).then(async (response) => {
        outgoing.writeHead(response.status, Object.fromEntries(response.headers));
        outgoing.end(Buffer.from(await response.arrayBuffer()));
      });
    });
  });
  return {
    fetch: (input, init) => handle(new Request(input, init)),
    requests,
    unknownRequests,
    async listen() {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}${prefix}`;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
