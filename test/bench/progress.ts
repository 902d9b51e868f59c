/**
 * Progress reads: how many polls a running session answers compared with a method of a bare object, and how much a
 * thousand polling tabs slow the session down.
 *
 * @module
 */
import { Agent } from 'node:http';
import { loadOf, type LoadResult } from './lib/load.ts';
import { getOnce, openLoop, type LatencyFigures } from './lib/open-loop.ts';
import type { BenchOptions, PartResult } from './lib/part.ts';
import {
  closeAll,
  freshSessionId,
  freshState,
  proveOnceEach,
  say,
  startMailApi,
  startRuntime,
  startSession,
  waitForEnd,
} from './lib/harness.ts';
import { median, round } from './lib/stats.ts';

const kinds = ['bare object method', 'poll, 200', 'poll, 304'] as const;
type Kind = (typeof kinds)[number];

/** Five calls a second: the session lasts for the whole measurement and changes as fast as a real one. */
const backgroundRate = 5;

/** Polls that arrive by themselves: as many as of a thousand tabs, one every two seconds each. */
const arrivalsPerSecond = 500;

async function measureReads(
  leadCount: number,
  repeatCount: number,
  ms: number,
): Promise<{ results: [Kind, LoadResult][]; arrivals: [Kind, LatencyFigures][] }> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20 });
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    vars: { MAIL_RATE: String(backgroundRate) },
  });
  const sessionId = freshSessionId();
  await startSession(runtime, sessionId);
  const progressUrl = `${runtime.url}/crm/activation/progress/${sessionId}`;
  const results: [Kind, LoadResult][] = [];
  for (let round = 0; round <= repeatCount; round++) {
    for (const kind of kinds) {
      say(`progress: ${kind}, round ${round} of ${repeatCount}`);
      const url = kind === 'bare object method' ? `${runtime.url}/bench/progress` : progressUrl;
      const result = await loadOf(url, { clientCount: 20, ms, hasEtag: kind === 'poll, 304', pauseMs: 0 });
      // The first round warms up the compiler and is not counted.
      if (round > 0) results.push([kind, result]);
    }
  }
  const arrivals: [Kind, LatencyFigures][] = [];
  for (const kind of kinds) {
    say(`progress: ${kind}, ${arrivalsPerSecond} a second`);
    const url = kind === 'bare object method' ? `${runtime.url}/bench/progress` : progressUrl;
    // `*` is known to be the newest tag at all times.
    const headers: Record<string, string> = kind === 'poll, 304' ? { 'if-none-match': '*' } : {};
    const statuses = [kind === 'poll, 304' ? 304 : 200];
    const agent = new Agent({ keepAlive: true, maxSockets: 256 });
    const load = { ratePerSecond: arrivalsPerSecond, ms: Math.max(10_000, ms) };
    arrivals.push([kind, await openLoop(() => getOnce(url, { agent, headers, statuses }), load)]);
    agent.destroy();
  }
  await closeAll();
  return { results, arrivals };
}

/** Leads a second of a session that many tabs poll; `mailRate`: calls a second that the account may make, or null. */
async function measureRun(leadCount: number, tabCount: number, mailRate: number | null): Promise<number> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20 });
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    ...(mailRate === null ? {} : { vars: { MAIL_RATE: String(mailRate) } }),
  });
  const sessionId = freshSessionId();
  const stop = new AbortController();
  await startSession(runtime, sessionId);
  const url = `${runtime.url}/crm/activation/progress/${sessionId}`;
  const tabs =
    tabCount === 0
      ? Promise.resolve()
      : loadOf(url, {
          clientCount: tabCount,
          ms: Infinity,
          hasEtag: true,
          pauseMs: 2_000,
          signal: stop.signal,
        });
  const progress = await waitForEnd(runtime, sessionId);
  stop.abort();
  await tabs;
  proveOnceEach(await mail.stats(), leadCount);
  await closeAll();
  return (1_000 * leadCount) / ((progress.finishedAt ?? 0) - progress.createdAt);
}

export async function progress(options: BenchOptions): Promise<PartResult> {
  const repeatCount = options.repeatCount ?? 3;
  const readLeadCount = options.leadCounts?.at(-1) ?? (options.isFull ? 1_000_000 : 10_000);
  const runLeadCount = options.isFull ? 50_000 : 10_000;
  const { results, arrivals } = await measureReads(
    readLeadCount,
    repeatCount,
    options.isFull ? 4_000 : 1_500,
  );
  const of = (kind: Kind, value: (result: LoadResult) => number): number =>
    median(results.filter(([found]) => found === kind).map(([, result]) => value(result)));
  const bareRate = of('bare object method', (result) => result.requestsPerSecond);

  const runs: { name: string; alone: number; watched: number; slowdown: number }[] = [];
  for (const [name, mailRate] of [
    ['10 calls a second, as Resend allows', 10],
    ['no limit: the machine is the limit', null],
  ] as const) {
    const alone: number[] = [];
    const watched: number[] = [];
    for (let round = 1; round <= repeatCount; round++) {
      say(`progress: a run with 0 and with 1,000 tabs, ${name}, round ${round} of ${repeatCount}`);
      alone.push(await measureRun(runLeadCount, 0, mailRate));
      watched.push(await measureRun(runLeadCount, 1_000, mailRate));
    }
    const [one, many] = [median(alone), median(watched)];
    runs.push({ name, alone: one, watched: many, slowdown: 1 - many / one });
  }
  const [ratio200 = 0, ratio304 = 0] = (['poll, 200', 'poll, 304'] as const).map(
    (kind) => of(kind, (result) => result.requestsPerSecond) / bareRate,
  );
  return {
    tables: [
      {
        title: `Polls of a session of ${readLeadCount} leads that runs at ${backgroundRate} calls a second`,
        columns: ['what', 'requests/s', '× bare', 'p50 ms', 'p99 ms'],
        rows: kinds.map((kind) => [
          kind,
          Math.round(of(kind, (result) => result.requestsPerSecond)),
          round(of(kind, (result) => result.requestsPerSecond) / bareRate),
          round(of(kind, (result) => result.p50Ms)),
          round(of(kind, (result) => result.p99Ms)),
        ]),
        notes: [
          'The bare one is a fetch handler and a method that returns a constant. A poll also passes headers, log, identity, role and the rows of the session’s cache.',
        ],
      },
      {
        title: `The same, with ${arrivalsPerSecond} requests a second that do not wait for each other`,
        columns: ['what', 'answers', 'p50 ms', 'p99 ms', 'p99.9 ms', 'longest ms'],
        rows: arrivals.map(([kind, figures]) => [
          kind,
          figures.answerCount,
          ...[figures.p50Ms, figures.p99Ms, figures.p999Ms, figures.maxMs].map((ms) => round(ms)),
        ]),
        notes: ['A latency counts from the moment at which the request should have begun.'],
      },
      {
        title: 'What 1,000 tabs that poll every 2 seconds cost a run',
        columns: ['mail API', 'leads/s without', 'leads/s with 1,000', 'slower by'],
        rows: runs.map(({ name, alone, watched, slowdown }) => [
          name,
          Math.round(alone),
          Math.round(watched),
          `${round(100 * slowdown)} %`,
        ]),
        notes: [
          'The tabs, the mail API and the run share the two cores: without a limit, what answers the tabs is taken from the run.',
        ],
      },
    ],
    verdicts: [
      {
        target: '≥ 0.85 × a bare object method (200)',
        measured: String(round(ratio200)),
        isMet: ratio200 >= 0.85,
      },
      {
        target: '≥ 0.9 × a bare object method (304)',
        measured: String(round(ratio304)),
        isMet: ratio304 >= 0.9,
      },
      ...runs.map(({ name, slowdown }) => ({
        target: `1,000 polling tabs slow a run by < 10 % (${name})`,
        measured: `${round(100 * slowdown)} %`,
        isMet: slowdown < 0.1,
      })),
    ],
    figures: { results, arrivals, runs },
  };
}
