/**
 * Webhooks: a session at a real provider's rate, with and without the events that its own mails cause.
 *
 * Every event is signed and sent twice, as a provider does that lost the answer. The benchmark fails when a session
 * loses an event or counts it twice.
 *
 * @module
 */
import { Webhook } from 'standardwebhooks';
import { openLoop, type LatencyFigures } from './lib/open-loop.ts';
import type { BenchOptions, PartResult } from './lib/part.ts';
import {
  freshSessionId,
  freshState,
  proveOnceEach,
  readProgress,
  say,
  startMailApi,
  startRuntime,
  startSession,
  takeMeter,
  waitForEnd,
  type Runtime,
} from './lib/harness.ts';
import { median, round } from './lib/stats.ts';

const secret = 'whsec_YmVuY2htYXJrLXdlYmhvb2stc2VjcmV0';
/** Requests of the provider that are open at once. */
const openCount = 50;
/** Resend allows ten calls a second; eight is what a session uses. */
const callsPerSecond = '8';
/** Events that arrive by themselves, whether or not earlier ones were answered. */
const arrivalsPerSecond = 200;

interface Figure {
  isFlooded: boolean;
  leadCount: number;
  ms: number;
  eventsPerSecond: number | null;
}

interface SignedEvent {
  headers: Record<string, string>;
  body: string;
}

function signedEvents(sessionId: string, leadCount: number): SignedEvent[] {
  const webhook = new Webhook(secret);
  const at = new Date();
  return Array.from({ length: leadCount }, (_, index) => {
    const leadId = index + 1;
    const body = JSON.stringify({
      type: leadId % 100 === 0 ? 'email.bounced' : 'email.delivered',
      created_at: at.toISOString(),
      data: {
        email_id: `00000000-0000-4000-8000-${String(leadId).padStart(12, '0')}`,
        from: 'Acme <hello@acme.test>',
        to: [`lead${leadId}@example.com`],
        subject: 'Your account is ready',
        tags: { session: sessionId, batch: '1', lead: String(leadId) },
      },
    });
    const id = `msg_${leadId}`;
    return {
      body,
      headers: {
        'content-type': 'application/json',
        'svix-id': id,
        'svix-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'svix-signature': webhook.sign(id, at, body),
      },
    };
  });
}

async function post(runtime: Runtime, event: SignedEvent | undefined): Promise<void> {
  const response = await fetch(`${runtime.url}/webhooks/resend`, { method: 'POST', ...event });
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`An event was answered with ${response.status}.`);
}

/** Posts all events, each twice; returns how many were accepted per second. */
async function flood(runtime: Runtime, events: readonly SignedEvent[]): Promise<number> {
  const startedAt = performance.now();
  const all = [...events, ...events];
  let next = 0;
  await Promise.all(
    Array.from({ length: openCount }, async () => {
      for (let event = all[next++]; event !== undefined; event = all[next++]) {
        await post(runtime, event);
      }
    }),
  );
  return (1_000 * all.length) / (performance.now() - startedAt);
}

/** Fails when an event was lost or counted twice. */
async function proveCounts(runtime: Runtime, sessionId: string, leadCount: number): Promise<void> {
  const { email } = await readProgress(runtime, sessionId);
  const bounced = Math.floor(leadCount / 100);
  if (email.delivered === leadCount - bounced && email.bounced === bounced) return;
  throw new Error(
    `Of ${leadCount} events ${email.delivered} deliveries and ${email.bounced} bounces were counted.`,
  );
}

async function measure(leadCount: number, isFlooded: boolean): Promise<Figure> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 50 });
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    vars: { MAIL_RATE: callsPerSecond, RESEND_WEBHOOK_SECRET: secret },
  });
  const sessionId = freshSessionId();
  const events = isFlooded ? signedEvents(sessionId, leadCount) : [];
  await startSession(runtime, sessionId);
  const [progress, eventsPerSecond] = await Promise.all([
    waitForEnd(runtime, sessionId),
    isFlooded ? flood(runtime, events) : null,
  ]);
  proveOnceEach(await mail.stats(), leadCount);
  if (isFlooded) await proveCounts(runtime, sessionId, leadCount);
  await runtime.stop();
  return { isFlooded, leadCount, ms: (progress.finishedAt ?? 0) - progress.createdAt, eventsPerSecond };
}

/** How long an event waits for its answer when events arrive by themselves, during a session. */
async function measureArrivals(leadCount: number): Promise<LatencyFigures> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 50 });
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    vars: { MAIL_RATE: callsPerSecond, RESEND_WEBHOOK_SECRET: secret },
  });
  const sessionId = freshSessionId();
  const events = signedEvents(sessionId, leadCount);
  await startSession(runtime, sessionId);
  const load = { ratePerSecond: arrivalsPerSecond, ms: (1_000 * leadCount) / arrivalsPerSecond };
  const figures = await openLoop((index) => post(runtime, events[index]), load);
  await waitForEnd(runtime, sessionId);
  await proveCounts(runtime, sessionId, leadCount);
  await runtime.stop();
  return figures;
}

/** Rows written for each event, by the platform's own figure. */
async function rowsPerEvent(leadCount: number): Promise<number> {
  const mail = await startMailApi();
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    vars: { RESEND_WEBHOOK_SECRET: secret, METER: 'yes' },
  });
  const sessionId = freshSessionId();
  await startSession(runtime, sessionId);
  await waitForEnd(runtime, sessionId);
  await takeMeter(runtime);
  await flood(runtime, signedEvents(sessionId, leadCount));
  const meter = await takeMeter(runtime);
  await proveCounts(runtime, sessionId, leadCount);
  await runtime.stop();
  return (meter.sessionRowsWritten + meter.alarmWriteCount + meter.d1RowsWritten) / leadCount;
}

export async function webhooks(options: BenchOptions): Promise<PartResult> {
  // With `--full` a hundred thousand events, because each is sent twice: about nine minutes.
  const leadCount = options.leadCounts?.[0] ?? (options.isFull ? 50_000 : 10_000);
  const repeatCount = options.repeatCount ?? (options.isFull ? 2 : 1);
  const figures: Figure[] = [];
  for (let turn = 1; turn <= repeatCount; turn++) {
    for (const isFlooded of [false, true]) {
      say(
        `webhooks: ${leadCount} leads, ${isFlooded ? 'flooded' : 'alone'}, round ${turn} of ${repeatCount}`,
      );
      figures.push(await measure(leadCount, isFlooded));
    }
  }
  say(`webhooks: ${arrivalsPerSecond} events a second`);
  const arrivals = await measureArrivals(Math.min(leadCount, 10_000));
  say('webhooks: rows');
  const rows = await rowsPerEvent(Math.min(leadCount, 10_000));
  const rate = (isFlooded: boolean): number =>
    median(
      figures.filter((figure) => figure.isFlooded === isFlooded).map(({ ms }) => (1_000 * leadCount) / ms),
    );
  const [alone, flooded] = [rate(false), rate(true)];
  const events = median(figures.flatMap(({ eventsPerSecond }) => eventsPerSecond ?? []));
  const share = flooded / alone;
  return {
    tables: [
      {
        title: `A session of ${leadCount} leads at ${callsPerSecond} calls a second, and ${2 * leadCount} events`,
        columns: ['', 'leads/s', 'events/s'],
        rows: [
          ['alone', round(alone), null],
          ['with the flood', round(flooded), round(events)],
        ],
        notes: ['The provider posts as fast as it is answered, 50 requests at once, each event twice.'],
      },
      {
        title: `Answers to ${arrivalsPerSecond} events a second that do not wait for each other`,
        columns: ['events', 'p50 ms', 'p99 ms', 'p99.9 ms', 'longest ms'],
        rows: [
          [
            arrivals.answerCount,
            ...[arrivals.p50Ms, arrivals.p99Ms, arrivals.p999Ms, arrivals.maxMs].map((ms) => round(ms)),
          ],
        ],
        notes: [
          'A latency counts from the moment at which the event should have been sent. An answer waits up to 100 ms, because events are collected and written together.',
        ],
      },
    ],
    verdicts: [
      {
        target: 'a run loses less than 20 % of its rate to the flood',
        measured: `${round(100 * (1 - share))} %`,
        isMet: share > 0.8,
      },
      { target: 'at most one row written per event', measured: `${round(rows)}`, isMet: rows <= 1 },
    ],
    figures: { figures, arrivals, rows },
  };
}
