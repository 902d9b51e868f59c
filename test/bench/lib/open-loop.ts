/**
 * Open-loop load: requests begin at fixed moments, whether or not earlier ones were answered, as people and webhooks
 * arrive.
 *
 * A latency counts from the moment that was intended. A client that waits for each answer would send nothing during a
 * stall, and its figures would not show the stall ("coordinated omission").
 *
 * @module
 */
import { build } from 'hdr-histogram-js';
import { request, type Agent } from 'node:http';

/** Latencies in ms, and how many answers they are of. */
export interface LatencyFigures {
  answerCount: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  maxMs: number;
}

/** The clock of a load; a test hands in its own. `now` is in ms with fractions. */
export interface LoadClock {
  now(): number;
  sleepUntil(ms: number): Promise<void>;
}

const realClock: LoadClock = {
  now: () => performance.now(),
  sleepUntil: (ms) => new Promise((resolve) => setTimeout(resolve, ms - performance.now())),
};

/**
 * Calls `send` at a fixed rate and waits for all answers.
 *
 * @param send - one request; it resolves when the answer was read whole
 */
export async function openLoop(
  send: (index: number) => Promise<void>,
  { ratePerSecond, ms }: { ratePerSecond: number; ms: number },
  clock: LoadClock = realClock,
): Promise<LatencyFigures> {
  const histogram = build({ highestTrackableValue: 600_000_000, numberOfSignificantValueDigits: 3 });
  const startedAt = clock.now();
  const open: Promise<void>[] = [];
  const count = Math.floor((ratePerSecond * ms) / 1_000);
  for (let index = 0; index < count; index++) {
    const intendedAt = startedAt + (1_000 * index) / ratePerSecond;
    // After a stall of the client itself, several are late: they are sent at once, and count from their moments.
    // A timer may be a part of a millisecond early, and no answer comes before its request.
    while (clock.now() < intendedAt) await clock.sleepUntil(intendedAt);
    open.push(
      send(index).then(() => {
        histogram.recordValue(Math.round(1_000 * (clock.now() - intendedAt)));
      }),
    );
  }
  await Promise.all(open);
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1_000;
  return {
    answerCount: histogram.totalCount,
    p50Ms: at(50),
    p99Ms: at(99),
    p999Ms: at(99.9),
    maxMs: histogram.maxValue / 1_000,
  };
}

/** Gets an address, and fails unless the answer has one of these statuses. */
export function getOnce(
  url: string,
  {
    agent,
    headers,
    statuses,
  }: { agent: Agent; headers: Record<string, string>; statuses: readonly number[] },
): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, { agent, headers }, (response) => {
      response.resume();
      response.once('error', reject);
      response.once('end', () => {
        if (statuses.includes(response.statusCode ?? 0)) resolve();
        else reject(new Error(`${url} answered ${response.statusCode}.`));
      });
    })
      .once('error', reject)
      .end();
  });
}
