/**
 * Taking back what an activation has done to the CRM: when it may be, and how its record changes.
 *
 * Owns the record and its transitions, and which leads of a batch it concerns. The leads are changed by
 * src/crm/take-back.ts, page by page, from durable/session/take-back.ts. No storage and no clock.
 * Invariants: only a session that has ended is taken back, and its results stay as they are; from then on none of its
 * mail is repeated, because its leads may belong to another session; the three counts add up to the leads it is about.
 *
 * @module
 */
import type { TakeBackChoice, TakeBackProgress } from '../../shared/take-back.ts';
import { recipientState, type Batch } from '../batch/batch.ts';
import { crmBackoff } from '../limits/backoff.ts';
import { touch, type Session, type TakeBack } from './session.ts';

export type TakeBackRefusal = {
  kind: 'refused';
  code: 'session_not_ended' | 'session_anonymized' | 'take_back_too_late' | 'illegal_transition';
  detail: string;
};

const dayMs = 86_400_000;

/**
 * Until when a session can be taken back; epoch ms, null while it has not ended. Afterwards it may no longer know its
 * leads.
 */
export function takeBackUntil(
  { finishedAt }: Pick<Session, 'finishedAt'>,
  days: { takeBackDays: number; retentionDays: number },
): number | null {
  return finishedAt === null ? null : finishedAt + Math.min(days.takeBackDays, days.retentionDays) * dayMs;
}

/** True while leads are being made new again. */
export function isTakingBack({ takeBack }: Pick<Session, 'takeBack'>): boolean {
  return takeBack !== null && takeBack.endedAt === null;
}

/** Why a session cannot be taken back now, or null. */
export function refuseTakeBack(
  session: Session,
  days: { takeBackDays: number; retentionDays: number },
  nowMs: number,
): TakeBackRefusal | null {
  const refused = (code: TakeBackRefusal['code'], detail: string): TakeBackRefusal => ({
    kind: 'refused',
    code,
    detail,
  });
  const until = takeBackUntil(session, days);
  if (until === null)
    return refused('session_not_ended', `It is ${session.state}. Cancel it or wait for its end first.`);
  if (session.spec.reducedAt !== undefined)
    return refused('session_anonymized', 'It ended so long ago that it no longer knows its leads.');
  if (nowMs > until) {
    const at = new Date(until).toISOString();
    return refused('take_back_too_late', `It could be taken back until ${at}. Its leads stay as they are.`);
  }
  if (session.chore !== null)
    return refused('illegal_transition', 'An earlier command is still being carried out; wait for its end.');
  if (isTakingBack(session))
    return refused('illegal_transition', 'It is being taken back; wait until that has ended.');
  return null;
}

/** The session that begins to take back its leads. Its generation rises, as with every command. */
export function beginTakeBack(
  session: Session,
  wanted: { choice: TakeBackChoice; manifestHash: string; by: string; fence: number },
  nowMs: number,
): Session {
  const { choice, manifestHash, by, fence } = wanted;
  const takeBack: TakeBack = {
    ...{ choice, manifestHash, by, startedAt: nowMs, endedAt: null },
    ...{ leads: concernedCount(session, choice), reverted: 0, kept: 0, failed: 0 },
    ...{ afterSeq: 0, nextAt: null },
  };
  return touch(session, nowMs, { takeBack, fence, generation: session.generation + 1 });
}

/** Leads that a choice is about, by the counters. */
export function concernedCount({ counts }: Pick<Session, 'counts'>, choice: TakeBackChoice): number {
  return choice === 'all' ? counts.failed + counts.sent + counts.unknown : counts.failed;
}

/** Leads of a batch, by whether they were mailed. */
export interface ConcernedLeads {
  unmailed: number[];
  mailed: number[];
}

/** The leads of a batch that a choice is about. Each lead of a session is in one batch only, as far as this counts. */
export function concernedLeads(
  { recipients, recipientStates }: Pick<Batch, 'recipients' | 'recipientStates'>,
  choice: TakeBackChoice,
): ConcernedLeads {
  const leads: ConcernedLeads = { unmailed: [], mailed: [] };
  for (const [index, { leadId }] of (recipients ?? []).entries()) {
    const state = recipientStates[index];
    if (state === recipientState.failed) leads.unmailed.push(leadId);
    // Mail that may have been taken counts as mailed.
    else if (choice === 'all' && (state === recipientState.sent || state === recipientState.unknown))
      leads.mailed.push(leadId);
  }
  return leads;
}

/** The batches up to `afterSeq` are done. */
export function countTakenBack(
  session: Session,
  page: Pick<TakeBack, 'afterSeq' | 'reverted' | 'kept' | 'failed'>,
  nowMs: number,
): Session {
  return change(session, nowMs, (takeBack) => ({
    ...takeBack,
    afterSeq: page.afterSeq,
    reverted: takeBack.reverted + page.reverted,
    kept: takeBack.kept + page.kept,
    failed: takeBack.failed + page.failed,
    nextAt: null,
  }));
}

/** No batch is left. */
export function endTakeBack(session: Session, nowMs: number): Session {
  return change(session, nowMs, (takeBack) => ({ ...takeBack, endedAt: nowMs, nextAt: null }));
}

/** The CRM did not answer. Readers see nothing of it. */
export function putOffTakeBack(session: Session, nextAt: number): Session {
  const { takeBack } = session;
  return takeBack === null ? session : { ...session, takeBack: { ...takeBack, nextAt } };
}

function change(session: Session, nowMs: number, by: (takeBack: TakeBack) => TakeBack): Session {
  const { takeBack } = session;
  return takeBack === null ? session : touch(session, nowMs, { takeBack: by(takeBack) });
}

/** When the next part of an open taking back is due; epoch ms. A time far ahead was written under another clock. */
export function takeBackDueAt({ takeBack }: Pick<Session, 'takeBack'>, nowMs: number): number {
  const nextAt = takeBack?.nextAt ?? nowMs;
  return nextAt > nowMs + crmBackoff.maxMs ? nowMs : nextAt;
}

/** What readers see of it. */
export function shownTakeBack({ takeBack }: Pick<Session, 'takeBack'>): TakeBackProgress | null {
  if (takeBack === null) return null;
  const { choice, manifestHash, by, startedAt, endedAt, leads, reverted, kept, failed } = takeBack;
  return { choice, manifestHash, by, startedAt, endedAt, leads, reverted, kept, failed };
}
