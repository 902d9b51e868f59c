/**
 * Progress: the view of a session that every observer gets, by poll, by stream or in a list, and the reducer that
 * all clients apply to it.
 *
 * Invariants: `total = activated + skipped + failed + remaining`,
 * `activated = sent + failed + unknown + email pending`, and for one session a higher `rev` is newer.
 *
 * No zod at run time here: the web app loads this file.
 *
 * @module
 */
import type { ApprovalFacts } from './approval.ts';
import type { ResolvedSchedule } from './schedule/schedule.ts';
import type { SendingWindow } from './schedule/sending-window.ts';
import type { TakeBackProgress } from './take-back.ts';
import type { WarmUpWait } from './warm-up.ts';
import type { WaveHeld, WaveProgress } from './waves.ts';

/** States of a session, as stored and on the wire. */
export const sessionStates = [
  /** Another person has to approve it; nothing is done before. */
  'awaiting_approval',
  /** It begins by itself at the time of its schedule. */
  'scheduled',
  'queued',
  'running',
  'paused',
  /** A limit of its present wave is broken: a person goes on with the next wave, or cancels it. */
  'wave_held',
  'completed',
  'cancelled',
  'failed',
] as const;
export type SessionState = (typeof sessionStates)[number];

/**
 * How far a session in each state is: `ahead` waits for a time or an approval and has done nothing; `going`; `halted` waits
 * for a person, and but for a check nothing leaves; `over` begins nothing more (what a cancelled one had on its way may
 * still have to settle). Every list of states is made of this.
 */
const stages = {
  awaiting_approval: 'ahead',
  scheduled: 'ahead',
  queued: 'going',
  running: 'going',
  paused: 'halted',
  wave_held: 'halted',
  completed: 'over',
  cancelled: 'over',
  failed: 'over',
} as const satisfies Record<SessionState, string>;
type Stage = (typeof stages)[SessionState];

/** The stage of a session's state. */
export const stageOf = ({ state }: { state: SessionState }): Stage => stages[state];

/** The states of some stages. */
export const statesIn = (...wanted: readonly Stage[]): SessionState[] =>
  sessionStates.filter((state) => wanted.includes(stages[state]));

/** Why a session is `paused`, what `failed` it, or why one that waited for an approval was `cancelled`. */
export const sessionReasons = [
  'user',
  'mail_quota',
  'mail_auth',
  'mail_unreachable',
  'mail_refused',
  'bounce_rate',
  'complaint_rate',
  /** The connected CRM refuses our key or our fields. */
  'crm_auth',
  /** The allowance of calls of the connected CRM is used up. */
  'crm_quota',
  /** The connected CRM has refused every record so far. */
  'crm_refused',
  /** Its time was missed by more than an hour. */
  'schedule_missed',
  'approval_rejected',
  'approval_expired',
] as const;
export type SessionReason = (typeof sessionReasons)[number];

/** Why a lead was skipped. */
export const skipReasons = [
  'already_active',
  'suppressed',
  'invalid_address',
  /** We mailed it within the days of `MAIL_MIN_DAYS_BETWEEN`. */
  'recently_mailed',
  'erased',
  'cancelled',
] as const;
export type SkipReason = (typeof skipReasons)[number];

/** The activation track of a lead in a session. */
export const activationStates = ['pending', 'activated', 'skipped', 'failed'] as const;
export type ActivationState = (typeof activationStates)[number];

/** The email track of a lead in a session; the last three come from webhooks. */
export const emailStates = [
  'pending',
  'sent',
  'failed',
  'unknown',
  'delivered',
  'bounced',
  'complained',
] as const;
export type EmailState = (typeof emailStates)[number];

export interface ActivationCounts {
  activated: number;
  skipped: number;
  failed: number;
}

export interface EmailCounts {
  sent: number;
  failed: number;
  unknown: number;
  delivered: number;
  bounced: number;
  complained: number;
}

/** What a session without progress waits for. */
export const waitKinds = [
  /** A call is out and the mail provider has not answered. */
  'provider_answer',
  /** The mail provider has limited our rate (429). */
  'rate_limit',
  /** Our own rate, which all sessions of the account share. */
  'mail_slot',
  /** The day's mails of the sender's domain are used up (`MAIL_DAILY_CAP`, `MAIL_WARM_UP`). */
  'daily_cap',
  /** The sending window is closed; `waitingUntil` is when it opens. */
  'window',
  /** The watch of a wave, or the next day's wave; `waitingUntil` is when it ends. */
  'wave',
  /** Our database of leads. */
  'crm',
  /** A call is out and the connected CRM has not answered. */
  'crm_answer',
  /** The rate of the connected CRM, which all sessions share. */
  'crm_slot',
  /** Our storage, or another part of the product, does not answer. */
  'platform',
] as const;

export interface WaitingFor {
  kind: (typeof waitKinds)[number];
  /** There was no result since then, for this reason. */
  since: number;
  /** With `daily_cap`: the warm-up of the sender's domain is what limits the day. */
  warmUp?: WarmUpWait;
}

/** What is done in the connected CRM. */
export interface CrmCounts {
  /** `CRM_PROVIDER`. */
  provider: string;
  /** Leads that are active there. */
  inCrm: number;
  /** Which of the two limits is the lower one, and so decides the estimate. */
  limitedBy: 'mail' | 'crm';
}

/** The state of a session at revision `rev`. Counts are leads, times are epoch milliseconds. */
export interface Progress {
  sessionId: string;
  name: string;
  /** Who started it (an e-mail address of a colleague, never of a lead). */
  owner: string;
  state: SessionState;
  reason: SessionReason | null;
  rev: number;
  /** Size of the audience. */
  total: number;
  /** Leads for which nothing more will be done in this session: skipped, failed, or mail settled. */
  processed: number;
  activation: ActivationCounts;
  email: EmailCounts;
  /** Absent where no CRM was connected when it was started. */
  crm?: CrmCounts;
  ratePerSecond: number;
  /** Null until it can be estimated: from at least three samples of a running session. */
  etaSeconds: number | null;
  createdAt: number;
  /** Until then nothing happens and the start can be undone. Set only while the session waits for it. */
  startsAt?: number;
  /** When it was scheduled to begin; absent where it began with its request. */
  schedule?: ResolvedSchedule;
  /** Nothing leaves outside of it; absent: mail leaves at any time. */
  window?: SendingWindow;
  /** Absent where it leaves in one. Those that are still planned are as the count of the start has them. */
  waves?: WaveProgress[];
  /** Set only in the state `wave_held`. */
  waveHeld?: WaveHeld;
  /** Absent where nobody has to approve it. */
  approval?: ApprovalFacts;
  /** That its leads were made new again after its end; absent: nobody has asked for that. */
  takeBack?: TakeBackProgress;
  startedAt: number | null;
  updatedAt: number;
  finishedAt: number | null;
  /**
   * What it waits for, if it has for some seconds; null while results come, and in a pause, which has its own reason.
   */
  waitingFor: WaitingFor | null;
  /** The session waits until then. */
  waitingUntil: number | null;
  /** The latest time until which the provider can be asked about unknown mail; null when it cannot. */
  checkableUntil: number | null;
  /** Since when a session that should make progress has made none. */
  stalledSince: number | null;
  /** The last fault, for a person; never an address, a key or an internal message. */
  lastError: string | null;
}

/** A lead's failure, shown to a person: how many leads share one outcome, code and message. */
export interface Issue {
  track: 'activation' | 'email';
  state: 'failed' | 'unknown' | 'skipped';
  code: string;
  message: string;
  count: number;
}

/**
 * True when no work continues; a person's retry may open the session again.
 *
 * A cancelled session is terminal only when its calls in flight have settled. Until then `finishedAt` is null and
 * its numbers still change ("cancelling").
 */
export function isTerminal(progress: Pick<Progress, 'finishedAt'>): boolean {
  return progress.finishedAt !== null;
}

/** Leads of the audience that are not yet decided. */
export function remainingCount(progress: Pick<Progress, 'total' | 'activation'>): number {
  const { activated, skipped, failed } = progress.activation;
  return Math.max(0, progress.total - activated - skipped - failed);
}

/** Activated leads whose mail has no outcome yet. */
export function emailPendingCount(progress: Pick<Progress, 'activation' | 'email'>): number {
  const { sent, failed, unknown } = progress.email;
  return Math.max(0, progress.activation.activated - sent - failed - unknown);
}

/**
 * The reducer of every client: the newer of two views of one session.
 *
 * A higher `rev` wins, a lower one is ignored (an answer that was overtaken on its way); the same `rev` replaces the
 * view, because rate, ETA and `stalledSince` are computed at each read.
 */
export function reduceProgress(current: Progress | null, incoming: Progress): Progress {
  if (current === null || current.sessionId !== incoming.sessionId) return incoming;
  return incoming.rev >= current.rev ? incoming : current;
}

/** Server-sent events of a session's stream, by event name. */
export interface StreamEvents {
  /** `id:` is the rev. */
  progress: Progress;
  /** All issues so far, when there are new ones. */
  issues: { rev: number; issues: Issue[] };
  /** The final view. The server closes the stream after it, and the client does not reconnect. */
  end: Progress;
  /** The session was erased; the client removes it. */
  deleted: { sessionId: string };
}
