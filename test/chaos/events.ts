/**
 * `npm run chaos:events`: kills the real stack with SIGKILL, again and again, while it tells of activations to a
 * receiver that refuses three of ten attempts.
 *
 * The receiver is this process, as that of another company would be. At the end every event has arrived, in the order
 * of its activation, a repeat is the same event, and what the events tell of each lead is what its result says. Exits
 * with 1 otherwise.
 *
 * Options: `--kills 20`, `--up 8` seconds at most between two kills, `--sessions 4` at a time, `--leads 300` of each,
 * `--refuse 0.3`, `--seed 1`. 10,000 events: `--leads 1250 --up 40`, about ten minutes.
 *
 * @module
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { stopWhenAsked } from '../../scripts/lib/processes.ts';
import type { OutEvent } from '../../src/shared/events.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { LeadResultPage } from '../../src/shared/schemas/activation.ts';
import { startProduct } from '../support/product.ts';
import { seededRandom } from '../support/random.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    up: { type: 'string', default: '8' },
    sessions: { type: 'string', default: '4' },
    leads: { type: 'string', default: '300' },
    refuse: { type: 'string', default: '0.3' },
    seed: { type: 'string', default: '1' },
  },
});
const [killCount, maxUpSeconds, sessionCount, leadCount, refused, seed] = [
  Number(values.kills),
  Number(values.up),
  Number(values.sessions),
  Number(values.leads),
  Number(values.refuse),
  Number(values.seed),
];
if (![killCount, maxUpSeconds, sessionCount, leadCount, refused, seed].every(Number.isFinite)) {
  console.error(
    'usage: npm run chaos:events -- [--kills N] [--up SECONDS] [--sessions N] [--leads N] [--refuse SHARE] [--seed S]',
  );
  process.exit(2);
}
/** Emails a second; with one email a call, so many events of leads a second. */
const rate = 10;
/** For what is left after the last kill. */
const maxRestMs = 600_000;

/** An event without its time, which says nothing about what is told. */
type Told = Pick<Extract<OutEvent, { data: { sessionId: string } }>, 'type' | 'data'>;
const random = seededRandom(seed);
const problems: string[] = [];
/** By id, in the order in which they arrived first. */
const taken = new Map<string, Told>();
let requestCount = 0;
let repeatCount = 0;
let secret = '';

const receiver = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('error', () => undefined);
  request.on('end', () => {
    requestCount += 1;
    if (random() < refused) {
      response.writeHead(500).end();
      return;
    }
    try {
      const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const);
      const { type, data } = new Webhook(secret).verify(
        Buffer.concat(chunks).toString(),
        Object.fromEntries(headers),
      ) as Told;
      take(String(request.headers['webhook-id']), { type, data });
      response.writeHead(204).end();
    } catch (error) {
      problems.push(`An event was not signed: ${String(error)}`);
      response.writeHead(400).end();
    }
  });
});

function take(id: string, event: Told): void {
  const before = taken.get(id);
  if (before === undefined) {
    const last = [...taken.values()].findLast(({ data }) => data.sessionId === event.data.sessionId);
    if (last !== undefined && last.data.sequence >= event.data.sequence)
      problems.push(`${id} came after ${String(last.data.sequence)}.`);
    taken.set(id, event);
    return;
  }
  repeatCount += 1;
  if (JSON.stringify(before) !== JSON.stringify(event)) problems.push(`${id} came again and was another.`);
}

receiver.listen(0, '127.0.0.1');
await once(receiver, 'listening');
stopWhenAsked();
// As many leads as two rounds of sessions have; a round that ends early is followed by another one.
const product = await startProduct({
  leadCount: sessionCount * leadCount * 2,
  env: { WEBHOOKS_ALLOW_LOCAL: '1', MAIL_BATCH_MAX: '1', MAIL_RATE: String(rate) },
});
const sessionIds: string[] = [];
let nextLead = 1;

async function startRound(): Promise<void> {
  for (let index = 0; index < sessionCount; index += 1) {
    const from = nextLead;
    nextLead += leadCount;
    const leadIds = Array.from({ length: leadCount }, (_, at) => from + at);
    sessionIds.push(await product.startSession(`Round ${String(sessionIds.length + 1)}`, leadIds));
  }
}
const progressOf = (sessionId: string): Promise<Progress> =>
  product.ask<Progress>(`/crm/activation/progress/${sessionId}`);
const isOver = async (): Promise<boolean> => {
  const all = await Promise.all(sessionIds.map(progressOf));
  return all.every(({ finishedAt }) => finishedAt !== null);
};
const typesOf = (sessionId: string): string[] =>
  [...taken.values()].filter(({ data }) => data.sessionId === sessionId).map(({ type }) => type);

/** Compares what the events told of a session with its results. */
async function judge(sessionId: string): Promise<void> {
  const types = typesOf(sessionId);
  if (types[0] !== 'activation.started') problems.push(`${sessionId} begins with ${String(types[0])}.`);
  if (types.at(-1) !== 'activation.completed')
    problems.push(`${sessionId} ends with ${String(types.at(-1))}.`);
  const told = (type: string): number[] =>
    [...taken.values()]
      .filter((event) => event.type === type && event.data.sessionId === sessionId)
      .flatMap(({ data }) => ('leads' in data ? data.leads.map(({ leadId }) => leadId) : []))
      .sort((one, other) => one - other);
  const active: number[] = [];
  const sent: number[] = [];
  let cursor: string | null = null;
  do {
    const page: LeadResultPage = await product.ask<LeadResultPage>(
      `/crm/activation/${sessionId}/leads?limit=500${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    for (const { leadId, activation, emailState } of page.leads) {
      if (activation === 'activated') active.push(leadId);
      if (emailState === 'sent') sent.push(leadId);
    }
    cursor = page.nextCursor;
  } while (cursor !== null);
  for (const [type, expected] of [
    ['lead.activated', active],
    ['lead.emailed', sent],
  ] as const) {
    const found = told(type);
    if (JSON.stringify(found) !== JSON.stringify(expected.sort((one, other) => one - other)))
      problems.push(
        `${sessionId}: ${type} told of ${String(found.length)} leads, and ${String(expected.length)} have that result.`,
      );
  }
}

const begunAt = performance.now();
try {
  ({ secret } = await product.ask<{ secret: string }>('/crm/webhooks', {
    kind: 'webhook',
    target: `http://127.0.0.1:${String((receiver.address() as AddressInfo).port)}/events`,
    types: ['activation.started', 'activation.completed', 'lead.activated', 'lead.emailed', 'lead.failed'],
  }));
  await startRound();
  for (let kill = 1; kill <= killCount; kill += 1) {
    await sleep(random() * maxUpSeconds * 1_000);
    const isIdle = (await isOver()) && nextLead <= sessionCount * leadCount;
    if (isIdle) await startRound();
    await product.stack.killHard();
    await product.restart();
    console.log(`kill ${String(kill)} of ${String(killCount)}, ${String(taken.size)} events so far`);
  }
  const deadlineMs = performance.now() + maxRestMs;
  const hasAll = async (): Promise<boolean> =>
    (await isOver()) && sessionIds.every((id) => typesOf(id).includes('activation.completed'));
  while (!(await hasAll())) {
    if (performance.now() > deadlineMs) throw new Error('The events did not all come.');
    await sleep(500);
  }
  for (const sessionId of sessionIds) await judge(sessionId);
} catch (error) {
  problems.push(error instanceof Error ? error.message : String(error));
} finally {
  await product.close();
  receiver.closeAllConnections();
  receiver.close();
}
const seconds = Math.round((performance.now() - begunAt) / 1_000);
console.log(
  `${String(taken.size)} events of ${String(sessionIds.length)} activations in ${String(seconds)} s, ` +
    `${String(requestCount)} requests, ${String(repeatCount)} repeats of taken events, ${String(killCount)} kills`,
);
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? 'Each event arrived, in order.' : `${String(problems.length)} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
