/**
 * Waves as readers see them: their figures, those still to come, and the estimate with the watches between them.
 *
 * Changes nothing of the session.
 *
 * @module
 */
import { dayMs } from '../../shared/schedule/zoned-time.ts';
import { reportedFigures, type WaveProgress, type WaveState } from '../../shared/waves.ts';
import { processedCount, type Session } from './session.ts';
import { newWave, nextDayAt, type Wave } from './wave-plan.ts';
import { gateAt, isWatching, presentWave } from './wave-gate.ts';

/** The parts of a Progress that are about waves; empty where there are none. */
export function shownWaves(session: Session): {
  waves?: WaveProgress[];
  waveHeld?: NonNullable<Session['waves']>['held'] & object;
} {
  const { waves, plan, state, finishedAt } = session;
  if (waves === null) return {};
  const isOver = plan.isDone || state === 'cancelled' || finishedAt !== null;
  const toCome = isOver ? [] : waves.sizes.slice(waves.begun.length);
  const shown = [
    ...waves.begun.map((wave, index) => toWaveProgress(session, wave, waves.sizes[index] ?? 0)),
    ...toCome.map((size, index) => toWaveProgress(session, newWave(waves.begun.length + index + 1, 0), size)),
  ];
  return { waves: shown, ...(state === 'wave_held' && waves.held !== null ? { waveHeld: waves.held } : {}) };
}

function toWaveProgress(session: Session, wave: Wave, plannedSize: number): WaveProgress {
  const { counts, delivered, bounced, complained, number, startedAt, notReported, passedBy } = wave;
  const { sent, failed, unknown, skipped, refused } = counts;
  const isPresent = presentWave(session)?.number === number;
  return {
    number,
    // Once all of it is planned, its size is known.
    size: wave.lastLeadId === null ? Math.max(plannedSize, wave.plannedCount) : wave.plannedCount,
    state: stateOf(session, wave, isPresent),
    ...{ sent, failed, unknown, skipped, crmErrors: refused, delivered, bounced, complained, startedAt },
    watchUntil: isPresent ? gateAt(session) : null,
    notReported: [...notReported],
    passedBy,
  };
}

function stateOf(session: Session, wave: Wave, isPresent: boolean): WaveState {
  if (wave.endedAt !== null || (isPresent && session.finishedAt !== null)) return 'passed';
  if (!isPresent) return 'planned';
  if (session.state === 'wave_held') return 'held';
  if (isWatching(session)) return 'watching';
  return wave.startedAt === null ? 'planned' : 'sending';
}

/**
 * The estimate with the watches that are still to come.
 *
 * @param etaSeconds - of the mail alone; null where the session does not move
 * @returns null where it cannot be estimated
 */
export function etaWithWaves(session: Session, etaSeconds: number | null, nowMs: number): number | null {
  const plan = session.spec.waves;
  const wave = presentWave(session);
  const isGoing = session.state === 'running' || session.state === 'queued';
  if (plan === undefined || wave === null || session.waves === null || session.plan.isDone || !isGoing)
    return etaSeconds;
  const watchedUntil = gateAt(session);
  const mailMs = watchedUntil === null ? scaled(etaSeconds) : mailTimeLeft(session);
  if (mailMs === null) return null;
  const aheadCount = Math.max(0, session.waves.sizes.length - wave.number);
  const seconds = (ms: number): number => Math.max(0, Math.ceil(ms / 1_000));
  if (aheadCount === 0) return seconds(mailMs + (watchedUntil ?? nowMs) - nowMs);
  if ('perDay' in plan) {
    const nextAt = watchedUntil ?? nextDayAt(plan.perDay, wave.startedAt ?? nowMs);
    // The mail of the days before the last one leaves within its day.
    return seconds(nextAt - nowMs + (aheadCount - 1) * dayMs + mailMs / (aheadCount + 1));
  }
  const isUnwatched = session.waves.begun.some(
    ({ notReported }) => notReported.length === reportedFigures.length,
  );
  const watchMs = isUnwatched ? 0 : plan.watchMinutes * 60_000;
  const restMs = watchedUntil === null ? watchMs : Math.max(0, watchedUntil - nowMs);
  return seconds(mailMs + restMs + (aheadCount - 1) * watchMs);
}

const scaled = (seconds: number | null): number | null => (seconds === null ? null : seconds * 1_000);

/** How long the rest takes at the pace of the waves so far, in ms; null where they had none. */
function mailTimeLeft({ waves, total, counts }: Session): number | null {
  let [leads, tookMs] = [0, 0];
  for (const { startedAt, settledAt, counts: done } of waves?.begun ?? []) {
    if (startedAt === null || settledAt === null) continue;
    leads += processedCount(done);
    tookMs += Math.max(0, settledAt - startedAt);
  }
  return leads === 0 ? null : (Math.max(0, total - processedCount(counts)) * tookMs) / leads;
}
