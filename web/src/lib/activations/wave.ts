/**
 * What screens say of the present wave of an activation. Pure.
 *
 * @module
 */
import type { Progress } from '../../../../src/shared/progress.ts';
import type { NextWaveRequest } from '../../../../src/shared/schemas/activation.ts';
import { reportedFigures, type WaveProgress } from '../../../../src/shared/waves.ts';
import { formatTime } from '../messages/format.ts';
import { ownZone, timeText } from '../timing/describe.ts';

/** The wave that is sent, watched or held; null before the first one, after the last one, and without waves. */
export function presentWave({ waves }: Progress): WaveProgress | null {
  return waves?.find(({ state }) => state === 'sending' || state === 'watching' || state === 'held') ?? null;
}

/** What a person who goes on has seen: the present wave, and what held it. */
export function seenWave(progress: Progress): NextWaveRequest | null {
  const wave = presentWave(progress);
  return wave === null ? null : { after: wave.number, hold: progress.waveHeld?.hold ?? 0 };
}

/** Leads of the wave after this one; null after the last one. */
export function nextWaveSize({ waves }: Progress, number: number): number | null {
  return waves?.find((wave) => wave.number === number + 1)?.size ?? null;
}

/** Leads of a wave that have no result yet. */
export function waveRest({ size, sent, failed, unknown, skipped, crmErrors }: WaveProgress): number {
  return Math.max(0, size - sent - failed - unknown - skipped - crmErrors);
}

/** True where the provider reports none of what a watch is for: only the hour of the next wave is waited for. */
export function isUnwatched({ notReported }: WaveProgress): boolean {
  return notReported.length === reportedFigures.length;
}

/** `2:05 PM` of today, otherwise with its day. */
export function momentText(at: number, now: number): string {
  const isToday = new Date(at).toDateString() === new Date(now).toDateString();
  return isToday ? formatTime(at) : timeText(at, ownZone());
}
