/**
 * The session: the record of one bulk activation, and how it changes.
 *
 * Owns the record, its counters, its pauses and its end. What people may do to it is command.ts, the provider's faults
 * limits/breaker.ts, when to wake wake.ts, what is shown progress-view.ts. No storage and no clock.
 * Invariants: `rev` rises with every change; the counters are the sum over the batches; a session ends only when its
 * rows say that no batch is open.
 *
 * @module
 */
import type { Approval } from '../../shared/approval.ts';
import type { WavePlan } from '../../shared/waves.ts';
import { stageOf, type SessionReason, type SessionState, type WaitingFor } from '../../shared/progress.ts';
import type { HashedManifest } from '../../shared/manifest.ts';
import type { FrozenTemplate } from '../../shared/recipient.ts';
import type { Audience } from '../../shared/schemas/activation.ts';
import type { ResolvedSchedule } from '../../shared/schedule/schedule.ts';
import { isWindowOpen, opensAt, type SendingWindow } from '../../shared/schedule/sending-window.ts';
import { noCounts, type Batch, type BatchCounts } from '../batch/batch.ts';
import { keyLivesUntil, type ProviderTraits } from '../batch/doubt.ts';
import type { CrmProgress } from '../crm/push.ts';
import { addSample, type Sample } from './eta.ts';
import type { MailDay } from './mail-days.ts';
import type { TakeBackProgress } from '../../shared/take-back.ts';
import { gateAt } from './wave-gate.ts';
import { newWaves, type Waves } from './wave-plan.ts';
import { judgeReputation, type DeliveryCounts, type GuardLimits } from '../batch/delivery-status.ts';

/** What a session was started with: frozen, so that a repeat after a deploy makes the same bytes. */
export interface SessionSpec {
  sessionId: string;
  name: string;
  owner: string;
  /** Hash of the start request: the same id with another request is a conflict. */
  fingerprint: string;
  audience: Audience;
  template: FrozenTemplate;
  /** How its mails are put together. */
  mail: {
    from: string;
    replyTo: string | null;
    /** Where the mail's button leads. */
    actionUrl: string | null;
    postalAddress: string | null;
    /** Where recipients reach the app's public pages; null where it has no public address. */
    publicUrl: string | null;
  };
  /** The mail provider that it was started with. Sessions of early versions have none. */
  provider?: string;
  /** Another provider, which a person accepts by resuming. */
  offeredProvider?: string;
  /** The foreign CRM in which its leads are set active too, and the values there; not set: none. */
  crm?: {
    provider: string;
    host: string;
    source: string;
    active: Readonly<Record<string, string>>;
    undone: Readonly<Record<string, string>>;
  };
  /** Leads in one batch. */
  batchLeadCount: number;
  /** The audience is everyone who matched when it started: ids up to this one. */
  maxLeadId: number;
  /**
   * The revision of the CRM at which it started. Sessions of early versions have none; 0 stands for leads that
   * have not changed since revisions are counted.
   */
  revision?: number;
  /** Leads counted at the start. */
  total: number;
  /** A lead that we mailed within so many days is skipped; not set: it does not matter. */
  minDaysBetween?: number;
  /**
   * What will be done, as it was agreed on. Sessions of version 0.1 have none. It stays when parts of the audience are
   * deleted, because it holds no person's data.
   */
  manifest?: HashedManifest;
  /** Hash of the manifest that it was started with, where its times were changed since. */
  startedManifestHash?: string;
  createdAt: number;
  /** Until then it can be undone: no lead is changed and no mail leaves before. */
  startsAt?: number;
  /**
   * When it begins; none: with its request. One that freezes its audience at the start has the numbers above as they
   * were when it was scheduled, until `frozenAt`.
   */
  schedule?: ResolvedSchedule & { frozenAt?: number };
  /** Nothing leaves outside of it. */
  window?: SendingWindow;
  /** How it is divided; not set: it leaves in one. */
  waves?: WavePlan;
  /** Another person has to approve it, or has; see approval.ts. */
  approval?: Approval;
  /** Hash of the name, audience and template of a start request that has more than these. */
  selectionHash?: string;
  /** `traceparent` of the request that started it, where that is traced: its slices belong to the same trace. */
  trace?: string;
  /** When retention removed whom it mailed; epoch ms. The name is the stored one. */
  reducedAt?: number;
}

/** How far the audience has been made into batches. */
export interface Plan {
  afterLeadId: number;
  plannedCount: number;
  isDone: boolean;
  /** Leads of the audience that are in no batch: they changed after the start, or it was cancelled before. */
  unlistedCount: number;
}

/** The rest of a command that concerns many batches: those up to `untilSeq` are changed in order. */
export interface Chore {
  kind: 'retryFailed' | 'retryUnknown' | 'assumeSent' | 'check';
  afterSeq: number;
  untilSeq: number;
  /** Who gave it; for the timeline. */
  by: string | null;
}

/** A taking back on disk. */
export interface TakeBack extends TakeBackProgress {
  /** The batches up to this one are done. */
  afterSeq: number;
  /** When the next part is tried after a fault; epoch ms. */
  nextAt: number | null;
}

/** The one row of a session. */
export interface Session {
  spec: SessionSpec;
  state: SessionState;
  reason: SessionReason | null;
  /** Rises with every command. A slice that began under an earlier generation takes no new batch. */
  generation: number;
  rev: number;
  total: number;
  counts: BatchCounts;
  delivered: number;
  bounced: number;
  complained: number;
  /** The three counters above when a person last resumed in spite of them. */
  acknowledged: DeliveryCounts;
  plan: Plan;
  startedAt: number | null;
  updatedAt: number;
  finishedAt: number | null;
  cancelledAt: number | null;
  /** When a result was last written. */
  progressedAt: number;
  waitingUntil: number | null;
  /** What it last waited for; past when a result came after `since`. */
  waitingFor: WaitingFor | null;
  lastError: string | null;
  /** Faults of the mail provider in a row, over all batches. */
  faultStreak: number;
  /** When an unreachable provider is asked again. */
  probeAt: number | null;
  /** When the present faults in a row began. */
  outageSince: number | null;
  /** How much the provider has refused while it accepted nothing (breaker.ts). */
  refusalScore: number;
  /** A person has unknown mail checked while the session is stopped: only those batches are sent then. */
  isChecking: boolean;
  /** Until when the provider can be asked about mail in doubt, at the latest; null when there was none. */
  checkableUntil: number | null;
  /** True from the begin of a slice: leads of batches that have not left may be active in the CRM. */
  mayBeFlipped: boolean;
  /**
   * The number of its last slice or giving back. What it sends to the CRM carries the number, and of two the CRM keeps
   * the higher one: a flip that arrives late changes nothing.
   */
  fence: number;
  /** A command that concerns more batches than one transaction changes, and how far it has come. */
  chore: Chore | null;
  /** How far its leads were made new again after its end; null: nobody has asked for that. */
  takeBack: TakeBack | null;
  /** What is done in the foreign CRM; null where none was connected at the start. */
  crm: CrmProgress | null;
  /** Its waves (waves.ts); null where it leaves in one, and in sessions of versions before. */
  waves: Waves | null;
  /**
   * Until then it is late for a known reason: the day's mails held it back, or a person has changed its hours. Null: it is
   * late from its start time on.
   */
  lateFrom: number | null;
  /** When its mails left, for the warm-up of the sender's domain; null where there is none. */
  mailDays: readonly MailDay[] | null;
  /** The rev that the CRM's list of activations has. */
  recordedRev: number;
  samples: readonly Sample[];
}

export function newSession(spec: SessionSpec): Session {
  return {
    spec,
    state:
      spec.approval !== undefined
        ? 'awaiting_approval'
        : spec.schedule === undefined
          ? 'queued'
          : 'scheduled',
    reason: null,
    generation: 1,
    rev: 1,
    total: spec.total,
    counts: noCounts,
    delivered: 0,
    bounced: 0,
    complained: 0,
    acknowledged: { delivered: 0, bounced: 0, complained: 0 },
    plan: { afterLeadId: 0, plannedCount: 0, isDone: false, unlistedCount: 0 },
    startedAt: null,
    updatedAt: spec.createdAt,
    finishedAt: null,
    cancelledAt: null,
    progressedAt: spec.createdAt,
    waitingUntil: null,
    waitingFor: null,
    lastError: null,
    faultStreak: 0,
    probeAt: null,
    outageSince: null,
    refusalScore: 0,
    isChecking: false,
    checkableUntil: null,
    mayBeFlipped: false,
    fence: 0,
    chore: null,
    takeBack: null,
    crm: spec.crm === undefined ? null : { inCrm: 0, refusedCallCount: 0, limitedBy: 'mail' },
    waves: spec.waves === undefined ? null : newWaves(spec.waves, spec.total),
    lateFrom: null,
    mailDays: null,
    recordedRev: 0,
    samples: [],
  };
}

/**
 * The number of the session's next slice or giving back. By the clock, so that it rises also where the last one was
 * lost: a version of before does not keep it.
 */
export function nextFence({ fence }: Session, nowMs: number): number {
  return Math.max(fence + 1, nowMs);
}

/** Leads for which nothing more will be done. */
export function processedCount(counts: BatchCounts): number {
  return counts.skipped + counts.refused + counts.sent + counts.failed + counts.unknown;
}

/** What a slice may do with the batches of a session in this state. */
export type WorkMode =
  /** Plan and send. */
  | 'run'
  /** Ask one batch whether the provider is back. */
  | 'probe'
  /** Ask about the unknown mail that a person wants checked, and nothing else. */
  | 'check'
  | 'none';

/**
 * Until when a queued session can be undone, epoch ms; null when it cannot. If the clock was set back to before the
 * start, it is not known how long the session has waited, so it waits no longer.
 */
export function undoUntil(session: Session, nowMs: number): number | null {
  const { startsAt = 0, createdAt } = session.spec;
  return session.state === 'queued' && startsAt > nowMs && createdAt <= nowMs ? startsAt : null;
}

/** When the sending window opens; null while mail may leave, and where there is no window. */
export function windowOpensAt({ spec: { window } }: Pick<Session, 'spec'>, nowMs: number): number | null {
  return window === undefined || isWindowOpen(window, nowMs) ? null : opensAt(window, nowMs);
}

export function workMode(session: Session, nowMs: number): WorkMode {
  const mode = modeOfState(session, nowMs);
  return mode === 'none' || windowOpensAt(session, nowMs) === null ? mode : 'none';
}

/** True where nobody has to approve it, and where somebody has approved exactly what it does now. */
export function isApproved({ approval, manifest }: Pick<SessionSpec, 'approval' | 'manifest'>): boolean {
  if (approval === undefined) return true;
  return approval.approved !== undefined && approval.approved.manifestHash === manifest?.hash;
}

/** What the state allows, whatever the time of the day. */
function modeOfState(session: Session, nowMs: number): WorkMode {
  if (session.finishedAt !== null || undoUntil(session, nowMs) !== null) return 'none';
  if (!isApproved(session.spec)) return 'none';
  switch (session.state) {
    case 'queued':
    case 'running':
      return 'run';
    case 'cancelled':
      return session.isChecking ? 'check' : 'none';
    case 'paused':
      if (session.isChecking) return 'check';
      // Where the day's cap or the gate lets nothing leave, and between two waves, there is nothing to probe with: until
      // then it is at rest.
      return session.reason === 'mail_unreachable' &&
        Math.max(session.probeAt ?? 0, session.waitingUntil ?? 0) <= nowMs &&
        (gateAt(session) ?? 0) <= nowMs
        ? 'probe'
        : 'none';
    case 'wave_held':
      return session.isChecking ? 'check' : 'none';
    case 'awaiting_approval':
    case 'scheduled':
    case 'completed':
    case 'failed':
      return 'none';
    default:
      return session.state satisfies never;
  }
}

/** True in the states in which a person has to go on; but for a check, nothing leaves then. */
export function isHalted(session: Pick<Session, 'state'>): boolean {
  return stageOf(session) === 'halted';
}

/** Applies a change that readers see: raises `rev` and `updatedAt`. */
export function touch(session: Session, nowMs: number, change: Partial<Session>): Session {
  return { ...session, ...change, rev: session.rev + 1, updatedAt: Math.max(session.updatedAt, nowMs) };
}

/** What the session waits for. If it waited for the same already, the time since when stays. */
export function waitOn(session: Session, kind: WaitingFor['kind'], nowMs: number): WaitingFor {
  const { waitingFor, progressedAt } = session;
  const isSame = waitingFor?.kind === kind && waitingFor.since >= progressedAt;
  return isSame ? { kind, since: waitingFor.since } : { kind, since: nowMs };
}

/** Adds `delta` to the counters. A lead that is decided is progress, and a sample for the estimate. */
export function applyCounts(session: Session, nowMs: number, delta: Partial<BatchCounts>): Session {
  const counts = { ...session.counts };
  for (const key of Object.keys(counts) as (keyof BatchCounts)[]) counts[key] += delta[key] ?? 0;
  const processed = processedCount(counts);
  const moved = processed !== processedCount(session.counts);
  return touch(session, nowMs, {
    counts,
    progressedAt: moved ? nowMs : session.progressedAt,
    samples: moved ? addSample(session.samples, nowMs, processed) : session.samples,
  });
}

/** Extends the time until which the provider can be asked about mail in doubt. */
export function noteDoubt(session: Session, batch: Batch, traits: ProviderTraits): Session {
  if (batch.inDoubtSince === null || batch.retried === 'risked') return session;
  const until = keyLivesUntil(batch.inDoubtSince, traits);
  if (until === null || until <= (session.checkableUntil ?? 0)) return session;
  return { ...session, checkableUntil: until };
}

/** Adds delivery events. A session whose bounces or complaints exceed the limits pauses until a person resumes it. */
export function applyDeliveries(
  session: Session,
  nowMs: number,
  delta: DeliveryCounts,
  limits: GuardLimits,
): Session {
  const counted = touch(session, nowMs, {
    delivered: session.delivered + delta.delivered,
    bounced: session.bounced + delta.bounced,
    complained: session.complained + delta.complained,
  });
  const mayPause =
    session.state === 'queued' || session.state === 'running' || session.reason === 'mail_unreachable';
  const verdict = mayPause ? judgeReputation(counted, session.acknowledged, limits) : null;
  return verdict === null ? counted : pauseFor(counted, verdict.reason, verdict.message);
}

/** Pauses until a person resumes. A session that was cancelled or has ended stays as it is. */
export function pauseFor(
  session: Session,
  reason: Extract<
    SessionReason,
    | 'mail_quota'
    | 'mail_auth'
    | 'mail_refused'
    | 'bounce_rate'
    | 'complaint_rate'
    | 'crm_auth'
    | 'crm_quota'
    | 'crm_refused'
  >,
  message: string,
): Session {
  if (session.state === 'cancelled' || session.finishedAt !== null) {
    return { ...session, isChecking: false, lastError: message };
  }
  return {
    ...session,
    isChecking: false,
    state: 'paused',
    reason,
    generation: session.generation + 1,
    probeAt: null,
    waitingUntil: null,
    lastError: message,
    samples: [],
  };
}

/**
 * Ends planning. Leads that were counted at the start and are in no batch are skipped: they changed since, or the
 * session was cancelled before. Leads beyond the count make the audience larger.
 */
export function endPlan(session: Session): Pick<Session, 'plan' | 'counts' | 'total'> {
  if (session.plan.isDone) return { plan: session.plan, counts: session.counts, total: session.total };
  const unlistedCount = Math.max(0, session.total - session.plan.plannedCount);
  return {
    plan: { ...session.plan, isDone: true, unlistedCount },
    counts: { ...session.counts, skipped: session.counts.skipped + unlistedCount },
    total: Math.max(session.total, session.plan.plannedCount),
  };
}

/**
 * Ends a session that has no open batch. If its counters, recounted from its rows, are below the total, rows are
 * missing: the session has failed, because nothing can be done for those leads.
 */
export function finish(session: Session, nowMs: number): Session {
  const missingCount = session.total - processedCount(session.counts);
  const ended = {
    // Why nobody approved it is still to be seen.
    reason: session.state === 'cancelled' ? session.reason : null,
    finishedAt: nowMs,
    waitingUntil: null,
    probeAt: null,
    isChecking: false,
    mayBeFlipped: false,
  };
  if (missingCount > 0) {
    const lastError = `The activation's own records lack ${missingCount} of its leads; the results of those are not known.`;
    return touch(session, nowMs, { ...ended, state: 'failed', lastError });
  }
  const state = session.cancelledAt === null ? 'completed' : 'cancelled';
  // The message of an earlier pause or fault would ask for something that can no longer be done.
  return touch(session, nowMs, { ...ended, state, lastError: null });
}
