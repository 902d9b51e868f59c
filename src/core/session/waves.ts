/**
 * Waves of a session: which leads may be planned, when a wave is watched, what holds it, and how it goes on.
 *
 * Owns the transitions between waves; those that a person causes are asked for by command.ts. What a plan means is
 * wave-plan.ts. No storage and no clock.
 * Invariants: no lead of a wave is planned before the wave before it has passed its gate; the figures of a wave count its
 * own leads only, which are known by their ids; a wave that has passed is never judged again.
 *
 * @module
 */
import {
  reportedFigures,
  waveFigures,
  type ReportedFigure,
  type WaveFigure,
  type WaveHeld,
} from '../../shared/waves.ts';
import { countSum, noCounts, type BatchCounts } from '../batch/batch.ts';
import type { DeliveryCounts } from '../batch/delivery-status.ts';
import { applyCounts, endPlan, processedCount, touch, type Session } from './session.ts';
import { gateAt, isWatching, presentWave } from './wave-gate.ts';
import { newWave, waveBound, type Wave, type WaveCounts, type Waves } from './wave-plan.ts';

/**
 * While a wave is sent, its figures are judged as if what is not known yet went well, up to so many mails in all: few mails
 * say little, and a limit that is broken by then is broken for a person too.
 */
const doubtMailCount = 500;
/** A watch whose end was noticed later than this is begun once more: the clock may have been set forward. */
export const maxLateWatchMs = 300_000;
const minuteMs = 60_000;

// ── its leads ────────────────────────────────────────────────────────────────────────────────────────

/** True while leads may be made into batches: those of the audience, or of its present wave. */
export function hasLeadsToPlan(session: Pick<Session, 'plan' | 'waves'>): boolean {
  if (session.plan.isDone) return false;
  const wave = presentWave(session);
  return wave === null || wave.lastLeadId === null;
}

/** How many more leads the present wave may have; null: as many as there are. */
export function roomInWave(session: Pick<Session, 'spec' | 'waves'>): number | null {
  const plan = session.spec.waves;
  const wave = presentWave(session);
  if (plan === undefined || wave === null || session.waves === null) return null;
  const bound = waveBound(plan, session.waves, wave.number);
  return bound === null ? null : Math.max(0, bound - wave.plannedCount);
}

/**
 * The session after leads were made into batches. Where these are the last ones of a wave, its end is in the same record,
 * and so in the same transaction as the batches.
 *
 * @param page.leadIds - ascending, and no more than {@link roomInWave}
 * @param page.done - the audience has no more
 */
export function planLeads(
  session: Session,
  page: { leadIds: readonly number[]; done: boolean },
  nowMs: number,
): Session {
  const { plan } = session;
  const lastLeadId = page.leadIds.at(-1) ?? plan.afterLeadId;
  const wave = presentWave(session);
  const room = roomInWave(session);
  const isFull = page.done || (room !== null && page.leadIds.length >= room);
  const planned: Session = {
    ...session,
    plan: { ...plan, afterLeadId: lastLeadId, plannedCount: plan.plannedCount + page.leadIds.length },
    waves: changePresent(session.waves, (known) => ({
      ...known,
      plannedCount: known.plannedCount + page.leadIds.length,
      lastLeadId: isFull ? lastLeadId : null,
      startedAt: known.startedAt ?? nowMs,
    })),
  };
  if (page.done) return touch(planned, nowMs, endPlan(planned));
  // The begin of a wave is seen; a further page of it is not.
  return wave?.startedAt === null ? touch(planned, nowMs, {}) : planned;
}

function changePresent(waves: Waves | null, change: (wave: Wave) => Wave): Waves | null {
  return waves === null ? null : changeWave(waves, waves.begun.length - 1, change);
}

function changeWave(waves: Waves, index: number, change: (wave: Wave) => Wave): Waves {
  const wave = waves.begun[index];
  return wave === undefined ? waves : { ...waves, begun: waves.begun.with(index, change(wave)) };
}

/** The place of the wave that has a lead. */
export function waveIndexOf({ begun }: Waves, leadId: number): number {
  return Math.max(
    0,
    begun.findLastIndex(({ afterLeadId }) => afterLeadId < leadId),
  );
}

/** A batch has leads of one wave only, so that any of them names it; null for a batch without leads. */
export function anyLeadOf(batch: {
  leadIds: readonly number[];
  recipients: readonly { leadId: number }[] | null;
}): number | null {
  return batch.leadIds[0] ?? batch.recipients?.[0]?.leadId ?? null;
}

/**
 * Adds what became of leads to the figures of their wave. Raises no `rev`: the counters of the session, which are changed
 * with it, do.
 *
 * @param leadId - one of them; null: of the present wave
 */
export function countInWave(session: Session, leadId: number | null, delta: BatchCounts): Session {
  const { waves } = session;
  if (waves === null) return session;
  const index = leadId === null ? waves.begun.length - 1 : waveIndexOf(waves, leadId);
  const counted = changeWave(waves, index, (wave) => ({ ...wave, counts: countSum(wave.counts, delta) }));
  return { ...session, waves: counted };
}

/** Counts leads as skipped that were planned and are withdrawn before they left: they are of the present wave. */
export function skipPending(session: Session, nowMs: number, skipped: number): Session {
  return applyCounts(countInWave(session, null, { ...noCounts, skipped }), nowMs, { skipped });
}

/** Adds delivery events to the figures of the waves of their leads. */
export function countDeliveriesInWaves(
  session: Session,
  deltas: ReadonlyMap<number, DeliveryCounts>,
): Session {
  let { waves } = session;
  if (waves === null) return session;
  for (const [index, delta] of deltas) {
    waves = changeWave(waves, index, (wave) => ({
      ...wave,
      delivered: wave.delivered + delta.delivered,
      bounced: wave.bounced + delta.bounced,
      complained: wave.complained + delta.complained,
    }));
  }
  return { ...session, waves };
}

// ── its gate ─────────────────────────────────────────────────────────────────────────────────────────

/** Leads of the present wave without a result, those that are not planned yet too. */
export function openInWave(session: Session): number {
  const { plan, total } = session;
  const wave = presentWave(session);
  if (wave === null) return Math.max(0, total - processedCount(session.counts));
  const before = plan.plannedCount - wave.plannedCount;
  const isPlanned = wave.lastLeadId !== null || plan.isDone;
  const left = Math.max(wave.plannedCount, total - before);
  const room = roomInWave(session);
  const size = isPlanned
    ? wave.plannedCount
    : room === null
      ? left
      : Math.min(left, wave.plannedCount + room);
  return Math.max(0, size - processedCount(wave.counts));
}

/**
 * What a figure has come to since a person last went on: so many, of so many.
 *
 * @param isOpen - mail of the wave is on its way: then only mails count of which the provider has told what became, because
 *   the others may bounce as well. A provider that tells of no delivery leaves all that are sent.
 */
function figureOf(
  { accepted, ...wave }: Wave,
  figure: WaveFigure,
  isOpen: boolean,
): { count: number; of: number } {
  const since = (pick: (counts: WaveCounts) => number): number => Math.max(0, pick(wave) - pick(accepted));
  const mailsOf = ({ counts }: WaveCounts): number => counts.sent + counts.failed + counts.unknown;
  switch (figure) {
    case 'bounced':
    case 'complained': {
      const count = since((counts) => counts[figure]);
      const sentCount = since(({ counts }) => counts.sent + counts.unknown);
      const deliveredCount = since(({ delivered }) => delivered);
      const toldCount = deliveredCount + since(({ bounced }) => bounced);
      // An event may come before the answer to the call.
      return { count, of: Math.max(count, isOpen && deliveredCount > 0 ? toldCount : sentCount) };
    }
    case 'failed':
      return { count: since(({ counts }) => counts.failed), of: since(mailsOf) };
    case 'crmErrors':
      return {
        count: since(({ counts }) => counts.refused),
        of: since((counts) => mailsOf(counts) + counts.counts.refused),
      };
    default:
      return figure satisfies never;
  }
}

/**
 * The first limit that the present wave breaks, or null. While leads of it are open, only what they cannot mend any more.
 *
 * @returns `at`: `nowMs`
 */
export function judgeWave(session: Session, nowMs: number): Omit<WaveHeld, 'hold'> | null {
  const plan = session.spec.waves;
  const wave = presentWave(session);
  if (plan === undefined || wave === null) return null;
  const openCount = openInWave(session);
  for (const figure of waveFigures) {
    const limitPercent = plan.limits[`${figure}Percent`];
    const { count, of } = figureOf(wave, figure, openCount > 0);
    const leadCount = processedCount(wave.counts) + openCount;
    const hoped = openCount === 0 ? of : Math.max(of, Math.min(leadCount, doubtMailCount));
    // Percent of whole numbers: the sum of rounding faults is far below a mail.
    const share = Math.floor((limitPercent * Math.max(hoped, plan.limits.minMails)) / 100 + 1e-9);
    const allowed = limitPercent === 0 ? 0 : Math.max(1, share);
    if (count <= allowed || limitPercent === 100) continue;
    const percent = Math.round((10_000 * count) / Math.max(1, of)) / 100;
    return { number: wave.number, figure, count, of, percent, limitPercent, at: nowMs };
  }
  return null;
}

const figureWords: Record<WaveFigure, string> = {
  bounced: 'emails bounced',
  complained: 'emails were reported as spam',
  failed: 'emails failed',
  crmErrors: 'leads could not be set active in the CRM',
};

/** The sentence of a wave that is held. */
export function heldWords({
  number,
  figure,
  count,
  of,
  percent,
  limitPercent,
}: Omit<WaveHeld, 'hold'>): string {
  return `Wave ${number} is held: ${count} of ${of} ${figureWords[figure]} (${percent} %); the limit is ${limitPercent} %.`;
}

/**
 * True where nobody has to set it going. A provider that does not answer is asked with mail of the next wave, where that of
 * the present one is settled.
 */
function goesOnByItself({ state, reason }: Pick<Session, 'state' | 'reason'>): boolean {
  return state === 'running' || state === 'queued' || (state === 'paused' && reason === 'mail_unreachable');
}

/** The session held where its present wave breaks a limit; the same object otherwise. */
export function holdBrokenWave(session: Session, nowMs: number): Session {
  const { waves } = session;
  if (waves === null || !goesOnByItself(session) || session.finishedAt !== null) return session;
  // After the last mail there is nothing to hold.
  if (session.plan.isDone && openInWave(session) === 0) return session;
  const broken = judgeWave(session, nowMs);
  if (broken === null) return session;
  const held: WaveHeld = { hold: waves.holdCount + 1, ...broken };
  return touch(session, nowMs, {
    state: 'wave_held',
    reason: null,
    generation: session.generation + 1,
    waves: { ...waves, held, holdCount: held.hold },
    isChecking: false,
    probeAt: null,
    waitingUntil: null,
    waitingFor: null,
    lastError: heldWords(held),
    samples: [],
  });
}

/** True once all of the wave's leads are planned, and another one may follow. Whether its mail is settled, the rows say. */
export function mayBeSettled(session: Session): boolean {
  const wave = presentWave(session);
  if (wave === null || session.plan.isDone || session.finishedAt !== null) return false;
  return wave.lastLeadId !== null && wave.settledAt === null && session.state !== 'cancelled';
}

/**
 * The session whose present wave is settled: its watch begins.
 *
 * @param reported - what the mail provider reports to us. Where it is nothing, nothing is waited for: the other figures are
 *   known by now.
 */
export function beginWatch(session: Session, reported: readonly ReportedFigure[], nowMs: number): Session {
  const plan = session.spec.waves;
  if (plan === undefined || !mayBeSettled(session)) return session;
  const notReported = reportedFigures.filter((figure) => !reported.includes(figure));
  const watchMs = notReported.length === reportedFigures.length ? 0 : plan.watchMinutes * minuteMs;
  const waves = changePresent(session.waves, (wave) => ({
    ...wave,
    ...{ settledAt: nowMs, watchUntil: nowMs + watchMs, notReported },
  }));
  return holdBrokenWave(
    touch(session, nowMs, { waves, waitingUntil: null, waitingFor: null, samples: [] }),
    nowMs,
  );
}

/**
 * The session at the gate behind its present wave: held where a limit is broken, in the next wave once the watch is over,
 * otherwise as it is.
 *
 * @param hasOpen - whether mail of it is open again: a person may have had some repeated
 */
export function passGate(session: Session, nowMs: number, hasOpen: () => boolean): Session {
  const at = gateAt(session);
  const wave = presentWave(session);
  if (at === null || wave === null || !goesOnByItself(session)) return session;
  const judged = holdBrokenWave(session, nowMs);
  if (judged !== session || nowMs < at || hasOpen()) return judged;
  const watchMs = (wave.watchUntil ?? 0) - (wave.settledAt ?? 0);
  // A person who resumes it late has seen its figures.
  const isLate = nowMs - Math.max(at, session.progressedAt) > maxLateWatchMs;
  if (!isLate || wave.isWatchRepeated || watchMs <= 0) return beginNextWave(session, nowMs, null);
  const waves = changePresent(session.waves, (known) => ({
    ...known,
    ...{ settledAt: nowMs, watchUntil: nowMs + watchMs, isWatchRepeated: true },
  }));
  return touch(session, nowMs, { waves });
}

function beginNextWave(session: Session, nowMs: number, by: string | null): Session {
  // Somebody may have gone on in its middle.
  const ended = changePresent(session.waves, (wave) => ({
    ...wave,
    endedAt: nowMs,
    passedBy: by ?? wave.passedBy,
  }));
  if (ended === null) return session;
  const begun = [...ended.begun, newWave(ended.begun.length + 1, session.plan.afterLeadId)];
  return touch(session, nowMs, {
    waves: { ...ended, begun, held: null },
    progressedAt: nowMs,
    waitingUntil: null,
    waitingFor: null,
  });
}

/**
 * What a person who goes on makes of the waves: the next one begins where all mail of the present one is settled; where
 * some of it is open, that is sent, and what has happened so far no longer holds it.
 */
export function goOnWithWave(session: Session, by: string, nowMs: number): Pick<Session, 'waves'> {
  const { waves } = session;
  if (waves === null) return { waves };
  if (isWatching(session)) return { waves: beginNextWave(session, nowMs, by).waves };
  const accepted = changePresent(waves, (wave) => {
    const { counts, delivered, bounced, complained } = wave;
    return { ...wave, accepted: { counts, delivered, bounced, complained }, passedBy: by };
  });
  return { waves: accepted === null ? null : { ...accepted, held: null } };
}

/** The waves after the clock was set back. */
export function setBackWaves(waves: Waves | null, backMs: number): Waves | null {
  const earlier = (at: number | null): number | null => (at === null ? null : at - backMs);
  return changePresent(waves, (wave) => ({
    ...wave,
    startedAt: earlier(wave.startedAt),
    settledAt: earlier(wave.settledAt),
    watchUntil: earlier(wave.watchUntil),
  }));
}
