/**
 * What the commands of the simulator print with `--json`, for those that run them as processes.
 *
 * @module
 */

/** The sums over all worlds of a run. */
export interface CampaignFigures {
  fromSeed: number;
  worldCount: number;
  stepCount: number;
  crashCount: number;
  /** Of those, in storms: times in which objects die at every few events. */
  stormCrashCount: number;
  faultCount: number;
  callCount: number;
  mailCount: number;
  sessionCount: number;
  viewCount: number;
  checkCount: number;
  simulatedMs: number;
  /** Over all event logs: equal on every machine for the same seed and limits. */
  hash: number;
  /** CPU time of the process. */
  cpuMs: number;
}

/** Of main.ts. */
export interface CampaignReport extends CampaignFigures {
  /** Of the source that ran; with a plus where something was not committed, empty without Git. */
  commit: string;
  /** How often each fault happened at each place. */
  coverage: Record<string, number>;
  failures: { seed: number; invariant: string; message: string }[];
}

/** Of mutants/run.ts, for each planted fault. */
export interface HuntReport {
  name: string;
  /** Of the world that found it; null when none did. */
  seed: number | null;
  worldCount: number;
  crashCount: number;
  /** CPU time. */
  seconds: number;
  message: string;
}

/** Of exhaustive/main.ts, for each provider. */
export interface ExplorationReport {
  provider: string;
  /** States that differ, at rest and under way. */
  stateCount: number;
  restCount: number;
  /** States in which the session has ended. */
  endCount: number;
  /** Options that were taken. */
  walkCount: number;
  /** Options that were not taken, because the time was up. */
  frontierCount: number;
  cpuMs: number;
  /** With a shortest path to it, in words. */
  violation: { invariant: string; message: string; path: readonly string[] } | null;
}
