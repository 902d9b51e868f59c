/**
 * Load: many requests at once over kept-alive connections, and streams that are read byte by byte.
 *
 * @module
 */
import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from './stats.ts';

export interface LoadResult {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Answers by status. */
  statuses: Record<string, number>;
}

function get(url: string, agent: Agent, headers: Record<string, string>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { agent, headers }, (response) => {
      response.resume();
      response.once('end', () => resolve(response));
      response.once('error', reject);
    })
      .once('error', reject)
      .end();
  });
}

/**
 * Requests one address again and again.
 *
 * @param hasEtag - true: each client sends the ETag of its last answer, as a polling page does
 * @param pauseMs - between an answer and the next request of a client
 */
export async function loadOf(
  url: string,
  options: { clientCount: number; ms: number; hasEtag: boolean; pauseMs: number; signal?: AbortSignal },
): Promise<LoadResult> {
  const { clientCount, ms, hasEtag, pauseMs, signal } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: Math.min(clientCount, 256) });
  const timesMs: number[] = [];
  const statuses: Record<string, number> = {};
  const startedAt = performance.now();
  const isOver = (): boolean => performance.now() - startedAt > ms || signal?.aborted === true;
  const client = async (index: number): Promise<void> => {
    let etag = '';
    // Clients start at different moments, as pages do.
    if (pauseMs > 0) await sleep((pauseMs * index) / clientCount);
    while (!isOver()) {
      const sentAt = performance.now();
      const response = await get(url, agent, hasEtag && etag !== '' ? { 'if-none-match': etag } : {});
      timesMs.push(performance.now() - sentAt);
      const status = String(response.statusCode);
      statuses[status] = (statuses[status] ?? 0) + 1;
      etag = response.headers.etag ?? etag;
      if (pauseMs > 0) await sleep(pauseMs);
    }
  };
  await Promise.all(Array.from({ length: clientCount }, (_, index) => client(index)));
  const seconds = (performance.now() - startedAt) / 1_000;
  agent.destroy();
  return {
    requestsPerSecond: timesMs.length / seconds,
    p50Ms: percentile(timesMs, 0.5),
    p99Ms: percentile(timesMs, 0.99),
    statuses,
  };
}

/** Opens streams. For each event it records the age by `updatedAt` when its bytes arrive. */
export async function openReaders(
  url: string,
  readerCount: number,
): Promise<{ agesMs: number[]; close(): void }> {
  const agent = new Agent({ keepAlive: false, maxSockets: Infinity });
  const agesMs: number[] = [];
  const responses: IncomingMessage[] = [];
  const openOnce = (): Promise<void> =>
    new Promise((resolve, reject) => {
      request(url, { agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`The stream answered ${response.statusCode}.`));
        responses.push(response);
        response.setEncoding('latin1');
        response.on('data', (text: string) => {
          const at = text.lastIndexOf('"updatedAt":');
          if (at !== -1) agesMs.push(Date.now() - Number.parseInt(text.slice(at + 12), 10));
        });
        response.on('error', () => {});
        resolve();
      })
        .once('error', reject)
        .end();
    });
  // As a browser does: with thousands of readers the runtime resets a connection now and then.
  const open = async (): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      try {
        await openOnce();
        return;
      } catch (error) {
        if (attempt === 5) throw error;
        await sleep(attempt * 200);
      }
    }
  };
  for (let opened = 0; opened < readerCount; opened += 50) {
    await Promise.all(Array.from({ length: Math.min(50, readerCount - opened) }, open));
  }
  agesMs.length = 0;
  return {
    agesMs,
    close() {
      for (const response of responses) response.destroy();
      agent.destroy();
    },
  };
}
