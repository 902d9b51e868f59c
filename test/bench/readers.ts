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

/**
 * The third does no more than the second, but for a row that is on disk first. The fourth also flips, renders and posts
 * a hundred leads before each event: all work of a session without the session.
 */
const contenders = [
  'session',
  'bare broadcaster',
  'broadcaster that stores',
  'broadcaster that mails',
] as const;

/** With more readers every broadcaster falls behind by seconds, so one is enough. */
const mostReadersOfAll = 1_000;

const watchMs = 8_000;
const leadCount = 20_000;
/** A session takes the leads from the first on, and less than half of them while it is watched. */
const bareLeadId = leadCount / 2 + 1;

/** Until the runtime has done with readers that have left: thousands of them keep it busy for seconds. */
async function rest(url: string): Promise<void> {
  for (let quickCount = 0; quickCount < 5;) {
    const askedAt = performance.now();
    await fetch(url);
    quickCount = performance.now() - askedAt < 20 ? quickCount + 1 : 0;
    await sleep(100);
  }
}

async function measure(readerCount: number): Promise<Figure[]> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20 });
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
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
    await rest(`${runtime.url}/bench/ready`);
    return figure(who, bare.agesMs);
  };
  const others = [await broadcast('bare broadcaster', '')];
  if (readerCount <= mostReadersOfAll) {
    others.push(await broadcast('broadcaster that stores', '&stored'));
    others.push(await broadcast('broadcaster that mails', `&stored&mailsFrom=${bareLeadId}`));
  }

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
    contenders.flatMap((who): Figure[] => {
      const rounds = all.filter((one) => one.who === who && one.readerCount === readerCount);
      if (rounds.length === 0) return [];
      const of = (value: (figure: Figure) => number): number => median(rounds.map(value));
      return [
        {
          who,
          readerCount,
          p50Ms: of((figure) => figure.p50Ms),
          p95Ms: of((figure) => figure.p95Ms),
          p99Ms: of((figure) => figure.p99Ms),
          eventsPerReader: of((figure) => figure.eventsPerReader),
        },
      ];
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
          'The session makes five calls a second, and the broadcasters send five events a second. The session writes each result to disk before its readers get it, as the broadcaster that stores does with its event. The broadcaster that mails also flips, renders and posts a hundred leads before each event, as the session does. Client, mail API and runtime share two cores.',
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
