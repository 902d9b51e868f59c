/**
 * Readers: the time from a change of a running session to the bytes at its readers, compared with a bare
 * broadcaster.
 *
 * @module
 */
import { openReaders } from './lib/load.ts';
import type { BenchOptions, PartResult } from './lib/part.ts';
import {
  closeAll,
  freshSessionId,
  freshState,
  say,
  startMailApi,
  startRuntime,
  startSession,
} from './lib/harness.ts';
import { median, percentile, round } from './lib/stats.ts';
import { setTimeout as sleep } from 'node:timers/promises';

interface Figure {
  who: (typeof contenders)[number];
  readerCount: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  eventsPerReader: number;
}

/** The last one does no more than the second, but for a row that is on disk first. */
const contenders = ['session', 'bare broadcaster', 'broadcaster that stores'] as const;

const watchMs = 8_000;

async function measure(readerCount: number): Promise<Figure[]> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20 });
  const runtime = await startRuntime({
    stateFolder: await freshState(10_000),
    mailUrl: mail.url,
    vars: { MAIL_RATE: '5' },
  });
  const figure = (who: Figure['who'], agesMs: readonly number[]): Figure => ({
    who,
    readerCount,
    p50Ms: percentile(agesMs, 0.5),
    p95Ms: percentile(agesMs, 0.95),
    p99Ms: percentile(agesMs, 0.99),
    eventsPerReader: agesMs.length / readerCount,
  });
  const broadcast = async (who: Figure['who'], option: string): Promise<Figure> => {
    say(`readers: ${readerCount} of a ${who}`);
    const bare = await openReaders(`${runtime.url}/bench/stream`, readerCount);
    await fetch(`${runtime.url}/bench/broadcast?count=${watchMs / 200}&intervalMs=200${option}`);
    await sleep(500);
    bare.close();
    return figure(who, bare.agesMs);
  };
  const others = [
    await broadcast('bare broadcaster', ''),
    await broadcast('broadcaster that stores', '&stored'),
  ];

  say(`readers: ${readerCount} of a session`);
  const sessionId = freshSessionId();
  await startSession(runtime, sessionId);
  const session = await openReaders(`${runtime.url}/crm/activation/stream/${sessionId}`, readerCount);
  await sleep(watchMs);
  session.close();
  const figures = [figure('session', session.agesMs), ...others];
  await runtime.kill();
  await closeAll();
  return figures;
}

export async function readers(options: BenchOptions): Promise<PartResult> {
  const readerCounts = options.isFull ? [100, 1_000, 5_000] : [100, 1_000];
  const repeatCount = options.repeatCount ?? 3;
  const all: Figure[] = [];
  for (const readerCount of readerCounts) {
    for (let round = 1; round <= repeatCount; round++) all.push(...(await measure(readerCount)));
  }
  const figures = readerCounts.flatMap((readerCount) =>
    contenders.map((who): Figure => {
      const rounds = all.filter((one) => one.who === who && one.readerCount === readerCount);
      const of = (value: (figure: Figure) => number): number => median(rounds.map(value));
      return {
        who,
        readerCount,
        p50Ms: of((figure) => figure.p50Ms),
        p95Ms: of((figure) => figure.p95Ms),
        p99Ms: of((figure) => figure.p99Ms),
        eventsPerReader: of((figure) => figure.eventsPerReader),
      };
    }),
  );
  return {
    tables: [
      {
        title: 'From a change to its reader',
        columns: ['readers', 'of', 'p50 ms', 'p95 ms', 'p99 ms', 'events per reader'],
        rows: figures.map(({ readerCount, who, p50Ms, p95Ms, p99Ms, eventsPerReader }) => [
          readerCount,
          who,
          p50Ms,
          p95Ms,
          p99Ms,
          round(eventsPerReader),
        ]),
        notes: [
          'The session makes five calls a second, and the broadcasters send five events a second. A session also sends mail meanwhile. It writes each result to disk before its readers get it, as the broadcaster that stores does with its event. Client and runtime share two cores.',
        ],
      },
    ],
    verdicts: readerCounts
      .filter((readerCount) => readerCount >= 1_000)
      .map((readerCount) => {
        const of = (who: Figure['who']): number =>
          figures.find((one) => one.who === who && one.readerCount === readerCount)?.p95Ms ?? Number.NaN;
        const ratio = of('session') / of('bare broadcaster');
        return {
          target: `p95 of ${readerCount} readers ≤ 1.15 × a bare broadcaster`,
          measured: String(round(ratio)),
          isMet: ratio <= 1.15,
        };
      }),
    plots: [
      {
        name: 'readers',
        title: 'Change to reader, p95',
        xLabel: 'readers of one session',
        yLabel: 'ms',
        isXLog: true,
        series: contenders.map((who) => ({
          name: who,
          points: figures
            .filter((one) => one.who === who)
            .map(({ readerCount, p95Ms }) => [readerCount, p95Ms] as const),
        })),
      },
    ],
    figures: all,
  };
}
