/**
 * A mail API as fast as Node's HTTP server, in a process of its own: Resend's batch call, with keys.
 *
 * Owns how long an answer takes, how many calls a second are accepted, and the proof of every result: it counts the
 * mails of each lead, and a benchmark that mails a lead twice or not at all fails. Started by harness.ts, controlled
 * over the process channel.
 *
 * @module
 */
import { createServer, type ServerResponse } from 'node:http';
import type { MailApiReply, MailApiRequest, MailApiSettings, MailApiStats } from './messages.ts';

const maxLeadId = 12_000_000;
const marker = Buffer.from('"to":["lead');
const at = '@'.charCodeAt(0);
const zero = '0'.charCodeAt(0);

let settings: MailApiSettings = { latencyMs: 0, ratePerSecond: null, window: 'fixed', stall: null };
let mailsByLead = new Uint8Array(maxLeadId);
let answersByKey = new Map<string, string>();
let stats: MailApiStats = emptyStats();
/** Times of the accepted calls in this calendar second or in the last 1,000 ms. */
let recentCalls: number[] = [];
let messageCount = 0;
/** Nothing is answered before; 0: no stall has begun. */
let stalledUntil = 0;

function emptyStats(): MailApiStats {
  return {
    callCount: 0,
    acceptedCallCount: 0,
    throttledCallCount: 0,
    replayedCallCount: 0,
    mailCount: 0,
    leadCount: 0,
    duplicateCount: 0,
    firstMailAt: null,
    lastMailAt: null,
    longestGapMs: 0,
  };
}

/** Counts each recipient without parsing the body: parsing would be most of this process's work. */
function countMails(body: Buffer): number {
  let mailCount = 0;
  for (let found = body.indexOf(marker); found !== -1; found = body.indexOf(marker, found)) {
    found += marker.length;
    let leadId = 0;
    for (let byte = body[found]; byte !== undefined && byte !== at; byte = body[++found]) {
      leadId = leadId * 10 + byte - zero;
    }
    const before = mailsByLead[leadId] ?? 0;
    if (before === 0) stats.leadCount++;
    else stats.duplicateCount++;
    mailsByLead[leadId] = Math.min(255, before + 1);
    mailCount++;
  }
  return mailCount;
}

function answerOf(mailCount: number): string {
  const ids: string[] = [];
  for (let i = 0; i < mailCount; i++)
    ids.push(`{"id":"00000000-0000-4000-8000-${String(++messageCount).padStart(12, '0')}"}`);
  return `{"data":[${ids.join(',')}]}`;
}

/** The rest of the limit after this call; null when the call is refused. */
function admit(nowMs: number): { remainingCount: number; resetMs: number } | null {
  const { ratePerSecond, window } = settings;
  if (ratePerSecond === null) return { remainingCount: 1, resetMs: 0 };
  const windowStart = window === 'fixed' ? Math.floor(nowMs / 1_000) * 1_000 : nowMs - 1_000;
  while (recentCalls[0] !== undefined && recentCalls[0] < windowStart) recentCalls.shift();
  if (recentCalls.length >= ratePerSecond) return null;
  recentCalls.push(nowMs);
  return {
    remainingCount: ratePerSecond - recentCalls.length,
    resetMs: window === 'fixed' ? windowStart + 1_000 - nowMs : (recentCalls[0] ?? nowMs) + 1_000 - nowMs,
  };
}

function send(response: ServerResponse, status: number, body: string, headers: Record<string, string>): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

function handle(key: string, body: Buffer, response: ServerResponse): void {
  const nowMs = Date.now();
  stats.callCount++;
  const { ratePerSecond, latencyMs } = settings;
  const admitted = admit(nowMs);
  const headers: Record<string, string> =
    ratePerSecond === null
      ? {}
      : {
          'ratelimit-limit': String(ratePerSecond),
          'ratelimit-remaining': String(admitted?.remainingCount ?? 0),
          // Whole seconds, as providers send it.
          'ratelimit-reset': String(Math.ceil((admitted?.resetMs ?? 1_000) / 1_000)),
        };
  if (admitted === null) {
    stats.throttledCallCount++;
    send(response, 429, '{"name":"rate_limit_exceeded","message":"Too many requests."}', {
      ...headers,
      'retry-after': '1',
    });
    return;
  }
  let answer = answersByKey.get(key);
  if (answer === undefined) {
    const mailCount = countMails(body);
    stats.acceptedCallCount++;
    stats.mailCount += mailCount;
    stats.firstMailAt ??= nowMs;
    stats.longestGapMs = Math.max(stats.longestGapMs, nowMs - (stats.lastMailAt ?? nowMs));
    stats.lastMailAt = nowMs;
    answer = answerOf(mailCount);
    answersByKey.set(key, answer);
  } else stats.replayedCallCount++;
  const text = answer;
  const { stall } = settings;
  if (stall !== null && stalledUntil === 0 && stats.callCount > stall.afterCallCount)
    stalledUntil = nowMs + stall.ms;
  const waitMs = Math.max(latencyMs, stalledUntil - nowMs);
  if (waitMs === 0) send(response, 200, text, headers);
  else setTimeout(() => send(response, 200, text, headers), waitMs);
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () =>
    handle(String(request.headers['idempotency-key']), Buffer.concat(chunks), response),
  );
});
server.keepAliveTimeout = 60_000;

function reply(message: MailApiReply): void {
  process.send?.(message);
}

process.on('message', (request: MailApiRequest) => {
  switch (request.kind) {
    case 'set':
      settings = request.settings;
      mailsByLead = new Uint8Array(maxLeadId);
      answersByKey = new Map();
      stats = emptyStats();
      recentCalls = [];
      stalledUntil = 0;
      break;
    case 'stats':
      break;
    default:
      request satisfies never;
  }
  reply({ kind: 'stats', stats });
});
process.on('disconnect', () => process.exit());

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') reply({ kind: 'ready', port: address.port });
});
