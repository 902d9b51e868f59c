/**
 * Provider utilisation: how close a session comes to the least time that a limited mail API allows.
 *
 * The API lets R calls in each second and answers the rest with 429; MAIL_RATE is that same R. Ideal is one
 * call every 1 / R seconds, from the first to the last.
 *
 * @module
 */
import type { BenchOptions, PartResult } from './lib/part.ts';
import type { MailApiSettings } from './lib/messages.ts';
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

interface Scenario {
  ratePerSecond: number;
  mailRate: number;
  window: MailApiSettings['window'];
  sessionCount: number;
  callCount: number;
}

interface Figure extends Scenario {
  ms: number;
  idealMs: number;
  throttledCount: number;
}

async function measure(scenario: Scenario): Promise<Figure> {
  const { ratePerSecond, mailRate, window, sessionCount, callCount } = scenario;
  const leadCount = callCount * 100;
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20, ratePerSecond, window });
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    vars: { MAIL_RATE: String(mailRate) },
  });
  await fetch(`${runtime.url}/healthz`);
  const share = leadCount / sessionCount;
  const runs = await Promise.all(
    Array.from({ length: sessionCount }, async (_, index) => {
      const sessionId = freshSessionId();
      const leadIds = Array.from({ length: share }, (_, offset) => index * share + offset + 1);
      await startSession(runtime, sessionId, sessionCount === 1 ? { filter: {} } : { leadIds });
      return waitForEnd(runtime, sessionId);
    }),
  );
  const stats = await mail.stats();
  proveOnceEach(stats, leadCount);
  await closeAll();
  const startedAt = Math.min(...runs.map(({ createdAt }) => createdAt));
  const finishedAt = Math.max(...runs.map(({ finishedAt }) => finishedAt ?? 0));
  return {
    ...scenario,
    ms: finishedAt - startedAt,
    idealMs: (1_000 * callCount) / mailRate,
    throttledCount: stats.throttledCallCount,
  };
}

export async function utilisation(options: BenchOptions): Promise<PartResult> {
  const seconds = options.isFull ? 60 : 20;
  const rates = options.isFull ? [8, 10, 50] : [10];
  const scenarios: Scenario[] = rates.flatMap((ratePerSecond) =>
    [1, 5].map((sessionCount) => ({
      ratePerSecond,
      mailRate: ratePerSecond,
      window: 'fixed' as const,
      sessionCount,
      callCount: ratePerSecond * seconds,
    })),
  );
  // As the product is set up: 8 of Resend's 10, counted as strictly as it can be.
  scenarios.push({
    ratePerSecond: 10,
    mailRate: 8,
    window: 'sliding',
    sessionCount: 5,
    callCount: 8 * seconds,
  });
  const repeatCount = options.repeatCount ?? 3;
  const figures: Figure[] = [];
  for (const scenario of scenarios) {
    const rounds: Figure[] = [];
    for (let round = 1; round <= repeatCount; round++) {
      say(
        `utilisation: ${scenario.mailRate} of ${scenario.ratePerSecond} calls/s, ${scenario.sessionCount} sessions, ${seconds} s, round ${round} of ${repeatCount}`,
      );
      rounds.push(await measure(scenario));
    }
    figures.push({
      ...scenario,
      callCount: rounds.length * scenario.callCount,
      idealMs: (1_000 * scenario.callCount) / scenario.mailRate,
      ms: median(rounds.map(({ ms }) => ms)),
      throttledCount: rounds.reduce((sum, { throttledCount }) => sum + throttledCount, 0),
    });
  }
  const atLimit = figures.filter(({ window }) => window === 'fixed');
  const worst = Math.max(...figures.map(({ ms, idealMs }) => ms / idealMs));
  const throttled = atLimit.reduce((sum, { throttledCount }) => sum + throttledCount, 0);
  const calls = atLimit.reduce((sum, { callCount }) => sum + callCount, 0);
  return {
    tables: [
      {
        title: `Time to finish over the least possible, median of ${repeatCount} rounds`,
        columns: [
          'limit calls/s',
          'MAIL_RATE',
          'window',
          'sessions',
          'calls of all rounds',
          'ideal s',
          'took s',
          'over ideal',
          '429s of all rounds',
        ],
        rows: figures.map((figure) => [
          figure.ratePerSecond,
          figure.mailRate,
          figure.window === 'fixed' ? 'calendar second' : 'any 1,000 ms',
          figure.sessionCount,
          figure.callCount,
          round(figure.idealMs / 1_000),
          round(figure.ms / 1_000),
          round(figure.ms / figure.idealMs, 4),
          figure.throttledCount,
        ]),
      },
    ],
    verdicts: [
      { target: '≤ 1.03 × the least possible time', measured: `${round(worst, 4)} ×`, isMet: worst <= 1.03 },
      {
        target: '429s < 0.1 % of calls where MAIL_RATE is the limit',
        measured: `${throttled} of ${calls}`,
        isMet: throttled < 0.001 * calls,
      },
    ],
    figures,
  };
}
