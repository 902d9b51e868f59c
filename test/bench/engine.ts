/**
 * Engine: leads per second, CPU and memory of whole sessions, beside other ways to do the same work.
 *
 * All contenders have the same leads, template, renderer, mail API and number of calls at once. Each round runs
 * every contender once, one after the other, so that other load on the machine affects all of them.
 *
 * @module
 */
import type { BenchOptions, PartResult, Series, Verdict } from './lib/part.ts';
import { baselineVersions, startBaseline, type BaselineKind } from './lib/baseline.ts';
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
  'BullMQ, job per batch, always',
  'graphile-worker, job per batch',
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
    case 'BullMQ, job per batch, always':
    case 'BullMQ, job per lead':
    case 'graphile-worker, job per batch':
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
            // A million jobs take most of an hour at a constant rate, so this contender runs once, at the smallest
            // size.
            if (contender === 'BullMQ, job per lead' && (leadCount > 20_000 || round > 1)) continue;
            say(
              `engine: ${contender}, ${leadCount} leads, ${latencyMs} ms, round ${round} of ${repeatCount}`,
            );
            const figure = await measure(mail, contender, leadCount, latencyMs);
            if (figure === null) {
              notes.add(`${contender}: not measured, its server is not on this machine.`);
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

  const cpuMsPerBatch = (contender: Contender, leadCount: number, latencyMs: number): number =>
    of(contender, leadCount, latencyMs, (figure) => figure.cpuSecondsPerMillion / 10);
  const spread = (contender: Contender, leadCount: number, latencyMs: number): string => {
    const rates = figures
      .filter(
        (figure) =>
          figure.contender === contender && figure.leadCount === leadCount && figure.latencyMs === latencyMs,
      )
      .map(({ leadsPerSecond }) => Math.round(leadsPerSecond));
    return `${Math.min(...rates)} to ${Math.max(...rates)}`;
  };

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
            spread(contender, leadCount, latencyMs),
            round(leadsPerSecond / rate('engine', leadCount, latencyMs)),
            round(cpuMsPerBatch(contender, leadCount, latencyMs)),
            Number.isNaN(rss) ? null : Math.round(rss),
          ],
        ];
      }),
    ),
  );

  const latencyMs = latenciesMs.includes(20) ? 20 : (latenciesMs[0] ?? 20);
  const smallest = Math.min(...leadCounts);
  const largest = Math.max(...leadCounts);
  /** The engine's speed by that of a contender; the median of the sizes. */
  const ratioTo = (contender: Contender): number =>
    median(
      leadCounts
        .map((leadCount) => rate('engine', leadCount, latencyMs) / rate(contender, leadCount, latencyMs))
        .filter((ratio) => !Number.isNaN(ratio)),
    );
  const verdict = (contender: Contender, least: number): Verdict[] => {
    const ratio = ratioTo(contender);
    const target = `≥ ${least} × ${contender} at ${latencyMs} ms`;
    return Number.isNaN(ratio) ? [] : [{ target, measured: `${round(ratio)} ×`, isMet: ratio >= least }];
  };
  const cpuMs = median(leadCounts.map((leadCount) => cpuMsPerBatch('engine', leadCount, latencyMs)));
  const scaling = rate('engine', largest, latencyMs) / rate('engine', smallest, latencyMs);
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
        title: 'Whole sessions, median of rounds; every lead is proved to be mailed once',
        columns: [
          'contender',
          'leads',
          'latency ms',
          'leads/s',
          'spread',
          '× engine',
          'CPU ms per 100',
          'peak RSS MiB',
        ],
        rows,
        notes: [
          '“bare loop, flip” also sets its leads active in D1, as every design must; it keeps no intent, so it neither resumes nor knows what was sent.',
          'CPU and memory: of `workerd` with its local D1 for the engine, of `workerd` for the bare loop, of Node and its server (Redis, Postgres) for the others; the mail API is not in it.',
          'Of the others only those whose server writes each finished job to disk (`always`, graphile-worker) keep it through a power cut; none of them keeps an intent, so a job that was under way is mailed again.',
          ...baselineVersions(),
          ...notes,
        ],
      },
    ],
    verdicts: [
      ...verdict('bare loop, flip', 0.92),
      ...verdict('bare loop', 0.75),
      ...verdict('BullMQ, job per batch', 1.1),
      ...verdict('BullMQ, job per batch, always', 1.5),
      ...verdict('graphile-worker, job per batch', 1),
      { target: 'CPU of a batch ≤ 12 ms', measured: `${round(cpuMs)} ms`, isMet: cpuMs <= 12 },
      {
        target: `per lead at ${largest} no slower than at ${smallest} (≥ 0.95)`,
        measured: round(scaling).toString(),
        isMet: scaling >= 0.95,
      },
    ],
    plots: [
      {
        name: 'engine',
        title: `Leads a second, mail API of ${latencyMs} ms`,
        xLabel: 'leads in the session',
        yLabel: 'leads/s',
        isXLog: true,
        series: series.filter(({ points }) => points.length > 0),
      },
    ],
    figures,
  };
}
