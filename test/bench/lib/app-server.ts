/**
 * The built app and the benchmark's Worker on one address, as the platform puts them: files by their path,
 * pages by the app's shell, and everything else by the Worker.
 *
 * @module
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';
import { projectRoot } from '../../../scripts/lib/local-state.ts';

const build = join(projectRoot, 'web/build');
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
};
const workerPath = /^\/(?:crm|webhooks|unsubscribe|openapi\.json|docs|healthz)(?:\/|$|\?)/;

/** Serves until it is closed; `url` is its address. */
export async function serveApp(workerUrl: string): Promise<{ url: string; close(): void }> {
  const { hostname, port } = new URL(workerUrl);
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '/';
    if (workerPath.test(path)) {
      const { method, headers } = incoming;
      const passed = request({ hostname, port, path, method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on('error', () => outgoing.destroy());
      incoming.pipe(passed);
      return;
    }
    const named = join(build, normalize(new URL(path, 'http://app').pathname));
    const file = existsSync(named) && statSync(named).isFile() ? named : join(build, 'index.html');
    outgoing.writeHead(200, {
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      'content-encoding': 'gzip',
    });
    outgoing.end(gzipSync(readFileSync(file)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
