/**
 * Provider utilisation: how close a session comes to the shortest time that a rate-limited mail API allows.
 *
 * Each row is a product of its own with a mail API of its own, which allows so many calls a second and answers the
 * rest with 429. Least is one call every 1 / MAIL_RATE seconds, from the first to the last. Four rows with few calls run
 * at the same time; ten of them took more than one of two cores and measured each other. The report says the load. A row
 * lasts longer than a slice, so that boundaries of slices count.
 *
 * @module
 */
import { loadavg } from 'node:os';
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
import { round } from './lib/stats.ts';
import { limits } from '../../src/shared/limits.ts';

export interface UtilisationRow {
  /** What the mail API allows a second. */
  limitPerSecond: number;
  mailRate: number;
  window: MailApiSettings['window'];
  sessionCount: number;
}

interface Figure extends UtilisationRow {
  callCount: number;
  leadsPerCall: number;
  ms: number;
  leastMs: number;
  throttledCount: number;
  /** The longest time between two accepted calls. */
  longestGapMs: number;
}

const row = (
  mailRate: number,
  limitPerSecond: number,
  window: UtilisationRow['window'],
  sessionCount: number,
): UtilisationRow => ({ mailRate, limitPerSecond, window, sessionCount });

const sessionCounts = [1, 5];
const limitRows = sessionCounts.flatMap((sessionCount) => [
  row(10, 10, 'fixed', sessionCount),
  row(10, 10, 'sliding', sessionCount),
]);
const slowRows = sessionCounts.flatMap((sessionCount) => [
  row(1, 10, 'sliding', sessionCount),
  row(2, 10, 'sliding', sessionCount),
]);
// The default of the product: 8 of Resend's 10 calls, counted in the strictest way.
const usualRows = sessionCounts.map((sessionCount) => row(8, 10, 'sliding', sessionCount));
const fastRows = sessionCounts.map((sessionCount) => row(50, 100, 'sliding', sessionCount));

/**
 * A fifth of Resend's batch, and less at 50 calls a second: rows that run at the same time share two cores, and with
 * full batches they would measure the machine.
 */
const maxLeadsPerCall = (mailRate: number): number => (mailRate < 50 ? 20 : 10);

/**
 * Leads in each call of a row. Several sessions name their leads, and a start takes a limited number of ids, so that
 * their calls carry fewer.
 */
function leadsPerCallOf({ mailRate, sessionCount }: UtilisationRow, callCount: number): number {
  const most = maxLeadsPerCall(mailRate);
  if (sessionCount === 1) return most;
  return Math.max(1, Math.min(most, Math.floor((limits.maxAudienceIdCount * sessionCount) / callCount)));
}

/** Runs one row for about `seconds`. */
export async function measureRow(
  scenario: UtilisationRow,
  seconds: number,
  stall: MailApiSettings['stall'] = null,
): Promise<Figure> {
  const { limitPerSecond, mailRate, window, sessionCount } = scenario;
  const callCount = mailRate * seconds;
  const leadsPerCall = leadsPerCallOf(scenario, callCount);
  const leadCount = callCount * leadsPerCall;
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20, ratePerSecond: limitPerSecond, window, stall });
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    vars: { MAIL_RATE: String(mailRate), MAIL_BATCH_MAX: String(leadsPerCall) },
  });
  await fetch(`${runtime.url}/healthz`);
  const share = leadCount / sessionCount;
  const runs = await Promise.all(
    Array.from({ length: sessionCount }, async (_, index) => {
      const sessionId = freshSessionId();
      const leadIds = Array.from({ length: share }, (__, offset) => index * share + offset + 1);
      await startSession(runtime, sessionId, sessionCount === 1 ? { filter: {} } : { leadIds });
      return waitForEnd(runtime, sessionId);
    }),
  );
  const stats = await mail.stats();
  proveOnceEach(stats, leadCount);
  await runtime.stop();
  const startedAt = Math.min(...runs.map(({ createdAt }) => createdAt));
  const finishedAt = Math.max(...runs.map(({ finishedAt: at }) => at ?? 0));
  return {
    ...scenario,
    callCount,
    leadsPerCall,
    ms: finishedAt - startedAt,
    leastMs: (1_000 * (callCount - 1)) / mailRate,
    throttledCount: stats.throttledCallCount,
    longestGapMs: stats.longestGapMs,
  };
}

const overLeast = ({ ms, leastMs }: Figure): number => ms / leastMs;
const isAtLimit = ({ mailRate, limitPerSecond }: Figure): boolean => mailRate === limitPerSecond;

/** Rows that were measured at the same time, what broke one of them off, and the load of the machine. */
interface Wave {
  figures: Figure[];
  failures: string[];
  load: string;
}

/** A row in words, for a line on the way and for what was not measured. */
const nameOf = ({ mailRate, limitPerSecond, window, sessionCount }: UtilisationRow): string =>
  `${mailRate} of ${limitPerSecond} calls/s (${window}), sessions: ${sessionCount}`;

/** Measures a row and says its figure at once: twenty minutes are not lost with another row. */
async function measureAndSay(scenario: UtilisationRow, seconds: number): Promise<Figure> {
  const figure = await measureRow(scenario, seconds);
  say(`${nameOf(scenario)}: ${round(overLeast(figure), 4)} × least, ${figure.throttledCount} times 429`);
  return figure;
}

async function measureWave(rows: readonly UtilisationRow[], seconds: number): Promise<Wave> {
  // Databases are filled before anything is measured.
  for (const scenario of rows) {
    const callCount = scenario.mailRate * seconds;
    await freshState(callCount * leadsPerCallOf(scenario, callCount));
  }
  say(`utilisation: ${rows.length} rows at the same time, ${seconds} s each`);
  const [before = 0] = loadavg();
  const ends = await Promise.allSettled(rows.map((scenario) => measureAndSay(scenario, seconds)));
  const [, during = 0] = loadavg();
  await closeAll();
  return {
    figures: ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : [])),
    failures: ends.flatMap((end, index) => {
      const scenario = rows[index];
      return end.status === 'fulfilled' || scenario === undefined
        ? []
        : [`${nameOf(scenario)}: ${String(end.reason)}`];
    }),
    load: `${round(before)} before and ${round(during)} over the last five minutes of ${rows.length} rows`,
  };
}

/** Ten minutes a row in the full form; two and a half, more than a slice, in the short one. */
export async function utilisation(options: BenchOptions): Promise<PartResult> {
  const seconds = options.isFull ? 600 : 150;
  const waves: Wave[] = [];
  for (const rows of [limitRows, usualRows, slowRows, fastRows]) waves.push(await measureWave(rows, seconds));
  if (waves.every(({ figures }) => figures.length === 0)) {
    throw new Error(`No row was measured. ${waves.flatMap(({ failures }) => failures).join('; ')}`);
  }
  return report(waves, seconds);
}

function report(waves: readonly Wave[], seconds: number): PartResult {
  const figures = waves.flatMap((wave) => wave.figures);
  const failures = waves.flatMap((wave) => wave.failures);
  /** NaN, which meets no target, where no such row was measured to its end. */
  const worst = (isLimit: boolean): number => {
    const rows = figures.filter((figure) => isAtLimit(figure) === isLimit);
    return rows.length === 0 ? NaN : Math.max(...rows.map(overLeast));
  };
  const worstShare = Math.max(...figures.map(({ throttledCount, callCount }) => throttledCount / callCount));
  return {
    tables: [
      {
        title: `Time over the least possible, ${seconds} s a row`,
        columns: [
          'limit calls/s',
          'window',
          'MAIL_RATE',
          'sessions',
          'leads a call',
          'calls',
          'least s',
          'took s',
          'over least',
          '429s',
          'longest gap ms',
        ],
        rows: figures.map((figure) => [
          figure.limitPerSecond,
          figure.window === 'fixed' ? 'calendar second' : 'any 1,000 ms',
          figure.mailRate,
          figure.sessionCount,
          figure.leadsPerCall,
          figure.callCount,
          round(figure.leastMs / 1_000, 4),
          round(figure.ms / 1_000, 4),
          round(overLeast(figure), 4),
          figure.throttledCount,
          Math.round(figure.longestGapMs),
        ]),
        notes: [
          ...failures.map((failure) => `Not measured: ${failure}.`),
          `The rows at the limit ran at the same time, then those of 8, of up to 2, and of 50 calls a second. Each has a runtime and a mail API (20 ms) of its own. Load of the machine: ${waves.map(({ load }) => load).join('; ')}.`,
        ],
      },
    ],
    verdicts: [
      {
        target: 'every row is measured to its end',
        measured: `${figures.length} of ${figures.length + failures.length}`,
        isMet: failures.length === 0,
      },
      {
        target: '≤ 1.01 × the least possible time below the limit',
        measured: `${round(worst(false), 4)} ×`,
        isMet: worst(false) <= 1.01,
      },
      {
        target: '≤ 1.03 × at the limit',
        measured: `${round(worst(true), 4)} ×`,
        isMet: worst(true) <= 1.03,
      },
      {
        target: '429s < 0.1 % of the calls of each row',
        measured: `${round(100 * worstShare, 2)} %`,
        isMet: worstShare < 0.001,
      },
    ],
    figures,
  };
}
