/**
 * Engine: leads a second, CPU and memory of whole sessions, beside three other ways to do the same.
 *
 * The same leads, the same template and renderer, the same mail API, the same number of calls at once. Each
 * round runs every contender once, one after the other, so that what the machine does besides hits all.
 *
 * @module
 */
import type { BenchOptions, PartResult, Series } from './lib/part.ts';
import { startBaseline, type BaselineKind } from './lib/baseline.ts';
import {
  closeAll,
  cpuSeconds,
  freshState,
  proveOnceEach,
  runSession,
  say,
  startMailApi,
  startRuntime,
  type MailApi,
} from './lib/harness.ts';
import { median, round } from './lib/stats.ts';

interface Figure {
  contender: Contender;
  leadCount: number;
  latencyMs: number;
  leadsPerSecond: number;
  cpuSecondsPerMillion: number;
  peakRssMiB: number | null;
}

type Contender = 'engine' | 'bare loop' | 'bare loop, flip' | BaselineKind;

const contenders: readonly Contender[] = [
  'engine',
  'bare loop',
  'bare loop, flip',
  'BullMQ, job per batch',
  'BullMQ, job per lead',
  'in memory',
];

async function measure(
  mail: MailApi,
  contender: Contender,
  leadCount: number,
  latencyMs: number,
): Promise<Figure | null> {
  await mail.set({ latencyMs });
  const figure = (ms: number, cpu: number, peakRssMiB: number | null): Figure => ({
    contender,
    leadCount,
    latencyMs,
    leadsPerSecond: (1_000 * leadCount) / ms,
    cpuSecondsPerMillion: (1e6 * cpu) / leadCount,
    peakRssMiB,
  });
  switch (contender) {
    case 'engine': {
      const runtime = await startRuntime({ stateFolder: await freshState(leadCount), mailUrl: mail.url });
      const run = await runSession(runtime);
      await runtime.stop();
      return figure(run.ms, run.cpuSeconds, run.peakRssMiB);
    }
    case 'bare loop':
    case 'bare loop, flip': {
      const hasFlip = contender === 'bare loop, flip';
      const stateFolder = await freshState(hasFlip ? leadCount : 0);
      const runtime = await startRuntime({ stateFolder, mailUrl: mail.url });
      const cpuBefore = cpuSeconds(runtime.pid);
      const response = await fetch(`${runtime.url}/bench/loop?count=${leadCount}${hasFlip ? '&flip=1' : ''}`);
      if (!response.ok) throw new Error(`The bare loop answered ${response.status}.`);
      const { ms } = (await response.json()) as { ms: number };
      const used = cpuSeconds(runtime.pid) - cpuBefore;
      await runtime.stop();
      return figure(ms, used, null);
    }
    case 'BullMQ, job per batch':
    case 'BullMQ, job per lead':
    case 'in memory': {
      const baseline = await startBaseline(contender, leadCount, mail.url);
      if (baseline === null) return null;
      const { ms, cpu, peakRssMiB } = await baseline.run();
      return figure(ms, cpu, peakRssMiB);
    }
    default:
      return contender satisfies never;
  }
}

export async function engine(options: BenchOptions): Promise<PartResult> {
  const leadCounts = options.leadCounts ?? (options.isFull ? [20_000, 100_000, 1_000_000] : [2_000, 10_000]);
  const latenciesMs = options.latenciesMs ?? (options.isFull ? [0, 20, 100] : [20]);
  const repeatCount = options.repeatCount ?? (options.isFull ? 3 : 1);
  const mail = await startMailApi();
  const figures: Figure[] = [];
  const notes = new Set<string>();
  try {
    for (const leadCount of leadCounts) {
      await freshState(leadCount);
      for (const latencyMs of latenciesMs) {
        for (let round = 1; round <= repeatCount; round++) {
          for (const contender of contenders) {
            // A job per lead of a million takes most of an hour, and its rate does not change: once, of the least.
            if (contender === 'BullMQ, job per lead' && (leadCount > 20_000 || round > 1)) continue;
            say(
              `engine: ${contender}, ${leadCount} leads, ${latencyMs} ms, round ${round} of ${repeatCount}`,
            );
            const figure = await measure(mail, contender, leadCount, latencyMs);
            if (figure === null) {
              notes.add(`${contender}: not measured, there is no redis-server on this machine.`);
              continue;
            }
            proveOnceEach(await mail.stats(), leadCount);
            figures.push(figure);
          }
        }
      }
    }
  } finally {
    await closeAll();
  }

  const of = (
    contender: Contender,
    leadCount: number,
    latencyMs: number,
    value: (figure: Figure) => number | null,
  ): number => {
    const fitting = figures.filter(
      (figure) =>
        figure.contender === contender && figure.leadCount === leadCount && figure.latencyMs === latencyMs,
    );
    return median(fitting.map((figure) => value(figure) ?? Number.NaN));
  };
  const rate = (contender: Contender, leadCount: number, latencyMs: number): number =>
    of(contender, leadCount, latencyMs, (figure) => figure.leadsPerSecond);

  const rows = leadCounts.flatMap((leadCount) =>
    latenciesMs.flatMap((latencyMs) =>
      contenders.flatMap((contender) => {
        const leadsPerSecond = rate(contender, leadCount, latencyMs);
        if (Number.isNaN(leadsPerSecond)) return [];
        const rss = of(contender, leadCount, latencyMs, (figure) => figure.peakRssMiB);
        return [
          [
            contender,
            leadCount,
            latencyMs,
            Math.round(leadsPerSecond),
            round(leadsPerSecond / rate('engine', leadCount, latencyMs)),
            round(of(contender, leadCount, latencyMs, (figure) => figure.cpuSecondsPerMillion)),
            Number.isNaN(rss) ? null : Math.round(rss),
          ],
        ];
      }),
    ),
  );

  const latencyMs = latenciesMs.includes(20) ? 20 : (latenciesMs[0] ?? 20);
  const smallest = Math.min(...leadCounts);
  const largest = Math.max(...leadCounts);
  const toBare = median(
    leadCounts.map(
      (leadCount) => rate('engine', leadCount, latencyMs) / rate('bare loop', leadCount, latencyMs),
    ),
  );
  const scaling = rate('engine', largest, latencyMs) / rate('engine', smallest, latencyMs);
  const toBull = rate('engine', smallest, latencyMs) / rate('BullMQ, job per batch', smallest, latencyMs);
  const series: Series[] = contenders.map((name) => ({
    name,
    points: leadCounts.flatMap((leadCount) => {
      const y = rate(name, leadCount, latencyMs);
      return Number.isNaN(y) ? [] : [[leadCount, y] as const];
    }),
  }));
  return {
    tables: [
      {
        title: 'Whole runs, median of rounds; every lead proved to be mailed once',
        columns: [
          'contender',
          'leads',
          'latency ms',
          'leads/s',
          '× engine',
          'CPU s per million',
          'peak RSS MiB',
        ],
        rows,
        notes: [
          '“bare loop, flip” also sets its leads active in D1, as every design must; it keeps no intent, so it neither resumes nor knows what was sent.',
          'CPU and memory: of `workerd` with its local D1 for the engine, of `workerd` for the bare loop, of Node and Redis for the others; the mail API is not in it.',
          ...notes,
        ],
      },
    ],
    verdicts: [
      {
        target: `≥ 0.8 × the bare loop at ${latencyMs} ms`,
        measured: round(toBare).toString(),
        isMet: toBare >= 0.8,
      },
      {
        target: `per lead at ${largest} no slower than at ${smallest} (≥ 0.95)`,
        measured: round(scaling).toString(),
        isMet: scaling >= 0.95,
      },
      ...(Number.isNaN(toBull)
        ? []
        : [{ target: 'ahead of BullMQ per batch', measured: `${round(toBull)} ×`, isMet: toBull > 1 }]),
    ],
    plots: [
      {
        name: 'engine',
        title: `Leads a second, mail API of ${latencyMs} ms`,
        xLabel: 'leads in the run',
        yLabel: 'leads/s',
        isXLog: true,
        series: series.filter(({ points }) => points.length > 0),
      },
    ],
    figures,
  };
}
