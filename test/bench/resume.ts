/**
 * Resume: from a SIGKILL in the middle of a session to the next mail, and proof that nobody got two.
 *
 * @module
 */
import type { BenchOptions, PartResult } from './lib/part.ts';
import {
  closeAll,
  freshSessionId,
  freshState,
  proveOnceEach,
  readProgress,
  say,
  startMailApi,
  startRuntime,
  startSession,
  waitForEnd,
} from './lib/harness.ts';
import { median } from './lib/stats.ts';
import { setTimeout as sleep } from 'node:timers/promises';

interface Figure {
  /** Until the runtime is up again: its own start, which no design changes. */
  restartMs: number;
  /** From the kill to the next mail that is new. */
  nextMailMs: number;
  replayedCallCount: number;
}

async function measure(leadCount: number): Promise<Figure> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20 });
  const stateFolder = await freshState(leadCount);
  const runtime = await startRuntime({ stateFolder, mailUrl: mail.url });
  const sessionId = freshSessionId();
  await startSession(runtime, sessionId);
  while ((await readProgress(runtime, sessionId)).processed < leadCount / 3) await sleep(20);
  const killedAt = Date.now();
  await runtime.kill();
  const { mailCount } = await mail.stats();
  // Its alarm fires while the runtime still comes up: nobody looks at the session before its next mail.
  const nextMail = (async () => {
    while ((await mail.stats()).mailCount === mailCount) await sleep(5);
    return Date.now();
  })();
  const again = await startRuntime({ stateFolder, mailUrl: mail.url });
  const upAt = Date.now();
  const nextMailAt = await nextMail;
  await waitForEnd(again, sessionId);
  const end = await mail.stats();
  proveOnceEach(end, leadCount);
  await closeAll();
  return {
    restartMs: upAt - killedAt,
    nextMailMs: nextMailAt - killedAt,
    replayedCallCount: end.replayedCallCount,
  };
}

export async function resume(options: BenchOptions): Promise<PartResult> {
  const leadCount = options.leadCounts?.[0] ?? (options.isFull ? 50_000 : 10_000);
  const repeatCount = options.repeatCount ?? 3;
  const figures: Figure[] = [];
  for (let round = 1; round <= repeatCount; round++) {
    say(`resume: round ${round} of ${repeatCount}`);
    figures.push(await measure(leadCount));
  }
  const slowest = Math.max(...figures.map(({ nextMailMs }) => nextMailMs));
  return {
    tables: [
      {
        title: `A run of ${leadCount} leads, killed after a third of it`,
        columns: [
          'round',
          'until the runtime is up ms',
          'until the next mail ms',
          'calls asked again under their key',
        ],
        rows: figures.map((figure, index) => [
          index + 1,
          figure.restartMs,
          figure.nextMailMs,
          figure.replayedCallCount,
        ]),
        notes: [
          'Both from the kill: the alarm fires while the runtime still comes up.',
          `Median from the kill to the next mail: ${median(figures.map(({ nextMailMs }) => nextMailMs))} ms.`,
        ],
      },
    ],
    verdicts: [
      {
        target: 'goes on within 5 s with nobody watching, restart included',
        measured: `${slowest} ms`,
        isMet: slowest <= 5_000,
      },
      { target: 'each lead mailed once', measured: 'proved in every round', isMet: true },
    ],
    figures,
  };
}
