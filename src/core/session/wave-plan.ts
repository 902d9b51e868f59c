/**
 * The plan of waves in a session: when a daily one begins, and which plans are refused.
 *
 * Pure and without a session, so that a start can be refused before anything is stored. What happens to a session between
 * two waves is waves.ts.
 *
 * @module
 */
import { limits } from '../../shared/limits.ts';
import type { ProblemCode } from '../../shared/problem.ts';
import { parseHour } from '../../shared/schedule/sending-window.ts';
import { dayMs, instantOf, isTimeZone, localTime } from '../../shared/schedule/zoned-time.ts';
import {
  leadsOfWave,
  waveSizes,
  type ReportedFigure,
  type WaveHeld,
  type WavePlan,
} from '../../shared/waves.ts';
import { noCounts, type BatchCounts } from '../batch/batch.ts';
import type { DeliveryCounts } from '../batch/delivery-status.ts';

/** What a wave has come to. */
export interface WaveCounts extends DeliveryCounts {
  counts: BatchCounts;
}

/** A wave that has begun, or is the next to begin. Its leads are those after `afterLeadId` up to `lastLeadId`. */
export interface Wave extends WaveCounts {
  /** From 1 on. */
  number: number;
  afterLeadId: number;
  /** Null until all of it is planned. Written with the batch of this lead, and never changed. */
  lastLeadId: number | null;
  plannedCount: number;
  /** When its first leads were planned; epoch ms. */
  startedAt: number | null;
  /** When all of its mail was settled, and its watch began; epoch ms. */
  settledAt: number | null;
  watchUntil: number | null;
  /** Its watch was begun once more, because its end was noticed long after it. */
  isWatchRepeated: boolean;
  /** Known from `settledAt` on. */
  notReported: readonly ReportedFigure[];
  /** What a person has gone on with in its middle: it does not hold the wave again. */
  accepted: WaveCounts;
  /** When the next one took its place; epoch ms. */
  endedAt: number | null;
  passedBy: string | null;
}

/** The waves of a session. */
export interface Waves {
  /** Leads of each wave by the count of the start; kept as they were found. */
  sizes: readonly number[];
  /** In order; the last one is the present one. There is always one. */
  begun: readonly Wave[];
  held: WaveHeld | null;
  /** How often it was held. */
  holdCount: number;
}

export interface WavesFault {
  kind: 'refused';
  code: Extract<ProblemCode, 'unknown_zone' | 'waves_do_not_add_up'>;
  detail: string;
}

const noWaveCounts: WaveCounts = { counts: noCounts, delivered: 0, bounced: 0, complained: 0 };

/** The wave that begins behind a lead. */
export function newWave(number: number, afterLeadId: number): Wave {
  return {
    ...noWaveCounts,
    ...{ number, afterLeadId, lastLeadId: null, plannedCount: 0, startedAt: null, settledAt: null },
    ...{ watchUntil: null, isWatchRepeated: false, notReported: [], accepted: noWaveCounts },
    ...{ endedAt: null, passedBy: null },
  };
}

/** The waves of a session that has so many leads, before the first one. */
export function newWaves(plan: WavePlan, total: number): Waves {
  return { sizes: waveSizes(plan, total), begun: [newWave(1, 0)], held: null, holdCount: 0 };
}

/** How many leads a wave may have; null: all that are left. */
export function waveBound(plan: WavePlan, { sizes }: Pick<Waves, 'sizes'>, number: number): number | null {
  if ('perDay' in plan) return plan.perDay.leads;
  return number <= plan.sizes.length ? (sizes[number - 1] ?? null) : null;
}

/** Refuses a plan that does not fit an audience of so many leads; null when it can be used. */
export function wavesFault(plan: WavePlan, total: number): WavesFault | null {
  const misfit = (detail: string): WavesFault => ({ kind: 'refused', code: 'waves_do_not_add_up', detail });
  if ('perDay' in plan) {
    const { leads, zone } = plan.perDay;
    if (!isTimeZone(zone)) {
      const detail = `"${zone}" is not the name of a time zone. Use a name such as Europe/Berlin or UTC.`;
      return { kind: 'refused', code: 'unknown_zone', detail };
    }
    const waveCount = Math.ceil(total / leads);
    if (waveCount <= limits.maxWaveCount) return null;
    const enough = Math.ceil(total / limits.maxWaveCount);
    return misfit(
      `${leads} a day would take ${waveCount} days for ${total} leads; at most ${limits.maxWaveCount} are possible. Choose at least ${enough} a day.`,
    );
  }
  const before = plan.sizes.reduce((sum, size) => sum + leadsOfWave(size, total), 0);
  if (before < total) return null;
  return misfit(
    `The waves before the last one have ${before} leads, and the audience has ${total}, so nothing is left for the last one.`,
  );
}

/** When the next wave of a daily plan may begin: at its hour of the first day after the one of `startedAt`. */
export function nextDayAt({ at, zone }: { at: string; zone: string }, startedAt: number): number {
  const day = Math.floor(localTime(zone, startedAt) / dayMs) + 1;
  return instantOf(zone, day * dayMs + (parseHour(at) ?? 0)).at;
}
