/**
 * First mail: from the request that starts a session to the mail API's receipt of the first mail.
 *
 * @module
 */
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
import { median } from './lib/stats.ts';
import { setTimeout as sleep } from 'node:timers/promises';

interface Figure {
  leadCount: number;
  /** Until the start is answered: the audience is counted. */
  answeredMs: number;
  firstMailMs: number;
}

async function measure(leadCount: number): Promise<Figure> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20 });
  const runtime = await startRuntime({ stateFolder: await freshState(leadCount), mailUrl: mail.url });
  // A Worker in use has its code loaded; its database is cold, as it is for whoever starts a session.
  await fetch(`${runtime.url}/healthz`);
  const startedAt = Date.now();
  await startSession(runtime, freshSessionId());
  const answeredMs = Date.now() - startedAt;
  for (;;) {
    const { firstMailAt } = await mail.stats();
    if (firstMailAt !== null) {
      await runtime.kill();
      await closeAll();
      return { leadCount, answeredMs, firstMailMs: firstMailAt - startedAt };
    }
    await sleep(5);
  }
}

export async function firstMail(options: BenchOptions): Promise<PartResult> {
  const leadCounts = options.leadCounts ?? (options.isFull ? [1_000, 100_000, 1_000_000] : [1_000, 10_000]);
  const repeatCount = options.repeatCount ?? 3;
  const figures: Figure[] = [];
  for (const leadCount of leadCounts) {
    for (let round = 1; round <= repeatCount; round++) {
      say(`first-mail: ${leadCount} leads, round ${round} of ${repeatCount}`);
      figures.push(await measure(leadCount));
    }
  }
  const of = (leadCount: number, value: (figure: Figure) => number): number =>
    median(figures.filter((figure) => figure.leadCount === leadCount).map(value));
  const slowest = Math.max(...leadCounts.map((leadCount) => of(leadCount, ({ firstMailMs }) => firstMailMs)));
  return {
    tables: [
      {
        title: 'From the start request to the first mail',
        columns: ['leads', 'start answered ms', 'first mail ms'],
        rows: leadCounts.map((leadCount) => [
          leadCount,
          of(leadCount, ({ answeredMs }) => answeredMs),
          of(leadCount, ({ firstMailMs }) => firstMailMs),
        ]),
      },
    ],
    verdicts: [
      {
        target: 'first mail in less than 1 s at every size',
        measured: `${slowest} ms`,
        isMet: slowest < 1_000,
      },
    ],
    figures,
  };
}
