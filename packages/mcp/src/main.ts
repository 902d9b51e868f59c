#!/usr/bin/env node
/**
 * `lead-activation-mcp`: the server on the standard input and output of an assistant, or over HTTP (`--http PORT`).
 *
 * @module
 */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { createClient } from '../../client/src/index.ts';
import { checkUrl, readSettings } from '../../cli/src/settings.ts';
import { createHandler, type Authenticate } from './http.ts';
import { createServer } from './server.ts';

const usage = `lead-activation-mcp               on the standard input and output
lead-activation-mcp --http PORT   at http://127.0.0.1:PORT/mcp, behind Cloudflare Access

LEAD_ACTIVATION_URL, CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET say where the product is and who asks; else those
that lead-activation login remembers. --http also needs ACCESS_TEAM_DOMAIN (https://team.cloudflareaccess.com) and
ACCESS_AUD, the audience of the Access application in front of it.`;

/** Verifies assertions as the product does. @throws where the application in front is not named */
function accessAuthentication(env: NodeJS.ProcessEnv): Authenticate {
  const { ACCESS_TEAM_DOMAIN: team = '', ACCESS_AUD: audience = '' } = env;
  if (team === '' || audience === '') {
    throw new Error(
      '--http needs ACCESS_TEAM_DOMAIN and ACCESS_AUD: without them anybody could use its sign-in.',
    );
  }
  // Unencrypted on this machine only, as in a test.
  const issuer = checkUrl(team);
  const keys = createRemoteJWKSet(new URL('/cdn-cgi/access/certs', issuer));
  return async (assertion) => {
    if (assertion === null) return null;
    try {
      const { payload } = await jwtVerify(assertion, keys, { issuer, audience });
      const { email, common_name: commonName } = payload as { email?: unknown; common_name?: unknown };
      // A person has an address, a service token a client id.
      return typeof email === 'string' ? email : typeof commonName === 'string' ? commonName : null;
    } catch {
      return null;
    }
  };
}

/** Passes a request of Node on to a handler of web requests, and its answer back, piece by piece. */
async function pass(
  handle: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const hasBody = incoming.method === 'POST';
  const response = await handle(
    new Request(new URL(incoming.url ?? '/', 'http://127.0.0.1'), {
      method: incoming.method ?? 'GET',
      headers: Object.entries(incoming.headers).flatMap(([name, value]): [string, string][] =>
        value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
      ),
      ...(hasBody ? { body: Readable.toWeb(incoming) as ReadableStream<Uint8Array>, duplex: 'half' } : {}),
    }),
  );
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) {
    outgoing.end();
    return;
  }
  const reader = response.body.getReader();
  outgoing.on('close', () => void reader.cancel());
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) outgoing.write(chunk.value);
  outgoing.end();
}

try {
  const { values } = parseArgs({
    options: { http: { type: 'string' }, url: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help === true) console.log(usage);
  else {
    const { url, token } = readSettings(process.env, values.url);
    const client = createClient({ url, ...(token === null ? {} : { token }) });
    if (values.http === undefined) await createServer(client).connect(new StdioServerTransport());
    else {
      const handle = createHandler({
        client,
        authenticate: accessAuthentication(process.env),
        now: () => Date.now(),
      });
      const port = Number(values.http);
      createHttpServer((incoming, outgoing) => {
        pass(handle, incoming, outgoing).catch((error: unknown) => {
          console.error(error);
          if (!outgoing.headersSent) outgoing.writeHead(500);
          outgoing.end();
        });
      }).listen(port, '127.0.0.1', () => console.error(`http://127.0.0.1:${port}/mcp`));
    }
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.error(`\n${usage}`);
  process.exitCode = 2;
}
