/**
 * A campaign: many worlds from one seed, and what they came to.
 *
 * @module
 */
import type { CampaignFigures } from './reports.ts';
import { emptyHash, mix } from './platform/random.ts';
import { World, type WorldOptions, type WorldResult } from './world/world.ts';

export interface CampaignLimits {
  /** Stops after so many. */
  worldCount?: number;
  crashCount?: number;
  /** Simulated. */
  hours?: number;
  /** CPU time of the process. This limit and the next differ from machine to machine. */
  seconds?: number;
  /** Real time, epoch ms. */
  untilMs?: number;
}

export interface Campaign extends CampaignFigures {
  coverage: Map<string, number>;
  failures: WorldResult[];
}

/**
 * Runs worlds of consecutive seeds. Call it from a timer, not from a microtask.
 *
 * @param maxFailureCount - stops after so many worlds that broke a promise
 * @param onWorld - gets the sums after each world
 */
export function runCampaign(
  fromSeed: number,
  limits: CampaignLimits,
  options: Omit<WorldOptions, 'seed'> = {},
  maxFailureCount = 1,
  onWorld: (sum: Campaign) => void = () => {},
): Campaign {
  const startedAt = process.cpuUsage();
  const sum: Campaign = {
    fromSeed,
    worldCount: 0,
    stepCount: 0,
    crashCount: 0,
    stormCrashCount: 0,
    faultCount: 0,
    callCount: 0,
    mailCount: 0,
    sessionCount: 0,
    viewCount: 0,
    checkCount: 0,
    simulatedMs: 0,
    hash: emptyHash,
    cpuMs: 0,
    coverage: new Map(),
    failures: [],
  };
  const isOver = (): boolean =>
    sum.worldCount >= (limits.worldCount ?? Infinity) ||
    sum.crashCount >= (limits.crashCount ?? Infinity) ||
    sum.simulatedMs >= (limits.hours ?? Infinity) * 3_600_000 ||
    cpuMsSince(startedAt) >= (limits.seconds ?? Infinity) * 1_000 ||
    Date.now() >= (limits.untilMs ?? Infinity) ||
    sum.failures.length >= maxFailureCount;
  while (!isOver()) {
    const result = new World({ ...options, seed: fromSeed + sum.worldCount }).run();
    sum.worldCount++;
    sum.stepCount += result.stepCount;
    sum.crashCount += result.crashCount;
    sum.stormCrashCount += result.stormCrashCount;
    sum.faultCount += result.injected.length;
    sum.callCount += result.callCount;
    sum.mailCount += result.mailCount;
    sum.sessionCount += result.sessionCount;
    sum.viewCount += result.viewCount;
    sum.checkCount += result.checkCount;
    sum.simulatedMs += result.tookMs;
    sum.hash = mix(sum.hash, String(result.hash));
    for (const [name, count] of result.coverage)
      sum.coverage.set(name, (sum.coverage.get(name) ?? 0) + count);
    if (result.violation !== null) sum.failures.push(result);
    sum.cpuMs = cpuMsSince(startedAt);
    onWorld(sum);
  }
  return sum;
}

function cpuMsSince(startedAt: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(startedAt);
  return (user + system) / 1_000;
}
