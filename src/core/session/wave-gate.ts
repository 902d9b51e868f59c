/**
 * Where a session is between two waves: its present wave, and when the gate behind it is read.
 *
 * Changes nothing; what happens at the gate is waves.ts.
 *
 * @module
 */
import type { WavePlan } from '../../shared/waves.ts';
import { nextDayAt, type Wave, type Waves } from './wave-plan.ts';

/** What is read of a session. */
export interface WavesOf {
  spec: { waves?: WavePlan };
  waves: Waves | null;
  plan: { isDone: boolean };
  finishedAt: number | null;
}

/** The wave that is sent, watched or held now; null where there are no waves. */
export function presentWave({ waves }: Pick<WavesOf, 'waves'>): Wave | null {
  return waves?.begun.at(-1) ?? null;
}

/** True while the figures of the present wave are watched, or the next day's wave is waited for. */
export function isWatching(session: Pick<WavesOf, 'waves' | 'plan' | 'finishedAt'>): boolean {
  const wave = presentWave(session);
  return wave !== null && wave.settledAt !== null && !session.plan.isDone && session.finishedAt === null;
}

/** When the gate behind the present wave is read; epoch ms, null while the wave is not settled. */
export function gateAt(session: WavesOf): number | null {
  const plan = session.spec.waves;
  const wave = presentWave(session);
  if (plan === undefined || wave === null || !isWatching(session)) return null;
  const watchUntil = wave.watchUntil ?? 0;
  return 'perDay' in plan && wave.startedAt !== null
    ? Math.max(watchUntil, nextDayAt(plan.perDay, wave.startedAt))
    : watchUntil;
}
