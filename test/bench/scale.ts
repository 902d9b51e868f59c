/**
 * Scale: the engine alone at growing sizes, with the model of docs/PERFORMANCE.md fitted and checked.
 *
 * The model is a line: a session takes a fixed time and a time for each batch. It is fitted to the two smaller sizes
 * and predicts the largest, so that a cost that grows with the size shows as an error. The smallest size is measured
 * again after the largest, because other load on the machine changes meanwhile.
 *
 * @module
 */
import { freePort } from '../../scripts/lib/processes.ts';
import { measureLiveHeap } from './lib/inspector.ts';
import type { BenchOptions, PartResult } from './lib/part.ts';
import {
  closeAll,
  freshState,
  proveOnceEach,
  readProgress,
  runSession,
  say,
  startMailApi,
  startRuntime,
  takeMeter,
} from './lib/harness.ts';
import { median, round } from './lib/stats.ts';

interface Figure {
  leadCount: number;
  seconds: number;
  cpuSeconds: number;
  /** Of the whole local runtime: the Worker, its objects, D1, and the parts between them. */
  peakRssMiB: number;
  /** What the Worker and its objects need at the end, after a collection. */
  liveHeapMiB: number;
  /** Rows that a progress request read: the first after a restart of the runtime, and the next. */
  progressRowsRead: readonly [afterRestart: number, inMemory: number];
}

async function measure(leadCount: number): Promise<Figure> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20 });
  const stateFolder = await freshState(leadCount);
  const inspectorPort = await freePort();
  const runtime = await startRuntime({ stateFolder, mailUrl: mail.url, inspectorPort });
  const run = await runSession(runtime);
  const liveHeapMiB = await measureLiveHeap(inspectorPort, () =>
    readProgress(runtime, run.progress.sessionId),
  );
  proveOnceEach(await mail.stats(), leadCount);
  await runtime.stop();
  // The meter costs a little time, so it counts after the session and not during it.
  const metered = await startRuntime({ stateFolder, mailUrl: mail.url, vars: { METER: 'yes' } });
  const rowsRead: number[] = [];
  for (let request = 0; request < 2; request++) {
    await takeMeter(metered);
    await readProgress(metered, run.progress.sessionId);
    const counted = await takeMeter(metered);
    rowsRead.push(counted.sessionRowsRead + counted.d1RowsRead);
  }
  await closeAll();
  return {
    leadCount,
    seconds: run.ms / 1_000,
    cpuSeconds: run.cpuSeconds,
    peakRssMiB: run.peakRssMiB,
    liveHeapMiB,
    progressRowsRead: [rowsRead[0] ?? Number.NaN, rowsRead[1] ?? Number.NaN],
  };
}

export async function scale(options: BenchOptions): Promise<PartResult> {
  const leadCounts =
    options.leadCounts ??
    (options.isFull ? [20_000, 100_000, 1_000_000, 10_000_000] : [2_000, 5_000, 10_000]);
  const repeatCount = options.repeatCount ?? 1;
  const figures: Figure[] = [];
  for (let round = 1; round <= repeatCount; round++) {
    for (const leadCount of [...leadCounts, Math.min(...leadCounts)]) {
      say(`scale: ${leadCount} leads, round ${round} of ${repeatCount}`);
      figures.push(await measure(leadCount));
    }
  }
  const of = (leadCount: number, value: (figure: Figure) => number): number =>
    median(figures.filter((figure) => figure.leadCount === leadCount).map(value));
  const cpuOf = (leadCount: number): number => of(leadCount, (figure) => figure.cpuSeconds);
  const [small = 0, middle = 0] = leadCounts;
  const large = leadCounts.at(-1) ?? 0;
  const perLead = (cpuOf(middle) - cpuOf(small)) / (middle - small);
  const fixed = cpuOf(small) - perLead * small;
  const foretold = fixed + perLead * large;
  return {
    tables: [
      {
        title: 'The engine alone, mail API of 20 ms, every lead proved to be mailed once',
        columns: [
          'leads',
          'seconds',
          'leads/s',
          'CPU s',
          'CPU ms per batch',
          'peak RSS MiB',
          'heap of the Worker after a collection, MiB',
          'rows read by a progress request after a restart',
          'and in memory',
        ],
        rows: leadCounts.map((leadCount) => [
          leadCount,
          round(of(leadCount, (figure) => figure.seconds)),
          Math.round(leadCount / of(leadCount, (figure) => figure.seconds)),
          round(cpuOf(leadCount)),
          round((1e5 * cpuOf(leadCount)) / leadCount),
          Math.round(of(leadCount, (figure) => figure.peakRssMiB)),
          round(of(leadCount, (figure) => figure.liveHeapMiB)),
          of(leadCount, (figure) => figure.progressRowsRead[0]),
          of(leadCount, (figure) => figure.progressRowsRead[1]),
        ]),
        notes: [
          `CPU by the line through the two smaller sizes: ${round(fixed)} s + ${round(perLead * 1e5)} ms per batch of 100. It foretells ${round(foretold)} s for ${large} leads; measured were ${round(cpuOf(large))} s.`,
        ],
      },
    ],
    verdicts: [
      {
        target: 'CPU per lead at the largest size ≤ 1 / 0.95 of that at the smallest',
        measured: `${round(cpuOf(large) / large / (cpuOf(small) / small))} ×`,
        isMet: cpuOf(large) / large <= cpuOf(small) / small / 0.95,
      },
      {
        target: 'at most 700 MiB at the largest size',
        measured: `${Math.round(of(large, (figure) => figure.peakRssMiB))} MiB`,
        isMet: of(large, (figure) => figure.peakRssMiB) <= 700,
      },
      {
        target:
          'the heap of the Worker after a collection at the largest size: at most 1.1 × that at the smallest',
        measured: `${round(of(large, (figure) => figure.liveHeapMiB))} and ${round(of(small, (figure) => figure.liveHeapMiB))} MiB`,
        isMet: of(large, (figure) => figure.liveHeapMiB) <= 1.1 * of(small, (figure) => figure.liveHeapMiB),
      },
      {
        target: 'at most 5 rows read by a progress request, also after a restart',
        measured: String(of(large, (figure) => figure.progressRowsRead[0])),
        isMet: figures.every(({ progressRowsRead }) => Math.max(...progressRowsRead) <= 5),
      },
    ],
    plots: [
      {
        name: 'scale',
        title: 'CPU of a run: measured, and by the line',
        xLabel: 'leads',
        yLabel: 'CPU s',
        isXLog: true,
        series: [
          { name: 'measured', points: leadCounts.map((leadCount) => [leadCount, cpuOf(leadCount)] as const) },
          {
            name: 'line',
            points: leadCounts.map((leadCount) => [leadCount, fixed + perLead * leadCount] as const),
          },
        ],
      },
    ],
    figures,
  };
}
